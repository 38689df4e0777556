// Simple IPC for C++17, for programs that use nlohmann/json (3.9 or newer): its values as bodies, and tables of functions that callers
// call by name. Nothing else of the library needs that header. With exceptions only.
//
//     using nlohmann::json;
//     auto echo = simple_ipc::listen_uds_request<json>("echo", [](const json &value) { return value; });
//
//     auto calc = simple_ipc::listen_uds_request("calc", simple_ipc::methods{
//         {"add", [](int a, int b) { return a + b; }},
//         {"greet", [](const std::string &name, std::optional<std::string> greeting) { return greeting.value_or("hello") + " " + name; }},
//     });
//     simple_ipc::connect_uds("calc").call<int>("add", 1, 2); // 3
//
// A function is whatever std::function takes, but for overloaded and generic ones: it takes values that are made of the parameters,
// and returns one of which JSON is made, bytes, an attached, a body, or nothing, which is null. It may be called by several threads at once.
// Its last parameter may be a `const caller &`, who sent the message, or a `responder &`, with which it answers itself, at once or
// later or with a stream; it returns nothing then. What it throws reaches the caller as from any handler.
//
//     parameter                                      is made of
//     whole numbers                                  a number without a fraction that fits
//     float, double, long double                     a number
//     bool, std::string                              the same
//     std::optional<T>                               a T; null, or none: it may be left out at the end
//     std::vector<T>                                 an array of Ts
//     nlohmann::json                                 anything
//     other types                                    what their `from_json` takes
//
// Parameters that are an object, by name, are the one parameter of a function: a type with a `from_json`, or nlohmann::json. What does
// not fit is the caller's `handler_code()` "invalid_params", and the function has not run.

#ifndef SIMPLE_IPC_JSON_HPP
#define SIMPLE_IPC_JSON_HPP

#include "simple_ipc.hpp"

#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

