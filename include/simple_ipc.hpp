// Simple IPC for C++17: processes on one machine talk by naming a channel.
//
//     #include <simple_ipc.hpp>
//     #include <iostream>
//
//     int main() {
//         auto listener = simple_ipc::listen_uds_request("example_channel", [](auto &) { return "response-bar"; });
//         auto reply = simple_ipc::post_uds_request<std::string>("example_channel", "request-foo");
//         std::cout << reply << "\n";
//     }
//
// Everything here is inline over simple_ipc.h, which is the reference for what each call does, for limits and for errors;
// link with the C library (`pkg-config --libs simple_ipc`, CMake `SimpleIpc::simple_ipc`).
//
// Bodies. A call takes a `body`, or whatever becomes one: strings, numbers, `bool`, `nullptr` and what `json_codec` is
// specialised for become JSON; vectors of `std::byte` or `unsigned char` are bytes. What arrives is a `message`, or the type
// that the call is told: `post_uds_request<int>(…)`.
//
// Errors. A call throws `simple_ipc::error`; its twin with `try_` before its name gives a `result` instead and throws only
// `std::bad_alloc` and what a `json_codec` throws. After success nothing is thrown.
//
// Threads. A `const` member may be called by any number of threads at once; others by one at a time. Handlers and
// callbacks run on the library's threads, handlers of several requests at once. What a handler throws fails its caller with
// the text of `what()`; what a broadcast handler throws is counted by its listener, what a callback throws is dropped.
//
// Objects own what they stand for and can be moved. A listener, a client and an operation that was moved from, or closed,
// answers with `kind::closed` or does nothing.
//
// simple_ipc_queue.hpp has calls for event loops: any number of them behind one descriptor.

#ifndef SIMPLE_IPC_HPP
#define SIMPLE_IPC_HPP

#include "simple_ipc.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <locale>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#define SIMPLE_IPC_KINDS(X)                                                                                                    \
    X(invalid_argument, SIPC_INVALID_ARGUMENT)                                                                                 \
    X(invalid_name, SIPC_INVALID_NAME)                                                                                         \
    X(invalid_port, SIPC_INVALID_PORT)                                                                                         \
    X(path_too_long, SIPC_PATH_TOO_LONG)                                                                                       \
    X(invalid_json, SIPC_INVALID_JSON)                                                                                         \
    X(closed, SIPC_CLOSED)                                                                                                     \
    X(forked, SIPC_FORKED)                                                                                                     \
    X(not_listening, SIPC_NOT_LISTENING)                                                                                       \
    X(in_use, SIPC_IN_USE)                                                                                                     \
    X(permission_denied, SIPC_PERMISSION_DENIED)                                                                               \
    X(path_occupied, SIPC_PATH_OCCUPIED)                                                                                       \
    X(no_directory, SIPC_NO_DIRECTORY)                                                                                         \
    X(peer_not_allowed, SIPC_PEER_NOT_ALLOWED)                                                                                 \
    X(wrong_mode, SIPC_WRONG_MODE)                                                                                             \
    X(too_many_connections, SIPC_TOO_MANY_CONNECTIONS)                                                                         \
    X(timed_out, SIPC_TIMED_OUT)                                                                                               \
    X(cancelled, SIPC_CANCELLED)                                                                                               \
    X(connection_lost, SIPC_CONNECTION_LOST)                                                                                   \
    X(handler_failed, SIPC_HANDLER_FAILED)                                                                                     \
    X(too_large, SIPC_TOO_LARGE)                                                                                               \
    X(no_reply, SIPC_NO_REPLY)                                                                                                 \
    X(closing, SIPC_CLOSING)                                                                                                   \
    X(protocol, SIPC_PROTOCOL)                                                                                                 \
    X(unsupported_version, SIPC_UNSUPPORTED_VERSION)                                                                           \
    X(invalid_body, SIPC_INVALID_BODY)                                                                                         \
    X(os, SIPC_OS)                                                                                                             \
    X(out_of_resources, SIPC_OUT_OF_RESOURCES)                                                                                 \
    X(internal, SIPC_INTERNAL)

namespace simple_ipc {

// Errors ------------------------------------------------------------------------------------------------------------------

// Why a call failed: the header's `SIPC_` statuses. A newer library may give a number that is none of these.
enum class kind : sipc_status {
#define SIMPLE_IPC_KIND(name, number) name = number,
    SIMPLE_IPC_KINDS(SIMPLE_IPC_KIND)
#undef SIMPLE_IPC_KIND
};

// Every kind with its name.
struct named_kind {
    kind value;
    const char *name;
};
inline constexpr named_kind kinds[] = {
#define SIMPLE_IPC_KIND(name, number) {kind::name, #name},
    SIMPLE_IPC_KINDS(SIMPLE_IPC_KIND)
#undef SIMPLE_IPC_KIND
};

// The category of `error::code`; its values are the numbers of kinds.
inline const std::error_category &category() noexcept {
    struct statuses final : std::error_category {
        const char *name() const noexcept override { return "simple_ipc"; }
        std::string message(int status) const override { return sipc_status_name(status); }
    };
    static const statuses instance;
    return instance;
}

inline std::error_code make_error_code(kind value) noexcept { return {static_cast<int>(value), category()}; }

// A call failed. `what()` is one line: what was attempted, what stood in the way, what to do.
class error : public std::system_error {
public:
    error(simple_ipc::kind kind, std::string message, bool may_have_been_handled = false, int os_code = 0)
        : std::system_error(make_error_code(kind)), message_(std::make_shared<const std::string>(std::move(message))),
          may_have_been_handled_(may_have_been_handled), os_code_(os_code) {}

    const char *what() const noexcept override { return message_->c_str(); }

    simple_ipc::kind kind() const noexcept { return static_cast<simple_ipc::kind>(code().value()); }

