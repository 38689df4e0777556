// Simple IPC for C++17, for programs with an event loop, or that want many calls at once: any number of calls and listeners behind
// one descriptor, with callbacks and handlers in the thread of the loop.
//
//     auto queue = simple_ipc::make_queue();
//     const auto client = queue.connect_uds("example_channel");
//     for (int n = 0; n < 100; ++n) queue.request(client, n, [](simple_ipc::result<simple_ipc::message> reply) { … });
//     while (queue.under_way() > 0) queue.wait();
//
// With an event loop: after starting calls `submit()`; watch `descriptor()` for reading, level-triggered (`poll`, `epoll`,
// asio's `posix::stream_descriptor`), and call `process()` when it is readable.
//
// Listeners of a queue have their handlers called there, too, one message at a time: they need no lock for what they share
// with the rest of the loop.
//
//     auto listener = queue.listen_uds_request<int>("square", [](int n) { return n * n; });
//     while (true) queue.wait();
//
// While a handler runs the loop does nothing else: one that has to wait takes a `responder &`, moves it away and answers later.
// What waits in a handler holds up the loop: `send` and `next` of a stream do, their `_async` forms do not. A call that waits for
// the answer of a listener of the same queue waits in vain.
//
// A queue and its callbacks belong to one thread at a time: callbacks run inside `process`, `wait`, `cancel` and the queue's
// end, handlers inside `process`, `wait` and the `close` or end of their listener. They may start and cancel calls of the same queue,
// and listen, but not process, wait for or destroy it. What a callback throws is dropped, what a handler throws fails its caller.

#ifndef SIMPLE_IPC_QUEUE_HPP
#define SIMPLE_IPC_QUEUE_HPP

#include "simple_ipc.hpp"

namespace simple_ipc {

// A call of a queue, to cancel it.
enum class ticket : std::uint64_t {};

// A channel that is open in a queue: one session, on which messages keep their order.
enum class queue_client : std::uint64_t {};

// Calls under way, and listeners. Destroyed, it gives the calls up: their callbacks get `kind::cancelled`. Its listeners close
// then: no handler is called any more, what handlers captured is gone, and callers that wait get `kind::connection_lost`.
class [[nodiscard]] queue {
public:
    explicit queue(sipc_queue *owned) noexcept : queue_(owned) {}

    // Readable while there is something for `process` to do. It stays the library's; only watch it.
    int descriptor() const noexcept { return sipc_queue_descriptor(queue_.get()); }
    // How many calls have yet to call back; a channel that is being opened counts, too.
    std::size_t under_way() const noexcept { return sipc_queue_under_way(queue_.get()); }
    // Sends what has gathered. Costs nothing when there is nothing to send.
    void submit() noexcept { sipc_queue_submit(queue_.get()); }

    // Does what there is to do without waiting, handlers of the queue's listeners among it; gives the number of calls that were
    // completed.
    result<std::size_t> try_process() {
        if (!queue_) return detail::moved_from("queue");
        std::size_t completed = 0;
        return counted(completed, detail::done(sipc_queue_process, queue_.get(), &completed));
    }

    // Waits until a call is completed or messages have come for a listener, then does as `process`. 0 when the time is over, or
    // there were messages alone, or a channel has been opened.
    result<std::size_t> try_wait(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
        if (!queue_) return detail::moved_from("queue");
        const std::int64_t time = timeout ? detail::milliseconds(*timeout) : SIPC_NO_TIMEOUT;
        std::size_t completed = 0;
        return counted(completed, detail::done(sipc_queue_wait, queue_.get(), time, &completed));
    }

    // The callback gets `kind::cancelled` before this returns. A call that is over is left alone.
    void cancel(ticket call) noexcept { sipc_queue_cancel(queue_.get(), static_cast<std::uint64_t>(call)); }

