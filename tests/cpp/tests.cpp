// simple_ipc.hpp, as its users call it.
#include "testing.hpp"

#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using simple_ipc::body;
using simple_ipc::kind;
using simple_ipc::message;
using simple_ipc::message_view;
using testing::fails;
using testing::scratch;

namespace {

struct point {
    int x, y;
};

} // namespace

template <> struct simple_ipc::json_codec<point> {
    static std::string encode(const point &value) {
        return "[" + std::to_string(value.x) + "," + std::to_string(value.y) + "]";
    }
    static point decode(std::string_view text) {
        point value{};
        if (std::sscanf(std::string(text).c_str(), "[%d,%d]", &value.x, &value.y) != 2) throw std::invalid_argument("no point");
        return value;
    }
};

namespace {

void every_kind_of_the_header_is_there_and_no_other() {
    std::map<int, std::string> library, ours;
    for (int number = 1; number < 1000; ++number) {
        if (std::strcmp(sipc_status_name(number), "unknown") != 0) library[number] = sipc_status_name(number);
    }
    for (const auto &[value, name] : simple_ipc::kinds) ours[static_cast<int>(value)] = name;
    CHECK(library.size() > 20);
    CHECK(library == ours);
}

void errors_are_system_errors_with_codes() {
    const scratch place;
    const simple_ipc::error failure =
        fails(kind::not_listening, [&] { simple_ipc::post_uds_request("nobody", 1, place.options()); });
    CHECK(failure.code() == kind::not_listening);
    CHECK(failure.code().category().name() == std::string("simple_ipc"));
    CHECK(failure.code().message() == "not_listening");
    CHECK(!failure.may_have_been_handled());
    const simple_ipc::result<message> same = simple_ipc::try_post_uds_request("nobody", 1, place.options());
    CHECK(!same && same.error().kind() == kind::not_listening);
    CHECK(std::string(same.error().what()) == failure.what());
}

void all_eight_calls_work_with_exceptions_and_without() {
    const scratch place;
    const auto with = place.options();
    std::atomic<int> sum(0);
    const auto square = [](int n) { return n * n; };
    const auto add = [&sum](int n) { sum += n; };
    {
        const auto uds = simple_ipc::listen_uds_request<int>("c", square, with);
        const auto ip = simple_ipc::listen_ip_request<int>(0, square, with);
        CHECK(uds.channel() == "c" && uds.port() == 0 && uds.path() == uds.address());
        CHECK(ip.port() > 0 && ip.path().empty());
        CHECK(simple_ipc::post_uds_request<int>("c", 7, with) == 49);
        CHECK(simple_ipc::post_ip_request<int>(ip.port(), 8, with) == 64);
        CHECK(*simple_ipc::try_post_uds_request<int>("c", 9, with) == 81);
        CHECK(*simple_ipc::try_post_ip_request<int>(ip.port(), 9, with) == 81);
        CHECK(uds.counters().messages == 2);
        uds.close();
        ip.close();
    }
    {
        const auto uds = simple_ipc::try_listen_uds_broadcast<int>("c", add, with).value();
        const auto ip = simple_ipc::try_listen_ip_broadcast<int>(0, add, with).value();
        simple_ipc::post_uds_broadcast("c", 1, with);
        simple_ipc::post_ip_broadcast(ip.port(), 2, with);
        simple_ipc::try_post_uds_broadcast("c", 4, with).value();
        simple_ipc::try_post_ip_broadcast(ip.port(), 8, with).value();
        uds.close();
        ip.close();
        uds.close();
        CHECK(sum == 15);
    }
}

void values_arrive_as_they_were_sent() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request("echo", [](const message_view &m) { return m.clone(); }, place.options());
    const auto client = simple_ipc::connect_uds("echo", place.options());
    for (const std::string &text : {std::string(), std::string("plain"), std::string("h\xc3\xa4 \xf0\x9f\x98\x80"),
                                    std::string("a\0b", 3), std::string("\"quoted\"\\\n\t\x01/")}) {
        CHECK(client.request<std::string>(text) == text);
        CHECK(client.request<std::string>(body::json(simple_ipc::json_codec<std::string>::encode(text))) == text);
    }
    CHECK(client.request<std::string>(body::json(R"("\u0041\u00e4\u20ac\ud83d\ude00\b\f\n\r\t\/\\\"")")) ==
          "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\b\f\n\r\t/\\\"");
    for (const double number : {0.0, -1.5, 1e308, 5e-324, 0.1, 9007199254740991.0}) CHECK(client.request<double>(number) == number);
    CHECK(std::signbit(client.request<double>(-0.0)));
    CHECK(client.request<std::int64_t>(INT64_C(9007199254740993)) == INT64_C(9007199254740993));
    CHECK(client.request<std::uint64_t>(UINT64_MAX) == UINT64_MAX);
    CHECK(client.request<bool>(true) && !client.request<bool>(false));
    CHECK(client.request<std::nullptr_t>(nullptr) == nullptr);
    CHECK(client.request(body::json("{\"a\":[1,{\"b\":null}]}")).data() == "{\"a\":[1,{\"b\":null}]}");
    CHECK(client.request(body::json("\"\\ud800\"")).data() == "\"\\ud800\"");
    CHECK(client.request<point>(point{3, -4}).y == -4);
    for (const std::size_t size : {0u, 1u, 1u << 20, 64u << 20}) {
        const std::vector<unsigned char> bytes(size, 0x5a);
        CHECK(client.request<std::vector<unsigned char>>(bytes) == bytes);
    }
    const std::array<std::byte, 2> two{std::byte{1}, std::byte{2}};
    CHECK(client.request<std::vector<std::byte>>(body::borrowed_bytes(two.data(), 2)).at(1) == std::byte{2});
    CHECK(client.ping() > 0ns);
}

void bad_input_is_a_clear_error() {
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request("echo", [](const message_view &m) { return m.clone(); }, with);
    const auto client = simple_ipc::connect_path(std::string(listener.path()), with);
    fails(kind::invalid_json, [&] { client.request(std::nan("")); });
    fails(kind::invalid_json, [&] { client.request(body::json("{nonsense")); });
    fails(kind::invalid_json, [&] { client.broadcast(body::text("\xff")); });
    for (const char *number : {"1.5", "\"1\"", "300", "null", "-1"}) {
        CHECK(fails(kind::invalid_body, [&] { client.request<std::uint8_t>(body::json(number)); }).may_have_been_handled());
    }
    fails(kind::invalid_body, [&] { client.request<double>("1"); });
    fails(kind::invalid_body, [&] { client.request<bool>(1); });
    fails(kind::invalid_body, [&] { client.request<std::nullptr_t>(1); });
    fails(kind::invalid_body, [&] { client.request<std::string>(1); });
    fails(kind::invalid_body, [&] { client.request<std::string>(body::json("\"\\ud800\"")); });
    fails(kind::invalid_body, [&] { client.request<std::string>(body::json("\"\\udc00\"")); });
    fails(kind::invalid_body, [&] { client.request<std::string>(body::bytes("x", 1)); });
    fails(kind::invalid_body, [&] { client.request<std::vector<std::byte>>("x"); });
    CHECK(client.try_request<int>("x").error().kind() == kind::invalid_body);

    const std::string zero("ec\0ho", 5);
    fails(kind::invalid_name, [&] { simple_ipc::post_uds_request(zero, 1, with); });
    fails(kind::invalid_name, [&] { simple_ipc::listen_uds_broadcast(zero, [](auto &) {}, with); });
    fails(kind::invalid_name, [&] { simple_ipc::connect_uds(zero, with); });
    fails(kind::invalid_name, [&] { simple_ipc::post_uds_broadcast("a.b", 1, with); });
    fails(kind::invalid_argument, [&] { simple_ipc::connect_path(zero); });
    fails(kind::invalid_argument, [&] { simple_ipc::channels(zero); });
    fails(kind::invalid_port, [&] { simple_ipc::post_ip_request(0, 1, with); });
    fails(kind::in_use, [&] { simple_ipc::listen_uds_request("echo", [](auto &) { return 1; }, with); });
    fails(kind::wrong_mode, [&] { simple_ipc::post_uds_broadcast("echo", 1, with); });
    for (const auto &nonsense : {simple_ipc::options().timeout(-1s), simple_ipc::options().wire(9), simple_ipc::options().path(zero),
                                 simple_ipc::options().directory(zero), simple_ipc::options().threads(0),
                                 simple_ipc::options().max_session_in_flight(0), simple_ipc::options().max_in_flight(0),
                                 simple_ipc::options().max_session_waiting(0), simple_ipc::options().max_waiting(0),
                                 simple_ipc::options().hello_timeout(0s), simple_ipc::options().stall_timeout(0s)}) {
        fails(kind::invalid_argument, [&] { simple_ipc::post_uds_request("echo", 1, nonsense); });
    }
    auto bounds = with;
    bounds.max_session_in_flight(1).max_in_flight(1).max_session_waiting(1).max_waiting(1).hello_timeout(1s).stall_timeout(1s);
    const auto bounded = simple_ipc::listen_uds_request("bounded", [](const message_view &m) { return m.clone(); }, bounds);
    CHECK(simple_ipc::post_uds_request<int>("bounded", 7, with) == 7);
}

void handlers_exceptions_fail_their_callers_alone() {
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request<std::string>("h", [](const std::string &order) -> std::string {
        if (order == "std") throw std::runtime_error("on purpose");
        if (order == "int") throw 7;
        return order;
    }, with);
    CHECK(std::string(fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("h", "std", with); }).what()).find("on purpose") != std::string::npos);
    fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("h", "int", with); });
    fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("h", 5, with); });
    CHECK(simple_ipc::post_uds_request<std::string>("h", "fine", with) == "fine");

    const auto itself = simple_ipc::listen_uds_request<int>("i", [](int order, simple_ipc::responder &answer) {
        if (order == 0) throw std::runtime_error("before answering");
        if (order == 1) return;
        answer.respond(order).value();
        if (order == 2) throw std::runtime_error("after answering");
        CHECK(answer.respond(1).error().kind() == kind::invalid_argument);
    }, with);
    CHECK(std::string(fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("i", 0, with); }).what()).find("before answering") != std::string::npos);
    fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("i", 1, with); });
    CHECK(simple_ipc::post_uds_request<int>("i", 2, with) == 2);
    CHECK(simple_ipc::post_uds_request<int>("i", 3, with) == 3);

    std::atomic<int> seen(0);
    const auto broadcast = simple_ipc::listen_uds_broadcast<int>("b", [&seen](int, const simple_ipc::caller &sender) {
        if (sender.pid() == getpid()) ++seen;
        throw std::runtime_error("dropped");
    }, with);
    simple_ipc::post_uds_broadcast("b", 1, with);
    simple_ipc::post_uds_broadcast("b", 2, with);
    CHECK(seen == 2);
}