    // `false` is certain: sending the message again cannot do the work twice.
    bool may_have_been_handled() const noexcept { return may_have_been_handled_; }

    // The system's `errno` behind the error, or 0.
    int os_code() const noexcept { return os_code_; }

private:
    std::shared_ptr<const std::string> message_; // shared, since copying an exception must not fail
    bool may_have_been_handled_;
    int os_code_;
};

// A value or an error. `value()` throws the error; `*` and `->` need a value, `error()` an error.
template <class T> class [[nodiscard]] result {
public:
    using value_type = T;

    result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    result(simple_ipc::error failure) : state_(std::in_place_index<1>, std::move(failure)) {}

    bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    T &value() & { return throw_error(), std::get<0>(state_); }
    const T &value() const & { return throw_error(), std::get<0>(state_); }
    T &&value() && { return throw_error(), std::get<0>(std::move(state_)); }

    T &operator*() & noexcept { return *std::get_if<0>(&state_); }
    const T &operator*() const & noexcept { return *std::get_if<0>(&state_); }
    T *operator->() noexcept { return std::get_if<0>(&state_); }
    const T *operator->() const noexcept { return std::get_if<0>(&state_); }

    const simple_ipc::error &error() const noexcept { return *std::get_if<1>(&state_); }

private:
    void throw_error() const {
        if (!has_value()) throw error();
    }

    std::variant<T, simple_ipc::error> state_;
};

template <> class [[nodiscard]] result<void> {
public:
    using value_type = void;

    result() = default;
    result(simple_ipc::error failure) : failure_(std::move(failure)) {}

    bool has_value() const noexcept { return !failure_; }
    explicit operator bool() const noexcept { return has_value(); }
    void value() const {
        if (failure_) throw *failure_;
    }
    const simple_ipc::error &error() const noexcept { return *failure_; }

private:
    std::optional<simple_ipc::error> failure_;
};

namespace detail {

template <class T, void (*Free)(T *)> struct freer {
    void operator()(T *object) const noexcept { Free(object); }
};
template <class T, void (*Free)(T *)> using handle = std::unique_ptr<T, freer<T, Free>>;

// The exception for a failed call; frees the C error.
inline error take_error(sipc_status status, sipc_error *failure) {
    handle<sipc_error, sipc_error_free> owned(failure);
    return error(static_cast<kind>(status), sipc_error_message(failure), sipc_error_may_have_been_handled(failure),
                 sipc_error_os_code(failure));
}

// C's texts end at the first zero: one inside would name another channel or path.
inline std::optional<error> zero_in(const std::string &text, kind mistake) {
    if (text.find('\0') == std::string::npos) return std::nullopt;
    return error(mistake, "a name or path has a zero character in it; take it out");
}

inline std::int64_t milliseconds(std::chrono::nanoseconds time) {
    // Rounded up, so that a short time does not become none; what is negative is refused by the library.
    if (time < std::chrono::nanoseconds::zero()) return -2;
    return std::chrono::ceil<std::chrono::milliseconds>(time).count();
}

} // namespace detail

// Bodies ------------------------------------------------------------------------------------------------------------------

// How a type becomes JSON and back. Specialise it for your own types or your JSON library's value:
//
//     template <> struct simple_ipc::json_codec<nlohmann::json> {
//         static std::string encode(const nlohmann::json &value) { return value.dump(); }
//         static nlohmann::json decode(std::string_view text) { return nlohmann::json::parse(text); }
//     };
//
// `encode` gives one JSON text in UTF-8; `decode` is given one. What they throw reaches the caller of the call, or, in a
// handler, fails the request.
template <class T, class = void> struct json_codec;

// What is to be sent.
class body {
public:
    // One JSON text, such as `{"n":1}`; it is checked when it is sent.
    static body json(std::string text) { return body(SIPC_KIND_JSON, std::move(text)); }
    // A string, which becomes JSON when it is sent. UTF-8.
    static body text(std::string text) { return body(SIPC_KIND_TEXT, std::move(text)); }
    // Bytes, copied.
    static body bytes(const void *data, std::size_t size) {
        return body(SIPC_KIND_BYTES, size == 0 ? std::string() : std::string(static_cast<const char *>(data), size));
    }
    // Bytes that are not copied: they must stay as they are until the call returns, or until the handler's answer is sent.
    static body borrowed_bytes(const void *data, std::size_t size) {
        body made(SIPC_KIND_BYTES, std::string());
        made.borrowed_ = std::string_view(static_cast<const char *>(data), size);
        return made;
    }

    // From whatever can become one.
    template <class T, class = std::enable_if_t<!std::is_same_v<std::decay_t<T>, body>>> body(const T &value)
        : body(from(value)) {}

    sipc_body get() const noexcept {
        if (borrowed_) return sipc_body{kind_, borrowed_->data(), borrowed_->size()};
        return sipc_body{kind_, owned_.data(), owned_.size()};
    }

private:
    body(int32_t kind, std::string data) : kind_(kind), owned_(std::move(data)) {}

    template <class T> static body from(const T &value);

    int32_t kind_;
    std::string owned_;
    std::optional<std::string_view> borrowed_;
};

class message;

// A message that somebody else owns: the one that a handler is lent.
class message_view {
public:
    explicit message_view(const sipc_message *message) noexcept : message_(message) {}

    bool is_json() const noexcept { return sipc_message_kind(message_) == SIPC_KIND_JSON; }
    // The JSON text in UTF-8, or the bytes; as long as the message lives.
    std::string_view data() const noexcept {
        return {static_cast<const char *>(sipc_message_data(message_)), sipc_message_len(message_)};
    }
    // The body as a T: bytes for vectors of `std::byte` or `unsigned char`, else JSON. `kind::invalid_body` if it is not one.
    template <class T> T as() const;
    // A copy to keep.
    message clone() const;

