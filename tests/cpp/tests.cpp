// simple_ipc.hpp, as its users call it.
#include "testing.hpp"

#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <filesystem>
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

struct own_failure : std::exception {
    const char *what() const noexcept override { return "two\nlines"; }
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

void a_value_with_bytes_beside_it_arrives_as_it_was_sent() {
    using simple_ipc::attached;
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request("echo", [](const message_view &m) { return m.clone(); }, with);
    const auto client = simple_ipc::connect_path(std::string(listener.path()), with);
    for (const std::size_t size : {0u, 1u, 1u << 20}) {
        const std::vector<std::byte> data(size, std::byte{0x5a});
        const auto text = client.request<attached<std::string>>(attached{"name \"\u00e9\"", data});
        CHECK(text.value == "name \"\u00e9\"" && text.data == data);
        const auto number = client.request<attached<int>>(attached<int>{7, data});
        CHECK(number.value == 7 && number.data == data);
        const auto shape = client.request<attached<point>>(attached<point>{{3, -4}, data});
        CHECK(shape.value.y == -4 && shape.data == data);
        const auto raw = client.request(body::borrowed_attached("[1]", data.data(), size));
        CHECK(raw.is_attached() && !raw.is_json() && raw.json() == "[1]" && raw.data().size() == size);
        const auto again = client.request(raw);
        CHECK(again.json() == "[1]" && again.data() == raw.data());
        const body made = body::attached("[2]", data.data(), size), copy = made;
        CHECK(client.request(copy).json() == "[2]" && client.request(made).data() == raw.data());
    }
    const std::vector<std::byte> one{std::byte{1}};
    fails(kind::invalid_body, [&] { client.request<int>(attached<int>{1, one}); });
    fails(kind::invalid_body, [&] { client.request<std::vector<std::byte>>(attached<int>{1, one}); });
    fails(kind::invalid_body, [&] { client.request<attached<int>>(1); });
    fails(kind::invalid_body, [&] { client.request<attached<int>>(one); });
    fails(kind::invalid_body, [&] { client.request<attached<int>>(attached<std::string>{"x", one}); });
    fails(kind::invalid_json, [&] { client.request(body::attached("{", nullptr, 0)); });
    fails(kind::invalid_argument, [&] { client.request(body::attached("1", nullptr, 5)); });
    fails(kind::invalid_argument, [&] { client.request(attached<const char *>{nullptr, one}); });
    const auto deno = simple_ipc::options(with).wire(SIPC_WIRE_DENO);
    fails(kind::unsupported_version, [&] { simple_ipc::post_uds_request("echo", attached<int>{1, one}, deno); });

    const auto sum = simple_ipc::listen_uds_request<attached<int>>(
        "sum", [](const attached<int> &given) { return attached<int>{given.value + static_cast<int>(given.data.size()), {}}; }, with);
    CHECK(simple_ipc::post_uds_request<attached<int>>("sum", attached<int>{4, one}, with).value == 5);
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
    fails(kind::invalid_name, [&] { (void)simple_ipc::listen_uds_broadcast(zero, [](auto &) {}, with); });
    fails(kind::invalid_name, [&] { (void)simple_ipc::connect_uds(zero, with); });
    fails(kind::invalid_name, [&] { simple_ipc::post_uds_broadcast("a.b", 1, with); });
    fails(kind::invalid_argument, [&] { (void)simple_ipc::connect_path(zero); });
    fails(kind::invalid_argument, [&] { simple_ipc::channels(zero); });
    fails(kind::invalid_port, [&] { simple_ipc::post_ip_request(0, 1, with); });
    fails(kind::in_use, [&] { (void)simple_ipc::listen_uds_request("echo", [](auto &) { return 1; }, with); });
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
    bounds.tap(true).shared_memory(1 << 20);
    const auto bounded = simple_ipc::listen_uds_request("bounded", [](const message_view &m) { return m.clone(); }, bounds);
    CHECK(simple_ipc::post_uds_request<int>("bounded", 7, with) == 7);
}

void handlers_exceptions_fail_their_callers_alone() {
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request<std::string>("h", [](const std::string &order) -> std::string {
        if (order == "std") throw std::runtime_error("on purpose");
        if (order == "int") throw 7;
        if (order == "own") throw own_failure();
        return order;
    }, with);
    // The type's name and the text, in one line.
    CHECK(std::string(fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("h", "std", with); }).what())
              .find("std::runtime_error: on purpose") != std::string::npos);
    CHECK(std::string(fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("h", "int", with); }).what())
              .find("int: ") != std::string::npos);
    CHECK(std::string(fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("h", "own", with); }).what())
              .find("own_failure: two lines") != std::string::npos);
    // What is not the handler's type does not reach it.
    CHECK(!fails(kind::invalid_body, [&] { simple_ipc::post_uds_request("h", 5, with); }).may_have_been_handled());
    CHECK(!fails(kind::invalid_body, [&] { simple_ipc::post_uds_request("h", body::bytes("x", 1), with); }).may_have_been_handled());
    CHECK(simple_ipc::post_uds_request<std::string>("h", "fine", with) == "fine");

    const auto itself = simple_ipc::listen_uds_request<int>("i", [](int order, simple_ipc::responder &answer) {
        if (order == 0) throw std::runtime_error("before answering");
        if (order == 1) return;
        answer.respond(order).value();
        if (order == 2) throw std::runtime_error("after answering");
        CHECK(answer.respond(1).error().kind() == kind::closed);
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

void what_a_handler_captured_is_gone_once_its_listener_is() {
    const scratch place;
    for (int round = 0; round < 40; ++round) {
        const auto held = std::make_shared<int>(1);
        {
            const auto handler = [held](const message_view &) { return *held; };
            auto listener = simple_ipc::listen_uds_request("held", handler, place.options());
            CHECK(simple_ipc::try_listen_uds_request("held", handler, place.options()).error().kind() == kind::in_use);
            CHECK(simple_ipc::post_uds_request<int>("held", 0, place.options()) == 1);
            // Closed, destroyed, and assigned to.
            if (round % 3 == 0) listener.close();
            if (round % 3 == 1) listener = simple_ipc::listen_uds_request("other", [](auto &) { return 1; }, place.options());
            if (round % 3 != 2) CHECK(held.use_count() == 2);
        }
        CHECK(held.use_count() == 1);
    }
}

void a_handler_may_close_its_listener_and_its_answer_goes_out() {
    const scratch place;
    // So long that waiting for oneself would meet the watchdog.
    auto with = place.options();
    with.grace(10min);
    std::optional<simple_ipc::listener> listener;
    listener.emplace(simple_ipc::listen_uds_request("stop", [&](const message_view &) {
        listener->close();
        return "stopping";
    }, with));
    CHECK(simple_ipc::post_uds_request<std::string>("stop", 1, with) == "stopping");
    listener.reset();
    CHECK(simple_ipc::try_post_uds_request("stop", 1, with).error().kind() == kind::not_listening);

    // Destroyed inside its handler, what that captured is gone when it has returned.
    const auto held = std::make_shared<int>(2);
    listener.emplace(simple_ipc::listen_uds_request("stop", [&listener, held](const message_view &) {
        listener.reset();
        return *held;
    }, with));
    CHECK(simple_ipc::post_uds_request<int>("stop", 1, with) == 2);
    while (held.use_count() > 1) std::this_thread::yield();
}

void a_handler_past_the_grace_period_is_told_of() {
    const scratch place;
    std::promise<void> began, gate;
    auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request("slow", [&](const message_view &, simple_ipc::responder &answer) {
        (void)answer.fail("early");
        began.set_value();
        gate.get_future().wait();
    }, with.grace(20ms));
    fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("slow", 1, with); });
    began.get_future().wait();
    fails(kind::timed_out, [&] { listener.close(); });
    gate.set_value();
    while (!listener.try_close()) std::this_thread::yield();
}

