// Simple IPC for C++17: what others publish. simple_ipc.hpp includes this.
//
//     for (auto &event : simple_ipc::subscribe_uds("clock")) std::cout << event.data<int>() << "\n";
//
// Once `subscribe_uds` has returned, every event that is published afterwards comes, or is counted by `event::missed`. Leaving
// the loop destroys the subscription, which closes it. An error, such as `kind::too_slow`, is thrown by the loop and is its end.
// While the publisher is gone, the loop waits for the next one, for as long as `options::reconnect` says.
//
// Without exceptions there is no loop: ask `try_next` until it has no event.

#ifndef SIMPLE_IPC_SUBSCRIPTION_HPP
#define SIMPLE_IPC_SUBSCRIPTION_HPP

#include "simple_ipc.hpp"

#include <iterator>

namespace simple_ipc {

// Something that was published, as a subscriber gets it.
class event {
public:
    explicit event(simple_ipc::message body) noexcept : body_(std::move(body)) {}

    // What was published as a T, as `message_view::as` gives it.
    template <class T> result<T> try_data() const { return body_.try_as<T>(); }
#if SIMPLE_IPC_EXCEPTIONS
    template <class T> T data() const { return body_.as<T>(); }
#endif
    // The same as it came: JSON text or bytes.
    const simple_ipc::message &body() const & noexcept { return body_; }
    simple_ipc::message body() && noexcept { return std::move(body_); }

    // The topic that it was published to; empty without one. As long as the event lives.
    std::string_view topic() const noexcept {
        const char *text = sipc_message_topic(body_.get());
        return text ? std::string_view(text) : std::string_view();
    }
    // How many events this subscription missed right before this one: 0 for none; -1 where nobody knows, as the publisher was
    // replaced by another.
    std::int64_t missed() const noexcept { return sipc_message_missed(body_.get()); }
    // Whether it was published before the subscription began, and kept for it by a publisher with `options::retain`.
    bool retained() const noexcept { return sipc_message_retained(body_.get()); }

private:
    simple_ipc::message body_;
};

// Called once with the next event, nothing at the end, or the error, on a thread of the library. It should be brief, and may ask
// for the next one. It is moved, never copied.
using on_event = unique_function<void(result<std::optional<event>>)>;

// What a channel publishes, one event after the other: an input range. Destroyed, or assigned to, it closes. Any number of threads
// may call `next` at once, each event comes to one of them; the range is for one thread.
class [[nodiscard]] subscription {
public:
    explicit subscription(sipc_stream *owned) noexcept : stream_(owned) {}

    // The next event; nothing at the end, which comes when this was closed, or the publisher has closed and `options::reconnect`
    // is 0. `kind::timed_out` says that there is none yet: ask again. `kind::invalid_body` is about one event, behind which the next
    // call goes on; every other error ends the subscription.
    result<std::optional<event>> try_next(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!stream_) return detail::moved_from("subscription");
        const std::int64_t time = timeout ? detail::milliseconds(*timeout) : SIPC_NO_TIMEOUT;
        sipc_message *next = nullptr;
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_stream_next(stream_.get(), time, &next, &failure);
        return taken(status, next, failure);
    }

    // The same without waiting: the callback is called when the next event is there. Cancelled or timed out, the call takes none.
    // Calls are served in their order.
    result<operation> try_next_async(on_event callback,
                                     std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!stream_) return detail::moved_from("subscription");
        const std::int64_t time = timeout ? detail::milliseconds(*timeout) : SIPC_NO_TIMEOUT;
        sipc_operation *made = nullptr;
        sipc_error *failure = nullptr;
        auto owned = std::make_unique<on_event>(std::move(callback));
        const sipc_status status = sipc_stream_next_async(stream_.get(), time, call_back, owned.release(),
                                                          detail::drop<on_event>, &made, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return operation(made);
    }

    // Readable while `next` with a timeout of 0 has something to do, which may be no event yet. It stays the same, also while
    // the subscription looks for its publisher again, and the library's; only watch it.
    int descriptor() const noexcept { return sipc_stream_descriptor(stream_.get()); }

    // Ends it, in any thread and at any time: who waits for an event gets the end.
    void close() const noexcept { sipc_stream_close(stream_.get()); }

#if SIMPLE_IPC_EXCEPTIONS
    std::optional<event> next(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_next(timeout).value();
    }
    operation next_async(on_event callback, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_next_async(std::move(callback), timeout).value();
    }

    // A place in the range: the event that was taken last. Moving the subscription, or its end, makes it invalid.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = event;
        using difference_type = std::ptrdiff_t;
        using pointer = event *;
        using reference = event &;

        iterator() = default;
        event &operator*() const { return *of_->current_; }
        event *operator->() const { return &*of_->current_; }
        iterator &operator++() {
            of_->current_ = of_->next();
            if (!of_->current_) of_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &one, const iterator &other) noexcept { return one.of_ == other.of_; }
        friend bool operator!=(const iterator &one, const iterator &other) noexcept { return one.of_ != other.of_; }

    private:
        friend class subscription;
        explicit iterator(subscription *of) : of_(of) { ++*this; }
        subscription *of_ = nullptr;
    };

    // Takes the next event. Where the loop was left before, it goes on behind that event.
    iterator begin() { return iterator(this); }
    iterator end() noexcept { return {}; }
#endif

private:
    static result<std::optional<event>> taken(sipc_status status, sipc_message *next, sipc_error *failure) {
        if (status != SIPC_OK) return detail::take_error(status, failure);
        if (!next) return std::optional<event>();
        return std::optional<event>(event(message(next)));
    }

    static void call_back(sipc_status status, sipc_message *next, sipc_error *failure, void *data) noexcept {
        on_event &callback = *static_cast<on_event *>(data);
#if SIMPLE_IPC_EXCEPTIONS
        try {
            auto came = taken(status, next, failure);
            if (callback) callback(std::move(came));
        } catch (...) {
            // A callback has no caller to be told.
        }
#else
        auto came = taken(status, next, failure);
        if (callback) callback(std::move(came));
#endif
    }

    detail::handle<sipc_stream, sipc_stream_free> stream_;
    std::optional<event> current_; // where the range is
};

// Subscribing. `options::topics`, `overflow`, `queue` and `reconnect` are for subscriptions; `wait` and `timeout` hold as for a post.
inline result<subscription> try_subscribe_uds(const text &channel, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::open<subscription>(sipc_subscribe_uds, channel.c_str(), with);
}
inline result<subscription> try_subscribe_ip(std::uint32_t port, const options &with = {}) {
    return detail::open<subscription>(sipc_subscribe_ip, port, with);
}
#if SIMPLE_IPC_EXCEPTIONS
inline subscription subscribe_uds(const text &channel, const options &with = {}) {
    return try_subscribe_uds(channel, with).value();
}
inline subscription subscribe_ip(std::uint32_t port, const options &with = {}) { return try_subscribe_ip(port, with).value(); }
#endif

} // namespace simple_ipc

#endif // SIMPLE_IPC_SUBSCRIPTION_HPP