namespace simple_ipc {

template <> struct json_codec<nlohmann::json> {
    static std::string encode(const nlohmann::json &value) { return value.dump(); }
    static nlohmann::json decode(std::string_view text) { return nlohmann::json::parse(text.begin(), text.end()); }
};
template <> struct json_codec<nlohmann::ordered_json> {
    static std::string encode(const nlohmann::ordered_json &value) { return value.dump(); }
    static nlohmann::ordered_json decode(std::string_view text) { return nlohmann::ordered_json::parse(text.begin(), text.end()); }
};

namespace detail {

// A parameter that is not what its function takes: what it was to be.
struct wrong_parameter {
    std::string wanted;
};

template <class T> struct optional_of : std::false_type {};
template <class T> struct optional_of<std::optional<T>> : std::true_type {
    using type = T;
};
template <class T> struct vector_of : std::false_type {};
template <class T> struct vector_of<std::vector<T>> : std::true_type {
    using type = T;
};

// As strict as the built-in types of a body: what the JSON library would cut or convert is refused.
template <class T> T parameter_of(const nlohmann::json &given) {
    if constexpr (std::is_same_v<T, nlohmann::json>) {
        return given;
    } else if constexpr (optional_of<T>::value) {
        if (given.is_null()) return std::nullopt;
        return parameter_of<typename optional_of<T>::type>(given);
    } else if constexpr (vector_of<T>::value) {
        if (!given.is_array()) throw wrong_parameter{"an array"};
        T all;
        for (const auto &one : given) all.push_back(parameter_of<typename vector_of<T>::type>(one));
        return all;
    } else if constexpr (std::is_same_v<T, bool>) {
        if (!given.is_boolean()) throw wrong_parameter{"true or false"};
        return given.get<bool>();
    } else if constexpr (std::is_integral_v<T>) {
        const bool fits = given.is_number_unsigned()
                              ? given.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())
                              : given.is_number_integer() && std::is_signed_v<T> &&
                                    given.get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<T>::min());
        if (!fits) {
            throw wrong_parameter{"a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                                  std::to_string(std::numeric_limits<T>::max())};
        }
        return given.get<T>();
    } else if constexpr (std::is_floating_point_v<T>) {
        if (!given.is_number()) throw wrong_parameter{"a number"};
        return given.get<T>();
    } else if constexpr (std::is_same_v<T, std::string>) {
        if (!given.is_string()) throw wrong_parameter{"a text"};
        return given.get<std::string>();
    } else {
        return given.get<T>();
    }
}

template <class T> inline constexpr bool is_context =
    std::is_same_v<T, const caller &> || std::is_same_v<T, responder &>;

// How many of these may not be left out.
template <class... Taken> constexpr std::size_t required() {
    std::size_t count = 0, place = 0;
    ((++place, count = optional_of<Taken>::value ? count : place), ...);
    return count;
}

// One message on its way to a function.
struct method_call_in {
    const std::string &name;
    const nlohmann::json &params;
    const caller &sender;
    responder *answer; // none for a broadcast
};

[[noreturn]] inline void refuse_call(const char *code, const std::string &why, const std::string &method) {
    throw handler_error(why, code, body::json(nlohmann::json{{"method", method}}.dump()));
}

[[noreturn]] inline void refuse_parameters(const method_call_in &call, const std::string &why) {
    refuse_call("invalid_params", "method \"" + call.name + "\": " + why, call.name);
}

template <class T> T parameter_at(const method_call_in &call, std::size_t place) {
    static const nlohmann::json none;
    const bool by_name = call.params.is_object();
    const nlohmann::json &given = by_name ? call.params : place < call.params.size() ? call.params[place] : none;
    const auto where = [&] { return by_name ? std::string("its parameters: ") : "parameter " + std::to_string(place + 1) + ": "; };
    try {
        return parameter_of<T>(given);
    } catch (const wrong_parameter &wrong) {
        refuse_parameters(call, where() + "it is to be " + wrong.wanted + ", and is " + given.type_name());
    } catch (const std::exception &failure) {
        refuse_parameters(call, where() + failure.what());
    }
}

template <class Out> body answer_of(Out &&value) {
    using Value = std::decay_t<Out>;
    if constexpr (std::is_same_v<Value, body>) {
        return std::forward<Out>(value);
    } else if constexpr (is_bytes<Value> || is_attached<Value> || std::is_base_of_v<message_view, Value>) {
        return body(value);
    } else {
        return body::json(nlohmann::json(std::forward<Out>(value)).dump());
    }
}

// Calls a function of this signature: `Taken` of the parameters, and then `Context`, if there is one.
template <class F, class Out, class Context, class... Taken> struct method_caller {
    static void call(const F &function, const method_call_in &call) {
        check(call);
        call_with(function, call, std::index_sequence_for<Taken...>());
    }

private:
    static void check(const method_call_in &call) {
        const std::size_t given = call.params.size();
        if (call.params.is_object() && given > 0 && sizeof...(Taken) != 1) {
            refuse_parameters(call, "it takes " + count() + " by position, and not by name");
        }
        if (call.params.is_array() && (given > sizeof...(Taken) || given < required<Taken...>())) {
            refuse_parameters(call, "it takes " + count() + ", and got " + std::to_string(given));
        }
    }

    static std::string count() {
        constexpr std::size_t least = required<Taken...>(), most = sizeof...(Taken);
        if (most == 0) return "no parameters";
        return (least == most ? "" : std::to_string(least) + " to ") + std::to_string(most) +
               (most == 1 ? " parameter" : " parameters");
    }

    template <std::size_t... Place>
    static void call_with(const F &function, const method_call_in &call, std::index_sequence<Place...>) {
        // All are read before the function runs, from the first on.
        std::tuple<Taken...> read{parameter_at<Taken>(call, Place)...};
        const auto run = [&](auto &...context) -> Out {
            return function(std::move(std::get<Place>(read))..., context...);
        };
        if constexpr (std::is_same_v<Context, responder &>) {
            if (!call.answer) throw handler_error("the method \"" + call.name + "\" answers itself, which a broadcast has no use for");
            static_assert(std::is_void_v<Out>, "a function that takes a responder & answers with it, and returns nothing");
            run(*call.answer);
        } else if constexpr (std::is_same_v<Context, const caller &>) {
            answer(call, [&]() -> Out { return run(call.sender); });
        } else {
            answer(call, [&]() -> Out { return run(); });
        }
    }

    template <class Run> static void answer(const method_call_in &call, Run &&run) {
        if constexpr (std::is_void_v<Out>) {
            run();
            if (call.answer) (void)call.answer->respond(body(nullptr));
        } else {
            const body answered = answer_of(run());
            if (call.answer) (void)call.answer->respond(answered);
        }
    }
};

// Parts the context from the parameters before it.
template <class F, class Out, class Before, class... Rest> struct parted;
template <class F, class Out, class... Taken> struct parted<F, Out, std::tuple<Taken...>> {
    using type = method_caller<F, Out, void, Taken...>;
};
template <class F, class Out, class... Taken, class Next, class... Rest>
struct parted<F, Out, std::tuple<Taken...>, Next, Rest...> {
    static_assert(!is_context<Next> || sizeof...(Rest) == 0, "the caller or the responder is a function's last parameter");
    using type = typename std::conditional_t<is_context<Next>, std::enable_if<true, method_caller<F, Out, Next, Taken...>>,
                                             parted<F, Out, std::tuple<Taken..., std::decay_t<Next>>, Rest...>>::type;
};

template <class F, class Signature> struct caller_of;
template <class F, class Out, class... In> struct caller_of<F, std::function<Out(In...)>> {
    using type = typename parted<F, Out, std::tuple<>, In...>::type;
};

} // namespace detail