void handlers_and_callbacks_need_not_be_copyable() {
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request<int>("m", [add = std::make_unique<int>(5)](int n) { return n + *add; }, with);
    CHECK(simple_ipc::post_uds_request<int>("m", 1, with) == 6);
    std::atomic<int> sum(0);
    const auto sink = simple_ipc::listen_uds_broadcast<int>(
        "b", [add = std::make_unique<int>(2), &sum](int n, const simple_ipc::caller &) { sum += n + *add; }, with);
    simple_ipc::post_uds_broadcast("b", 1, with);
    CHECK(sum == 3);
    std::promise<int> reply;
    auto answered = reply.get_future();
    simple_ipc::post_uds_request_async("m", 2, [promise = std::move(reply)](simple_ipc::result<message> got) mutable {
        promise.set_value(got.value().as<int>());
    }, with).wait();
    CHECK(answered.get() == 7);
    // One that is kept and given to several calls, and none at all.
    std::atomic<int> calls(0);
    const simple_ipc::done_callback often = [&calls](simple_ipc::result<void>) { ++calls; };
    for (int n = 0; n < 2; ++n) simple_ipc::post_uds_broadcast_async("b", 1, often, with).wait();
    CHECK(calls == 2);
    simple_ipc::post_uds_broadcast_async("b", 1, simple_ipc::done_callback(), with).wait();
    simple_ipc::post_uds_broadcast_async("b", 1, nullptr, with).wait();
}

