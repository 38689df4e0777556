// simple_ipc_queue.hpp, as its users call it.
#include "testing.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <simple_ipc_queue.hpp>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using simple_ipc::kind;
using simple_ipc::message;
using simple_ipc::message_view;
using simple_ipc::result;
using testing::fails;
using testing::scratch;

namespace {

void poll_and_process(simple_ipc::queue &queue) {
    while (queue.under_way() > 0) {
        queue.submit();
        pollfd watched{queue.descriptor(), POLLIN, 0};
        CHECK(poll(&watched, 1, -1) == 1);
        queue.process();
    }
}

void many_calls_are_answered_in_this_thread_in_either_way() {
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request<int>("many", [](int n) { return n * 2; }, with);
    const auto other = simple_ipc::listen_ip_request<int>(0, [](int n) { return n * 2; }, with);
    for (const bool wait : {false, true}) {
        auto queue = simple_ipc::make_queue();
        const auto uds = queue.connect_uds("many", with), ip = queue.connect_ip(other.port(), with);
        const auto path = queue.connect_path(std::string(listener.path()), with);
        std::map<int, int> answers;
        const auto self = std::this_thread::get_id();
        const auto keep = [&](int n) {
            return [&answers, self, n](result<message> reply) {
                CHECK(std::this_thread::get_id() == self);
                answers[n] = reply.value().as<int>();
            };
        };
        for (int n = 0; n < 500; n += 5) {
            queue.request(uds, n, keep(n));
            queue.request(ip, n + 1, keep(n + 1), 60s);
            queue.request(path, n + 2, keep(n + 2));
            queue.post_uds_request("many", n + 3, keep(n + 3), with);
            queue.post_ip_request(other.port(), n + 4, keep(n + 4), with);
        }
        CHECK(queue.under_way() >= 500); // a channel that is being opened counts, too
        if (wait) {
            while (queue.under_way() > 0) queue.wait();
        } else {
            poll_and_process(queue);
        }
        CHECK(answers.size() == 500 && queue.under_way() == 0);
        for (const auto &[asked, answered] : answers) CHECK(answered == asked * 2);
    }
}

void broadcasts_arrive_before_their_flush_and_a_closed_client_is_closed() {
    const scratch place;
    const auto with = place.options();
    std::atomic<int> sum(0);
    const auto sink = simple_ipc::listen_uds_broadcast<int>("sink", [&sum](int n) { sum += n; }, with);
    const auto ip = simple_ipc::listen_ip_broadcast<int>(0, [&sum](int n) { sum += n; }, with);
    auto queue = simple_ipc::make_queue();
    const auto client = queue.connect_uds("sink", with);
    for (int n = 0; n < 1000; ++n) queue.broadcast(client, 1);
    int done = 0;
    const auto count = [&done](result<void> ended) { done += ended.has_value(); };
    queue.flush(client, count);
    queue.ping(client, count);
    poll_and_process(queue);
    CHECK(done == 2 && sum == 1000);
    queue.post_uds_broadcast("sink", 10, count, with);
    queue.post_ip_broadcast(ip.port(), 100, count, with);
    queue.close(client, count);
    poll_and_process(queue);
    CHECK(done == 5 && sum == 1110);
    fails(kind::closed, [&] { queue.broadcast(client, 1); });
    fails(kind::closed, [&] { queue.ping(client, count); });
    CHECK(queue.wait(1ms) == 0);
}

void calls_end_once_whether_cancelled_late_or_given_up_with_their_queue() {
    const scratch place;
    const auto with = place.options();
    std::vector<simple_ipc::responder> kept;
    std::atomic<int> cancelled_handlers(0);
    const auto held = std::make_shared<int>(0);
    {
        const auto listener = simple_ipc::listen_uds_request("held", [&](const message_view &, simple_ipc::responder &answer) {
            answer.on_cancel([&cancelled_handlers] { ++cancelled_handlers; }).value();
            kept.push_back(std::move(answer));
        }, with);
        std::vector<kind> ends;
        auto first = simple_ipc::make_queue();
        const auto client = first.connect_uds("held", with);
        const auto end = [&ends, held](result<message> reply) { ends.push_back(reply.error().kind()); };
        const auto ticket = first.request(client, 1, end);
        first.request(client, 2, end, 20ms);
        while (ends.empty()) first.wait();
        CHECK(ends == std::vector<kind>{kind::timed_out});
        first.cancel(ticket);
        first.cancel(ticket);
        CHECK(ends.back() == kind::cancelled && ends.size() == 2);
        first.request(client, 3, end);
        {
            const auto moved = std::move(first);
            CHECK(moved.under_way() == 1);
        }
        CHECK(ends.size() == 3 && ends.back() == kind::cancelled);
        CHECK(held.use_count() == 2); // that of `end`
        while (cancelled_handlers < 2) std::this_thread::yield(); // the third may not have got there
        listener.close();
        kept.clear();
    }
    CHECK(held.use_count() == 1);
}

void mistakes_are_told_at_once_and_release_the_callback() {
    const scratch place;
    const auto with = place.options();
    auto queue = simple_ipc::make_queue();
    const auto held = std::make_shared<int>(0);
    const auto never = [held](auto) { ++*held; };
    fails(kind::invalid_name, [&] { queue.post_uds_request("a.b", 1, never, with); });
    fails(kind::invalid_name, [&] { queue.post_uds_broadcast(std::string("a\0b", 3), 1, never, with); });
    fails(kind::not_listening, [&] { queue.post_uds_request("nobody", 1, never, with); });
    fails(kind::not_listening, [&] { queue.connect_uds("nobody", with); });
    fails(kind::invalid_port, [&] { queue.connect_ip(70000, with); });
    fails(kind::invalid_argument, [&] { queue.wait(-1s); });
    fails(kind::closed, [&] { queue.flush(simple_ipc::queue_client{12345}, never); });
    auto moved = std::move(queue);
    // NOLINTBEGIN: what was moved from is what is tried
    fails(kind::closed, [&] { queue.process(); });
    fails(kind::closed, [&] { queue.wait(1s); });
    fails(kind::closed, [&] { queue.ping(simple_ipc::queue_client{1}, never); });
    fails(kind::closed, [&] { queue.broadcast(simple_ipc::queue_client{1}, 1); });
    fails(kind::closed, [&] { queue.connect_uds("x", with); });
    fails(kind::closed, [&] { queue.post_uds_request("x", 1, never, with); });
    queue.cancel(simple_ipc::ticket{1});
    queue.submit();
    // NOLINTEND
    CHECK(queue.descriptor() == -1 && queue.under_way() == 0);
    CHECK(*held == 0 && held.use_count() == 2);
}

void a_callback_may_start_calls_but_not_wait_for_them() {
    const scratch place;
    const auto with = place.options();
    const auto listener = simple_ipc::listen_uds_request<int>("chain", [](int n) { return n + 1; }, with);
    auto queue = simple_ipc::make_queue();
    const auto client = queue.connect_uds("chain", with);
    int last = 0, refused = 0;
    simple_ipc::reply_callback next = [&](result<message> reply) {
        last = reply.value().as<int>();
        refused += queue.try_wait().error().kind() == kind::invalid_argument;
        if (last < 10) queue.request(client, last, next);
        throw 1;
    };
    queue.request(client, 0, next);
    poll_and_process(queue);
    CHECK(last == 10 && refused == 10);
}

void listeners_of_a_queue_call_their_handlers_in_its_thread() {
    const scratch place;
    const auto with = place.options();
    auto queue = simple_ipc::make_queue();
    const auto self = std::this_thread::get_id();
    int seen = 0;
    const auto square = [&](int n) {
        CHECK(std::this_thread::get_id() == self);
        ++seen;
        return n * n;
    };
    const auto by_name = queue.listen_uds_request<int>("square", square, with);
    const auto by_port = queue.listen_ip_request<int>(0, square, with);
    const auto heard = queue.listen_uds_broadcast<int>("heard", [&](int n) { seen += n; }, with);
    const auto heard_by_port = queue.listen_ip_broadcast<int>(0, [&](int n, const simple_ipc::caller &) { seen += n; }, with);
    int answers = 0;
    std::thread caller([&, port = by_port.port(), other = heard_by_port.port()] {
        for (int n = 0; n < 50; ++n) {
            answers += simple_ipc::post_uds_request<int>("square", n, with) == n * n;
            answers += simple_ipc::post_ip_request<int>(port, n, with) == n * n;
        }
        simple_ipc::post_uds_broadcast("heard", 1000, with);
        simple_ipc::post_ip_broadcast(other, 1000, with);
    });
    while (seen < 2100) {
        pollfd watched{queue.descriptor(), POLLIN, 0};
        CHECK(poll(&watched, 1, -1) == 1);
        CHECK(queue.process() == 0);
    }
    caller.join();
    CHECK(answers == 100);
}

void what_a_handler_of_a_queue_throws_fails_its_caller_and_a_responder_may_be_kept() {
    const scratch place;
    const auto with = place.options();
    auto queue = simple_ipc::make_queue();
    std::optional<simple_ipc::responder> kept;
    const auto listener = queue.listen_uds_request<int>(
        "kept",
        [&](int n, simple_ipc::responder &answer) {
            if (n == 0) throw simple_ipc::handler_error("on purpose", "zero", n);
            kept = std::move(answer);
        },
        with);
    const auto client = queue.connect_uds("kept", with);
    std::string code;
    int answer = 0;
    queue.request(client, 0, [&](result<message> reply) { code = reply.error().handler_code().value_or(""); });
    queue.request(client, 1, [&](result<message> reply) { answer = reply.value().as<int>(); });
    while (!kept || code.empty()) queue.wait();
    kept->respond(2).value();
    while (answer == 0) queue.wait();
    CHECK(code == "zero" && answer == 2);
}

void a_queue_that_ends_closes_its_listeners_and_lets_go_of_their_handlers() {
    const scratch place;
    const auto with = place.options();
    const auto held = std::make_shared<int>(0);
    auto queue = std::make_optional(simple_ipc::make_queue());
    auto listener = queue->listen_uds_request<int>("ends", [held](int n) { return n; }, with);
    CHECK(held.use_count() == 2);
    queue.reset();
    CHECK(held.use_count() == 1);
    fails(kind::not_listening, [&] { simple_ipc::post_uds_request("ends", 1, with); });
    listener.close();
    auto moved = simple_ipc::make_queue();
    auto into = std::move(moved);
    // NOLINTNEXTLINE: what was moved from is what is tried
    fails(kind::closed, [&] { (void)moved.listen_uds_request("x", [](auto &) { return 1; }, with); });
    fails(kind::invalid_name, [&] { (void)into.listen_uds_request("a b", [](auto &) { return 1; }, with); });
    fails(kind::invalid_port, [&] { (void)into.listen_ip_broadcast(70000, [](auto &) {}, with); });
}

} // namespace

int main(int argc, char **argv) {
    testing::wanted.assign(argv + 1, argv + argc);
#define RUN(test) testing::run(#test, test)
    RUN(many_calls_are_answered_in_this_thread_in_either_way);
    RUN(broadcasts_arrive_before_their_flush_and_a_closed_client_is_closed);
    RUN(calls_end_once_whether_cancelled_late_or_given_up_with_their_queue);
    RUN(mistakes_are_told_at_once_and_release_the_callback);
    RUN(a_callback_may_start_calls_but_not_wait_for_them);
    RUN(listeners_of_a_queue_call_their_handlers_in_its_thread);
    RUN(what_a_handler_of_a_queue_throws_fails_its_caller_and_a_responder_may_be_kept);
    RUN(a_queue_that_ends_closes_its_listeners_and_lets_go_of_their_handlers);
    return testing::finish();
}