    // Posting. The call itself reports what is clear at once, and then the callback never runs.
    result<ticket> try_post_uds_request(const text &channel, const body &request, on_reply callback,
                                        const options &with = {}) {
        if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
        return start(std::move(callback), sipc_queue_post_uds_request, channel.c_str(), request.get(), with.get());
    }
    result<ticket> try_post_ip_request(std::uint32_t port, const body &request, on_reply callback,
                                       const options &with = {}) {
        return start(std::move(callback), sipc_queue_post_ip_request, port, request.get(), with.get());
    }
    result<ticket> try_post_uds_broadcast(const text &channel, const body &message, on_done callback,
                                          const options &with = {}) {
        if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
        return start(std::move(callback), sipc_queue_post_uds_broadcast, channel.c_str(), message.get(), with.get());
    }
    result<ticket> try_post_ip_broadcast(std::uint32_t port, const body &message, on_done callback,
                                         const options &with = {}) {
        return start(std::move(callback), sipc_queue_post_ip_broadcast, port, message.get(), with.get());
    }

    // Opens a channel. Its number is good until it is closed or the queue is gone.
    result<queue_client> try_connect_uds(const text &channel, const options &with = {}) {
        if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
        return connect(sipc_queue_connect_uds, channel.c_str(), with);
    }
    result<queue_client> try_connect_ip(std::uint32_t port, const options &with = {}) {
        return connect(sipc_queue_connect_ip, port, with);
    }
    result<queue_client> try_connect_path(const text &path, const options &with = {}) {
        if (auto zero = path.mistake(kind::invalid_argument)) return *std::move(zero);
        return connect(sipc_queue_connect_path, path.c_str(), with);
    }

    // `timeout` is this call's; without it, that holds which the client was opened with.
    result<ticket> try_request(queue_client client, const body &request, on_reply callback,
                               std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
        std::optional<options> with;
        if (timeout) with.emplace().timeout(*timeout);
        return start(std::move(callback), sipc_queue_request, number(client), request.get(), with ? with->get() : nullptr);
    }

    // `flush` makes sure that it has arrived. An error is told by the next call that involves the client.
    result<void> try_broadcast(queue_client client, const body &message) {
        if (!queue_) return detail::moved_from("queue");
        return detail::done(sipc_queue_broadcast, queue_.get(), number(client), message.get());
    }

    // Calls back when all broadcasts of the client so far have been handed to the listener's handler.
    result<ticket> try_flush(queue_client client, on_done callback) {
        return start(std::move(callback), sipc_queue_flush, number(client));
    }

    // Asks the listener, without its handler, for a sign of life.
    result<ticket> try_ping(queue_client client, on_done callback) {
        return start(std::move(callback), sipc_queue_ping, number(client));
    }

    // Flushes the client, then closes it. Its requests and pings that are under way end with `cancelled`.
    result<ticket> try_close(queue_client client, on_done callback) {
        return start(std::move(callback), sipc_queue_close, number(client));
    }

