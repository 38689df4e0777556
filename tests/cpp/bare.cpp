// simple_ipc.hpp and simple_ipc_queue.hpp without exceptions and without run-time type information: errors come as results.
#include <simple_ipc_queue.hpp>

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#if SIMPLE_IPC_EXCEPTIONS
#error "to be compiled with -fno-exceptions"
#endif

using simple_ipc::kind;

struct point {
    int x;
};
template <> struct simple_ipc::json_codec<point> {
    static std::string encode(const point &value) { return std::to_string(value.x); }
    static simple_ipc::result<point> try_decode(std::string_view text) {
        auto number = json_codec<int>::try_decode(text);
        if (!number) return number.error();
        return point{*number};
    }
};

static int passed = 0, failed = 0;

static void check(bool holds, const char *promise) {
    std::printf("%s - %s\n", holds ? "ok" : "not ok", promise);
    ++(holds ? passed : failed);
}

static void all() {
    char place[] = "/tmp/sipc-bare-XXXXXX";
    check(mkdtemp(place) != nullptr, "there is a scratch directory");
    const auto with = simple_ipc::options().directory(place);
    auto listener = simple_ipc::try_listen_uds_request<int>("square", [by = std::make_unique<int>(2)](int n, simple_ipc::responder &answer) {
        if (n < 0) return (void)answer.fail(simple_ipc::handler_error("no", "negative", n));
        (void)answer.respond(n * *by);
    }, with);
    check(listener.has_value(), "a listener is a result");
    check(*simple_ipc::try_post_uds_request<int>("square", 4, with) == 8, "a value is asked for with *");
    const auto refused = simple_ipc::try_post_uds_request<int>("square", -4, with);
    check(!refused && refused.error().handler_code() == "negative" && refused.error().handler_data() == "-4",
          "an error has the handler's code and data");
    check(simple_ipc::try_post_uds_request<int>("square", "x", with).error().kind() == kind::invalid_body,
          "a body that is not the handler's type is an error");
    check(simple_ipc::try_post_uds_request<std::string>("square", 4, with).error().kind() == kind::invalid_body,
          "a reply that is not the caller's type is an error");
    check(simple_ipc::try_post_uds_request("square", std::nan(""), with).error().kind() == kind::invalid_json,
          "a number that is none is an error");
    check(simple_ipc::try_post_uds_request("square", static_cast<const char *>(nullptr), with).error().kind() == kind::invalid_argument,
          "a null pointer is an error");
    check(simple_ipc::try_post_uds_request<point>("square", point{4}, with)->x == 8, "a codec may give a result");
    auto client = *simple_ipc::try_connect_uds("square", with);
    check(client.try_request(3)->try_as<int>().has_value() && client.try_ping().has_value() && client.try_close().has_value(),
          "a client is there without exceptions");
    std::atomic<int> sum(0);
    auto operation = simple_ipc::try_post_uds_request_async("square", 5, [&sum](simple_ipc::result<simple_ipc::message> reply) {
        sum += *reply->try_as<int>();
    }, with);
    check(operation->try_wait().has_value() && sum == 10, "a callback is there without exceptions");
    const auto called = simple_ipc::try_connect_uds("square", with)->try_call("nobody", 1);
    check(!called && called.error().kind() == kind::invalid_body, "a call by name is a request");
    const auto formless = simple_ipc::try_connect_uds("square", with)->try_call("nobody", std::vector<std::byte>(1));
    check(!formless && std::string(formless.error().what()).find("no form in JSON") != std::string::npos, "bytes are no parameter");

    auto queue = *simple_ipc::try_make_queue();
    check(queue.try_post_uds_request("square", 6, [&sum](auto reply) { sum += *reply->template try_as<int>(); }, with).has_value(),
          "a queue is there without exceptions");
    while (queue.under_way() > 0) (void)queue.try_wait();
    check(sum == 22, "and calls back");
    check(listener->try_counters()->messages == 9 && listener->try_close().has_value(), "a listener counts and closes");
    auto clock = *simple_ipc::try_listen_uds_publish("clock", with);
    auto events = *simple_ipc::try_subscribe_uds("clock", with);
    check(*clock.try_publish(7, "tick") == 1, "a publication tells for how many it is");
    const auto event = events.try_next();
    check((*event)->topic() == "tick" && *(*event)->try_data<int>() == 7, "an event is there without exceptions");
    std::atomic<int> next(0);
    auto waiting = events.try_next_async([&next](auto event) { next = *(*event)->template try_data<int>(); });
    check(clock.try_publish(8).has_value() && waiting->try_wait().has_value() && next == 8, "and comes to a callback");
    check(events.try_next(std::chrono::milliseconds(0)).error().kind() == kind::timed_out, "a time that is over is an error");
    events.close();
    check(events.try_next().has_value() && !*events.try_next(), "the end is no event and no error");
    check(clock.try_close().has_value(), "a publisher closes");
    auto counting = simple_ipc::try_listen_uds_request("count", [](auto &request) {
        auto out = *request.try_stream();
        for (int i = 0; i < 3; ++i) (void)out.try_send(i);
    }, with);
    auto numbers = *simple_ipc::try_post_uds_stream<int>("count", nullptr, with);
    int total = 0;
    for (auto number = numbers.try_next(); number && *number; number = numbers.try_next()) total += **number;
    check(total == 3 && numbers.try_next().has_value(), "a stream is there without exceptions");
    check(numbers.try_send(1).error().kind() == kind::closed, "what cannot be sent any more is an error");
    check(counting->try_close().has_value(), "a listener of streams closes");
    check(simple_ipc::try_channels(place)->empty() && std::remove(place) == 0, "nothing is left behind");
}

int main() {
    all();
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