void names_may_be_any_kind_of_string_and_no_null_pointer() {
    const scratch place;
    const std::filesystem::path directory = place.path;
    auto with = simple_ipc::options().directory(directory);
    const std::string_view view = std::string_view("views").substr(0, 4);
    const auto listener = simple_ipc::listen_uds_request(view, [](const message_view &m) { return m.clone(); }, with);
    CHECK(listener.channel() == "view");
    CHECK(simple_ipc::post_uds_request<std::string>(view, view, with) == "view");
    CHECK(simple_ipc::post_uds_request<int>(std::string("view"), 1, with) == 1);
    CHECK(simple_ipc::connect_uds(view, with).request<int>(2) == 2);
    CHECK(simple_ipc::connect_path(std::filesystem::path(listener.path()), with).request<int>(3) == 3);
    CHECK(simple_ipc::connect_path(listener.path(), with).request<int>(3) == 3);
    CHECK(simple_ipc::channels(directory).size() == 1 && simple_ipc::channels(std::string_view(place.path)).size() == 1);
    CHECK(simple_ipc::channels(place.path.c_str()).size() == 1);

    const char *const none = nullptr;
    const auto client = simple_ipc::connect_uds("view", with);
    fails(kind::invalid_argument, [&] { simple_ipc::post_uds_request(none, 1, with); });
    fails(kind::invalid_argument, [&] { simple_ipc::post_uds_broadcast(none, 1, with); });
    fails(kind::invalid_argument, [&] { (void)simple_ipc::listen_uds_request(none, [](auto &) { return 1; }, with); });
    fails(kind::invalid_argument, [&] { (void)simple_ipc::connect_uds(none, with); });
    fails(kind::invalid_argument, [&] { (void)simple_ipc::connect_path(none, with); });
    fails(kind::invalid_argument, [&] { simple_ipc::channels(none); });
    fails(kind::invalid_argument, [&] { simple_ipc::post_uds_request("view", 1, simple_ipc::options().directory(none)); });
    fails(kind::invalid_argument, [&] { simple_ipc::post_uds_request("view", 1, simple_ipc::options().path(none)); });
    fails(kind::invalid_argument, [&] { client.request(none); });
    fails(kind::invalid_argument, [&] { client.request(body::text(none)); });
    fails(kind::invalid_argument, [&] { client.request(body::json(none)); });
    fails(kind::invalid_argument, [&] { client.request(body::bytes(nullptr, 5)); });
    fails(kind::invalid_argument, [&] { client.request(body::borrowed_bytes(nullptr, 5)); });
    CHECK(client.request<std::vector<std::byte>>(body::bytes(nullptr, 0)).empty());
    const auto silent = simple_ipc::listen_uds_request("silent", [](auto &) { return static_cast<const char *>(nullptr); }, with);
    fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("silent", 1, with); });
}

