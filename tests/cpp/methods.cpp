// simple_ipc_json.hpp and simple_ipc_methods.hpp: tables of functions, and calls of them by name.
#include "testing.hpp"

#include <atomic>
#include <map>
#include <simple_ipc_json.hpp>
#include <simple_ipc_queue.hpp>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;
using nlohmann::json;
using simple_ipc::kind;
using simple_ipc::methods;
using simple_ipc::named;
using testing::fails;
using testing::scratch;

struct point {
    int x = 0, y = 0;
};
void from_json(const json &given, point &made) {
    given.at("x").get_to(made.x);
    given.at("y").get_to(made.y);
}
void to_json(json &made, const point &given) { made = {{"x", given.x}, {"y", given.y}}; }

namespace {

int add(int a, int b) { return a + b; }

// A call that no function has run for.
template <class Call> void refused(const std::string &code, const std::string &part, Call &&call) {
    const auto failure = fails(kind::handler_failed, call);
    const std::string text = failure.what();
    if (failure.handler_code() != code) throw std::runtime_error("another code: " + text);
    if (text.find(part) == std::string::npos) throw std::runtime_error("\"" + text + "\" does not say \"" + part + "\"");
}

void a_table_calls_the_function_that_is_named_with_what_it_takes() {
    const scratch place;
    const auto with = place.options();
    const auto calc = simple_ipc::listen_uds_request(
        "calc",
        methods{
            {"add", add},
            {"nothing", [] {}},
            {"text", [](const std::string &a, bool loud) { return loud ? a + "!" : a; }},
            {"optional", [](int a, std::optional<int> b) { return a + b.value_or(100); }},
            {"mean", [](std::vector<double> all) { return (all.at(0) + all.at(1)) / 2; }},
            {"mirror", [](const point &at) { return point{at.y, at.x}; }},
            {"any", [](const json &value) { return value; }},
            {"list", [](int n) { return std::vector<int>(static_cast<std::size_t>(n), n); }},
            {"map", [] { return std::map<std::string, int>{{"a", 1}}; }},
            {"bytes", [] { return std::vector<std::byte>{std::byte{7}}; }},
            {"picture", [](std::size_t size) { return simple_ipc::attached<json>{{{"size", size}}, std::vector<std::byte>(size)}; }},
            {"body", [] { return simple_ipc::body::json("[1]"); }},
            {"large", [](std::uint64_t n) { return n; }},
        },
        with);
    const auto client = simple_ipc::connect_uds("calc", with);
    CHECK(client.call<int>("add", 1, 2) == 3);
    CHECK(client.try_call<int>("add", 1, 2).value() == 3);
    client.call<std::nullptr_t>("nothing");
    client.call<std::nullptr_t>("nothing", named{});
    CHECK(client.call<std::string>("text", "say \"\n", true) == "say \"\n!");
    CHECK(client.call<int>("optional", 1) == 101 && client.call<int>("optional", 1, nullptr) == 101);
    CHECK(client.call<int>("optional", 1, 1) == 2);
    CHECK(client.call<double>("mean", simple_ipc::body::json("[1, 2.5]")) == 1.75);
    CHECK(client.call<json>("mirror", named{{"x", 1}, {"y", 2}}) == json({{"x", 2}, {"y", 1}}));
    CHECK(client.call<json>("mirror", json({{"x", 1}, {"y", 2}})) == json({{"x", 2}, {"y", 1}}));
    CHECK(client.call<json>("any", named{{"a \"b\"", "c"}}) == json({{"a \"b\"", "c"}}));
    CHECK(client.call<json>("list", 2) == json({2, 2}) && client.call<json>("map") == json({{"a", 1}}));
    CHECK(client.call<std::vector<std::byte>>("bytes").size() == 1 && client.call<json>("body") == json::array({1}));
    const auto picture = client.call<simple_ipc::attached<json>>("picture", 3);
    CHECK(picture.value == json({{"size", 3}}) && picture.data.size() == 3);
    CHECK(client.call<std::uint64_t>("large", UINT64_MAX) == UINT64_MAX);
    CHECK(simple_ipc::post_uds_request<int>("calc", simple_ipc::method_call("add", 2, 3), with) == 5);
    // As any program says it.
    const auto raw = [&](const char *text) { return client.request<json>(simple_ipc::body::json(text)); };
    CHECK(raw(R"({"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1, 1]})") == 2);
    CHECK(raw(R"({"method": "nothing"})") == nullptr);
}

