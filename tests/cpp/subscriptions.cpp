// Publishing, and simple_ipc_subscription.hpp, as their users call them.
#include "testing.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <numeric>
#include <poll.h>
#include <set>
#include <thread>
#include <vector>

#if __cplusplus >= 202002L
#include <ranges>
static_assert(std::ranges::input_range<simple_ipc::subscription>);
#endif

using namespace std::chrono_literals;
using simple_ipc::body;
using simple_ipc::event;
using simple_ipc::kind;
using simple_ipc::result;
using simple_ipc::subscription;
using testing::fails;
using testing::scratch;

namespace {

simple_ipc::options without_reconnect(const scratch &place) { return std::move(place.options().reconnect(0s)); }

void await_subscribers(const simple_ipc::listener &publisher, std::uint64_t count) {
    while (publisher.counters().subscribers != count) std::this_thread::yield();
}

void a_loop_gets_every_event_and_leaving_it_closes() {
    const scratch place;
    const auto with = place.options();
    const auto clock = simple_ipc::listen_uds_publish("clock", with);
    const auto on_port = simple_ipc::listen_ip_publish(0, with);
    CHECK(clock.publish(0) == 0);
    const auto count = [](subscription events, const simple_ipc::listener &publisher) {
        for (int n = 1; n <= 100; ++n) CHECK(publisher.publish(n, "tick") == 1);
        int due = 0;
        for (auto &event : events) {
            CHECK(event.data<int>() == ++due && event.topic() == "tick" && event.missed() == 0 && !event.retained());
            if (due == 100) break;
        }
    };
    count(simple_ipc::subscribe_uds("clock", with), clock);
    count(simple_ipc::subscribe_ip(on_port.port(), with), on_port);
    await_subscribers(clock, 0);
    await_subscribers(on_port, 0);
}

void a_loop_that_is_left_goes_on_behind_the_event_it_was_left_at() {
    const scratch place;
    const auto clock = simple_ipc::listen_uds_publish("clock", place.options());
    auto events = simple_ipc::subscribe_uds("clock", place.options());
    for (int n = 0; n < 4; ++n) clock.publish(n);
    for (auto &event : events) {
        CHECK(event.data<int>() == 0);
        break;
    }
    CHECK(events.next()->data<int>() == 1);
    auto at = events.begin();
    CHECK(at->data<int>() == 2 && at != events.end());
    CHECK((++at)->data<int>() == 3);
    // What is taken out of the loop outlives it.
    std::optional<event> kept;
    {
        auto other = simple_ipc::subscribe_uds("clock", place.options());
        clock.publish(std::string("kept"), "topic");
        kept.emplace(std::move(*other.begin()));
    }
    CHECK(kept->data<std::string>() == "kept" && kept->topic() == "topic");
}

void the_end_of_a_publisher_is_the_end_of_a_loop_that_does_not_look_for_another() {
    const scratch place;
    auto clock = std::make_unique<simple_ipc::listener>(simple_ipc::listen_uds_publish("clock", place.options()));
    auto events = simple_ipc::subscribe_uds("clock", without_reconnect(place));
    for (int n = 1; n <= 4; ++n) clock->publish(n);
    clock.reset();
    const int sum = std::accumulate(events.begin(), events.end(), 0, [](int all, const event &one) { return all + one.data<int>(); });
    CHECK(sum == 10 && !events.next());
}

void a_publisher_that_is_replaced_is_told_by_the_next_event() {
    const scratch place;
    auto first = std::make_unique<simple_ipc::listener>(simple_ipc::listen_uds_publish("clock", place.options()));
    auto events = simple_ipc::subscribe_uds("clock", place.options());
    first->publish(1);
    CHECK(events.next()->missed() == 0);
    first.reset();
    const auto second = simple_ipc::listen_uds_publish("clock", place.options());
    std::thread publisher([&second] {
        await_subscribers(second, 1);
        second.publish(2);
    });
    const auto event = events.next();
    publisher.join();
    CHECK(event->data<int>() == 2 && event->missed() == -1);
}

void topics_are_a_range_of_strings_each_taken_as_a_whole() {
    const scratch place;
    const auto news = simple_ipc::listen_uds_publish("news", place.options());
    const std::set<std::string> names{"a", "b"};
    auto listed = simple_ipc::subscribe_uds("news", place.options().topics({"a", "b"}));
    auto ranged = simple_ipc::subscribe_uds("news", place.options().topics(names));
    CHECK(news.publish(1, "ab") == 0 && news.publish(2) == 0 && news.publish(3, "b") == 2);
    CHECK(listed.next()->data<int>() == 3 && ranged.next()->topic() == "b");
    const auto refused = [&](simple_ipc::options with) {
        fails(kind::invalid_argument, [&] { (void)simple_ipc::subscribe_uds("news", with); });
    };
    refused(place.options().topics(std::vector<std::string>()));
    refused(place.options().topics({std::string_view("a\0b", 3)}));
    refused(place.options().topics({std::string(256, 'x')}));
    refused(place.options().topics({"\xff"}));
    refused(place.options().queue(0));
    refused(place.options().overflow(7));
    fails(kind::invalid_argument, [&] { news.publish(1, std::string(256, 'x')); });
    fails(kind::invalid_argument, [&] { news.publish(1, std::string("a\0b", 3)); });
}

void the_last_event_of_each_topic_is_kept_where_the_publisher_retains() {
    const scratch place;
    const auto state = simple_ipc::listen_uds_publish("state", place.options().retain(true));
    state.publish("old", "a");
    state.publish("new", "a");
    auto events = simple_ipc::subscribe_uds("state", place.options());
    const auto event = events.next();
    CHECK(event->data<std::string>() == "new" && event->retained() && event->topic() == "a");
}

void bodies_are_what_they_were_published_as() {
    const scratch place;
    const auto values = simple_ipc::listen_uds_publish("values", place.options());
    auto events = simple_ipc::subscribe_uds("values", place.options());
    values.publish(std::vector<std::byte>{std::byte{0}, std::byte{255}});
    values.publish(body::json("{\"n\":1}"));
    CHECK(events.next()->data<std::vector<std::byte>>().at(1) == std::byte{255});
    auto json = events.next();
    CHECK(json->body().data() == "{\"n\":1}");
    fails(kind::invalid_body, [&] { json->data<int>(); });
    const simple_ipc::message taken = std::move(*json).body();
    CHECK(taken.is_json() && taken.data() == "{\"n\":1}");
    fails(kind::invalid_json, [&] { values.publish(body::json("{")); });
    // The loop goes on behind a body that is none of the type that was asked for.
    values.publish(2);
    CHECK(events.next()->data<int>() == 2);
}

void who_is_too_slow_is_thrown_out_of_the_loop_behind_what_was_sent() {
    const scratch place;
    const auto flood = simple_ipc::listen_uds_publish("flood", place.options());
    const std::vector<unsigned char> piece(16 << 10);
    auto slow = simple_ipc::subscribe_uds("flood", place.options().queue(4 * piece.size()));
    auto live = simple_ipc::subscribe_uds(
        "flood", place.options().queue(4 * piece.size()).overflow(SIPC_OVERFLOW_DROP_OLDEST));
    std::int64_t published = 0, delivered = 0, missed = 0;
    while (flood.counters().too_slow == 0) {
        flood.publish(piece);
        ++published;
    }
    fails(kind::too_slow, [&] {
        for (auto &event : slow) CHECK(event.missed() == 0 && ++delivered < published);
    });
    fails(kind::too_slow, [&] { slow.next(0s); });
    delivered = 0;
    flood.publish("last");
    ++published;
    for (auto &event : live) {
        missed += event.missed();
        ++delivered;
        if (event.body().is_json()) break;
    }
    CHECK(delivered + missed == published && missed > 0);
    CHECK(flood.counters().dropped == static_cast<std::uint64_t>(missed));
}

void a_wait_ends_at_its_time_and_when_another_thread_closes() {
    const scratch place;
    const auto quiet = simple_ipc::listen_uds_publish("quiet", place.options());
    auto events = simple_ipc::subscribe_uds("quiet", place.options());
    fails(kind::timed_out, [&] { events.next(0s); });
    fails(kind::timed_out, [&] { events.next(1ms); });
    CHECK(events.try_next(1us).error().kind() == kind::timed_out);
    auto end = std::async(std::launch::async, [&events] {
        int taken = 0;
        for (auto &event : events) taken += event.data<int>();
        return taken;
    });
    quiet.publish(5);
    events.close();
    const int taken = end.get();
    CHECK(taken == 0 || taken == 5);
    CHECK(!events.next());
}

void an_event_loop_watches_one_descriptor() {
    const scratch place;
    const auto clock = simple_ipc::listen_uds_publish("clock", place.options());
    auto events = simple_ipc::subscribe_uds("clock", place.options());
    for (int n = 0; n < 100; ++n) clock.publish(n);
    for (int due = 0; due < 100;) {
        pollfd watched{events.descriptor(), POLLIN, 0};
        CHECK(poll(&watched, 1, -1) == 1);
        while (auto next = events.try_next(0s)) CHECK((*next)->data<int>() == due++);
    }
    CHECK(subscription(nullptr).descriptor() == -1);
}

void a_callback_gets_the_next_event_or_nothing_at_the_end() {
    const scratch place;
    const auto clock = simple_ipc::listen_uds_publish("clock", place.options());
    auto events = std::make_unique<subscription>(simple_ipc::subscribe_uds("clock", place.options()));
    std::promise<int> came;
    std::promise<bool> ended;
    auto held = std::make_unique<int>(40);
    const auto given_up = events->next_async([](result<std::optional<event>> next) { CHECK(!next); });
    given_up.cancel();
    given_up.wait();
    fails(kind::timed_out, [&] {
        std::promise<simple_ipc::error> late;
        auto waiting = events->next_async([&late](result<std::optional<event>> next) { late.set_value(next.error()); }, 1ms);
        waiting.wait();
        throw late.get_future().get();
    });
    auto first = events->next_async([&came, held = std::move(held)](result<std::optional<event>> next) {
        came.set_value((*next)->data<int>() + *held);
        throw std::runtime_error("has no caller to be told");
    });
    clock.publish(2);
    CHECK(came.get_future().get() == 42);
    first.wait();
    auto last = events->next_async([&ended](result<std::optional<event>> next) { ended.set_value(!*next); });
    events.reset();
    CHECK(ended.get_future().get());
    last.wait();
}

void a_hub_publishes_what_is_broadcast_to_it() {
    const scratch place;
    const simple_ipc::listener *chat = nullptr;
    std::promise<void> listens;
    const auto ready = listens.get_future().share();
    const auto hub = simple_ipc::listen_uds_broadcast(
        "chat",
        [&chat, ready](const simple_ipc::message_view &line) {
            ready.wait();
            chat->publish(line);
        },
        place.options().publish(true));
    chat = &hub;
    listens.set_value();
    auto one = simple_ipc::subscribe_uds("chat", place.options()), other = simple_ipc::subscribe_uds("chat", place.options());
    simple_ipc::post_uds_broadcast("chat", "hello", place.options());
    CHECK(one.next()->data<std::string>() == "hello" && other.next()->data<std::string>() == "hello");
    const auto listed = simple_ipc::channels(place.path);
    CHECK(listed.size() == 1 && listed[0].takes_broadcasts && listed[0].publishes);
}

void who_does_not_publish_and_who_was_moved_from_says_so() {
    const scratch place;
    auto echo = simple_ipc::listen_uds_request<int>("echo", [](int n) { return n; }, place.options());
    fails(kind::wrong_mode, [&] { (void)simple_ipc::subscribe_uds("echo", place.options()); });
    fails(kind::wrong_mode, [&] { echo.publish(1); });
    fails(kind::not_listening, [&] { (void)simple_ipc::subscribe_uds("nobody", place.options()); });
    fails(kind::invalid_name, [&] { (void)simple_ipc::subscribe_uds(std::string("a\0b", 3), place.options()); });
    fails(kind::invalid_port, [&] { (void)simple_ipc::subscribe_ip(0, place.options()); });
    const auto clock = simple_ipc::listen_uds_publish("clock", place.options());
    fails(kind::wrong_mode, [&] { simple_ipc::post_uds_request("clock", 1, place.options()); });
    CHECK(!simple_ipc::try_subscribe_uds("clock", place.options().overflow(SIPC_OVERFLOW_BLOCK)));
    auto events = simple_ipc::subscribe_uds("clock", place.options());
    auto moved = std::move(events);
    fails(kind::closed, [&] { events.next(); });
    fails(kind::closed, [&] { (void)events.next_async([](auto) {}); });
    clock.publish(1);
    CHECK(moved.next()->data<int>() == 1);
    auto listener = std::move(echo);
    fails(kind::closed, [&] { echo.publish(1); });
}

void what_many_threads_publish_all_comes_where_the_publisher_is_patient() {
    const scratch place;
    const auto busy = simple_ipc::listen_uds_publish("busy", place.options().patience(60s));
    auto events = simple_ipc::subscribe_uds("busy", place.options().overflow(SIPC_OVERFLOW_BLOCK).queue(64 << 10));
    std::vector<std::thread> publishers;
    for (int thread = 0; thread < 4; ++thread) {
        publishers.emplace_back([&busy, thread] {
            for (int n = 0; n < 500; ++n) busy.publish(std::string(1000, 'x') + std::to_string(thread * 500 + n));
        });
    }
    std::set<int> came;
    for (auto &event : events) {
        CHECK(event.missed() == 0);
        came.insert(std::stoi(event.data<std::string>().substr(1000)));
        if (came.size() == 2000) break;
    }
    for (auto &publisher : publishers) publisher.join();
    CHECK(busy.counters().dropped == 0 && busy.counters().too_slow == 0 && busy.counters().published == 2000);
}

} // namespace