void what_was_moved_from_answers_closed_or_does_nothing() {
    const scratch place;
    const auto with = place.options();
    auto listener = simple_ipc::listen_uds_request("m", [](const message_view &m) { return m.clone(); }, with);
    auto client = simple_ipc::connect_uds("m", with);
    auto operation = client.request_async(1, [](auto) {});
    auto reply = client.request(1);
    auto options = with;
    const auto kept_listener = std::move(listener);
    const auto kept_client = std::move(client);
    const auto kept_operation = std::move(operation);
    const auto kept_reply = std::move(reply);
    const auto kept_options = std::move(options);
    // NOLINTBEGIN: what was moved from is what is tried
    fails(kind::closed, [&] { listener.counters(); });
    listener.close();
    CHECK(listener.channel().empty() && listener.address().empty() && listener.path().empty() && listener.port() == 0);
    fails(kind::closed, [&] { client.request(1); });
    fails(kind::closed, [&] { client.broadcast(1); });
    fails(kind::closed, [&] { client.flush(); });
    fails(kind::closed, [&] { client.ping(1s); });
    fails(kind::closed, [&] { client.request_async(1, [](auto) {}); });
    fails(kind::closed, [&] { client.broadcast_async(1, [](auto) {}); });
    client.close();
    fails(kind::closed, [&] { operation.wait(); });
    operation.cancel();
    fails(kind::closed, [&] { reply.as<int>(); });
    fails(kind::closed, [&] { reply.as<std::vector<std::byte>>(); });
    CHECK(reply.data().empty());
    fails(kind::invalid_argument, [&] { kept_client.request(reply); });
    // Options are copied.
    CHECK(simple_ipc::post_uds_request<int>("m", 1, options) == 1);
    // NOLINTEND
    kept_operation.wait();
    CHECK(kept_reply.as<int>() == 1);
}

void a_result_gives_away_what_cannot_be_copied() {
    const scratch place;
    const auto with = place.options();
    const simple_ipc::listener listener = *simple_ipc::try_listen_uds_request("r", [](auto &) { return 4; }, with);
    const simple_ipc::client client = *simple_ipc::try_connect_uds("r", with);
    const message reply = *client.try_request(1);
    CHECK(reply.as<int>() == 4);
    auto kept = client.try_request(1);
    CHECK(kept && kept->as<int>() == 4 && (*kept).try_as<std::string>().error().kind() == kind::invalid_body);
}

void a_handlers_code_and_data_reach_its_caller() {
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request<std::string>("shop", [](const std::string &how, simple_ipc::responder &answer) {
        if (how == "throw") throw simple_ipc::handler_error("only 3\nare left", "out_of_stock", body::json("{\"left\":3}"));
        if (how == "text") throw simple_ipc::handler_error("no", "c", "a\"b");
        if (how == "point") throw simple_ipc::handler_error("no", "c", point{1, 2});
        if (how == "code") throw simple_ipc::handler_error("no", "c");
        if (how == "bare") throw simple_ipc::handler_error("no");
        if (how == "reject") return answer.reject("not that").value();
        answer.fail(simple_ipc::handler_error("by hand", "c", 7)).value();
    }, with);
    const auto ask = [&](const char *how) {
        return fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("shop", how, with); });
    };
    const auto thrown = ask("throw");
    CHECK(std::string(thrown.what()).find("only 3 are left") != std::string::npos);
    CHECK(thrown.handler_code() == "out_of_stock" && thrown.handler_data() == "{\"left\":3}");
    CHECK(ask("text").handler_data() == "\"a\\\"b\"");
    CHECK(ask("point").handler_data() == "[1,2]");
    CHECK(ask("code").handler_code() == "c" && !ask("code").handler_data());
    CHECK(!ask("bare").handler_code() && !ask("bare").handler_data());
    CHECK(ask("hand").handler_data() == "7");
    CHECK(std::string(fails(kind::invalid_body, [&] { simple_ipc::post_uds_request("shop", "reject", with); }).what()).find("not that") != std::string::npos);
}