void what_cannot_be_called_says_why_with_the_code_of_the_convention() {
    const scratch place;
    const auto with = place.options();
    std::atomic<int> ran(0);
    const auto count = [&](auto value) {
        ++ran;
        return value;
    };
    const auto calc = simple_ipc::listen_uds_request("calc",
                                                     methods{
                                                         {"add", [&](int a, int b) { return count(a + b); }},
                                                         {"small", [&](std::uint8_t n) { return count(n); }},
                                                         {"flag", [&](bool b) { return count(b); }},
                                                         {"text", [&](std::string text) { return count(text); }},
                                                         {"list", [&](std::vector<int> all) { return count(all); }},
                                                         {"at", [&](point at) { return count(at.x); }},
                                                         {"real", [&](double n) { return count(n); }},
                                                         {"optional", [&](int a, std::optional<int>) { return count(a); }},
                                                         {"none", [&] { return count(1); }},
                                                     },
                                                     with);
    const auto client = simple_ipc::connect_uds("calc", with);
    const auto raw = [&](const char *text) { (void)client.request(simple_ipc::body::json(text)); };
    for (const char *text : {"1", "[]", "{}", R"({"method": 1})", R"({"params": []})", "null"}) {
        refused("invalid_request", "the name of a method", [&] { raw(text); });
    }
    refused("invalid_request", "the name of a method", [&] { (void)client.request(std::vector<std::byte>(3)); });
    for (const char *text : {R"({"method": "add", "params": 1})", R"({"method": "add", "params": null})"}) {
        refused("invalid_request", "neither an array nor an object", [&] { raw(text); });
    }
    refused("method_not_found", "no method \"sub\"", [&] { (void)client.call("sub", 1, 2); });
    refused("invalid_params", "it takes 2 parameters, and got 1", [&] { (void)client.call("add", 1); });
    refused("invalid_params", "it takes 2 parameters, and got 3", [&] { (void)client.call("add", 1, 2, 3); });
    refused("invalid_params", "and not by name", [&] { (void)client.call("add", named{{"a", 1}, {"b", 2}}); });
    refused("invalid_params", "it takes 1 to 2 parameters, and got 0", [&] { (void)client.call("optional"); });
    refused("invalid_params", "no parameters, and got 1", [&] { (void)client.call("none", 1); });
    refused("invalid_params", "parameter 2: it is to be a whole number", [&] { (void)client.call("add", 1, 1.5); });
    refused("invalid_params", "and is string", [&] { (void)client.call("add", 1, "2"); });
    refused("invalid_params", "and is boolean", [&] { (void)client.call("add", true, 2); });
    refused("invalid_params", "from 0 to 255", [&] { (void)client.call("small", 256); });
    refused("invalid_params", "from 0 to 255", [&] { (void)client.call("small", -1); });
    refused("invalid_params", "true or false", [&] { (void)client.call("flag", 1); });
    refused("invalid_params", "a text", [&] { (void)client.call("text", 1); });
    refused("invalid_params", "a number", [&] { (void)client.call("real", "1"); });
    refused("invalid_params", "a whole number", [&] { (void)client.call("list", simple_ipc::body::json("[1, 1.5]")); });
    refused("invalid_params", "an array", [&] { (void)client.call("list", 1); });
    refused("invalid_params", "parameter 1: ", [&] { (void)client.call("at", json({{"x", 1}})); });
    refused("invalid_params", "its parameters: ", [&] { (void)client.call("at", named{{"x", 1}}); });
    const auto failure = fails(kind::handler_failed, [&] { (void)client.call("a \"name\""); });
    CHECK(json::parse(failure.handler_data().value()) == json({{"method", "a \"name\""}}));
    CHECK(ran == 0);
    fails(kind::invalid_argument, [&] { (void)client.call("add", std::vector<std::byte>(1), 1); });
    fails(kind::invalid_argument, [&] { (void)client.call("add", named{{"a", std::vector<std::byte>(1)}}); });
    fails(kind::invalid_argument, [&] { (void)client.call("add", simple_ipc::attached<int>{1, {}}, 1); });
    const auto formless = client.try_call("add", std::vector<std::byte>(1));
    CHECK(!formless && formless.error().kind() == kind::invalid_argument);
    fails(kind::invalid_json, [&] { (void)client.call("add", simple_ipc::body::json("1,2"), simple_ipc::body::json("]")); });
    CHECK(ran == 0);
}