void responder_answers_later_from_another_thread() {
    const scratch place;
    std::promise<simple_ipc::responder> kept;
    const auto listener = simple_ipc::listen_uds_request(
        "later", [&kept](const message_view &, simple_ipc::responder &answer) { kept.set_value(std::move(answer)); }, place.options());
    std::thread answering([&kept] {
        simple_ipc::responder answer = kept.get_future().get();
        CHECK(!answer.is_cancelled() && answer.pid() == getpid() && answer.time_left() > 0ms);
        answer.respond("later").value();
        CHECK(!answer);
    });
    CHECK(simple_ipc::post_uds_request<std::string>("later", 1, place.options()) == "later");
    answering.join();
}

void asynchronous_calls_end_once_with_reply_error_or_cancelled() {
    const scratch place;
    const auto with = place.options();
    std::promise<simple_ipc::responder> kept;
    const auto listener = simple_ipc::listen_uds_request<int>("a", [&kept](int n, simple_ipc::responder &answer) {
        if (n < 0) return kept.set_value(std::move(answer));
        (void)answer.respond(n + 1);
    }, with);
    const auto client = simple_ipc::connect_uds("a", with);

    std::atomic<int> sum(0);
    std::vector<simple_ipc::operation> all;
    for (int n = 0; n < 100; ++n) {
        all.push_back(client.request_async(n, [&sum](simple_ipc::result<message> reply) { sum += reply.value().as<int>(); }));
    }
    for (const auto &one : all) one.wait();
    CHECK(sum == 5050);

    std::promise<kind> ended;
    const auto cancelled = simple_ipc::post_uds_request_async("a", -1, [&ended](simple_ipc::result<message> reply) {
        ended.set_value(reply.error().kind());
        throw 1;
    }, with);
    const simple_ipc::responder waiting = kept.get_future().get();
    CHECK(cancelled.try_wait(1ms).error().kind() == kind::timed_out);
    cancelled.cancel();
    CHECK(ended.get_future().get() == kind::cancelled);
    cancelled.wait();
    while (!waiting.is_cancelled()) std::this_thread::yield();

    bool called = false;
    fails(kind::invalid_name, [&] { simple_ipc::post_uds_request_async("a.b", 1, [&called](auto) { called = true; }, with); });
    CHECK(!called);

    std::atomic<int> casts(0);
    const auto sink = simple_ipc::listen_ip_broadcast<int>(0, [&casts](int n) { casts += n; }, with);
    simple_ipc::post_ip_broadcast_async(sink.port(), 3, [](simple_ipc::result<void> sent) { sent.value(); }, with).wait();
    const auto caster = simple_ipc::connect_ip(sink.port(), with);
    caster.broadcast_async(4, [](simple_ipc::result<void>) {}).wait();
    caster.broadcast(5);
    caster.flush();
    CHECK(casts == 12);
}