void failures_that_no_caller_hears_of_are_told_to_the_options_callback() {
    const scratch place;
    std::mutex gate;
    std::vector<std::string> heard;
    const auto alive = std::make_shared<int>(0);
    {
        auto with = place.options();
        with.on_handler_failure([&, alive, only = std::make_unique<int>(1)](const simple_ipc::handler_report &report) {
            const std::lock_guard<std::mutex> lock(gate);
            heard.push_back(std::string(report.channel) + (report.of_request ? "?" : "!") + std::string(report.message));
            throw *only;
        });
        const auto casts = simple_ipc::listen_uds_broadcast<std::string>("casts", [](const std::string &how) {
            throw std::out_of_range(how);
        }, with);
        const auto asked = simple_ipc::listen_uds_request<int>("asked", [](int n, simple_ipc::responder &answer) {
            if (n == 1) answer.respond(n).value();
            throw std::out_of_range("afterwards");
        }, with);
        simple_ipc::post_uds_broadcast("casts", "row", with);
        simple_ipc::post_uds_broadcast("casts", "row 2", with);
        CHECK(simple_ipc::post_uds_request<int>("asked", 1, with) == 1);
        fails(kind::handler_failed, [&] { simple_ipc::post_uds_request("asked", 2, with); });
        casts.close();
        asked.close();
        const std::lock_guard<std::mutex> lock(gate);
        CHECK(heard.size() == 3);
        CHECK(heard[0] == "casts!std::out_of_range: row" && heard[1] == "casts!std::out_of_range: row 2");
        CHECK(heard[2] == "asked?std::out_of_range: afterwards");
    }
    CHECK(alive.use_count() == 1);
}

void closing_a_client_ends_its_calls_and_calls_take_a_time_of_their_own() {
    const scratch place;
    const auto with = place.options();
    std::promise<simple_ipc::responder> kept;
    const auto listener = simple_ipc::listen_uds_request("never", [&kept](const message_view &, simple_ipc::responder &answer) {
        kept.set_value(std::move(answer));
    }, with);
    const auto client = simple_ipc::connect_uds("never", with);
    CHECK(client.ping(10s) > 0ns);
    client.flush(10s);
    std::thread waiting([&client] { CHECK(client.try_request(1).error().kind() == kind::cancelled); });
    const simple_ipc::responder unanswered = kept.get_future().get();
    client.close(10s);
    waiting.join();
    while (!unanswered.is_cancelled()) std::this_thread::yield();
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

int main(int argc, char **argv) {
    testing::wanted.assign(argv + 1, argv + argc);
#define RUN(test) testing::run(#test, test)
    RUN(every_kind_of_the_header_is_there_and_no_other);
    RUN(errors_are_system_errors_with_codes);
    RUN(all_eight_calls_work_with_exceptions_and_without);
    RUN(values_arrive_as_they_were_sent);
    RUN(a_value_with_bytes_beside_it_arrives_as_it_was_sent);
    RUN(bad_input_is_a_clear_error);
    RUN(handlers_exceptions_fail_their_callers_alone);
    RUN(responder_answers_later_from_another_thread);
    RUN(asynchronous_calls_end_once_with_reply_error_or_cancelled);
    RUN(timeouts_and_closed_clients_are_errors);
    RUN(what_a_handler_captured_is_gone_once_its_listener_is);
    RUN(a_handler_may_close_its_listener_and_its_answer_goes_out);
    RUN(a_handler_past_the_grace_period_is_told_of);
    RUN(handlers_and_callbacks_need_not_be_copyable);
    RUN(names_may_be_any_kind_of_string_and_no_null_pointer);
    RUN(what_was_moved_from_answers_closed_or_does_nothing);
    RUN(a_result_gives_away_what_cannot_be_copied);
    RUN(a_handlers_code_and_data_reach_its_caller);
    RUN(failures_that_no_caller_hears_of_are_told_to_the_options_callback);
    RUN(closing_a_client_ends_its_calls_and_calls_take_a_time_of_their_own);
    RUN(channels_lists_who_listens);
    return testing::finish();
}
