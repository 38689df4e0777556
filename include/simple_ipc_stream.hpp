// Simple IPC for C++17: answers, and questions, that are sequences. simple_ipc.hpp includes this.
//
//     auto l = simple_ipc::listen_uds_request("count", [](auto &request) {
//         auto out = request.stream();                       // the answer is a sequence; its end is where `out` is destroyed
//         for (int i = 0; i < 3; ++i) out.send(i);
//     });
//     for (int n : simple_ipc::post_uds_stream<int>("count", 3)) std::cout << n << "\n";
//
// Items come in order, each once, and all that were sent before the end, or an error, before it. Each side holds at most 256 KiB
// and one item that its program has not taken: `send` waits where the other side is so far behind. Two sides that only send wait
// for each other; `options::idle_timeout` ends that. Leaving the loop destroys the stream, which tells the handler at once.
//
// Without exceptions there is no loop: ask `try_next` until it has no item.

#ifndef SIMPLE_IPC_STREAM_HPP
#define SIMPLE_IPC_STREAM_HPP

#include "simple_ipc.hpp"

#include <iterator>

namespace simple_ipc {

// Called once with the next item, nothing at the end, or the error, on a thread of the library. It should be brief, and may ask
// for the next one. It is moved, never copied.
template <class T> using on_item = unique_function<void(result<std::optional<T>>)>;

namespace detail {

template <class T> result<std::optional<T>> item_of(sipc_status status, sipc_message *next, sipc_error *failure) {
    if (status != SIPC_OK) return take_error(status, failure);
    if (!next) return std::optional<T>();
    result<T> item = read<T>(status, next, nullptr);
    if (!item) return item.error();
    return std::optional<T>(*std::move(item));
}

template <class T> void call_back_with_item(sipc_status status, sipc_message *next, sipc_error *failure, void *data) noexcept {
    on_item<T> &callback = *static_cast<on_item<T> *>(data);
#if SIMPLE_IPC_EXCEPTIONS
    try {
        auto came = item_of<T>(status, next, failure);
        if (callback) callback(std::move(came));
    } catch (...) {
        // A callback has no caller to be told.
    }
#else
    auto came = item_of<T>(status, next, failure);
    if (callback) callback(std::move(came));
#endif
}

// Calls a function that opens a stream on an address, or of a client.
template <class T, class Function, class Address>
result<item_stream<T>> open_stream(Function function, Address address, const body &data, const sipc_options *with) {
    sipc_stream *made = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = function(address, data.get(), with, &made, &failure);
    if (status != SIPC_OK) return take_error(status, failure);
    return item_stream<T>(made);
}

inline result<void> send_on(const sipc_stream *stream, const body &item, std::optional<std::chrono::nanoseconds> timeout) {
    if (!stream) return moved_from("stream");
    return done(sipc_stream_send, stream, item.get(), timeout ? milliseconds(*timeout) : std::int64_t{SIPC_NO_TIMEOUT});
}

inline result<operation> send_on_async(const sipc_stream *stream, const body &item, on_done callback,
                                       std::optional<std::chrono::nanoseconds> timeout) {
    if (!stream) return moved_from("stream");
    return start(std::move(callback), sipc_stream_send_async, stream, item.get(),
                 timeout ? milliseconds(*timeout) : std::int64_t{SIPC_NO_TIMEOUT});
}

} // namespace detail

// What comes from the other side, one item after the other: an input range. Any number of threads may call `next` at once, each
// item comes to one of them; the range is for one thread.
template <class T> class [[nodiscard]] incoming_items {
public:
    // The next item; nothing at the end. `kind::timed_out` says that there is none yet: ask again. `kind::invalid_body` is about
    // one item that is no T, behind which the next call goes on. Every other error ends it, and is repeated.
    result<std::optional<T>> try_next(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!stream_) return detail::moved_from("stream");
        const std::int64_t time = timeout ? detail::milliseconds(*timeout) : SIPC_NO_TIMEOUT;
        sipc_message *next = nullptr;
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_stream_next(stream_.get(), time, &next, &failure);
        return detail::item_of<T>(status, next, failure);
    }

