// simple_ipc_stream.hpp, as its users call it.
#include "testing.hpp"

#include <atomic>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <numeric>
#include <poll.h>
#include <thread>
#include <vector>

#if __cplusplus >= 202002L
#include <ranges>
static_assert(std::ranges::input_range<simple_ipc::item_stream<int>>);
static_assert(std::ranges::input_range<simple_ipc::items<>>);
#endif

using namespace std::chrono_literals;
using simple_ipc::body;
using simple_ipc::kind;
using simple_ipc::message;
using simple_ipc::result;
using testing::fails;
using testing::scratch;

namespace {

// Something that threads count up and wait for.
class count {
public:
    void up() {
        const std::lock_guard<std::mutex> lock(mutex_);
        ++value_;
        changed_.notify_all();
    }
    void await(int value) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return value_ >= value; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int value_ = 0;
};

void await_none(const simple_ipc::listener &listener) {
    while (listener.counters().streams > 0 || listener.counters().in_flight > 0) std::this_thread::yield();
}

auto counting() {
    return [](auto &request) {
        auto out = request.stream();
        for (int i = 0, n = request.template as<int>(); i < n; ++i) out.send(i);
    };
}

void a_loop_gets_every_item_and_then_ends() {
    const scratch place;
    const auto with = place.options();
    const auto named = simple_ipc::listen_uds_request("count", counting(), with);
    const auto port = simple_ipc::listen_ip_request(0, counting(), with);
    const auto all_of = [](simple_ipc::item_stream<int> numbers) {
        int due = 0;
        for (int number : numbers) CHECK(number == due++);
        CHECK(due == 1000 && !numbers.next() && numbers.is_over());
    };
    const auto client = simple_ipc::connect_uds("count", with);
    all_of(simple_ipc::post_uds_stream<int>("count", 1000, with));
    all_of(simple_ipc::begin_uds_stream<int>("count", 1000, with));
    all_of(simple_ipc::post_ip_stream<int>(port.port(), 1000, with));
    all_of(simple_ipc::begin_ip_stream<int>(port.port(), 1000, with));
    all_of(client.stream<int>(1000));
    all_of(client.begin_stream<int>(1000));
    all_of(client.stream<int>(1000, place.options().idle_timeout(60s)));
    all_of(client.begin_stream<int>(1000, place.options().idle_timeout(60s)));
    for (int number : simple_ipc::post_uds_stream<int>("count", 0, with)) CHECK(number != number);
    auto numbers = simple_ipc::post_uds_stream<int>("count", 5, with);
    CHECK(std::accumulate(numbers.begin(), numbers.end(), 0) == 10);
    client.close();
    fails(kind::closed, [&] { (void)client.stream<int>(1); });
}

void leaving_the_loop_tells_the_handler_whose_objects_are_destroyed() {
    struct cleanup {
        count &done;
        ~cleanup() { done.up(); }
    };
    const scratch place;
    count cleaned;
    std::atomic<int> reported{0};
    auto with = place.options().on_handler_failure([&](const simple_ipc::handler_report &) { ++reported; });
    const auto listener = simple_ipc::listen_uds_request(
        "forever",
        [&](auto &request) {
            const cleanup at_the_end{cleaned};
            auto out = request.stream();
            for (int i = 0;; ++i) out.send(i);
        },
        with);
    for (int number : simple_ipc::post_uds_stream<int>("forever", nullptr, place.options())) {
        if (number == 10) break;
    }
    cleaned.await(1);
    await_none(listener);
    CHECK(reported == 0);
}

void items_go_up_and_one_answer_comes_down() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request(
        "total",
        [](const simple_ipc::message_view &, const simple_ipc::caller &caller) {
            auto numbers = caller.items<long>();
            return std::accumulate(numbers.begin(), numbers.end(), 0L);
        },
        place.options());
    const auto stream = simple_ipc::post_uds_stream<long>("total", nullptr, place.options());
    for (int number = 1; number <= 1000; ++number) stream.send(number);
    stream.finish();
    fails(kind::closed, [&] { stream.send(1); });
    CHECK(stream.next() == 500500 && !stream.next());
    // A plain request has no items.
    CHECK(simple_ipc::post_uds_request<long>("total", nullptr, place.options()) == 0);
}