void a_function_may_fail_know_its_caller_and_answer_itself() {
    const scratch place;
    const auto with = place.options();
    std::optional<simple_ipc::responder> kept;
    std::mutex starting;
    std::thread later;
    const auto calc = simple_ipc::listen_uds_request(
        "calc",
        methods{
            {"fail", [](int n) -> int { throw simple_ipc::handler_error("on purpose", "mine", n); }},
            {"throw", []() -> int { throw std::out_of_range("no such row"); }},
            {"who", [](int n, const simple_ipc::caller &who) { return who.pid() ? n : -1; }},
            {"later",
             [&](int n, simple_ipc::responder &answer) {
                 kept = std::move(answer);
                 // Who gets the answer joins the thread: it answers when `later` is that.
                 const std::lock_guard<std::mutex> held(starting);
                 later = std::thread([&starting, &kept, n] {
                     starting.lock();
                     starting.unlock();
                     (void)kept->respond(n + 1);
                 });
             }},
            {"count",
             [](int to, simple_ipc::responder &answer) {
                 auto out = answer.stream();
                 for (int n = 0; n < to; ++n) out.send(n);
             }},
        },
        with);
    const auto client = simple_ipc::connect_uds("calc", with);
    const auto failure = fails(kind::handler_failed, [&] { (void)client.call("fail", 5); });
    CHECK(failure.handler_code() == "mine" && failure.handler_data() == "5");
    CHECK(std::string(fails(kind::handler_failed, [&] { (void)client.call("throw"); }).what()).find("no such row") != std::string::npos);
    CHECK(client.call<int>("who", 4) == 4 && client.call<int>("later", 1) == 2);
    later.join();
    int sum = 0;
    for (const int n : client.stream<int>(simple_ipc::method_call("count", 4))) sum += n;
    CHECK(sum == 6);
}

void broadcasts_call_methods_and_queues_have_tables_too() {
    const scratch place;
    const auto with = place.options();
    std::atomic<int> sum(0);
    const auto sink = simple_ipc::listen_uds_broadcast(
        "sink",
        methods().add("add", [&](int n) { sum += n; }).add("who", [&](const simple_ipc::caller &) { sum += 100; }).add("add", [&](int n) {
            sum += 2 * n;
            return n;
        }),
        with);
    const auto client = simple_ipc::connect_uds("sink", with);
    client.broadcast(simple_ipc::method_call("add", 1));
    client.broadcast(simple_ipc::method_call("who"));
    client.broadcast(simple_ipc::method_call("nothing"));
    client.broadcast(simple_ipc::method_call("add", "x"));
    client.flush();
    CHECK(sum == 102 && sink.counters().failed == 2);
    auto queue = simple_ipc::make_queue();
    const auto calc = queue.listen_uds_request("calc", methods{{"add", add}}, with);
    const auto mine = queue.connect_uds("calc", with);
    int answer = 0;
    queue.request(mine, simple_ipc::method_call("add", 2, 2), [&](auto reply) { answer = reply.value().template as<int>(); });
    while (queue.under_way() > 0) queue.wait();
    CHECK(answer == 4);
}

void json_values_are_bodies() {
    const scratch place;
    const auto with = place.options();
    const auto echo = simple_ipc::listen_uds_request<json>("echo", [](const json &value) { return value; }, with);
    const json value = {{"a", {1, 2.5, nullptr, "b"}}, {"c", {{"d", true}}}};
    CHECK(simple_ipc::post_uds_request<json>("echo", value, with) == value);
    CHECK(simple_ipc::post_uds_request<nlohmann::ordered_json>("echo", value, with).dump() == value.dump());
}

} // namespace

int main(int argc, char **argv) {
    testing::wanted.assign(argv + 1, argv + argc);
#define RUN(test) testing::run(#test, test)
    RUN(a_table_calls_the_function_that_is_named_with_what_it_takes);
    RUN(what_cannot_be_called_says_why_with_the_code_of_the_convention);
    RUN(a_function_may_fail_know_its_caller_and_answer_itself);
    RUN(broadcasts_call_methods_and_queues_have_tables_too);
    RUN(json_values_are_bodies);
    return testing::finish();
}