    const sipc_message *get() const noexcept { return message_; }

protected:
    const sipc_message *message_;
};

// A message of one's own: a reply, or a clone.
class message : public message_view {
public:
    explicit message(sipc_message *owned) noexcept : message_view(owned), owned_(owned) {}
    message(message &&other) noexcept : message_view(std::exchange(other.message_, nullptr)), owned_(std::move(other.owned_)) {}
    message &operator=(message &&other) noexcept {
        message_ = std::exchange(other.message_, nullptr);
        owned_ = std::move(other.owned_);
        return *this;
    }

private:
    detail::handle<sipc_message, sipc_message_free> owned_;
};

inline message message_view::clone() const { return message(sipc_message_clone(message_)); }

namespace detail {

template <class T> inline constexpr bool is_text =
    std::is_convertible_v<const T &, std::string_view> && !std::is_same_v<T, std::nullptr_t>;
template <class T> inline constexpr bool is_bytes =
    std::is_same_v<T, std::vector<std::byte>> || std::is_same_v<T, std::vector<unsigned char>>;

[[noreturn]] inline void unfit(std::string_view json, const char *wanted) {
    throw error(kind::invalid_body,
                "cannot read the body as " + std::string(wanted) + ": it is " + std::string(json.substr(0, 40)) +
                    (json.size() > 40 ? "…" : "") + "; ask for the type that was sent, or for message",
                true);
}

inline std::string_view trimmed(std::string_view json) {
    const std::size_t begin = json.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return json.substr(begin, json.find_last_not_of(" \t\r\n") + 1 - begin);
}

inline void append_utf8(std::string &text, std::uint32_t code) {
    const auto put = [&text](std::uint32_t byte) { text.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
    if (code < 0x80) return put(code);
    if (code < 0x800) return put(0xC0 | code >> 6), put(0x80 | (code & 0x3F));
    if (code < 0x10000) return put(0xE0 | code >> 12), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
    put(0xF0 | code >> 18), put(0x80 | (code >> 12 & 0x3F)), put(0x80 | (code >> 6 & 0x3F)), put(0x80 | (code & 0x3F));
}

// The text of a JSON string. The library has checked that it is JSON; half a surrogate pair has no UTF-8.
inline std::string unquote(std::string_view json) {
    const std::string_view whole = trimmed(json);
    if (whole.size() < 2 || whole.front() != '"' || whole.back() != '"') unfit(json, "a string");
    const std::string_view inside = whole.substr(1, whole.size() - 2);
    std::string text;
    text.reserve(inside.size());
    const auto unit = [&](std::size_t at) -> std::optional<std::uint32_t> {
        std::uint32_t number = 0;
        if (at + 6 > inside.size() || inside[at] != '\\' || inside[at + 1] != 'u') return std::nullopt;
        const char *end = inside.data() + at + 6;
        if (std::from_chars(inside.data() + at + 2, end, number, 16).ptr != end) return std::nullopt;
        return number;
    };
    for (std::size_t at = 0; at < inside.size();) {
        if (inside[at] != '\\') {
            text.push_back(inside[at++]);
            continue;
        }
        if (at + 1 >= inside.size()) unfit(json, "a string");
        switch (inside[at + 1]) {
        case 'b': text.push_back('\b'); break;
        case 'f': text.push_back('\f'); break;
        case 'n': text.push_back('\n'); break;
        case 'r': text.push_back('\r'); break;
        case 't': text.push_back('\t'); break;
        case 'u': {
            std::optional<std::uint32_t> code = unit(at);
            if (!code) unfit(json, "a string");
            at += 6;
            if (*code >= 0xD800 && *code < 0xDC00) {
                const std::optional<std::uint32_t> low = unit(at);
                if (!low || *low < 0xDC00 || *low > 0xDFFF) unfit(json, "a string in UTF-8");
                code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
                at += 6;
            } else if (*code >= 0xDC00 && *code <= 0xDFFF) {
                unfit(json, "a string in UTF-8");
            }
            append_utf8(text, *code);
            continue;
        }
        default: text.push_back(inside[at + 1]); break;
        }
        at += 2;
    }
    return text;
}

// Numbers in the form of JSON, whatever the program's locale.
template <class T> T number(std::string_view json, const char *wanted) {
    const std::string_view digits = trimmed(json);
    T value{};
    if constexpr (std::is_integral_v<T>) {
        const char *end = digits.data() + digits.size();
        const auto read = std::from_chars(digits.data(), end, value);
        if (read.ec != std::errc() || read.ptr != end) unfit(json, wanted);
    } else {
        std::istringstream in{std::string(digits)};
        in.imbue(std::locale::classic());
        const bool begins = !digits.empty() && (digits.front() == '-' || (digits.front() >= '0' && digits.front() <= '9'));
        if (!begins || !(in >> value) || in.peek() != std::istringstream::traits_type::eof()) unfit(json, wanted);
    }
    return value;
}

} // namespace detail

template <> struct json_codec<std::nullptr_t> {
    static std::string encode(std::nullptr_t) { return "null"; }
    static std::nullptr_t decode(std::string_view json) {
        if (detail::trimmed(json) != "null") detail::unfit(json, "null");
        return nullptr;
    }
};

template <> struct json_codec<bool> {
    static std::string encode(bool value) { return value ? "true" : "false"; }
    static bool decode(std::string_view json) {
        const std::string_view word = detail::trimmed(json);
        if (word != "true" && word != "false") detail::unfit(json, "bool");
        return word == "true";
    }
};

template <class T> struct json_codec<T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>> {
    static std::string encode(T value) { return std::to_string(value); }
    static T decode(std::string_view json) { return detail::number<T>(json, "a whole number of this size"); }
};

template <class T> struct json_codec<T, std::enable_if_t<std::is_floating_point_v<T>>> {
    static std::string encode(T value) {
        if (!std::isfinite(value)) {
            throw error(kind::invalid_json, "cannot make JSON of a number that is not finite; send null or a string instead");
        }
        std::ostringstream out;
        out.imbue(std::locale::classic());
        out.precision(std::numeric_limits<T>::max_digits10);
        out << value;
        return out.str();
    }
    static T decode(std::string_view json) { return detail::number<T>(json, "a number"); }
};

template <> struct json_codec<std::string> {
    // Only what JSON itself asks for is escaped.
    static std::string encode(const std::string &value) {
        std::string json = "\"";
        for (const char letter : value) {
            if (letter == '"' || letter == '\\') json.push_back('\\');
            if (static_cast<unsigned char>(letter) < 0x20) {
                const char *digits = "0123456789abcdef";
                json += "\\u00";
                json.push_back(digits[letter >> 4]);
                json.push_back(digits[letter & 15]);
            } else {
                json.push_back(letter);
            }
        }
        json.push_back('"');
        return json;
    }
    static std::string decode(std::string_view json) { return detail::unquote(json); }
};

template <class T> body body::from(const T &value) {
    if constexpr (std::is_base_of_v<message_view, T>) {
        return body(value.is_json() ? SIPC_KIND_JSON : SIPC_KIND_BYTES, std::string(value.data()));
    } else if constexpr (detail::is_bytes<T>) {
        return bytes(value.data(), value.size());
    } else if constexpr (detail::is_text<T>) {
        return text(std::string(std::string_view(value)));
    } else {
        return json(json_codec<T>::encode(value));
    }
}

template <class T> T message_view::as() const {
    if constexpr (std::is_same_v<T, message>) {
        return clone();
    } else if constexpr (detail::is_bytes<T>) {
        if (is_json()) detail::unfit(data(), "bytes");
        const std::string_view bytes = data();
        const auto *begin = reinterpret_cast<const typename T::value_type *>(bytes.data());
        return T(begin, begin + bytes.size());
    } else {
        if (!is_json()) {
            throw error(kind::invalid_body, "cannot read the body as JSON: it is bytes; ask for std::vector<std::byte> or message",
                        true);
        }
        return json_codec<T>::decode(data());
    }
}

// Options -----------------------------------------------------------------------------------------------------------------

// Limits and choices; what is not set is as it is by default. Nonsense is reported by the call that is given it.
class options {
public:
    options() : options_(sipc_options_new()) {}
    options(const options &other) : options_(sipc_options_clone(other.options_.get())) {}
    options(options &&) = default;
    options &operator=(const options &other) { return options_.reset(sipc_options_clone(other.options_.get())), *this; }
    options &operator=(options &&) = default;