void both_sides_send_at_once() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request<std::string>(
        "echo",
        [](std::string hello, simple_ipc::responder &answer) {
            CHECK(answer.is_stream());
            auto words = answer.items<std::string>();
            auto out = answer.stream();
            out.send(hello);
            for (const auto &word : words) out.send(word);
        },
        place.options());
    const auto talk = simple_ipc::post_uds_stream<std::string>("echo", "hello", place.options());
    CHECK(talk.next() == "hello");
    std::thread sender([&talk] {
        for (int i = 0; i < 5000; ++i) talk.send(std::string(100, 'a') + std::to_string(i));
        talk.finish();
    });
    int due = 0;
    while (const auto word = talk.next()) CHECK(*word == std::string(100, 'a') + std::to_string(due++));
    sender.join();
    CHECK(due == 5000);
}

void a_listener_that_ends_first_is_told_by_send_and_its_items_still_come() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request(
        "first",
        [](auto &request) {
            auto numbers = request.template items<int>();
            auto out = request.stream();
            out.send(*numbers.next() + *numbers.next());
            out.finish();
            fails(kind::closed, [&] { out.send(1); });
        },
        place.options());
    const auto stream = simple_ipc::post_uds_stream<int>("first", nullptr, place.options());
    fails(kind::closed, [&] {
        for (;;) stream.send(21);
    });
    CHECK(stream.next() == 42 && !stream.next());
}

void what_a_handler_throws_comes_after_its_items() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request(
        "fails",
        [](auto &request) {
            const int way = request.template as<int>();
            auto out = request.stream();
            out.send(way);
            if (way == 0) throw std::out_of_range("no such row");
            if (way == 1) throw simple_ipc::handler_error("only 3 are left", "out_of_stock", 3);
            if (way == 2) (void)out.fail(simple_ipc::handler_error("on purpose", "code"));
            if (way == 3) (void)out.fail("plainly");
            if (way == 4) {
                // It is left to nobody: what was thrown is caught here.
                try {
                    auto gone = std::move(out);
                    throw std::runtime_error("caught");
                } catch (const std::runtime_error &) {
                }
            }
        },
        place.options());
    const char *const texts[] = {"no such row", "only 3 are left", "on purpose", "plainly", ""};
    for (int way = 0; way < 5; ++way) {
        const auto stream = simple_ipc::post_uds_stream<int>("fails", way, place.options());
        CHECK(stream.next() == way);
        const auto failure = fails(kind::handler_failed, [&] { (void)stream.next(); });
        if (std::string(failure.what()).find(texts[way]) == std::string::npos) throw std::runtime_error(failure.what());
        CHECK(failure.handler_code().value_or("") == (way == 1 ? "out_of_stock" : way == 2 ? "code" : ""));
        CHECK(failure.handler_data().value_or("") == (way == 1 ? "3" : ""));
        fails(kind::handler_failed, [&] { (void)stream.next(); });
    }
}

void a_plain_request_is_told_to_post_a_stream() {
    const scratch place;
    count told;
    const auto listener = simple_ipc::listen_uds_request(
        "count",
        [&](auto &request) {
            CHECK(!request.is_stream());
            const auto refused = request.try_stream();
            CHECK(!refused && refused.error().kind() == kind::wrong_mode);
            fails(kind::closed, [&] { (void)request.stream(); });
            told.up();
        },
        place.options());
    fails(kind::wrong_mode, [&] { (void)simple_ipc::post_uds_request("count", 3, place.options()); });
    told.await(1);
}

