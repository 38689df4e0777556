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
// that the call is told: `post_uds_request<int>(…)`. Which value becomes what, and what is refused, stands before `json_codec`.
//
// Errors. A call throws `simple_ipc::error`; its twin with `try_` before its name gives a `result` instead and throws only
// `std::bad_alloc` and what a `json_codec` throws. After success nothing is thrown.
//
// Without exceptions (`-fno-exceptions`; the macro SIMPLE_IPC_EXCEPTIONS is 0 then) there are the `try_` twins only, and
// `message_view::try_as` in place of `as`; `result::value`, which throws, is left out: ask `has_value`, then use `*`. A handler
// fails with `responder::fail`. What memory cannot be had for ends the process, as the standard library has it.
//
// Threads. A `const` member may be called by any number of threads at once; others by one at a time. Handlers and
// callbacks run on the library's threads, handlers of several requests at once. What a handler throws fails its caller with
// its type and the text of `what()`, `std::out_of_range: no such row`; a `handler_error` carries a code and data besides. What a
// broadcast handler throws is counted by its listener and told to `options::on_handler_failure`; what a callback throws is
// dropped.
//
// Giving up. A blocking call that another thread is to end is an asynchronous one: `request_async`, then `wait`, and `cancel`
// from elsewhere. `client::close` ends all calls of a client; `flush`, `ping` and `close` take a timeout.
//
// Objects own what they stand for and can be moved. A listener, a client, a queue, an operation, a responder and a message
// that was moved from, or used up, answers with `kind::closed` or does nothing. A listener that is destroyed waits until its
// handler, with all that it captured, is gone, at most for the options' grace period; inside its own handler it does not wait.
//
// Names of channels and paths are `text`: strings, literals, `std::string_view`, `std::filesystem::path`. A null pointer is an
// error, as is a zero inside.
//
// Publishing. `listen_uds_publish` gives a listener without a handler; its `publish` sends one event to each subscriber.
//
//     auto clock = simple_ipc::listen_uds_publish("clock");                                                   // one process
//     for (int second = 1;; ++second) clock.publish(second, "tick"), std::this_thread::sleep_for(std::chrono::seconds(1));
//
//     for (auto &event : simple_ipc::subscribe_uds("clock")) std::cout << event.data<int>() << "\n";           // any others
//
// Streams. A handler's `request.stream()` answers with a sequence, `post_uds_stream<int>(…)` is a range of its items.
//
// simple_ipc_subscription.hpp, simple_ipc_stream.hpp and simple_ipc_methods.hpp, which this includes, have subscriptions, streams and
// calls of methods by name. simple_ipc_queue.hpp has calls and listeners for event loops: any number of them behind one descriptor.
// simple_ipc_json.hpp is for programs that use nlohmann/json: its values as bodies, and tables of functions as handlers.

#ifndef SIMPLE_IPC_HPP
#define SIMPLE_IPC_HPP

#include "simple_ipc.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
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

// Whether the compiler offers exceptions.
#ifndef SIMPLE_IPC_EXCEPTIONS
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define SIMPLE_IPC_EXCEPTIONS 1
#else
#define SIMPLE_IPC_EXCEPTIONS 0
#endif
#endif

#if SIMPLE_IPC_EXCEPTIONS
#include <exception>
#include <stdexcept>
#if (defined(__cpp_rtti) || defined(__GXX_RTTI)) && defined(__has_include)
#include <typeinfo>
#if __has_include(<cxxabi.h>)
#include <cstdlib>
#include <cxxabi.h>
#define SIMPLE_IPC_DEMANGLES 1
#endif
#endif
#endif

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
    X(too_slow, SIPC_TOO_SLOW)                                                                                                 \
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
        : error(kind, told{std::move(message), std::nullopt, std::nullopt}, may_have_been_handled, os_code) {}

    const char *what() const noexcept override { return told_->message.c_str(); }

    simple_ipc::kind kind() const noexcept { return static_cast<simple_ipc::kind>(code().value()); }

    // `false` is certain: sending the message again cannot do the work twice.
    bool may_have_been_handled() const noexcept { return may_have_been_handled_; }

    // The system's `errno` behind the error, or 0.
    int os_code() const noexcept { return os_code_; }

    // What a handler that failed on purpose gave besides its text, if it did: a code for programs, and the JSON text of its
    // data. They live as long as the error and its copies.
    std::optional<std::string_view> handler_code() const noexcept { return told_->code; }
    std::optional<std::string_view> handler_data() const noexcept { return told_->data; }

    // The error of a failed call of the C library, which is freed.
    static error take(sipc_status status, sipc_error *failure) {
        const auto copied = [](const char *text) { return text ? std::optional<std::string>(text) : std::nullopt; };
        error taken(static_cast<simple_ipc::kind>(status),
                    told{sipc_error_message(failure), copied(sipc_error_handler_code(failure)),
                         copied(sipc_error_handler_data(failure))},
                    sipc_error_may_have_been_handled(failure), sipc_error_os_code(failure));
        sipc_error_free(failure);
        return taken;
    }

private:
    struct told {
        std::string message;
        std::optional<std::string> code, data;
    };

    error(simple_ipc::kind kind, told what, bool may_have_been_handled, int os_code)
        : std::system_error(make_error_code(kind)), told_(std::make_shared<const told>(std::move(what))),
          may_have_been_handled_(may_have_been_handled), os_code_(os_code) {}

    std::shared_ptr<const told> told_; // shared, since copying an exception must not fail
    bool may_have_been_handled_;
    int os_code_;
};

// A value or an error. `value()` throws the error; `*` and `->` need a value, `error()` an error.
// Without exceptions there is no `value()`.
template <class T> class [[nodiscard]] result {
public:
    using value_type = T;

    result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    result(simple_ipc::error failure) : state_(std::in_place_index<1>, std::move(failure)) {}

    bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

#if SIMPLE_IPC_EXCEPTIONS
    T &value() & { return throw_error(), **this; }
    const T &value() const & { return throw_error(), **this; }
    T &&value() && { return throw_error(), *std::move(*this); }
#endif

    T &operator*() & noexcept { return *std::get_if<0>(&state_); }
    const T &operator*() const & noexcept { return *std::get_if<0>(&state_); }
    T &&operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
    T *operator->() noexcept { return std::get_if<0>(&state_); }
    const T *operator->() const noexcept { return std::get_if<0>(&state_); }

    const simple_ipc::error &error() const noexcept { return *std::get_if<1>(&state_); }

private:
#if SIMPLE_IPC_EXCEPTIONS
    void throw_error() const {
        if (!has_value()) throw error();
    }
#endif

    std::variant<T, simple_ipc::error> state_;
};

template <> class [[nodiscard]] result<void> {
public:
    using value_type = void;

    result() = default;
    result(simple_ipc::error failure) : failure_(std::move(failure)) {}

    bool has_value() const noexcept { return !failure_; }
    explicit operator bool() const noexcept { return has_value(); }
#if SIMPLE_IPC_EXCEPTIONS
    void value() const {
        if (failure_) throw *failure_;
    }
#endif
    const simple_ipc::error &error() const noexcept { return *failure_; }

private:
    std::optional<simple_ipc::error> failure_;
};

// A function that is called through an object that need not be copyable, such as one that captured a `std::unique_ptr`.
template <class Signature> class unique_function;
template <class Out, class... In> class unique_function<Out(In...)> {
public:
    unique_function() = default;
    unique_function(std::nullptr_t) {}
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, unique_function> &&
                                                std::is_invocable_r_v<Out, std::decay_t<F> &, In...>>>
    unique_function(F &&function) {
        // A null pointer to a function, and an empty std::function, are no function.
        if constexpr (std::is_constructible_v<bool, std::decay_t<F> &> && std::is_assignable_v<std::decay_t<F> &, std::nullptr_t>) {
            if (!static_cast<bool>(function)) return;
        }
        held_ = std::make_unique<holder<std::decay_t<F>>>(std::forward<F>(function));
    }

    explicit operator bool() const noexcept { return held_ != nullptr; }
    // Needs a function.
    Out operator()(In... in) { return held_->call(std::forward<In>(in)...); }

private:
    struct callable {
        virtual ~callable() = default;
        virtual Out call(In... in) = 0;
    };
    template <class F> struct holder final : callable {
        template <class G> explicit holder(G &&given) : function(std::forward<G>(given)) {}
        Out call(In... in) override { return static_cast<Out>(function(std::forward<In>(in)...)); }
        F function;
    };
    std::unique_ptr<callable> held_;
};

