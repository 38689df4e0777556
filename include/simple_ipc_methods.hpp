// Simple IPC for C++17: calling a method by its name, which simple_ipc.hpp includes.
//
// One channel, several functions: a request `{"method": "add", "params": [1, 2]}` calls the function `add` of its listener, and is
// answered with what that returns. It is a convention over plain requests, in every language.
//
//     const auto calc = simple_ipc::connect_uds("calc");
//     int sum = calc.call<int>("add", 1, 2);                                             // by position
//     int other = calc.call<int>("add", simple_ipc::named{{"a", 1}, {"b", 2}});          // by name
//     int third = simple_ipc::post_uds_request<int>("calc", simple_ipc::method_call("add", 1, 2));
//
// What cannot be called fails with `kind::handler_failed`, whose `handler_code()` is "invalid_request", "method_not_found" or
// "invalid_params"; no function has run then. Listeners' tables of functions take a JSON library: simple_ipc_json.hpp.

#ifndef SIMPLE_IPC_METHODS_HPP
#define SIMPLE_IPC_METHODS_HPP

#include "simple_ipc.hpp"

#include <initializer_list>
#include <utility>

namespace simple_ipc {

// Parameters by name. Each becomes JSON as a body does.
class named {
public:
    named(std::initializer_list<std::pair<std::string, body>> given) : all_(given) {}
    const std::vector<std::pair<std::string, body>> &all() const noexcept { return all_; }

private:
    std::vector<std::pair<std::string, body>> all_;
};

namespace detail {

// What a parameter is in JSON; nothing for what has no form there: bytes, JSON with bytes, a null pointer.
inline std::optional<std::string> json_of_parameter(const body &given) {
    const sipc_body raw = given.get();
    if (!raw.data || (raw.kind != SIPC_KIND_JSON && raw.kind != SIPC_KIND_TEXT)) return std::nullopt;
    std::string text(static_cast<const char *>(raw.data), raw.len);
    return raw.kind == SIPC_KIND_TEXT ? json_codec<std::string>::encode(text) : std::move(text);
}

inline result<body> called(const std::string &method, const std::optional<std::string> &params) {
    if (!params) {
        return error(kind::invalid_argument, "cannot call method \"" + method +
                                                 "\": a parameter has no form in JSON, as bytes and null pointers have none; send text");
    }
    return body::json("{\"method\":" + json_codec<std::string>::encode(method) + ",\"params\":" + *params + "}");
}

inline result<body> try_method_call(const std::string &method, const named &params) {
    std::string json = "{";
    for (const auto &[name, value] : params.all()) {
        const auto text = json_of_parameter(value);
        if (!text) return called(method, std::nullopt);
        json += (json.size() > 1 ? "," : "") + json_codec<std::string>::encode(name) + ":" + *text;
    }
    return called(method, json + "}");
}
template <class... Params> result<body> try_method_call(const std::string &method, const Params &...params) {
    std::string json = "[";
    bool fits = true;
    const auto add = [&](const body &value) {
        const auto text = json_of_parameter(value);
        fits = fits && text;
        if (text) json += (json.size() > 1 ? "," : "") + *text;
    };
    (add(params), ...);
    (void)add; // without parameters nobody uses it
    return called(method, fits ? std::optional<std::string>(json + "]") : std::nullopt);
}

} // namespace detail

// The body that calls a method, for whatever sends one: posts, clients, queues, streams, broadcasts.
template <class... Params> body method_call(const std::string &method, const Params &...params) {
    auto made = detail::try_method_call(method, params...);
#if SIMPLE_IPC_EXCEPTIONS
    return std::move(made).value();
#else
    return made ? *std::move(made) : body::json(nullptr); // every call refuses it
#endif
}

template <class Out, class... Params> result<Out> client::try_call(const std::string &method, const Params &...params) const {
    const auto made = detail::try_method_call(method, params...);
    if (!made) return made.error();
    return try_request<Out>(*made);
}
#if SIMPLE_IPC_EXCEPTIONS
template <class Out, class... Params> Out client::call(const std::string &method, const Params &...params) const {
    return try_call<Out>(method, params...).value();
}
#endif

} // namespace simple_ipc

#endif // SIMPLE_IPC_METHODS_HPP