    // Listening: the handlers are those of `listen_uds_request` and its like, and run inside `process` and `wait`. A listener that
    // is closed or destroyed in the thread of the queue takes what has come to its handler before, and waits at most for the grace
    // period for responders that are kept; in another thread it waits for the queue to be processed.
    template <class In = message_view, class F>
    result<listener> try_listen_uds_request(const text &channel, F handler, const options &with = {}) {
        if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
        return serve<detail::request_shape<In, F>>(sipc_queue_listen_uds_request, channel.c_str(), std::move(handler), with);
    }
    template <class In = message_view, class F>
    result<listener> try_listen_uds_broadcast(const text &channel, F handler, const options &with = {}) {
        if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
        return serve<detail::broadcast_shape<In, F>>(sipc_queue_listen_uds_broadcast, channel.c_str(), std::move(handler), with);
    }
    template <class In = message_view, class F>
    result<listener> try_listen_ip_request(std::uint32_t port, F handler, const options &with = {}) {
        return serve<detail::request_shape<In, F>>(sipc_queue_listen_ip_request, port, std::move(handler), with);
    }
    template <class In = message_view, class F>
    result<listener> try_listen_ip_broadcast(std::uint32_t port, F handler, const options &with = {}) {
        return serve<detail::broadcast_shape<In, F>>(sipc_queue_listen_ip_broadcast, port, std::move(handler), with);
    }

#if SIMPLE_IPC_EXCEPTIONS
    // The same, with exceptions.
    std::size_t process() { return try_process().value(); }
    std::size_t wait(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) { return try_wait(timeout).value(); }
    ticket post_uds_request(const text &channel, const body &request, on_reply callback, const options &with = {}) {
        return try_post_uds_request(channel, request, std::move(callback), with).value();
    }
    ticket post_ip_request(std::uint32_t port, const body &request, on_reply callback, const options &with = {}) {
        return try_post_ip_request(port, request, std::move(callback), with).value();
    }
    ticket post_uds_broadcast(const text &channel, const body &message, on_done callback, const options &with = {}) {
        return try_post_uds_broadcast(channel, message, std::move(callback), with).value();
    }
    ticket post_ip_broadcast(std::uint32_t port, const body &message, on_done callback, const options &with = {}) {
        return try_post_ip_broadcast(port, message, std::move(callback), with).value();
    }
    queue_client connect_uds(const text &channel, const options &with = {}) {
        return try_connect_uds(channel, with).value();
    }
    queue_client connect_ip(std::uint32_t port, const options &with = {}) { return try_connect_ip(port, with).value(); }
    queue_client connect_path(const text &path, const options &with = {}) { return try_connect_path(path, with).value(); }
    ticket request(queue_client client, const body &request, on_reply callback,
                   std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
        return try_request(client, request, std::move(callback), timeout).value();
    }
    void broadcast(queue_client client, const body &message) { try_broadcast(client, message).value(); }
    ticket flush(queue_client client, on_done callback) { return try_flush(client, std::move(callback)).value(); }
    ticket ping(queue_client client, on_done callback) { return try_ping(client, std::move(callback)).value(); }
    ticket close(queue_client client, on_done callback) { return try_close(client, std::move(callback)).value(); }
    template <class In = message_view, class F>
    listener listen_uds_request(const text &channel, F handler, const options &with = {}) {
        return try_listen_uds_request<In>(channel, std::move(handler), with).value();
    }
    template <class In = message_view, class F>
    listener listen_uds_broadcast(const text &channel, F handler, const options &with = {}) {
        return try_listen_uds_broadcast<In>(channel, std::move(handler), with).value();
    }
    template <class In = message_view, class F>
    listener listen_ip_request(std::uint32_t port, F handler, const options &with = {}) {
        return try_listen_ip_request<In>(port, std::move(handler), with).value();
    }
    template <class In = message_view, class F>
    listener listen_ip_broadcast(std::uint32_t port, F handler, const options &with = {}) {
        return try_listen_ip_broadcast<In>(port, std::move(handler), with).value();
    }
#endif

private:
    static std::uint64_t number(queue_client client) noexcept { return static_cast<std::uint64_t>(client); }

    static result<std::size_t> counted(const std::size_t &completed, const result<void> &done) {
        if (!done) return done.error();
        return completed;
    }

    template <class Connect, class Address>
    result<queue_client> connect(Connect function, Address address, const options &with) {
        if (!queue_) return detail::moved_from("queue");
        std::uint64_t made = 0;
        const result<void> done = detail::done(function, queue_.get(), address, with.get(), &made);
        if (!done) return done.error();
        return queue_client{made};
    }

    template <class Shape, class F, class Listen, class Address>
    result<listener> serve(Listen function, Address address, F handler, const options &with) {
        if (!queue_) return detail::moved_from("queue");
        const auto in_this = [function, owner = queue_.get()](Address where, auto... rest) {
            return function(owner, where, rest...);
        };
        return detail::listen<Shape>(in_this, address, std::move(handler), with);
    }

    // Calls a function whose last parameters are always these.
    template <class Callback, class Function, class... Arguments>
    result<ticket> start(Callback callback, Function function, Arguments... arguments) {
        if (!queue_) return detail::moved_from("queue");
        std::uint64_t made = 0;
        auto owned = std::make_unique<Callback>(std::move(callback));
        const result<void> done = detail::done(function, queue_.get(), arguments..., detail::call_back<Callback>,
                                               owned.release(), detail::drop<Callback>, &made);
        if (!done) return done.error();
        return ticket{made};
    }

    detail::handle<sipc_queue, sipc_queue_free> queue_;
};

// Makes an empty queue, which takes two descriptors, and a third with the first listener.
inline result<queue> try_make_queue() {
    sipc_queue *made = nullptr;
    const result<void> done = detail::done(sipc_queue_new, &made);
    if (!done) return done.error();
    return queue(made);
}
#if SIMPLE_IPC_EXCEPTIONS
inline queue make_queue() { return try_make_queue().value(); }
#endif

} // namespace simple_ipc

#endif // SIMPLE_IPC_QUEUE_HPP