namespace detail {

template <class T, void (*Free)(T *)> struct freer {
    void operator()(T *object) const noexcept { Free(object); }
};
template <class T, void (*Free)(T *)> using handle = std::unique_ptr<T, freer<T, Free>>;

inline error take_error(sipc_status status, sipc_error *failure) { return error::take(status, failure); }

inline error moved_from(const char *noun) {
    return error(kind::closed, "the " + std::string(noun) + " was moved from; use the one that it was moved to");
}

inline std::int64_t milliseconds(std::chrono::nanoseconds time) {
    // Rounded up, so that a short time does not become none; what is negative is refused by the library.
    if (time < std::chrono::nanoseconds::zero()) return -2;
    return std::chrono::ceil<std::chrono::milliseconds>(time).count();
}

template <class T> inline constexpr bool is_c_string = std::is_convertible_v<const T &, const char *>;
template <class T> inline constexpr bool is_string_like =
    is_c_string<T> || std::is_convertible_v<const T &, std::string_view> || std::is_convertible_v<const T &, std::string>;

} // namespace detail

// The name of a channel, or a path, for the call that it is given to: made of whatever is a string.
class text {
public:
    template <class T, class = std::enable_if_t<detail::is_string_like<T> && !std::is_same_v<T, text>>> text(const T &given) {
        if constexpr (detail::is_c_string<T>) {
            pointer_ = given;
        } else if constexpr (std::is_same_v<T, std::string>) {
            pointer_ = given.c_str();
            has_zero_ = given.find('\0') != std::string::npos;
        } else {
            if constexpr (std::is_convertible_v<const T &, std::string_view>) {
                owned_ = std::string_view(given);
            } else {
                owned_ = static_cast<std::string>(given);
            }
            pointer_ = owned_.c_str();
            has_zero_ = owned_.find('\0') != std::string::npos;
        }
    }
    text(const text &) = delete;
    text &operator=(const text &) = delete;

    // For C: NULL where it was made of a null pointer, which the library refuses.
    const char *c_str() const noexcept { return pointer_; }

    // C's texts end at the first zero: one inside would name another channel or path.
    std::optional<error> mistake(kind if_zero) const {
        if (!has_zero_) return std::nullopt;
        return error(if_zero, "a name or path has a zero character in it; take it out");
    }

private:
    std::string owned_;
    const char *pointer_ = nullptr;
    bool has_zero_ = false;
};

// Bodies ------------------------------------------------------------------------------------------------------------------

// How a type becomes JSON and back. Specialise it for your own types or your JSON library's value; that of nlohmann/json is in
// simple_ipc_json.hpp, as here:
//
//     template <> struct simple_ipc::json_codec<nlohmann::json> {
//         static std::string encode(const nlohmann::json &value) { return value.dump(); }
//         static nlohmann::json decode(std::string_view text) { return nlohmann::json::parse(text); }
//     };
//
// `encode` gives one JSON text in UTF-8; `decode` is given one. What they throw reaches the caller of the call; in a handler
// what `decode` throws is the caller's `kind::invalid_body`, what `encode` throws fails the request. A codec may have, in place of
// `decode`, a `static result<T> try_decode(std::string_view)`: without exceptions that is how it says that a text does not fit.
//
// Built in; nothing else is converted, and a type that is not here does not compile:
//
//     C++                                    sent as                          read from
//     std::string, string_view, literal      a JSON string; not UTF-8:        a JSON string; half a surrogate pair:
//                                            invalid_json                     invalid_body
//     a null pointer for a text              refused: invalid_argument
//     bool, nullptr                          true, false, null                the same, nothing else
//     whole numbers of every size (a char    a number, exactly                a number without '.', 'e' or sign that does not
//     is one, not a letter)                                                   fit; out of range: invalid_body
//     float, double, long double             as many digits as keep it;       any number; too large for the type: invalid_body
//                                            NaN, infinite: invalid_json
//     vector of std::byte, unsigned char     bytes                            bytes; from JSON: invalid_body
//     attached<T>                            JSON with bytes                  JSON with bytes; from others: invalid_body
//     message, message_view                  what it is                       anything, unchanged
//
// Other languages read numbers as doubles: a whole number beyond 2^53 changes there.
template <class T, class = void> struct json_codec;

// A JSON value with bytes beside it, in one body: an array with its shape, a picture with its name. It is sent and taken where any
// other value is. Listeners of version 0.1.0 and the Deno wire take none: a call fails with `kind::unsupported_version` before
// anything is sent. The largest message counts both, with up to 11 bytes between them.
template <class T> struct attached {
    T value;
    std::vector<std::byte> data;
};
template <class T> attached(T, std::vector<std::byte>) -> attached<T>;
attached(const char *, std::vector<std::byte>) -> attached<std::string>;

// What is to be sent.
class body {
public:
    // One JSON text, such as `{"n":1}`; it is checked when it is sent.
    static body json(std::string text) { return body(SIPC_KIND_JSON, std::move(text)); }
    static body json(const char *text) { return body(SIPC_KIND_JSON, text); }
    // A string, which becomes JSON when it is sent. UTF-8.
    static body text(std::string text) { return body(SIPC_KIND_TEXT, std::move(text)); }
    static body text(const char *text) { return body(SIPC_KIND_TEXT, text); }
    // Bytes, copied.
    static body bytes(const void *data, std::size_t size) {
        if (!data) return borrowed_bytes(nullptr, size);
        return body(SIPC_KIND_BYTES, std::string(static_cast<const char *>(data), size));
    }
    // Bytes that are not copied: they must stay as they are until the call returns, or until the handler's answer is sent.
    static body borrowed_bytes(const void *data, std::size_t size) {
        body made(SIPC_KIND_BYTES, std::string());
        made.borrowed_ = sipc_body{SIPC_KIND_BYTES, data, size};
        return made;
    }

    // One JSON text with bytes beside it, which are copied.
    static body attached(std::string json, const void *data, std::size_t size) {
        if (!data) return borrowed_attached(std::move(json), nullptr, size);
        auto made = std::make_shared<parts>();
        made->json = std::move(json);
        made->copied.assign(static_cast<const char *>(data), size);
        made->for_c = sipc_attach_n(made->json.data(), made->json.size(), made->copied.data(), size);
        return of(std::move(made));
    }
    // The same with bytes that are not copied: they must stay as they are until the call returns, or until the handler's answer
    // is sent.
    static body borrowed_attached(std::string json, const void *data, std::size_t size) {
        auto made = std::make_shared<parts>();
        made->json = std::move(json);
        made->for_c = sipc_attach_n(made->json.data(), made->json.size(), data, size);
        return of(std::move(made));
    }

    // From whatever can become one. A null pointer becomes one that every call refuses.
    template <class T, class = std::enable_if_t<!std::is_same_v<std::decay_t<T>, body>>> body(const T &value)
        : body(from(value)) {}

    // For C; what it points at lives as long as this, where it is.
    sipc_body get() const noexcept {
        if (attached_) return sipc_attached_body(&attached_->for_c);
        return borrowed_ ? *borrowed_ : sipc_body{kind_, owned_.data(), owned_.size()};
    }

private:
    // JSON with bytes, where it stays: C is given pointers into it.
    struct parts {
        std::string json;
        std::string copied; // the bytes, unless they are borrowed
        sipc_attached for_c;
    };

    static body of(std::shared_ptr<const parts> attached) {
        body made(SIPC_KIND_ATTACHED, std::string());
        made.attached_ = std::move(attached);
        return made;
    }
    body(std::int32_t kind, std::string data) : kind_(kind), owned_(std::move(data)) {}
    body(std::int32_t kind, const char *text) : kind_(kind) {
        if (text) {
            owned_ = text;
        } else {
            borrowed_ = sipc_body{kind, nullptr, 0};
        }
    }

    template <class T> static body from(const T &value);

    std::int32_t kind_;
    std::string owned_;
    std::optional<sipc_body> borrowed_;
    std::shared_ptr<const parts> attached_; // of JSON with bytes alone; copies share it
};

class message;

// A message that somebody else owns: the one that a handler is lent.
class message_view {
public:
    explicit message_view(const sipc_message *message) noexcept : message_(message) {}