// One function of a table.
class method {
public:
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, method>>,
              class Signature = decltype(std::function(std::declval<std::decay_t<F>>()))>
    method(F function)
        : call_([function = std::move(function)](const detail::method_call_in &call) {
              detail::caller_of<F, Signature>::type::call(function, call);
          }) {}

    void call(const detail::method_call_in &call) const { call_(call); }

private:
    std::function<void(const detail::method_call_in &)> call_;
};

// A table of functions: the handler of a listener for requests, or for broadcasts, whose functions' values nobody gets.
class methods {
public:
    methods() = default;
    methods(std::initializer_list<std::pair<const std::string, method>> given) : table_(given) {}

    // Adds a function; one that was there under this name is replaced.
    methods &add(std::string name, method function) {
        table_.insert_or_assign(std::move(name), std::move(function));
        return *this;
    }

    // What a listener calls.
    void operator()(const request &message, responder &answer) const { dispatch(message, answer, &answer); }
    void operator()(const message_view &message, const caller &sender) const { dispatch(message, sender, nullptr); }

private:
    void dispatch(const message_view &message, const caller &sender, responder *answer) const {
        nlohmann::json call;
        if (message.is_json()) call = nlohmann::json::parse(message.data().begin(), message.data().end(), nullptr, false);
        const auto name = call.is_object() ? call.find("method") : call.end();
        if (name == call.end() || !name->is_string()) {
            throw handler_error(R"(a call is an object with the name of a method: {"method": "name", "params": [...]})",
                                "invalid_request");
        }
        const std::string method = name->get<std::string>();
        const auto found = table_.find(method);
        if (found == table_.end()) detail::refuse_call("method_not_found", "there is no method \"" + method + "\"", method);
        const nlohmann::json none = nlohmann::json::array();
        const auto given = call.find("params");
        const nlohmann::json &params = given == call.end() ? none : *given;
        if (!params.is_structured()) {
            detail::refuse_call("invalid_request", "the params of method \"" + method + "\" are neither an array nor an object",
                                method);
        }
        found->second.call({method, params, sender, answer});
    }

    std::map<std::string, method> table_;
};

} // namespace simple_ipc

#endif // SIMPLE_IPC_JSON_HPP