    options &timeout(std::chrono::nanoseconds time) { return set(sipc_options_set_timeout_ms, detail::milliseconds(time)); }
    options &no_timeout() { return set(sipc_options_set_timeout_ms, std::int64_t{SIPC_NO_TIMEOUT}); }
    options &wait(std::chrono::nanoseconds time) { return set(sipc_options_set_wait_ms, detail::milliseconds(time)); }
    options &grace(std::chrono::nanoseconds time) { return set(sipc_options_set_grace_ms, detail::milliseconds(time)); }
    options &check_interval(std::chrono::nanoseconds time) {
        return set(sipc_options_set_check_interval_ms, detail::milliseconds(time));
    }
    options &spin(std::chrono::microseconds time) { return set(sipc_options_set_spin_us, std::int64_t{time.count()}); }
    // One of the `SIPC_WIRE_` constants.
    options &wire(std::int32_t dialect) { return set(sipc_options_set_wire, dialect); }
    // One of the `SIPC_PATH_` constants.
    options &path_style(std::int32_t style) { return set(sipc_options_set_path_style, style); }
    options &directory(const std::string &path) { return set(sipc_options_set_directory, text(path)); }
    options &path(const std::string &file) { return set(sipc_options_set_path, text(file)); }
    options &socket_mode(std::uint32_t mode) { return set(sipc_options_set_socket_mode, mode); }
    options &max_message(std::size_t bytes) { return set(sipc_options_set_max_message, bytes); }
    options &max_connections(std::size_t count) { return set(sipc_options_set_max_connections, count); }
    options &max_session_in_flight(std::size_t messages) { return set(sipc_options_set_max_session_in_flight, messages); }
    options &max_in_flight(std::size_t messages) { return set(sipc_options_set_max_in_flight, messages); }
    options &max_session_waiting(std::size_t bytes) { return set(sipc_options_set_max_session_waiting, bytes); }
    options &max_waiting(std::size_t bytes) { return set(sipc_options_set_max_waiting, bytes); }
    options &hello_timeout(std::chrono::nanoseconds time) {
        return set(sipc_options_set_hello_timeout_ms, detail::milliseconds(time));
    }
    options &stall_timeout(std::chrono::nanoseconds time) {
        return set(sipc_options_set_stall_timeout_ms, detail::milliseconds(time));
    }
    options &threads(std::size_t count) { return set(sipc_options_set_threads, count); }
    options &plain_text(bool accept) { return set(sipc_options_set_plain_text, accept); }
    options &allow_user(std::uint32_t uid) { return set(sipc_options_allow_user, uid); }
    options &allow_same_user() { return sipc_options_allow_same_user(options_.get()), *this; }
    options &allow_anyone() { return sipc_options_allow_anyone(options_.get()), *this; }

    const sipc_options *get() const noexcept { return options_.get(); }

private:
    // The library refuses NULL, and so a text that C would read the beginning of only.
    static const char *text(const std::string &text) { return text.find('\0') == std::string::npos ? text.c_str() : nullptr; }