    bool is_json() const noexcept { return sipc_message_kind(message_) == SIPC_KIND_JSON; }
    // Whether it is JSON with bytes.
    bool is_attached() const noexcept { return sipc_message_kind(message_) == SIPC_KIND_ATTACHED; }
    // The JSON text in UTF-8, of JSON with bytes as well; empty for bytes alone. As long as the message lives.
    std::string_view json() const noexcept {
        std::size_t size = 0;
        const char *text = sipc_message_json_n(message_, &size);
        return {text, size};
    }
    // The JSON text in UTF-8, or the bytes, of JSON with bytes as well; as long as the message lives.
    std::string_view data() const noexcept {
        return {static_cast<const char *>(sipc_message_data(message_)), sipc_message_len(message_)};
    }
    // The body as a T: bytes for vectors of `std::byte` or `unsigned char`, else JSON. `kind::invalid_body` if it is not one.
    template <class T> result<T> try_as() const;
#if SIMPLE_IPC_EXCEPTIONS
    template <class T> T as() const { return try_as<T>().value(); }
#endif
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
template <class T> struct attached_value {};
template <class T> struct attached_value<attached<T>> { using type = T; };
template <class T, class = void> inline constexpr bool is_attached = false;
template <class T> inline constexpr bool is_attached<T, std::void_t<typename attached_value<T>::type>> = true;
template <class T> inline constexpr bool is_bytes =
    std::is_same_v<T, std::vector<std::byte>> || std::is_same_v<T, std::vector<unsigned char>>;

inline error unfit(std::string_view json, const char *wanted) {
    std::string begin(json.substr(0, 40));
    while (json.size() > 40 && !begin.empty() && (static_cast<unsigned char>(json[begin.size()]) & 0xC0) == 0x80) begin.pop_back();
    for (char &letter : begin) {
        if (static_cast<unsigned char>(letter) < 0x20) letter = ' ';
    }
    return error(kind::invalid_body,
                 "cannot read the body as " + std::string(wanted) + ": it is " + begin + (json.size() > 40 ? "…" : "") +
                     "; ask for the type that was sent, or for message",
                 true);
}

template <class T, class = void> inline constexpr bool has_try_decode = false;
template <class T> inline constexpr bool
    has_try_decode<T, std::void_t<decltype(json_codec<T>::try_decode(std::declval<std::string_view>()))>> = true;

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
inline result<std::string> unquote(std::string_view json) {
    const std::string_view whole = trimmed(json);
    if (whole.size() < 2 || whole.front() != '"' || whole.back() != '"') return unfit(json, "a string");
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
        if (at + 1 >= inside.size()) return unfit(json, "a string");
        switch (inside[at + 1]) {
        case 'b': text.push_back('\b'); break;
        case 'f': text.push_back('\f'); break;
        case 'n': text.push_back('\n'); break;
        case 'r': text.push_back('\r'); break;
        case 't': text.push_back('\t'); break;
        case 'u': {
            std::optional<std::uint32_t> code = unit(at);
            if (!code) return unfit(json, "a string");
            at += 6;
            if (*code >= 0xD800 && *code < 0xDC00) {
                const std::optional<std::uint32_t> low = unit(at);
                if (!low || *low < 0xDC00 || *low > 0xDFFF) return unfit(json, "a string in UTF-8");
                code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
                at += 6;
            } else if (*code >= 0xDC00 && *code <= 0xDFFF) {
                return unfit(json, "a string in UTF-8");
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
template <class T> result<T> number(std::string_view json, const char *wanted) {
    const std::string_view digits = trimmed(json);
    T value{};
    if constexpr (std::is_integral_v<T>) {
        const char *end = digits.data() + digits.size();
        const auto read = std::from_chars(digits.data(), end, value);
        if (read.ec != std::errc() || read.ptr != end) return unfit(json, wanted);
    } else {
        std::istringstream in{std::string(digits)};
        in.imbue(std::locale::classic());
        const bool begins = !digits.empty() && (digits.front() == '-' || (digits.front() >= '0' && digits.front() <= '9'));
        if (!begins || !(in >> value) || in.peek() != std::istringstream::traits_type::eof()) return unfit(json, wanted);
    }
    return value;
}

} // namespace detail

// What the built-in codecs have in common.
template <class T> struct built_in_codec {
#if SIMPLE_IPC_EXCEPTIONS
    static T decode(std::string_view json) { return json_codec<T>::try_decode(json).value(); }
#endif
};

template <> struct json_codec<std::nullptr_t> : built_in_codec<std::nullptr_t> {
    static std::string encode(std::nullptr_t) { return "null"; }
    static result<std::nullptr_t> try_decode(std::string_view json) {
        if (detail::trimmed(json) != "null") return detail::unfit(json, "null");
        return nullptr;
    }
};

template <> struct json_codec<bool> : built_in_codec<bool> {
    static std::string encode(bool value) { return value ? "true" : "false"; }
    static result<bool> try_decode(std::string_view json) {
        const std::string_view word = detail::trimmed(json);
        if (word != "true" && word != "false") return detail::unfit(json, "bool");
        return word == "true";
    }
};

template <class T>
struct json_codec<T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>> : built_in_codec<T> {
    static std::string encode(T value) { return std::to_string(value); }
    static result<T> try_decode(std::string_view json) { return detail::number<T>(json, "a whole number of this size"); }
};

template <class T> struct json_codec<T, std::enable_if_t<std::is_floating_point_v<T>>> : built_in_codec<T> {
    // Without exceptions a number that is not finite becomes a text that the library refuses.
    static std::string encode(T value) {
#if SIMPLE_IPC_EXCEPTIONS
        if (!std::isfinite(value)) {
            throw error(kind::invalid_json, "cannot make JSON of a number that is not finite; send null or a string instead");
        }
#endif
        std::ostringstream out;
        out.imbue(std::locale::classic());
        out.precision(std::numeric_limits<T>::max_digits10);
        out << value;
        return out.str();
    }
    static result<T> try_decode(std::string_view json) { return detail::number<T>(json, "a number"); }
};

template <> struct json_codec<std::string> : built_in_codec<std::string> {
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
    static result<std::string> try_decode(std::string_view json) { return detail::unquote(json); }
};

template <class T> body body::from(const T &value) {
    if constexpr (std::is_base_of_v<message_view, T>) {
        if (!value.get()) return body(SIPC_KIND_JSON, static_cast<const char *>(nullptr));
        if (value.is_attached()) return attached(std::string(value.json()), value.data().data(), value.data().size());
        return body(value.is_json() ? SIPC_KIND_JSON : SIPC_KIND_BYTES, std::string(value.data()));
    } else if constexpr (detail::is_bytes<T>) {
        return bytes(value.data(), value.size());
    } else if constexpr (detail::is_attached<T>) {
        using inner = typename detail::attached_value<T>::type;
        if constexpr (detail::is_c_string<inner>) {
            if (!value.value) return body(SIPC_KIND_JSON, static_cast<const char *>(nullptr));
        }
        if constexpr (detail::is_text<inner>) {
            return attached(json_codec<std::string>::encode(std::string(std::string_view(value.value))), value.data.data(),
                            value.data.size());
        } else {
            return attached(json_codec<inner>::encode(value.value), value.data.data(), value.data.size());
        }
    } else if constexpr (detail::is_text<T> && detail::is_c_string<T>) {
        return text(static_cast<const char *>(value));
    } else if constexpr (detail::is_text<T>) {
        return text(std::string(std::string_view(value)));
    } else {
        return json(json_codec<T>::encode(value));
    }
}

template <class T> result<T> message_view::try_as() const {
    if (!message_) return detail::moved_from("message");
    if constexpr (std::is_same_v<T, message>) {
        return clone();
    } else if constexpr (detail::is_attached<T>) {
        using inner = typename detail::attached_value<T>::type;
        if (!is_attached()) {
            return error(kind::invalid_body,
                         std::string("cannot read the body as JSON with bytes: it is ") +
                             (is_json() ? "JSON without bytes" : "bytes without JSON") +
                             "; ask for the type that was sent, or for message",
                         true);
        }
        const std::string_view beside = data();
        const auto *begin = reinterpret_cast<const std::byte *>(beside.data());
        std::vector<std::byte> bytes(begin, begin + beside.size());
        if constexpr (detail::has_try_decode<inner>) {
            result<inner> value = json_codec<inner>::try_decode(json());
            if (!value) return std::move(value).error();
            return T{*std::move(value), std::move(bytes)};
        } else {
            return T{json_codec<inner>::decode(json()), std::move(bytes)};
        }
    } else if (is_attached()) {
        return error(kind::invalid_body,
                     "cannot read the body as JSON or bytes: it is both; ask for simple_ipc::attached or for message", true);
    } else if constexpr (detail::is_bytes<T>) {
        if (is_json()) return detail::unfit(data(), "bytes");
        const std::string_view bytes = data();
        const auto *begin = reinterpret_cast<const typename T::value_type *>(bytes.data());
        return T(begin, begin + bytes.size());
    } else {
        if (!is_json()) {
            return error(kind::invalid_body, "cannot read the body as JSON: it is bytes; ask for std::vector<std::byte> or message",
                         true);
        }
        if constexpr (detail::has_try_decode<T>) {
            return json_codec<T>::try_decode(data());
        } else {
            return json_codec<T>::decode(data());
        }
    }
}

// Options -----------------------------------------------------------------------------------------------------------------

// A handler's failure that no caller hears of: it handled a broadcast, or nobody waits for its answer any more.
struct handler_report {
    std::string_view channel; // as `listener::channel`; for the length of the call
    bool of_request;          // else of a broadcast
    simple_ipc::kind kind;    // `handler_failed`; `too_many_connections` where the listener has all in hand that it may
    std::string_view message; // one line; for the length of the call
    std::optional<std::int64_t> uid, gid, pid; // of who sent the message, where they are known
};

// Limits and choices; what is not set is as it is by default. Nonsense is reported by the call that is given it. To move options
// is to copy them.
class options {
public:
    options() : options_(sipc_options_new()) {}
    options(const options &other) : options_(sipc_options_clone(other.options_.get())), reports_(other.reports_) {}
    options &operator=(const options &other) {
        options_.reset(sipc_options_clone(other.options_.get()));
        reports_ = other.reports_;
        return *this;
    }

    options &timeout(std::chrono::nanoseconds time) { return set(sipc_options_set_timeout_ms, detail::milliseconds(time)); }
    options &no_timeout() { return set(sipc_options_set_timeout_ms, std::int64_t{SIPC_NO_TIMEOUT}); }
    options &idle_timeout(std::chrono::nanoseconds time) {
        return set(sipc_options_set_idle_timeout_ms, detail::milliseconds(time));
    }
    options &wait(std::chrono::nanoseconds time) { return set(sipc_options_set_wait_ms, detail::milliseconds(time)); }
    options &grace(std::chrono::nanoseconds time) { return set(sipc_options_set_grace_ms, detail::milliseconds(time)); }
    options &check_interval(std::chrono::nanoseconds time) {
        return set(sipc_options_set_check_interval_ms, detail::milliseconds(time));
    }
    options &spin(std::chrono::microseconds time) { return set(sipc_options_set_spin_us, std::int64_t{time.count()}); }
    options &shared_memory(std::size_t bytes) { return set(sipc_options_set_shared_memory, bytes); }
    // One of the `SIPC_WIRE_` constants.
    options &wire(std::int32_t dialect) { return set(sipc_options_set_wire, dialect); }
    // One of the `SIPC_PATH_` constants.
    options &path_style(std::int32_t style) { return set(sipc_options_set_path_style, style); }
    options &directory(const text &path) { return set(sipc_options_set_directory, whole(path)); }
    options &path(const text &file) { return set(sipc_options_set_path, whole(file)); }
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
    options &publish(bool besides) { return set(sipc_options_set_publish, besides); }
    options &retain(bool last) { return set(sipc_options_set_retain, last); }
    options &patience(std::chrono::nanoseconds time) { return set(sipc_options_set_patience_ms, detail::milliseconds(time)); }
    // Any range of strings.
    template <class Topics> options &topics(const Topics &given) {
        std::vector<std::string> owned;
        bool is_whole = true;
        for (const auto &topic : given) {
            owned.emplace_back(std::string_view(topic));
            is_whole = is_whole && owned.back().find('\0') == std::string::npos;
        }
        std::vector<const char *> pointers;
        for (const std::string &topic : owned) pointers.push_back(topic.c_str());
        // As `whole`: the library refuses NULL.
        sipc_options_set_topics(options_.get(), is_whole ? pointers.data() : nullptr, pointers.size());
        return *this;
    }
    options &topics(std::initializer_list<std::string_view> given) { return topics<>(given); }
    // One of the `SIPC_OVERFLOW_` constants.
    options &overflow(std::int32_t policy) { return set(sipc_options_set_overflow, policy); }
    options &queue(std::size_t bytes) { return set(sipc_options_set_queue, bytes); }
    options &reconnect(std::chrono::nanoseconds time) {
        return set(sipc_options_set_reconnect_ms, detail::milliseconds(time));
    }
    options &no_reconnect_limit() { return set(sipc_options_set_reconnect_ms, std::int64_t{SIPC_NO_TIMEOUT}); }
    options &plain_text(bool accept) { return set(sipc_options_set_plain_text, accept); }
    options &tap(bool allow) { return set(sipc_options_set_tap, allow); }
    options &allow_user(std::uint32_t uid) { return set(sipc_options_allow_user, uid); }
    options &allow_same_user() { return sipc_options_allow_same_user(options_.get()), *this; }
    options &allow_anyone() { return sipc_options_allow_anyone(options_.get()), *this; }
    // Has a listener call this once for each failure of its handler that no caller hears of, on the thread of the handler or
    // another one of the library, several at once where several fail at once. It should be brief; what it throws is dropped.
    template <class F> options &on_handler_failure(F callback) {
        static_assert(std::is_invocable_v<F &, const handler_report &>, "the callback takes a const handler_report &");
        auto shared = std::make_shared<reports>(std::move(callback));
        auto owned = std::make_unique<std::shared_ptr<reports>>(shared);
        sipc_options_on_handler_failure(options_.get(), tell, owned.release(), release);
        reports_ = std::move(shared);
        return *this;
    }

    const sipc_options *get() const noexcept { return options_.get(); }

    // Tells the callback that was given to `on_handler_failure`, if there is one.
    void report(const handler_report &failure) const noexcept {
        if (reports_) tell_one(*reports_, failure);
    }

private:
    using reports = unique_function<void(const handler_report &)>;

    static void tell_one(reports &callback, const handler_report &failure) noexcept {
#if SIMPLE_IPC_EXCEPTIONS
        try {
            callback(failure);
        } catch (...) {
            // It has no caller to be told.
        }
#else
        callback(failure);
#endif
    }
    static void tell(const sipc_handler_report *failure, void *callback) noexcept {
        const auto known = [](std::int64_t id) { return id < 0 ? std::nullopt : std::optional<std::int64_t>(id); };
        tell_one(**static_cast<std::shared_ptr<reports> *>(callback),
                 {failure->channel, failure->mode == SIPC_MODE_REQUEST, static_cast<simple_ipc::kind>(failure->status),
                  failure->message, known(failure->uid), known(failure->gid), known(failure->pid)});
    }
    static void release(void *callback) noexcept { delete static_cast<std::shared_ptr<reports> *>(callback); }

    // The library refuses NULL, and so a text that C would read the beginning of only.
    static const char *whole(const text &given) {
        return given.mistake(kind::invalid_argument) ? nullptr : given.c_str();
    }

    // Options remember a mistake until a call is given them.
    template <class T, class V> options &set(sipc_status (*setter)(sipc_options *, T), V value) {
        return setter(options_.get(), static_cast<T>(value)), *this;
    }

    detail::handle<sipc_options, sipc_options_free> options_;
    std::shared_ptr<reports> reports_;
};

namespace detail {

// Calls a function that makes an object for an address: a listener that publishes, a client, a subscription.
template <class Object, class Address, class Handle>
result<Object> open(sipc_status (*function)(Address, const sipc_options *, Handle **, sipc_error **), Address address,
                    const options &with) {
    Handle *made = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = function(address, with.get(), &made, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    return Object(made);
}

} // namespace detail

// Listening ---------------------------------------------------------------------------------------------------------------

template <class T> class items;
template <class T> class item_stream;
class reply_stream;

// Who sent a message, and whether anybody still waits. Lent to a handler for the call, or part of a `responder`.
class caller {
public:
    explicit caller(sipc_responder *responder) noexcept : responder_(responder) {}

    // Whether nobody waits any more: the caller has cancelled, or it is gone.
    bool is_cancelled() const noexcept { return sipc_responder_is_cancelled(responder_); }
    // Has the callback called, at most once and on a thread of the library, when nobody waits any more; at once if that is so
    // already. It should be brief. Not once the responder is used up, which waits for a callback that is running.
    result<void> on_cancel(unique_function<void()> callback) const {
        if (!responder_) return used_up();
        auto owned = std::make_unique<unique_function<void()>>(std::move(callback));
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
    // Whether the caller has opened a stream: it takes a sequence for an answer, and may send items.
    bool is_stream() const noexcept { return sipc_responder_is_stream(responder_); }
    // The items that it sends, of a type T; of a plain request there are none. Asked for again they are the same, each of which
    // comes to one of those who ask. Once the answer is a stream, that has them: `reply_stream::items`.
    template <class T = message> result<simple_ipc::items<T>> try_items() const;
#if SIMPLE_IPC_EXCEPTIONS
    template <class T = message> simple_ipc::items<T> items() const;
#endif
    // Ids of user, group and process; nothing where they are not known (TCP).
    std::optional<std::int64_t> uid() const noexcept { return known(sipc_responder_peer_uid(responder_)); }
    std::optional<std::int64_t> gid() const noexcept { return known(sipc_responder_peer_gid(responder_)); }
    std::optional<std::int64_t> pid() const noexcept { return known(sipc_responder_peer_pid(responder_)); }

protected:
    static error used_up() {
        return error(kind::closed, "this responder was used up or moved from; each request is answered once");
    }

    sipc_responder *responder_;

private:
    static void called(void *callback) noexcept {
        auto &function = *static_cast<unique_function<void()> *>(callback);
        if (!function) return;
#if SIMPLE_IPC_EXCEPTIONS
        try {
            function();
        } catch (...) {
            // A callback has no caller to be told.
        }
#else
        function();
#endif
    }
    static void released(void *callback) noexcept { delete static_cast<unique_function<void()> *>(callback); }
    static std::optional<std::int64_t> known(std::int64_t id) noexcept {
        return id < 0 ? std::nullopt : std::optional<std::int64_t>(id);
    }
};

// A handler fails on purpose: its caller gets `kind::handler_failed` with this text, and may ask the error for `handler_code` and
// `handler_data`. Thrown in a handler, or given to `responder::fail`. A code is one word for programs, such as "out_of_stock";
// where all of it does not fit the caller's largest message, data goes first.
class handler_error : public std::exception {
public:
    explicit handler_error(std::string message, std::string code = {})
        : told_(std::make_shared<const told>(told{without_zeros(std::move(message)), without_zeros(std::move(code)), {}})) {}
    // `data` becomes JSON as a body does: a value with a `json_codec`, a string, or `body::json` for a text that is JSON already.
    template <class Data>
    handler_error(std::string message, std::string code, const Data &data)
        : told_(std::make_shared<const told>(
              told{without_zeros(std::move(message)), without_zeros(std::move(code)), json_of(data)})) {}

    const char *what() const noexcept override { return told_->message.c_str(); }
    const std::string &code() const noexcept { return told_->code; }
    const std::optional<std::string> &data_json() const noexcept { return told_->data; }

private:
    struct told {
        std::string message, code;
        std::optional<std::string> data;
    };

    // C's texts end at the first zero.
    static std::string without_zeros(std::string text) {
        for (char &letter : text) {
            if (letter == '\0') letter = ' ';
        }
        return text;
    }

    template <class Data> static std::string json_of(const Data &data) {
        if constexpr (std::is_same_v<Data, body>) {
            const sipc_body raw = data.get();
            const std::string_view given(static_cast<const char *>(raw.data), raw.data ? raw.len : 0);
            return raw.kind == SIPC_KIND_TEXT ? json_codec<std::string>::encode(std::string(given)) : std::string(given);
        } else if constexpr (detail::is_text<Data>) {
            return json_of(body(data));
        } else {
            return json_codec<Data>::encode(data);
        }
    }

    std::shared_ptr<const told> told_; // shared, since copying an exception must not fail
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

    // Answers. `connection_lost` and `cancelled` mean that the caller is gone; most handlers ignore that.
    result<void> respond(const body &reply) { return answered(sipc_respond, reply.get()); }
    // Fails the caller with a text, or with what a `handler_error` says. An error where the caller cannot be told.
    result<void> fail(const text &message) { return answered(sipc_respond_error, message.c_str()); }
    result<void> fail(const handler_error &failure);
    // Answers with a sequence. `kind::wrong_mode` where the caller has sent a plain request, which it is told, too.
    result<reply_stream> try_stream();
#if SIMPLE_IPC_EXCEPTIONS
    reply_stream stream();
#endif
    // Tells the caller that its body cannot be read: it gets `kind::invalid_body`, and the message counts as not handled.
    result<void> reject(const text &message) { return answered(sipc_reject, message.c_str()); }

private:
    template <class T> result<void> answered(sipc_status (*answer)(sipc_responder *, T, sipc_error **), T with) {
        if (!responder_) return used_up();
        sipc_error *failure = nullptr;
        const sipc_status status = answer(std::exchange(responder_, nullptr), with, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return {};
    }
};

inline result<void> responder::fail(const handler_error &failure) {
    if (!responder_) return used_up();
    sipc_error *mistake = nullptr;
    const sipc_status status =
        sipc_respond_failure(std::exchange(responder_, nullptr), failure.what(),
                             failure.code().empty() ? nullptr : failure.code().c_str(),
                             failure.data_json() ? failure.data_json()->c_str() : nullptr, &mistake);
    if (status != SIPC_OK) return detail::take_error(status, mistake);
    return {};
}

// What a handler that names no type is given: a message, and the way to answer it with a stream. Lent for the call.
class request : public message_view {
public:
    request(const message_view &message, responder &answer) noexcept : message_view(message), answer_(&answer) {}

    // Answers with a sequence; the handler returns nothing then. `kind::wrong_mode` where the caller has sent a plain request.
    result<reply_stream> try_stream() const;
    // The items that the caller sends, as those of a `caller`.
    template <class T = message> result<simple_ipc::items<T>> try_items() const;
#if SIMPLE_IPC_EXCEPTIONS
    reply_stream stream() const;
    template <class T = message> simple_ipc::items<T> items() const;
#endif
    bool is_stream() const noexcept { return answer_->is_stream(); }

private:
    responder *answer_;
};

namespace detail {

inline void close_and_free(sipc_listener *listener) {
    // A handler that outlives the grace period keeps what it captured until it returns.
    (void)sipc_listener_close(listener, nullptr);
    sipc_listener_free(listener);
}

} // namespace detail

// A channel that this process serves. Destroyed, or assigned to, it closes as `close` does, which cannot be told then: what the
// handler captured is gone afterwards, unless a handler still runs when the grace period ends.
class [[nodiscard]] listener {
public:
    explicit listener(sipc_listener *owned) noexcept : listener_(owned) {}

    // The name, `:port` or path; the socket's path or `127.0.0.1:port`; as long as the listener lives.
    std::string_view channel() const noexcept { return view(sipc_listener_channel(listener_.get())); }
    std::string_view address() const noexcept { return view(sipc_listener_address(listener_.get())); }
    // The socket's path; empty for TCP.
    std::string_view path() const noexcept { return view(sipc_listener_path(listener_.get())); }
    // The port; 0 for a Unix socket.
    std::uint16_t port() const noexcept { return static_cast<std::uint16_t>(sipc_listener_port(listener_.get())); }

    // Counters that the library does not know of are 0.
    result<sipc_counters> try_counters() const {
        if (!listener_) return detail::moved_from("listener");
        sipc_counters counted{};
        counted.size = sizeof counted;
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_listener_counters(listener_.get(), &counted, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return counted;
    }

    // Publishes one event to each subscriber whose topics let it through; gives the number of those for which it was queued or
    // sent. In any number of threads at once, also in handlers. Waits only for subscribers with `SIPC_OVERFLOW_BLOCK`, at most
    // for the options' `patience`. `kind::wrong_mode` on a listener that does not publish: see `options::publish`.
    result<std::size_t> try_publish(const body &message, const text &topic = "") const {
        if (!listener_) return detail::moved_from("listener");
        if (auto zero = topic.mistake(kind::invalid_argument)) return *std::move(zero);
        std::size_t queued = 0;
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_publish(listener_.get(), topic.c_str(), message.get(), &queued, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return queued;
    }

    // Answers what has come, within the options' grace period; afterwards the handler with all that it captured is gone.
    // `kind::timed_out` says that it is not: a handler still runs. Again it does nothing, or says whether that has ended. Inside
    // its own handler it begins to close and returns at once: the answer still goes out.
    result<void> try_close() const {
        if (!listener_) return {};
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_listener_close(listener_.get(), &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return {};
    }
#if SIMPLE_IPC_EXCEPTIONS
    sipc_counters counters() const { return try_counters().value(); }
    std::size_t publish(const body &message, const text &topic = "") const { return try_publish(message, topic).value(); }
    void close() const { try_close().value(); }
#endif

private:
    static std::string_view view(const char *text) noexcept { return text ? std::string_view(text) : std::string_view(); }

    detail::handle<sipc_listener, detail::close_and_free> listener_;
};

namespace detail {

template <class Function> void drop(void *function) { delete static_cast<Function *>(function); }

#if SIMPLE_IPC_EXCEPTIONS
#ifdef SIMPLE_IPC_DEMANGLES
inline std::string type_name(const std::type_info &type) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void *)> name(abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
    return status == 0 && name ? name.get() : type.name();
}
#endif

// What the handler whose exception is being handled failed with: its type's name and its text, or what it gave on purpose.
inline handler_error thrown() {
    try {
        throw;
    } catch (const handler_error &on_purpose) {
        return on_purpose;
    } catch (const std::exception &failure) {
        const char *const said = failure.what();
#ifdef SIMPLE_IPC_DEMANGLES
        return handler_error(type_name(typeid(failure)) + ": " + (said ? said : ""));
#else
        return handler_error(said ? said : "std::exception");
#endif
    } catch (...) {
#ifdef SIMPLE_IPC_DEMANGLES
        if (const std::type_info *const type = abi::__cxa_current_exception_type()) {
            return handler_error(type_name(*type) + ": thrown by the handler, and no std::exception");
        }
#endif
        return handler_error("the handler threw something that is no std::exception");
    }
}
#endif

#if SIMPLE_IPC_EXCEPTIONS
// A stream that a handler has left by an exception, which tells its caller why. One for each handler that runs in a thread.
struct abandoned {
    abandoned() noexcept : outer(std::exchange(of_this_thread(), this)) {}
    abandoned(const abandoned &) = delete;
    abandoned &operator=(const abandoned &) = delete;
    ~abandoned() { of_this_thread() = outer; }

    static abandoned *&of_this_thread() noexcept {
        thread_local abandoned *innermost = nullptr;
        return innermost;
    }

    abandoned *outer;
    handle<sipc_stream, sipc_stream_free> stream;
};
#endif

// What a listener calls: the handler as it was given, and the options that know whom to tell of failures.
template <class In, class F> struct request_shape {
    F function;
    options with;
    std::string channel;

    // A message that is not an In reaches no handler.
    void operator()(const message_view &message, responder &answer) {
        if constexpr (std::is_same_v<In, message_view>) {
            call<const request &>(request(message, answer), answer);
        } else {
            result<In> read = read_as(message);
            if (read) {
                call<In>(*std::move(read), answer);
            } else {
                (void)answer.reject(std::string(read.error().what()));
            }
        }
    }

    static void on_message(const sipc_message *message, sipc_responder *owned, void *shape) noexcept {
        responder answer(owned);
        auto &self = *static_cast<request_shape *>(shape);
#if SIMPLE_IPC_EXCEPTIONS
        abandoned left;
        try {
            self(message_view(message), answer);
        } catch (...) {
            self.tell_thrown(answer, left);
        }
#else
        self(message_view(message), answer);
#endif
    }

    static result<In> read_as(const message_view &message) {
#if SIMPLE_IPC_EXCEPTIONS
        try {
            return message.try_as<In>();
        } catch (const std::exception &) {
            return error(kind::invalid_body, thrown().what());
        }
#else
        return message.try_as<In>();
#endif
    }

private:
    // The shapes of handler: (in) and (in, const caller &) return the answer; (request) answers with a stream, (in, responder &)
    // in whatever way.
    template <class Taken> void call(Taken &&message, responder &answer) {
        if constexpr (std::is_invocable_r_v<body, F &, Taken>) {
            (void)answer.respond(function(std::forward<Taken>(message)));
        } else if constexpr (std::is_invocable_r_v<body, F &, Taken, const caller &>) {
            (void)answer.respond(function(std::forward<Taken>(message), static_cast<const caller &>(answer)));
        } else if constexpr (std::is_invocable_v<F &, Taken> && std::is_same_v<Taken, const request &>) {
            function(std::forward<Taken>(message));
        } else {
            static_assert(std::is_invocable_v<F &, Taken, responder &>,
                          "a request handler takes the message and returns the answer, or takes a responder & besides");
            function(std::forward<Taken>(message), answer);
        }
    }

#if SIMPLE_IPC_EXCEPTIONS
    // Exceptions end here. Without memory for the text, the responder's end tells that the handler failed.
    void tell_thrown(responder &answer, abandoned &left) noexcept {
        // What a handler throws because its caller has left, nobody wants to hear.
        if (left.stream && sipc_stream_is_over(left.stream.get())) return;
        try {
            const handler_error failure = thrown();
            if (answer) {
                (void)answer.fail(failure);
            } else if (left.stream) {
                (void)sipc_stream_fail_with(left.stream.get(), failure.what(),
                                            failure.code().empty() ? nullptr : failure.code().c_str(),
                                            failure.data_json() ? failure.data_json()->c_str() : nullptr, nullptr);
            } else {
                with.report({channel, true, kind::handler_failed, failure.what(), {}, {}, {}});
            }
        } catch (...) {
        }
    }
#endif
};

template <class In, class F> struct broadcast_shape {
    F function;
    options with;
    std::string channel;

    void operator()(const message_view &message, sipc_responder *lent) {
        if constexpr (std::is_same_v<In, message_view>) {
            call<const message_view &>(message, caller(lent));
        } else {
            result<In> read = request_shape<In, F>::read_as(message);
            if (read) {
                call<In>(*std::move(read), caller(lent));
            } else {
                sipc_reject(lent, read.error().what(), nullptr);
            }
        }
    }

    static void on_message(const sipc_message *message, sipc_responder *lent, void *shape) noexcept {
        auto &self = *static_cast<broadcast_shape *>(shape);
#if SIMPLE_IPC_EXCEPTIONS
        try {
            self(message_view(message), lent);
        } catch (...) {
            // Nobody but the listener is told.
            try {
                sipc_respond_error(lent, thrown().what(), nullptr);
            } catch (...) {
                sipc_respond_error(lent, "the handler threw", nullptr);
            }
        }
#else
        self(message_view(message), lent);
#endif
    }

private:
    template <class Taken> void call(Taken &&message, const caller &sender) {
        if constexpr (std::is_invocable_v<F &, Taken>) {
            (void)sender;
            function(std::forward<Taken>(message));
        } else {
            function(std::forward<Taken>(message), sender);
        }
    }
};

template <class Shape, class F, class Listen, class Address>
result<listener> listen(Listen function, Address address, F handler, const options &with) {
    sipc_listener *made = nullptr;
    sipc_error *failure = nullptr;
    std::string channel;
    if constexpr (std::is_integral_v<Address>) {
        channel = ":" + std::to_string(address); // 0 where the system is to choose
    } else if (address) {
        channel = address;
    }
    auto owned = std::unique_ptr<Shape>(new Shape{std::move(handler), with, std::move(channel)});
    const sipc_status status =
        function(address, Shape::on_message, owned.release(), drop<Shape>, with.get(), &made, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    return listener(made);
}

} // namespace detail

// The handler takes a `const message_view &`, or In where that is named: `listen_uds_request<int>("square", [](int n) { … })`; a
// message that is no In fails its caller with `kind::invalid_body`. It returns the answer, or takes a `responder &` besides. It is
// moved, never copied. Several run at once; a handler must be fit for that.
template <class In = message_view, class F>
result<listener> try_listen_uds_request(const text &channel, F handler, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::listen<detail::request_shape<In, F>>(sipc_listen_uds_request, channel.c_str(), std::move(handler), with);
}
template <class In = message_view, class F>
result<listener> try_listen_ip_request(std::uint32_t port, F handler, const options &with = {}) {
    return detail::listen<detail::request_shape<In, F>>(sipc_listen_ip_request, port, std::move(handler), with);
}
template <class In = message_view, class F>
result<listener> try_listen_uds_broadcast(const text &channel, F handler, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::listen<detail::broadcast_shape<In, F>>(sipc_listen_uds_broadcast, channel.c_str(), std::move(handler), with);
}
template <class In = message_view, class F>
result<listener> try_listen_ip_broadcast(std::uint32_t port, F handler, const options &with = {}) {
    return detail::listen<detail::broadcast_shape<In, F>>(sipc_listen_ip_broadcast, port, std::move(handler), with);
}
#if SIMPLE_IPC_EXCEPTIONS
template <class In = message_view, class F> listener listen_uds_request(const text &channel, F handler, const options &with = {}) {
    return try_listen_uds_request<In>(channel, std::move(handler), with).value();
}
template <class In = message_view, class F> listener listen_ip_request(std::uint32_t port, F handler, const options &with = {}) {
    return try_listen_ip_request<In>(port, std::move(handler), with).value();
}
template <class In = message_view, class F>
listener listen_uds_broadcast(const text &channel, F handler, const options &with = {}) {
    return try_listen_uds_broadcast<In>(channel, std::move(handler), with).value();
}
template <class In = message_view, class F>
listener listen_ip_broadcast(std::uint32_t port, F handler, const options &with = {}) {
    return try_listen_ip_broadcast<In>(port, std::move(handler), with).value();
}
#endif

// A listener that publishes and takes no messages. One with a handler publishes, too, if `options::publish` says so.
inline result<listener> try_listen_uds_publish(const text &channel, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::open<listener>(sipc_listen_uds_publish, channel.c_str(), with);
}
inline result<listener> try_listen_ip_publish(std::uint32_t port, const options &with = {}) {
    return detail::open<listener>(sipc_listen_ip_publish, port, with);
}
#if SIMPLE_IPC_EXCEPTIONS
inline listener listen_uds_publish(const text &channel, const options &with = {}) {
    return try_listen_uds_publish(channel, with).value();
}
inline listener listen_ip_publish(std::uint32_t port, const options &with = {}) {
    return try_listen_ip_publish(port, with).value();
}
#endif

// Posting -----------------------------------------------------------------------------------------------------------------

// An asynchronous call under way. Destroyed, it goes on: its callback runs all the same.
class operation {
public:
    explicit operation(sipc_operation *owned) noexcept : operation_(owned) {}

    // The callback gets `kind::cancelled`, unless the call is just ending.
    void cancel() const noexcept { sipc_operation_cancel(operation_.get()); }
    // Waits until the callback has returned, and what it captured is gone. Not inside a callback.
    result<void> try_wait(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!operation_) return detail::moved_from("operation");
        sipc_error *failure = nullptr;
        const std::int64_t time = timeout ? detail::milliseconds(*timeout) : SIPC_NO_TIMEOUT;
        const sipc_status status = sipc_operation_wait(operation_.get(), time, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return {};
    }
#if SIMPLE_IPC_EXCEPTIONS
    void wait(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const { try_wait(timeout).value(); }
#endif

private:
    detail::handle<sipc_operation, sipc_operation_free> operation_;
};

// Called once with the reply or the error, on a thread of the library. It should be brief, and must not wait for other calls.
// It is moved, never copied.
using on_reply = unique_function<void(result<message>)>;
// The same for what has no reply.
using on_done = unique_function<void(result<void>)>;
// For a callback that is kept and given to several calls.
using reply_callback = std::function<void(result<message>)>;
using done_callback = std::function<void(result<void>)>;

namespace detail {

template <class T> result<T> read(sipc_status status, sipc_message *reply, sipc_error *failure) {
    if (status != SIPC_OK) return take_error(status, failure);
    message owned(reply);
    if constexpr (std::is_same_v<T, message>) {
        return owned;
    } else {
#if SIMPLE_IPC_EXCEPTIONS
        try {
            return owned.try_as<T>();
        } catch (const error &unfit) {
            return unfit;
        }
#else
        return owned.try_as<T>();
#endif
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
void call_back(sipc_status status, sipc_message *reply, sipc_error *failure, void *data) noexcept {
    Callback &callback = *static_cast<Callback *>(data);
    const auto call = [&] {
        if constexpr (std::is_same_v<Callback, on_reply>) {
            auto read_reply = read<message>(status, reply, failure);
            if (callback) callback(std::move(read_reply));
        } else {
            auto end = ended(status, failure);
            if (callback) callback(std::move(end));
        }
    };
#if SIMPLE_IPC_EXCEPTIONS
    try {
        call();
    } catch (...) {
        // A callback has no caller to be told.
    }
#else
    call();
#endif
}

// Calls an `_async` function, whose last parameters are always these.
template <class Callback, class Function, class... Arguments>
result<operation> start(Callback callback, Function function, Arguments... arguments) {
    sipc_operation *made = nullptr;
    sipc_error *failure = nullptr;
    auto owned = std::make_unique<Callback>(std::move(callback));
    const sipc_status status =
        function(arguments..., call_back<Callback>, owned.release(), drop<Callback>, &made, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    return operation(made);
}

} // namespace detail

template <class Out = message>
result<Out> try_post_uds_request(const text &channel, const body &request, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
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
inline result<void> try_post_uds_broadcast(const text &channel, const body &message, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::done(sipc_post_uds_broadcast, channel.c_str(), message.get(), with.get());
}
inline result<void> try_post_ip_broadcast(std::uint32_t port, const body &message, const options &with = {}) {
    return detail::done(sipc_post_ip_broadcast, port, message.get(), with.get());
}
#if SIMPLE_IPC_EXCEPTIONS
template <class Out = message>
Out post_uds_request(const text &channel, const body &request, const options &with = {}) {
    return try_post_uds_request<Out>(channel, request, with).value();
}
template <class Out = message> Out post_ip_request(std::uint32_t port, const body &request, const options &with = {}) {
    return try_post_ip_request<Out>(port, request, with).value();
}
inline void post_uds_broadcast(const text &channel, const body &message, const options &with = {}) {
    try_post_uds_broadcast(channel, message, with).value();
}
inline void post_ip_broadcast(std::uint32_t port, const body &message, const options &with = {}) {
    try_post_ip_broadcast(port, message, with).value();
}
#endif

// Posting without waiting. The call itself reports the caller's mistakes, and then the callback never runs.
inline result<operation> try_post_uds_request_async(const text &channel, const body &request, on_reply callback,
                                                    const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::start(std::move(callback), sipc_post_uds_request_async, channel.c_str(), request.get(), with.get());
}
inline result<operation> try_post_ip_request_async(std::uint32_t port, const body &request, on_reply callback,
                                                   const options &with = {}) {
    return detail::start(std::move(callback), sipc_post_ip_request_async, port, request.get(), with.get());
}
inline result<operation> try_post_uds_broadcast_async(const text &channel, const body &message, on_done callback,
                                                      const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::start(std::move(callback), sipc_post_uds_broadcast_async, channel.c_str(), message.get(), with.get());
}
inline result<operation> try_post_ip_broadcast_async(std::uint32_t port, const body &message, on_done callback,
                                                     const options &with = {}) {
    return detail::start(std::move(callback), sipc_post_ip_broadcast_async, port, message.get(), with.get());
}
#if SIMPLE_IPC_EXCEPTIONS
inline operation post_uds_request_async(const text &channel, const body &request, on_reply callback,
                                        const options &with = {}) {
    return try_post_uds_request_async(channel, request, std::move(callback), with).value();
}
inline operation post_ip_request_async(std::uint32_t port, const body &request, on_reply callback,
                                       const options &with = {}) {
    return try_post_ip_request_async(port, request, std::move(callback), with).value();
}
inline operation post_uds_broadcast_async(const text &channel, const body &message, on_done callback,
                                          const options &with = {}) {
    return try_post_uds_broadcast_async(channel, message, std::move(callback), with).value();
}
inline operation post_ip_broadcast_async(std::uint32_t port, const body &message, on_done callback,
                                         const options &with = {}) {
    return try_post_ip_broadcast_async(port, message, std::move(callback), with).value();
}
#endif

// One channel kept open, faster for many messages; for any number of threads at once. Destroyed, it does not wait: `close`
// makes sure that broadcasts have arrived. Blocking and asynchronous calls have no order between them.
class [[nodiscard]] client {
public:
    explicit client(sipc_client *owned) noexcept : client_(owned) {}

    // `timeout` is this call's; without it, the client's options hold.
    template <class Out = message>
    result<Out> try_request(const body &request, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!client_) return detail::moved_from("client");
        const std::optional<options> with = timed(timeout);
        sipc_message *reply = nullptr;
        sipc_error *failure = nullptr;
        const sipc_status status =
            sipc_client_request(client_.get(), request.get(), with ? with->get() : nullptr, &reply, &failure);
        return detail::read<Out>(status, reply, failure);
    }

    // Calls a method of the listener by its name, with parameters by position, each of which becomes JSON as a body does, or by name:
    // one `named`. See simple_ipc_methods.hpp.
    template <class Out = message, class... Params> result<Out> try_call(const std::string &method, const Params &...params) const;

    // Success means sent; `flush` waits until all that was sent has reached the handler.
    result<void> try_broadcast(const body &message) const {
        if (!client_) return detail::moved_from("client");
        return detail::done(sipc_client_broadcast, client_.get(), message.get());
    }

    // `timeout` is that of this call; without it, the client's options hold.
    result<void> try_flush(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!client_) return detail::moved_from("client");
        if (timeout) return detail::done(sipc_client_flush_within, client_.get(), detail::milliseconds(*timeout));
        return detail::done(sipc_client_flush, client_.get());
    }

    // The length of a round trip to the listener, without its handler.
    result<std::chrono::nanoseconds> try_ping(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!client_) return detail::moved_from("client");
        std::uint64_t nanoseconds = 0;
        const result<void> done =
            timeout ? detail::done(sipc_client_ping_within, client_.get(), detail::milliseconds(*timeout), &nanoseconds)
                    : detail::done(sipc_client_ping, client_.get(), &nanoseconds);
        if (!done) return done.error();
        return std::chrono::nanoseconds(nanoseconds);
    }

    result<operation> try_request_async(const body &request, on_reply callback,
                                        std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!client_) return detail::moved_from("client");
        const std::optional<options> with = timed(timeout);
        return detail::start(std::move(callback), sipc_client_request_async, client_.get(), request.get(),
                             with ? with->get() : nullptr);
    }
    result<operation> try_broadcast_async(const body &message, on_done callback) const {
        if (!client_) return detail::moved_from("client");
        return detail::start(std::move(callback), sipc_client_broadcast_async, client_.get(), message.get());
    }

    // Opens a stream, as `try_post_uds_stream`; without options it has the client's, of others `timeout` and `idle_timeout` count.
    // Closing the client does not end it.
    template <class Out = message> result<item_stream<Out>> try_stream(const body &data) const;
    template <class Out = message> result<item_stream<Out>> try_stream(const body &data, const options &with) const;
    // The same without waiting.
    template <class Out = message> result<item_stream<Out>> try_begin_stream(const body &data) const;
    template <class Out = message> result<item_stream<Out>> try_begin_stream(const body &data, const options &with) const;

    // Ends the calls that other threads wait in, and those that are asynchronous, with `kind::cancelled`; flushes, at most for
    // `timeout`, or for that of the client's options; then closes, whatever comes of the flush. Again it does nothing.
    result<void> try_close(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!client_) return {};
        if (timeout) return detail::done(sipc_client_close_within, client_.get(), detail::milliseconds(*timeout));
        return detail::done(sipc_client_close, client_.get());
    }

#if SIMPLE_IPC_EXCEPTIONS
    template <class Out = message>
    Out request(const body &request, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_request<Out>(request, timeout).value();
    }
    void broadcast(const body &message) const { try_broadcast(message).value(); }
    void flush(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const { try_flush(timeout).value(); }
    std::chrono::nanoseconds ping(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_ping(timeout).value();
    }
    operation request_async(const body &request, on_reply callback,
                            std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_request_async(request, std::move(callback), timeout).value();
    }
    operation broadcast_async(const body &message, on_done callback) const {
        return try_broadcast_async(message, std::move(callback)).value();
    }
    void close(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const { try_close(timeout).value(); }
    template <class Out = message> item_stream<Out> stream(const body &data) const;
    template <class Out = message> item_stream<Out> stream(const body &data, const options &with) const;
    template <class Out = message> item_stream<Out> begin_stream(const body &data) const;
    template <class Out = message> item_stream<Out> begin_stream(const body &data, const options &with) const;
    template <class Out = message, class... Params> Out call(const std::string &method, const Params &...params) const;
#endif

private:
    static std::optional<options> timed(std::optional<std::chrono::nanoseconds> timeout) {
        std::optional<options> with;
        if (timeout) with.emplace().timeout(*timeout);
        return with;
    }

    detail::handle<sipc_client, sipc_client_free> client_;
};

inline result<client> try_connect_uds(const text &channel, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::open<client>(sipc_client_connect_uds, channel.c_str(), with);
}
inline result<client> try_connect_ip(std::uint32_t port, const options &with = {}) {
    return detail::open<client>(sipc_client_connect_ip, port, with);
}
inline result<client> try_connect_path(const text &path, const options &with = {}) {
    if (auto zero = path.mistake(kind::invalid_argument)) return *std::move(zero);
    return detail::open<client>(sipc_client_connect_path, path.c_str(), with);
}
#if SIMPLE_IPC_EXCEPTIONS
inline client connect_uds(const text &channel, const options &with = {}) { return try_connect_uds(channel, with).value(); }
inline client connect_ip(std::uint32_t port, const options &with = {}) { return try_connect_ip(port, with).value(); }
inline client connect_path(const text &path, const options &with = {}) { return try_connect_path(path, with).value(); }
#endif

// Discovery ---------------------------------------------------------------------------------------------------------------

// A live channel.
struct channel_info {
    std::string channel; // its name, `:port`, or the path of its socket
    std::string address; // the path of its socket, or `127.0.0.1:port`
    bool takes_requests; // false for broadcasts, and where its lock file does not say: then the next three are 0 or empty
    std::int64_t pid;
    std::chrono::system_clock::time_point started;
    std::string version; // of the library that it uses
    bool takes_broadcasts; // false for requests, and where its lock file does not say
    bool publishes;        // also beside requests or broadcasts
    std::optional<std::uint64_t> subscribers; // how many it had a tenth of a second ago; nothing where it takes none
};

namespace detail {

inline result<std::vector<channel_info>> channels(const char *directory) {
    sipc_channel_list *found = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = sipc_channels(directory, &found, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    const handle<sipc_channel_list, sipc_channel_list_free> list(found);
    std::vector<channel_info> all;
    for (std::size_t index = 0; index < sipc_channel_list_len(found); ++index) {
        const sipc_channel_info &info = *sipc_channel_list_get(found, index);
        all.push_back({info.channel, info.address, info.mode == SIPC_MODE_REQUEST, info.pid,
                       std::chrono::system_clock::time_point(std::chrono::milliseconds(info.started_ms)), info.version,
                       info.mode == SIPC_MODE_BROADCAST, info.publishes,
                       info.subscribers < 0 ? std::nullopt : std::optional<std::uint64_t>(info.subscribers)});
    }
    return all;
}

} // namespace detail

// The live channels in a directory; without one, in that of `SIMPLE_IPC_DIR`, or `/tmp`.
template <class Directory, class = std::enable_if_t<detail::is_string_like<Directory>>>
result<std::vector<channel_info>> try_channels(const Directory &directory) {
    const text path(directory);
    if (auto zero = path.mistake(kind::invalid_argument)) return *std::move(zero);
    if (!path.c_str()) return error(kind::invalid_argument, "the directory is a null pointer; leave it out for the default");
    return detail::channels(path.c_str());
}
inline result<std::vector<channel_info>> try_channels(const std::optional<std::string> &directory = std::nullopt) {
    return directory ? try_channels(*directory) : detail::channels(nullptr);
}
#if SIMPLE_IPC_EXCEPTIONS
template <class Directory, class = std::enable_if_t<detail::is_string_like<Directory>>>
std::vector<channel_info> channels(const Directory &directory) {
    return try_channels(directory).value();
}
inline std::vector<channel_info> channels(const std::optional<std::string> &directory = std::nullopt) {
    return try_channels(directory).value();
}
#endif

} // namespace simple_ipc

template <> struct std::is_error_code_enum<simple_ipc::kind> : std::true_type {};

#undef SIMPLE_IPC_KINDS
#undef SIMPLE_IPC_DEMANGLES

#include "simple_ipc_methods.hpp"
#include "simple_ipc_stream.hpp"
#include "simple_ipc_subscription.hpp"

#endif // SIMPLE_IPC_HPP