void timeouts_and_closed_clients_are_errors() {
    const scratch place;
    const auto with = place.options();
    std::mutex gate;
    std::vector<simple_ipc::responder> kept;
    const auto listener = simple_ipc::listen_uds_request("slow", [&](const message_view &, simple_ipc::responder &answer) {
        const std::lock_guard<std::mutex> lock(gate);
        kept.push_back(std::move(answer));
    }, with);
    auto client = simple_ipc::connect_uds("slow", with);
    CHECK(fails(kind::timed_out, [&] { client.request(1, 30ms); }).may_have_been_handled());
    auto brief = with;
    fails(kind::timed_out, [&] { simple_ipc::post_uds_request("slow", 1, brief.timeout(1ns)); });
    client.close();
    client.close();
    fails(kind::closed, [&] { client.request(1); });
    const simple_ipc::client moved = std::move(client);
    fails(kind::closed, [&] { client.request(1); }); // NOLINT: what was moved from is what is tried
    fails(kind::closed, [&] { client.ping(); });
    client.close();
    const std::lock_guard<std::mutex> lock(gate);
    kept.clear();
}

void user_data_is_released_once_the_listener_is_gone() {
    const scratch place;
    const auto held = std::make_shared<int>(1);
    {
        const auto handler = [held](const message_view &) { return *held; };
        const auto listener = simple_ipc::listen_uds_request("held", handler, place.options());
        CHECK(simple_ipc::try_listen_uds_request("held", handler, place.options()).error().kind() == kind::in_use);
        CHECK(simple_ipc::post_uds_request<int>("held", 0, place.options()) == 1);
        listener.close();
    }
    while (held.use_count() > 1) std::this_thread::yield();
}

void channels_lists_who_listens() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_broadcast("listed", [](const message_view &) {}, place.options());
    const auto found = simple_ipc::channels(place.path);
    CHECK(found.size() == 1 && found[0].channel == "listed" && found[0].pid == getpid());
    CHECK(!found[0].takes_requests && found[0].address == listener.path() && found[0].version == sipc_version());
    CHECK(simple_ipc::try_channels(place.path + "/absent").error().kind() == kind::no_directory);
}

} // namespace

int main() {
#define RUN(test) testing::run(#test, test)
    RUN(every_kind_of_the_header_is_there_and_no_other);
    RUN(errors_are_system_errors_with_codes);
    RUN(all_eight_calls_work_with_exceptions_and_without);
    RUN(values_arrive_as_they_were_sent);
    RUN(bad_input_is_a_clear_error);
    RUN(handlers_exceptions_fail_their_callers_alone);
    RUN(responder_answers_later_from_another_thread);
    RUN(asynchronous_calls_end_once_with_reply_error_or_cancelled);
    RUN(timeouts_and_closed_clients_are_errors);
    RUN(user_data_is_released_once_the_listener_is_gone);
    RUN(channels_lists_who_listens);
    return testing::finish();
}