    // Options remember a mistake until a call is given them.
    template <class T, class V> options &set(sipc_status (*setter)(sipc_options *, T), V value) {
        return setter(options_.get(), static_cast<T>(value)), *this;
    }

    detail::handle<sipc_options, sipc_options_free> options_;
};

// Listening ---------------------------------------------------------------------------------------------------------------

// Who sent a message, and whether anybody still waits. Lent to a handler for the call, or part of a `responder`.
class caller {
public:
    explicit caller(sipc_responder *responder) noexcept : responder_(responder) {}

    // Whether nobody waits any more: the caller has cancelled, or it is gone.
    bool is_cancelled() const noexcept { return sipc_responder_is_cancelled(responder_); }
    // Has the callback called, at most once and on a thread of the library, when nobody waits any more; at once if that is so
    // already. It should be brief. Not once the responder is used up, which waits for a callback that is running.
    result<void> on_cancel(std::function<void()> callback) const {
        auto owned = std::make_unique<std::function<void()>>(std::move(callback));
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_responder_on_cancel(responder_, called, owned.release(), released, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return {};
    }
    // How long the caller still waits, if it says so.
    std::optional<std::chrono::milliseconds> time_left() const noexcept {
        const std::int64_t left = sipc_responder_time_left_ms(responder_);
        if (left == SIPC_NO_TIMEOUT) return std::nullopt;
        return std::chrono::milliseconds(left);
    }
    // Ids of user, group and process; nothing where they are not known (TCP).
    std::optional<std::int64_t> uid() const noexcept { return known(sipc_responder_peer_uid(responder_)); }
    std::optional<std::int64_t> gid() const noexcept { return known(sipc_responder_peer_gid(responder_)); }
    std::optional<std::int64_t> pid() const noexcept { return known(sipc_responder_peer_pid(responder_)); }

protected:
    sipc_responder *responder_;

private:
    static void called(void *callback) noexcept {
        try {
            (*static_cast<std::function<void()> *>(callback))();
        } catch (...) {
            // A callback has no caller to be told.
        }
    }
    static void released(void *callback) noexcept { delete static_cast<std::function<void()> *>(callback); }
    static std::optional<std::int64_t> known(std::int64_t id) noexcept {
        return id < 0 ? std::nullopt : std::optional<std::int64_t>(id);
    }
};

// The right, and the duty, to answer one request: now or later, on any thread, once. One that is destroyed unanswered, or
// assigned to, fails its caller.
class responder : public caller {
public:
    explicit responder(sipc_responder *owned) noexcept : caller(owned) {}
    responder(responder &&other) noexcept : caller(std::exchange(other.responder_, nullptr)) {}
    responder &operator=(responder &&other) noexcept {
        if (this != &other) sipc_responder_free(std::exchange(responder_, std::exchange(other.responder_, nullptr)));
        return *this;
    }
    ~responder() { sipc_responder_free(responder_); }

    // Whether it is still to be answered.
    explicit operator bool() const noexcept { return responder_ != nullptr; }

    // Answers. `connection_lost`, `cancelled` and `closed` mean that the caller is gone; most handlers ignore that.
    result<void> respond(const body &reply) { return answered(sipc_respond, reply.get()); }
    // Fails the caller with a text.
    result<void> fail(const std::string &text) { return answered(sipc_respond_error, text.c_str()); }

private:
    template <class T> result<void> answered(sipc_status (*answer)(sipc_responder *, T, sipc_error **), T with) {
        sipc_error *failure = nullptr;
        const sipc_status status = answer(std::exchange(responder_, nullptr), with, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return {};
    }
};

// What a listener calls. A handler of requests may use the responder up, or move it away to answer later.
using request_handler = std::function<void(const message_view &, responder &)>;
using broadcast_handler = std::function<void(const message_view &, const caller &)>;

// A channel that this process serves. Destroyed, it stops at once: `close` first answers what has come.
class listener {
public:
    explicit listener(sipc_listener *owned) noexcept : listener_(owned) {}

    // The name, `:port` or path; the socket's path or `127.0.0.1:port`; as long as the listener lives.
    std::string_view channel() const noexcept { return text(sipc_listener_channel(listener_.get())); }
    std::string_view address() const noexcept { return text(sipc_listener_address(listener_.get())); }
    // The socket's path; empty for TCP.
    std::string_view path() const noexcept { return text(sipc_listener_path(listener_.get())); }
    // The port; 0 for a Unix socket.
    std::uint16_t port() const noexcept { return static_cast<std::uint16_t>(sipc_listener_port(listener_.get())); }

    sipc_counters counters() const {
        sipc_counters counted{};
        counted.size = sizeof counted;
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_listener_counters(listener_.get(), &counted, &failure);
        if (status != SIPC_OK) throw detail::take_error(status, failure);
        return counted;
    }