    // The same without waiting: the callback is called when the next item is there. Cancelled or timed out, the call takes none.
    // Calls are served in their order.
    result<operation> try_next_async(on_item<T> callback,
                                     std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        if (!stream_) return detail::moved_from("stream");
        const std::int64_t time = timeout ? detail::milliseconds(*timeout) : SIPC_NO_TIMEOUT;
        sipc_operation *made = nullptr;
        sipc_error *failure = nullptr;
        auto owned = std::make_unique<on_item<T>>(std::move(callback));
        const sipc_status status = sipc_stream_next_async(stream_.get(), time, detail::call_back_with_item<T>, owned.release(),
                                                          detail::drop<on_item<T>>, &made, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return operation(made);
    }

    // Ends it, in any thread and at any time: who waits for an item gets the end. Never waits and never fails.
    void close() const noexcept { sipc_stream_close(stream_.get()); }
    // Whether it has ended, failed or was closed, and nothing is left to take; of a handler's, too, that its caller has left.
    bool is_over() const noexcept { return sipc_stream_is_over(stream_.get()); }

#if SIMPLE_IPC_EXCEPTIONS
    std::optional<T> next(std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const { return try_next(timeout).value(); }
    operation next_async(on_item<T> callback, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_next_async(std::move(callback), timeout).value();
    }

    // A place in the range: the item that was taken last. Moving the stream, or its end, makes it invalid.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = T *;
        using reference = T &;

        iterator() = default;
        T &operator*() const { return *of_->current_; }
        T *operator->() const { return &*of_->current_; }
        iterator &operator++() {
            of_->current_ = of_->next();
            if (!of_->current_) of_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &one, const iterator &other) noexcept { return one.of_ == other.of_; }
        friend bool operator!=(const iterator &one, const iterator &other) noexcept { return one.of_ != other.of_; }

    private:
        friend class incoming_items;
        explicit iterator(incoming_items *of) : of_(of) { ++*this; }
        incoming_items *of_ = nullptr;
    };

    // Takes the next item. Where the loop was left before, it goes on behind that item.
    iterator begin() { return iterator(this); }
    iterator end() noexcept { return {}; }
#endif

protected:
    explicit incoming_items(sipc_stream *owned) noexcept : stream_(owned) {}

    detail::handle<sipc_stream, sipc_stream_free> stream_;

private:
    std::optional<T> current_; // where the range is
};

// The items that a caller sends, as its handler has them; of a plain request there are none. After the caller has left, `next`
// fails with `kind::cancelled` or `kind::connection_lost`.
template <class T = message> class [[nodiscard]] items : public incoming_items<T> {
public:
    explicit items(sipc_stream *owned) noexcept : incoming_items<T>(owned) {}
};

// A stream that was opened here: what the handler answers, and a way to send it items. Destroyed, or assigned to, before its end
// it tells the handler at once that its caller has left.
template <class T = message> class [[nodiscard]] item_stream : public incoming_items<T> {
public:
    explicit item_stream(sipc_stream *owned) noexcept : incoming_items<T>(owned) {}

    // Sends an item, and waits until the handler has room for it. `kind::timed_out` says that it has none yet, and nothing was
    // sent. `kind::closed`: the listener has ended the stream, whose items `next` still gives; or it was ended or closed here.
    result<void> try_send(const body &item, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return detail::send_on(this->stream_.get(), item, timeout);
    }
    // The same without waiting: the callback is called when the item was sent. Items of such calls keep their order.
    result<operation> try_send_async(const body &item, on_done callback,
                                     std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return detail::send_on_async(this->stream_.get(), item, std::move(callback), timeout);
    }
    // No more items come from here. Does not wait; `next` goes on. Again it does nothing.
    result<void> try_finish() const {
        if (!this->stream_) return detail::moved_from("stream");
        return detail::done(sipc_stream_end, this->stream_.get());
    }

    // Readable while `next` with a timeout of 0 has something to do, or `send` after it has found no room. The library's; only
    // watch it.
    int descriptor() const noexcept { return sipc_stream_descriptor(this->stream_.get()); }

#if SIMPLE_IPC_EXCEPTIONS
    void send(const body &item, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        try_send(item, timeout).value();
    }
    operation send_async(const body &item, on_done callback,
                         std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_send_async(item, std::move(callback), timeout).value();
    }
    void finish() const { try_finish().value(); }
#endif
};

// A request's answer that is a sequence, as its handler sends it; also on another thread, after the handler has returned. `finish`
// completes it, and so does its destructor; but while an exception is thrown the caller gets what the handler has thrown.
// When the caller has left, `send` fails with `kind::cancelled` or `kind::connection_lost`.
class [[nodiscard]] reply_stream {
public:
    explicit reply_stream(sipc_stream *owned) noexcept : stream_(owned) {}
    reply_stream(reply_stream &&other) noexcept : stream_(std::move(other.stream_)), thrown_(other.thrown_) {}
    reply_stream &operator=(reply_stream &&other) noexcept {
        if (this != &other) {
            end_or_fail();
            stream_ = std::move(other.stream_);
            thrown_ = other.thrown_;
        }
        return *this;
    }
    ~reply_stream() { end_or_fail(); }