#define RUN(test) testing::run(#test, test)

int main(int argc, char **argv) {
    testing::wanted.assign(argv + 1, argv + argc);
    RUN(a_loop_gets_every_event_and_leaving_it_closes);
    RUN(a_loop_that_is_left_goes_on_behind_the_event_it_was_left_at);
    RUN(the_end_of_a_publisher_is_the_end_of_a_loop_that_does_not_look_for_another);
    RUN(a_publisher_that_is_replaced_is_told_by_the_next_event);
    RUN(topics_are_a_range_of_strings_each_taken_as_a_whole);
    RUN(the_last_event_of_each_topic_is_kept_where_the_publisher_retains);
    RUN(bodies_are_what_they_were_published_as);
    RUN(who_is_too_slow_is_thrown_out_of_the_loop_behind_what_was_sent);
    RUN(a_wait_ends_at_its_time_and_when_another_thread_closes);
    RUN(an_event_loop_watches_one_descriptor);
    RUN(a_callback_gets_the_next_event_or_nothing_at_the_end);
    RUN(a_hub_publishes_what_is_broadcast_to_it);
    RUN(who_does_not_publish_and_who_was_moved_from_says_so);
    RUN(what_many_threads_publish_all_comes_where_the_publisher_is_patient);
    return testing::finish();
}