    // Answers what has come, within the options' grace period. Again it does nothing.
    result<void> try_close() const {
        if (!listener_) return {};
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_listener_close(listener_.get(), &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return {};
    }
    void close() const { try_close().value(); }

private:
    static std::string_view text(const char *text) noexcept { return text ? std::string_view(text) : std::string_view(); }

    detail::handle<sipc_listener, sipc_listener_free> listener_;
};

namespace detail {

template <class Function> void drop(void *function) { delete static_cast<Function *>(function); }

// Exceptions end here. A responder that a handler has not used up tells its caller why.
inline void on_request(const sipc_message *request, sipc_responder *owned, void *handler) noexcept {
    responder answer(owned);
    const auto fail = [&answer](const char *text) noexcept {
        try {
            if (answer) (void)answer.fail(text);
        } catch (...) {
            // Without memory for the text, the responder's end tells that the handler failed.
        }
    };
    try {
        (*static_cast<request_handler *>(handler))(message_view(request), answer);
    } catch (const std::exception &thrown) {
        fail(thrown.what());
    } catch (...) {
        fail("the handler threw something that is no std::exception");
    }
}

inline void on_broadcast(const sipc_message *message, sipc_responder *lent, void *handler) noexcept {
    try {
        (*static_cast<broadcast_handler *>(handler))(message_view(message), caller(lent));
    } catch (...) {
        // A broadcast has no caller to be told; the listener counts it.
        sipc_respond_error(lent, "the handler threw", nullptr);
    }
}

// What a handler takes its message as: In where that was asked for, else the message itself.
template <class In> decltype(auto) taken(const message_view &message) {
    if constexpr (std::is_same_v<In, message_view>) {
        return (message);
    } else {
        return message.template as<In>();
    }
}

// The shapes of handler: (in, responder &) answers itself; (in) and (in, const caller &) return the answer.
template <class In, class F> request_handler request_shape(F &&function) {
    using Taken = decltype(taken<In>(std::declval<const message_view &>()));
    return [function = std::forward<F>(function)](const message_view &message, responder &answer) mutable {
        if constexpr (std::is_invocable_r_v<body, F &, Taken>) {
            (void)answer.respond(function(taken<In>(message)));
        } else if constexpr (std::is_invocable_r_v<body, F &, Taken, const caller &>) {
            (void)answer.respond(function(taken<In>(message), static_cast<const caller &>(answer)));
        } else {
            static_assert(std::is_invocable_v<F &, Taken, responder &>,
                          "a request handler takes the message and returns the answer, or takes a responder & besides");
            function(taken<In>(message), answer);
        }
    };
}

template <class In, class F> broadcast_handler broadcast_shape(F &&function) {
    using Taken = decltype(taken<In>(std::declval<const message_view &>()));
    return [function = std::forward<F>(function)](const message_view &message, const caller &sender) mutable {
        if constexpr (std::is_invocable_v<F &, Taken>) {
            (void)sender;
            function(taken<In>(message));
        } else {
            function(taken<In>(message), sender);
        }
    };
}

template <class Handler, class Listen, class Address>
result<listener> listen(Listen function, sipc_handler callback, Address address, Handler handler, const options &with) {
    sipc_listener *made = nullptr;
    sipc_error *failure = nullptr;
    auto owned = std::make_unique<Handler>(std::move(handler));
    const sipc_status status = function(address, callback, owned.release(), drop<Handler>, with.get(), &made, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    return listener(made);
}

} // namespace detail

// The handler takes a `const message_view &`, or In where that is named: `listen_uds_request<int>("square", [](int n) { … })`.
// It returns the answer, or takes a `responder &` besides. Several run at once; a handler must be fit for that.
template <class In = message_view, class F>
result<listener> try_listen_uds_request(const std::string &channel, F handler, const options &with = {}) {
    if (auto zero = detail::zero_in(channel, kind::invalid_name)) return *zero;
    return detail::listen(sipc_listen_uds_request, detail::on_request, channel.c_str(),
                          detail::request_shape<In>(std::move(handler)), with);
}
template <class In = message_view, class F>
result<listener> try_listen_ip_request(std::uint32_t port, F handler, const options &with = {}) {
    return detail::listen(sipc_listen_ip_request, detail::on_request, port, detail::request_shape<In>(std::move(handler)), with);
}
template <class In = message_view, class F>
result<listener> try_listen_uds_broadcast(const std::string &channel, F handler, const options &with = {}) {
    if (auto zero = detail::zero_in(channel, kind::invalid_name)) return *zero;
    return detail::listen(sipc_listen_uds_broadcast, detail::on_broadcast, channel.c_str(),
                          detail::broadcast_shape<In>(std::move(handler)), with);
}
template <class In = message_view, class F>
result<listener> try_listen_ip_broadcast(std::uint32_t port, F handler, const options &with = {}) {
    return detail::listen(sipc_listen_ip_broadcast, detail::on_broadcast, port,
                          detail::broadcast_shape<In>(std::move(handler)), with);
}
template <class In = message_view, class F>
listener listen_uds_request(const std::string &channel, F handler, const options &with = {}) {
    return try_listen_uds_request<In>(channel, std::move(handler), with).value();
}
template <class In = message_view, class F> listener listen_ip_request(std::uint32_t port, F handler, const options &with = {}) {
    return try_listen_ip_request<In>(port, std::move(handler), with).value();
}
template <class In = message_view, class F>
listener listen_uds_broadcast(const std::string &channel, F handler, const options &with = {}) {
    return try_listen_uds_broadcast<In>(channel, std::move(handler), with).value();
}
template <class In = message_view, class F>
listener listen_ip_broadcast(std::uint32_t port, F handler, const options &with = {}) {
    return try_listen_ip_broadcast<In>(port, std::move(handler), with).value();
}

// Posting -----------------------------------------------------------------------------------------------------------------

// An asynchronous call under way. Destroyed, it goes on: its callback runs all the same.
class operation {
public:
    explicit operation(sipc_operation *owned) noexcept : operation_(owned) {}