void a_handler_that_answers_nothing_has_failed() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request("none", [](auto &request) { (void)request.is_stream(); }, place.options());
    fails(kind::handler_failed, [&] { (void)simple_ipc::post_uds_request("none", 1, place.options()); });
    fails(kind::handler_failed, [&] {
        const auto stream = simple_ipc::post_uds_stream<int>("none", 1, place.options());
        (void)stream.next();
    });
}

void a_single_answer_is_one_item_and_bytes_are_bytes() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request("one", [](auto &request) { return request; }, place.options());
    const std::vector<unsigned char> bytes{0, 1, 255};
    const auto stream = simple_ipc::post_uds_stream<std::vector<unsigned char>>("one", bytes, place.options());
    CHECK(stream.next() == bytes && !stream.next());
    // What is no T is one item that cannot be read.
    const auto unread = simple_ipc::post_uds_stream<int>("one", "no number", place.options());
    fails(kind::invalid_body, [&] { (void)unread.next(); });
    CHECK(!unread.next());
    auto raw = simple_ipc::post_uds_stream("one", body::json("[1, 2]"), place.options());
    CHECK(raw.begin()->data() == "[1, 2]");
}

void a_stream_of_replies_may_outlive_its_handler_and_moves() {
    const scratch place;
    std::promise<simple_ipc::reply_stream> kept;
    const auto listener = simple_ipc::listen_uds_request(
        "later", [&](auto &request) { kept.set_value(request.stream()); }, place.options());
    const auto stream = simple_ipc::post_uds_stream<int>("later", nullptr, place.options());
    {
        auto out = kept.get_future().get();
        out.send(1);
        auto moved = std::move(out);
        fails(kind::closed, [&] { out.send(2); }); // NOLINT: what was moved from answers so
        moved.send(2);
        CHECK(!moved.is_over() && listener.counters().streams == 1);
        out = std::move(moved);
        out.send(3);
    }
    CHECK(stream.next() == 1 && stream.next() == 2 && stream.next() == 3 && !stream.next());
    await_none(listener);
}

void waiting_ends_by_time_by_close_and_by_the_other_side() {
    const scratch place;
    std::promise<simple_ipc::reply_stream> kept;
    const auto listener = simple_ipc::listen_uds_request(
        "later", [&](auto &request) { kept.set_value(request.stream()); }, place.options());
    auto stream = simple_ipc::post_uds_stream<int>("later", nullptr, place.options());
    const auto out = kept.get_future().get();
    fails(kind::timed_out, [&] { (void)stream.next(0s); });
    fails(kind::timed_out, [&] { (void)stream.next(2ms); });
    fails(kind::invalid_argument, [&] { (void)stream.next(-1s); });
    fails(kind::timed_out, [&] {
        for (;;) stream.send(std::string(10000, 'x'), 0s);
    });
    std::thread closer([&stream] { stream.close(); });
    CHECK(!stream.next());
    closer.join();
    fails(kind::closed, [&] { stream.send(1); });
    while (!out.is_over()) std::this_thread::yield();
    fails(kind::cancelled, [&] { out.send(1); });
    auto nothing = std::move(stream);
    fails(kind::closed, [&] { (void)stream.next(); }); // NOLINT: what was moved from answers so
    fails(kind::closed, [&] { stream.finish(); });
    stream.close();
}

void callbacks_take_and_send() {
    const scratch place;
    std::promise<simple_ipc::reply_stream> kept;
    const auto listener = simple_ipc::listen_uds_request(
        "later", [&](auto &request) { kept.set_value(request.stream()); }, place.options());
    const auto stream = simple_ipc::post_uds_stream<int>("later", nullptr, place.options());
    auto out = kept.get_future().get();
    std::promise<std::optional<int>> item, end;
    auto capture = std::make_unique<int>(7);
    const auto first = stream.next_async([&item, capture = std::move(capture)](result<std::optional<int>> came) {
        item.set_value(*std::move(came));
    });
    std::promise<bool> sent, refused;
    out.send_async(42, [&](result<void> done) { sent.set_value(done.has_value()); }).wait();
    CHECK(sent.get_future().get());
    first.wait();
    CHECK(item.get_future().get() == 42);
    const auto late = stream.next_async([&](result<std::optional<int>> came) { refused.set_value(!came); });
    late.cancel();
    late.wait();
    CHECK(refused.get_future().get());
    const auto second = stream.next_async([&end](result<std::optional<int>> came) { end.set_value(*came); });
    out.finish();
    second.wait();
    CHECK(!end.get_future().get());
}

