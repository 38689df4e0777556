/* The half of driver.cpp that has to do with streams; driver.cpp includes it, inside its namespace. */

/* An item of a size: `item:I:`, filled up with `x`. */
std::string item_of(std::uint64_t number, std::size_t size) {
    std::string text = "item:" + std::to_string(number) + ":";
    if (text.size() < size) text.resize(size, 'x');
    return text;
}

/* Items that come in order, from the first one, or from where it was left. */
struct order {
    std::int64_t taken = 0, chars = 0, last = -1;
    bool is_kept = true;

    void item(const message_view &item) {
        const auto text = item.try_as<std::string>();
        const bool is_item = text && text->rfind("item:", 0) == 0;
        const std::int64_t found = is_item ? std::stoll(text->substr(5)) : -1;
        is_kept = is_kept && is_item && (found == last + 1 || (taken == 0 && found == 0));
        last = found;
        ++taken;
        if (text) chars += static_cast<std::int64_t>(text->size());
    }
};

/* The handler's side. */

class handling {
public:
    void clean() { ++cleaned_; }
    int cleaned() const { return cleaned_; }

    std::size_t releases() {
        std::lock_guard<std::mutex> lock(mutex_);
        return releases_;
    }
    void release() {
        std::lock_guard<std::mutex> lock(mutex_);
        ++releases_;
        changed_.notify_all();
    }
    void await_release(std::size_t seen) {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [&] { return releases_ != seen; });
    }

private:
    std::atomic<int> cleaned_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t releases_ = 0;
};

handling handlers;

/* Counts at the end of a handler, however that comes. */
struct cleanup {
    cleanup() = default;
    cleanup(const cleanup &) = delete;
    cleanup &operator=(const cleanup &) = delete;
    ~cleanup() { handlers.clean(); }
};

/* What follows a key of the opening, which is an object of texts and numbers. */
std::string_view member(std::string_view json, const std::string &key) {
    const std::size_t at = json.find('"' + key + '"');
    if (at == std::string_view::npos) return {};
    json.remove_prefix(at + key.size() + 2);
    json.remove_prefix(std::min(json.find_first_not_of(" :"), json.size()));
    return json;
}

std::uint64_t number_in(std::string_view json, const std::string &key) {
    const std::string_view found = member(json, key);
    return found.empty() ? 0 : std::stoull(std::string(found.substr(0, 24)));
}