    // The callback gets `kind::cancelled`, unless the call is just ending.
    void cancel() const noexcept { sipc_operation_cancel(operation_.get()); }
    // Waits until the callback has returned. Not inside a callback.
    result<void> try_wait(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        sipc_error *failure = nullptr;
        const std::int64_t time = timeout ? detail::milliseconds(*timeout) : SIPC_NO_TIMEOUT;
        const sipc_status status = sipc_operation_wait(operation_.get(), time, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return {};
    }
    void wait(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const { try_wait(timeout).value(); }

private:
    detail::handle<sipc_operation, sipc_operation_free> operation_;
};

// Called once with the reply or the error, on a thread of the library. It should be brief, and must not wait for other calls.
using reply_callback = std::function<void(result<message>)>;
// The same for what has no reply.
using done_callback = std::function<void(result<void>)>;

namespace detail {

template <class T> result<T> read(sipc_status status, sipc_message *reply, sipc_error *failure) {
    if (status != SIPC_OK) return take_error(status, failure);
    message owned(reply);
    if constexpr (std::is_same_v<T, message>) {
        return owned;
    } else {
        try {
            return owned.as<T>();
        } catch (const error &unfit) {
            return unfit;
        }
    }
}

inline result<void> ended(sipc_status status, sipc_error *failure) {
    if (status != SIPC_OK) return take_error(status, failure);
    return {};
}

// Makes a call that has no result but its error.
template <class Function, class... Arguments> result<void> done(Function function, Arguments... arguments) {
    sipc_error *failure = nullptr;
    const sipc_status status = function(arguments..., &failure);
    return ended(status, failure);
}

template <class Callback>
void on_reply(sipc_status status, sipc_message *reply, sipc_error *failure, void *data) noexcept {
    try {
        Callback &callback = *static_cast<Callback *>(data);
        if constexpr (std::is_same_v<Callback, reply_callback>) {
            callback(read<message>(status, reply, failure));
        } else {
            callback(ended(status, failure));
        }
    } catch (...) {
        // A callback has no caller to be told.
    }
}

// Calls an `_async` function, whose last parameters are always these.
template <class Callback, class Function, class... Arguments>
result<operation> start(Callback callback, Function function, Arguments... arguments) {
    sipc_operation *made = nullptr;
    sipc_error *failure = nullptr;
    auto owned = std::make_unique<Callback>(std::move(callback));
    const sipc_status status =
        function(arguments..., on_reply<Callback>, owned.release(), drop<Callback>, &made, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    return operation(made);
}

} // namespace detail

template <class Out = message>
result<Out> try_post_uds_request(const std::string &channel, const body &request, const options &with = {}) {
    if (auto zero = detail::zero_in(channel, kind::invalid_name)) return *zero;
    sipc_message *reply = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = sipc_post_uds_request(channel.c_str(), request.get(), with.get(), &reply, &failure);
    return detail::read<Out>(status, reply, failure);
}
template <class Out = message>
result<Out> try_post_ip_request(std::uint32_t port, const body &request, const options &with = {}) {
    sipc_message *reply = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = sipc_post_ip_request(port, request.get(), with.get(), &reply, &failure);
    return detail::read<Out>(status, reply, failure);
}
inline result<void> try_post_uds_broadcast(const std::string &channel, const body &message, const options &with = {}) {
    if (auto zero = detail::zero_in(channel, kind::invalid_name)) return *zero;
    return detail::done(sipc_post_uds_broadcast, channel.c_str(), message.get(), with.get());
}
inline result<void> try_post_ip_broadcast(std::uint32_t port, const body &message, const options &with = {}) {
    return detail::done(sipc_post_ip_broadcast, port, message.get(), with.get());
}
template <class Out = message>
Out post_uds_request(const std::string &channel, const body &request, const options &with = {}) {
    return try_post_uds_request<Out>(channel, request, with).value();
}
template <class Out = message> Out post_ip_request(std::uint32_t port, const body &request, const options &with = {}) {
    return try_post_ip_request<Out>(port, request, with).value();
}
inline void post_uds_broadcast(const std::string &channel, const body &message, const options &with = {}) {
    try_post_uds_broadcast(channel, message, with).value();
}
inline void post_ip_broadcast(std::uint32_t port, const body &message, const options &with = {}) {
    try_post_ip_broadcast(port, message, with).value();
}

// Posting without waiting. The call itself reports the caller's mistakes, and then the callback never runs.
inline result<operation> try_post_uds_request_async(const std::string &channel, const body &request, reply_callback callback,
                                                    const options &with = {}) {
    if (auto zero = detail::zero_in(channel, kind::invalid_name)) return *zero;
    return detail::start(std::move(callback), sipc_post_uds_request_async, channel.c_str(), request.get(), with.get());
}
inline result<operation> try_post_ip_request_async(std::uint32_t port, const body &request, reply_callback callback,
                                                   const options &with = {}) {
    return detail::start(std::move(callback), sipc_post_ip_request_async, port, request.get(), with.get());
}
inline result<operation> try_post_uds_broadcast_async(const std::string &channel, const body &message, done_callback callback,
                                                      const options &with = {}) {
    if (auto zero = detail::zero_in(channel, kind::invalid_name)) return *zero;
    return detail::start(std::move(callback), sipc_post_uds_broadcast_async, channel.c_str(), message.get(), with.get());
}
inline result<operation> try_post_ip_broadcast_async(std::uint32_t port, const body &message, done_callback callback,
                                                     const options &with = {}) {
    return detail::start(std::move(callback), sipc_post_ip_broadcast_async, port, message.get(), with.get());
}
inline operation post_uds_request_async(const std::string &channel, const body &request, reply_callback callback,
                                        const options &with = {}) {
    return try_post_uds_request_async(channel, request, std::move(callback), with).value();
}
inline operation post_ip_request_async(std::uint32_t port, const body &request, reply_callback callback,
                                       const options &with = {}) {
    return try_post_ip_request_async(port, request, std::move(callback), with).value();
}
inline operation post_uds_broadcast_async(const std::string &channel, const body &message, done_callback callback,
                                          const options &with = {}) {
    return try_post_uds_broadcast_async(channel, message, std::move(callback), with).value();
}
inline operation post_ip_broadcast_async(std::uint32_t port, const body &message, done_callback callback,
                                         const options &with = {}) {
    return try_post_ip_broadcast_async(port, message, std::move(callback), with).value();
}

// One channel kept open, faster for many messages; for any number of threads at once. Destroyed, it does not wait: `close`
// makes sure that broadcasts have arrived. Blocking and asynchronous calls have no order between them.
class client {
public:
    explicit client(sipc_client *owned) noexcept : client_(owned) {}

    // `timeout` is this call's; without it, the client's options hold.
    template <class Out = message>
    result<Out> try_request(const body &request, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        const std::optional<options> with = timed(timeout);
        sipc_message *reply = nullptr;
        sipc_error *failure = nullptr;
        if (!client_) return closed();
        const sipc_status status =
            sipc_client_request(client_.get(), request.get(), with ? with->get() : nullptr, &reply, &failure);
        return detail::read<Out>(status, reply, failure);
    }
    template <class Out = message>
    Out request(const body &request, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_request<Out>(request, timeout).value();
    }

    // Success means sent; `flush` waits until all that was sent has reached the handler.
    result<void> try_broadcast(const body &message) const {
        if (!client_) return closed();
        return detail::done(sipc_client_broadcast, client_.get(), message.get());
    }
    void broadcast(const body &message) const { try_broadcast(message).value(); }

    result<void> try_flush() const {
        if (!client_) return closed();
        return detail::done(sipc_client_flush, client_.get());
    }
    void flush() const { try_flush().value(); }

    // The length of a round trip to the listener, without its handler.
    result<std::chrono::nanoseconds> try_ping() const {
        std::uint64_t nanoseconds = 0;
        sipc_error *failure = nullptr;
        if (!client_) return closed();
        const sipc_status status = sipc_client_ping(client_.get(), &nanoseconds, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return std::chrono::nanoseconds(nanoseconds);
    }
    std::chrono::nanoseconds ping() const { return try_ping().value(); }

    result<operation> try_request_async(const body &request, reply_callback callback,
                                        std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        const std::optional<options> with = timed(timeout);
        if (!client_) return closed();
        return detail::start(std::move(callback), sipc_client_request_async, client_.get(), request.get(),
                             with ? with->get() : nullptr);
    }
    operation request_async(const body &request, reply_callback callback,
                            std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_request_async(request, std::move(callback), timeout).value();
    }

    result<operation> try_broadcast_async(const body &message, done_callback callback) const {
        if (!client_) return closed();
        return detail::start(std::move(callback), sipc_client_broadcast_async, client_.get(), message.get());
    }
    operation broadcast_async(const body &message, done_callback callback) const {
        return try_broadcast_async(message, std::move(callback)).value();
    }

    // Flushes, then closes, whatever comes of the flush. Again it does nothing.
    result<void> try_close() const {
        if (!client_) return {};
        return detail::done(sipc_client_close, client_.get());
    }
    void close() const { try_close().value(); }

private:
    static error closed() { return error(kind::closed, "the client was moved from; use the one that it was moved to"); }
    static std::optional<options> timed(std::optional<std::chrono::nanoseconds> timeout) {
        if (!timeout) return std::nullopt;
        return std::move(options().timeout(*timeout));
    }

    detail::handle<sipc_client, sipc_client_free> client_;
};

namespace detail {

template <class Connect, class Address> result<client> connect(Connect function, Address address, const options &with) {
    sipc_client *made = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = function(address, with.get(), &made, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    return client(made);
}

} // namespace detail

inline result<client> try_connect_uds(const std::string &channel, const options &with = {}) {
    if (auto zero = detail::zero_in(channel, kind::invalid_name)) return *zero;
    return detail::connect(sipc_client_connect_uds, channel.c_str(), with);
}
inline result<client> try_connect_ip(std::uint32_t port, const options &with = {}) {
    return detail::connect(sipc_client_connect_ip, port, with);
}
inline result<client> try_connect_path(const std::string &path, const options &with = {}) {
    if (auto zero = detail::zero_in(path, kind::invalid_argument)) return *zero;
    return detail::connect(sipc_client_connect_path, path.c_str(), with);
}
inline client connect_uds(const std::string &channel, const options &with = {}) {
    return try_connect_uds(channel, with).value();
}
inline client connect_ip(std::uint32_t port, const options &with = {}) { return try_connect_ip(port, with).value(); }
inline client connect_path(const std::string &path, const options &with = {}) { return try_connect_path(path, with).value(); }

// Discovery ---------------------------------------------------------------------------------------------------------------

// A live channel.
struct channel_info {
    std::string channel; // its name, `:port`, or the path of its socket
    std::string address; // the path of its socket, or `127.0.0.1:port`
    bool takes_requests; // else broadcasts
    std::int64_t pid;
    std::chrono::system_clock::time_point started;
    std::string version; // of the library that it uses
};

// The live channels in a directory; without one, in that of `SIMPLE_IPC_DIR`, or `/tmp`.
inline result<std::vector<channel_info>> try_channels(const std::optional<std::string> &directory = std::nullopt) {
    if (auto zero = detail::zero_in(directory.value_or(""), kind::invalid_argument)) return *zero;
    sipc_channel_list *found = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = sipc_channels(directory ? directory->c_str() : nullptr, &found, &failure);
    if (status != SIPC_OK) return detail::take_error(status, failure);
    const detail::handle<sipc_channel_list, sipc_channel_list_free> list(found);
    std::vector<channel_info> all;
    for (std::size_t index = 0; index < sipc_channel_list_len(found); ++index) {
        const sipc_channel_info &info = *sipc_channel_list_get(found, index);
        all.push_back({info.channel, info.address, info.mode == SIPC_MODE_REQUEST, info.pid,
                       std::chrono::system_clock::time_point(std::chrono::milliseconds(info.started_ms)), info.version});
    }
    return all;
}
inline std::vector<channel_info> channels(const std::optional<std::string> &directory = std::nullopt) {
    return try_channels(directory).value();
}

} // namespace simple_ipc

template <> struct std::is_error_code_enum<simple_ipc::kind> : std::true_type {};

#undef SIMPLE_IPC_KINDS

#endif // SIMPLE_IPC_HPP