    // Sends an item, and waits until the caller has room for it. `kind::timed_out` says that it has none yet, and nothing was sent.
    result<void> try_send(const body &item, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return detail::send_on(stream_.get(), item, timeout);
    }
    // The same without waiting: the callback is called when the item was sent. Items of such calls keep their order.
    result<operation> try_send_async(const body &item, on_done callback,
                                     std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return detail::send_on_async(stream_.get(), item, std::move(callback), timeout);
    }
    // The answer is complete. An error where the caller has left.
    result<void> try_finish() const {
        if (!stream_) return detail::moved_from("stream");
        return detail::done(sipc_stream_end, stream_.get());
    }
    // Ends with an error: after the items that were sent the caller gets `kind::handler_failed` with this text, or with what a
    // `handler_error` says. An error where the caller cannot be told.
    result<void> fail(const text &message) const {
        if (!stream_) return detail::moved_from("stream");
        return detail::done(sipc_stream_fail, stream_.get(), message.c_str());
    }
    result<void> fail(const handler_error &failure) const {
        if (!stream_) return detail::moved_from("stream");
        return detail::done(sipc_stream_fail_with, stream_.get(), failure.what(),
                            failure.code().empty() ? nullptr : failure.code().c_str(),
                            failure.data_json() ? failure.data_json()->c_str() : nullptr);
    }

    // The items that the caller sends, as those of a `request`.
    template <class T = message> result<simple_ipc::items<T>> try_items() const {
        if (!stream_) return detail::moved_from("stream");
        sipc_stream *made = nullptr;
        sipc_error *failure = nullptr;
        const sipc_status status = sipc_stream_items(stream_.get(), &made, &failure);
        if (status != SIPC_OK) return detail::take_error(status, failure);
        return simple_ipc::items<T>(made);
    }

    // Whether it has ended or failed, or the caller has left.
    bool is_over() const noexcept { return sipc_stream_is_over(stream_.get()); }

#if SIMPLE_IPC_EXCEPTIONS
    void send(const body &item, std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        try_send(item, timeout).value();
    }
    operation send_async(const body &item, on_done callback,
                         std::optional<std::chrono::nanoseconds> timeout = std::nullopt) const {
        return try_send_async(item, std::move(callback), timeout).value();
    }
    void finish() const { try_finish().value(); }
    template <class T = message> simple_ipc::items<T> items() const { return try_items<T>().value(); }
#endif

private:
    void end_or_fail() noexcept {
        if (!stream_) return;
#if SIMPLE_IPC_EXCEPTIONS
        if (std::uncaught_exceptions() > thrown_) {
            // The handler that is left knows what was thrown; without one the caller is told that it failed.
            if (detail::abandoned *of = detail::abandoned::of_this_thread()) of->stream = std::move(stream_);
            stream_.reset();
            return;
        }
#endif
        (void)sipc_stream_end(stream_.get(), nullptr);
        stream_.reset();
    }