void a_descriptor_tells_of_items_and_of_room() {
    const scratch place;
    const auto listener = simple_ipc::listen_uds_request(
        "echo",
        [](auto &request) {
            auto out = request.stream();
            for (auto &item : out.items()) out.send(item);
            fails(kind::closed, [&] { (void)request.items(); });
        },
        place.options());
    const auto stream = simple_ipc::begin_uds_stream("echo", nullptr, place.options());
    int sent = 0, taken = 0;
    for (bool ended = false; !ended;) {
        bool moved = false;
        if (sent < 1000 && stream.try_send(std::string(1000, 'x'), 0s)) moved = true, ++sent;
        if (moved && sent == 1000) stream.finish();
        auto item = stream.try_next(0s);
        CHECK(item || item.error().kind() == kind::timed_out);
        if (item) moved = true, ended = !*item, taken += !ended;
        pollfd watched{stream.descriptor(), POLLIN, 0};
        if (!moved) CHECK(poll(&watched, 1, -1) == 1);
    }
    CHECK(sent == 1000 && taken == 1000);
}

void who_cannot_be_reached_says_so() {
    const scratch place;
    fails(kind::not_listening, [&] { (void)simple_ipc::post_uds_stream("nobody", 1, place.options()); });
    fails(kind::not_listening, [&] { (void)simple_ipc::begin_uds_stream("nobody", 1, place.options()); });
    fails(kind::invalid_name, [&] { (void)simple_ipc::post_uds_stream(std::string("a\0b", 3), 1, place.options()); });
    fails(kind::invalid_name, [&] { (void)simple_ipc::begin_uds_stream(std::string("a\0b", 3), 1, place.options()); });
    fails(kind::invalid_port, [&] { (void)simple_ipc::post_ip_stream(65536, 1, place.options()); });
    const auto one_way = simple_ipc::listen_uds_broadcast("one_way", [](auto &) {}, place.options());
    fails(kind::wrong_mode, [&] { (void)simple_ipc::post_uds_stream("one_way", 1, place.options()); });
    const auto listener = simple_ipc::listen_uds_request(
        "idle",
        [](auto &request) {
            auto out = request.stream();
            for (auto &item : out.items()) out.send(item);
        },
        place.options());
    const auto stream = simple_ipc::begin_uds_stream("idle", 1, place.options().idle_timeout(100ms));
    fails(kind::timed_out, [&] { (void)stream.next(); });
    CHECK(stream.is_over());
}

} // namespace

int main(int argc, char **argv) {
    testing::wanted.assign(argv + 1, argv + argc);
#define RUN(test) testing::run(#test, test)
    RUN(a_loop_gets_every_item_and_then_ends);
    RUN(leaving_the_loop_tells_the_handler_whose_objects_are_destroyed);
    RUN(items_go_up_and_one_answer_comes_down);
    RUN(both_sides_send_at_once);
    RUN(a_listener_that_ends_first_is_told_by_send_and_its_items_still_come);
    RUN(what_a_handler_throws_comes_after_its_items);
    RUN(a_plain_request_is_told_to_post_a_stream);
    RUN(a_handler_that_answers_nothing_has_failed);
    RUN(a_single_answer_is_one_item_and_bytes_are_bytes);
    RUN(a_stream_of_replies_may_outlive_its_handler_and_moves);
    RUN(waiting_ends_by_time_by_close_and_by_the_other_side);
    RUN(callbacks_take_and_send);
    RUN(a_descriptor_tells_of_items_and_of_room);
    RUN(who_cannot_be_reached_says_so);
    return testing::finish();
}