void answer_with_items(const std::string &what, std::string_view json, simple_ipc::responder &responder) {
    const std::uint64_t count = number_in(json, "n"), size = number_in(json, "size");
    if (what == "total") {
        order all;
        for (const auto &item : responder.items()) all.item(item);
        (void)responder.respond(body::json("{\"items\":" + std::to_string(all.taken) + ",\"chars\":" + std::to_string(all.chars) +
                                           ",\"in_order\":" + (all.is_kept ? "true}" : "false}")));
        return;
    }
    auto out = responder.stream();
    auto items = out.items();
    if (what == "count" || what == "fail") {
        for (std::uint64_t number = 0; number < count; number++) out.send(item_of(number, size));
        if (what == "fail") throw simple_ipc::handler_error("on purpose", "stopped", count);
    } else if (what == "first") {
        for (std::uint64_t number = 0; number < count; number++) (void)items.next();
        out.send(count);
    } else if (what == "echo") {
        const cleanup at_the_end;
        for (const auto &item : items) out.send(same_again(item));
    } else if (what == "forever") {
        const cleanup at_the_end;
        for (std::uint64_t number = 0;; number++) out.send(item_of(number, size));
    } else if (what == "silent") {
        const cleanup at_the_end;
        for (const auto &item : items) (void)item;
        /* The caller may have ended, and still be there. */
        while (!out.is_over()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    } else {
        const std::size_t seen = handlers.releases();
        out.send(item_of(0, 0));
        handlers.await_release(seen);
    }
}

void answer_opening(const message_view &opening, simple_ipc::responder &responder) {
    static const std::set<std::string> known{"count", "fail", "total", "first", "echo", "forever", "silent", "stubborn"};
    const std::string_view json = opening.data();
    const std::string_view named = member(json, "do");
    const std::string what(named.empty() ? named : named.substr(1, named.find('"', 1) - 1));
    if (known.count(what) == 0)
        (void)responder.fail("unknown");
    else
        answer_with_items(what, json, responder);
}

void listen_for_streams(const std::string &prefix) {
    auto named = simple_ipc::listen_uds_request(prefix + "_streams", answer_opening);
    auto on_port = simple_ipc::listen_ip_request(0, answer_opening);
    say("ready\t" + std::to_string(on_port.port()));
    for (std::string line; std::getline(std::cin, line);) {
        if (line == "cleaned") {
            say("ok\t" + std::to_string(handlers.cleaned()));
        } else if (line == "release") {
            handlers.release();
            say("ok");
        } else {
            const sipc_counters now = (line.at(line.find('\t') + 1) == ':' ? on_port : named).counters();
            say("ok\t" + std::to_string(now.in_flight) + "\t" + std::to_string(now.abandoned) + "\t" + std::to_string(now.streams));
        }
    }
    named.close();
    on_port.close();
}

/* The caller's side. */

using opened = simple_ipc::item_stream<>;

opened open(const std::string &address, const std::string &opening) {
    if (address[0] == ':')
        return simple_ipc::post_ip_stream(static_cast<std::uint32_t>(std::stoul(address.substr(1))), body::json(opening));
    return simple_ipc::post_uds_stream(address, body::json(opening));
}

void say_item(const std::optional<simple_ipc::message> &item) { say(item ? "ok\t" + describe(*item) : "ok\tend"); }

void say_order(const order &items) { say("ok\t" + std::to_string(items.taken) + (items.is_kept ? "\t1" : "\t0")); }

/* Takes so many items; fewer where the end or an error comes first, which the next one tells. */
order take_items(const opened &stream, std::int64_t count, std::int64_t last) {
    order items;
    items.last = last;
    while (items.taken < count) {
        const auto item = stream.try_next();
        if (!item || !*item) break;
        items.item(**item);
    }
    return items;
}

std::uint64_t send_items(const opened &stream, std::uint64_t count, std::size_t size) {
    for (std::uint64_t sent = 0; sent < count; sent++) {
        const auto done = stream.try_send(item_of(sent, size));
        if (!done && done.error().kind() == simple_ipc::kind::closed) return sent;
        done.value();
    }
    return count;
}

/* Sends and ends in a thread, while this one takes what comes back. */
void pump(const opened &stream, std::uint64_t count, std::size_t size) {
    std::thread sender([&] {
        for (std::uint64_t sent = 0; sent < count && stream.try_send(item_of(sent, size)); sent++) {
        }
        (void)stream.try_finish();
    });
    const order items = take_items(stream, std::numeric_limits<std::int64_t>::max(), -1);
    sender.join();
    (void)stream.next();
    say_order(items);
}

/* A call that waits is ended by closing its stream in another thread. */
void cancel_next(const opened &stream) {
    std::thread closer([&] { stream.close(); });
    const auto item = stream.try_next();
    closer.join();
    say_item(item.value());
}

void leave(opened stream) {
    for (const auto &item : stream) {
        (void)item;
        break;
    }
}

void use_stream(std::optional<opened> &stream, const std::vector<std::string> &fields, std::int64_t &last) {
    const std::string &verb = fields.at(0);
    const auto number = [&](std::size_t field) { return std::stoull(fields.at(field)); };
    if (verb == "open") {
        stream.reset();
        stream.emplace(open(fields.at(1), fields.at(2)));
        last = -1;
    } else if (verb == "next") {
        return say_item(stream.value().next(std::chrono::milliseconds(number(1))));
    } else if (verb == "take") {
        const order items = take_items(stream.value(), static_cast<std::int64_t>(number(1)), last);
        last = items.last;
        return say_order(items);
    } else if (verb == "send") {
        stream.value().send(build(fields.at(1)));
    } else if (verb == "sends") {
        return say("ok\t" + std::to_string(send_items(stream.value(), number(1), number(2))));
    } else if (verb == "end") {
        stream.value().finish();
    } else if (verb == "pump") {
        return pump(stream.value(), number(1), number(2));
    } else if (verb == "cancel") {
        return cancel_next(stream.value());
    } else if (verb == "leave") {
        leave(std::move(stream.value()));
        stream.reset();
    } else if (stream) {
        stream->close();
    }
    say("ok");
}

void call_streams() {
    say("ready\t");
    std::optional<opened> stream;
    std::int64_t last = -1;
    for (std::string line; std::getline(std::cin, line);) {
        try {
            use_stream(stream, split(line, '\t'), last);
        } catch (const simple_ipc::error &error) {
            say_error(error);
        }
    }
}