    detail::handle<sipc_stream, sipc_stream_free> stream_;
#if SIMPLE_IPC_EXCEPTIONS
    int thrown_ = std::uncaught_exceptions(); // when it was made
#else
    int thrown_ = 0;
#endif
};

template <class T> result<items<T>> caller::try_items() const {
    if (!responder_) return used_up();
    sipc_stream *made = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = sipc_responder_items(responder_, &made, &failure);
    if (status != SIPC_OK) return detail::take_error(status, failure);
    return simple_ipc::items<T>(made);
}
#if SIMPLE_IPC_EXCEPTIONS
template <class T> items<T> caller::items() const { return try_items<T>().value(); }
#endif

inline result<reply_stream> responder::try_stream() {
    if (!responder_) return used_up();
    sipc_stream *made = nullptr;
    sipc_error *failure = nullptr;
    const sipc_status status = sipc_responder_stream(std::exchange(responder_, nullptr), &made, &failure);
    if (status != SIPC_OK) return detail::take_error(status, failure);
    return reply_stream(made);
}
inline result<reply_stream> request::try_stream() const { return answer_->try_stream(); }
template <class T> result<items<T>> request::try_items() const { return answer_->template try_items<T>(); }
#if SIMPLE_IPC_EXCEPTIONS
inline reply_stream responder::stream() { return try_stream().value(); }
inline reply_stream request::stream() const { return answer_->stream(); }
template <class T> items<T> request::items() const { return answer_->template items<T>(); }
#endif

// Opening a stream: a request whose answer is a sequence of T. Waits until the handler has begun. `options::timeout` is the time of
// the whole stream, and none unless it is set; `options::idle_timeout` ends a stream on which nothing moves. A handler that answers
// with one message gives a stream of one item.
template <class T = message>
result<item_stream<T>> try_post_uds_stream(const text &channel, const body &data, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::open_stream<T>(sipc_post_uds_stream, channel.c_str(), data, with.get());
}
template <class T = message>
result<item_stream<T>> try_post_ip_stream(std::uint32_t port, const body &data, const options &with = {}) {
    return detail::open_stream<T>(sipc_post_ip_stream, port, data, with.get());
}
// The same without waiting: what it comes to is told by the first `next` or `send`.
template <class T = message>
result<item_stream<T>> try_begin_uds_stream(const text &channel, const body &data, const options &with = {}) {
    if (auto zero = channel.mistake(kind::invalid_name)) return *std::move(zero);
    return detail::open_stream<T>(sipc_begin_uds_stream, channel.c_str(), data, with.get());
}
template <class T = message>
result<item_stream<T>> try_begin_ip_stream(std::uint32_t port, const body &data, const options &with = {}) {
    return detail::open_stream<T>(sipc_begin_ip_stream, port, data, with.get());
}
#if SIMPLE_IPC_EXCEPTIONS
template <class T = message> item_stream<T> post_uds_stream(const text &channel, const body &data, const options &with = {}) {
    return try_post_uds_stream<T>(channel, data, with).value();
}
template <class T = message> item_stream<T> post_ip_stream(std::uint32_t port, const body &data, const options &with = {}) {
    return try_post_ip_stream<T>(port, data, with).value();
}
template <class T = message> item_stream<T> begin_uds_stream(const text &channel, const body &data, const options &with = {}) {
    return try_begin_uds_stream<T>(channel, data, with).value();
}
template <class T = message> item_stream<T> begin_ip_stream(std::uint32_t port, const body &data, const options &with = {}) {
    return try_begin_ip_stream<T>(port, data, with).value();
}
#endif

template <class Out> result<item_stream<Out>> client::try_stream(const body &data) const {
    if (!client_) return detail::moved_from("client");
    return detail::open_stream<Out>(sipc_client_stream, client_.get(), data, nullptr);
}
template <class Out> result<item_stream<Out>> client::try_stream(const body &data, const options &with) const {
    if (!client_) return detail::moved_from("client");
    return detail::open_stream<Out>(sipc_client_stream, client_.get(), data, with.get());
}
template <class Out> result<item_stream<Out>> client::try_begin_stream(const body &data) const {
    if (!client_) return detail::moved_from("client");
    return detail::open_stream<Out>(sipc_client_begin_stream, client_.get(), data, nullptr);
}
template <class Out> result<item_stream<Out>> client::try_begin_stream(const body &data, const options &with) const {
    if (!client_) return detail::moved_from("client");
    return detail::open_stream<Out>(sipc_client_begin_stream, client_.get(), data, with.get());
}
#if SIMPLE_IPC_EXCEPTIONS
template <class Out> item_stream<Out> client::stream(const body &data) const { return try_stream<Out>(data).value(); }
template <class Out> item_stream<Out> client::stream(const body &data, const options &with) const {
    return try_stream<Out>(data, with).value();
}
template <class Out> item_stream<Out> client::begin_stream(const body &data) const {
    return try_begin_stream<Out>(data).value();
}
template <class Out> item_stream<Out> client::begin_stream(const body &data, const options &with) const {
    return try_begin_stream<Out>(data, with).value();
}
#endif

} // namespace simple_ipc

#endif // SIMPLE_IPC_STREAM_HPP
