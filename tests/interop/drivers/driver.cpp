/* The C++ driver of the interop matrix; ../README.md says what it reads and prints:
 * driver listen PREFIX | post | publish PREFIX | subscribe | streams PREFIX | stream. */

#include "simple_ipc.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <iostream>
#include <limits>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using simple_ipc::body;
using simple_ipc::message_view;

void say(const std::string &line) {
    static std::mutex one_writer;
    std::lock_guard<std::mutex> lock(one_writer);
    std::cout << line << '\n' << std::flush;
}

/* Bytes that count 0 to 250 over and over. */
std::vector<std::byte> pattern(std::size_t size) {
    std::vector<std::byte> data(size);
    for (std::size_t at = 0; at < size && at < 251; at++)
        data[at] = static_cast<std::byte>(at);
    for (std::size_t have = 251; have < size; have *= 2)
        std::memcpy(data.data() + have, data.data(), std::min(have, size - have));
    return data;
}

std::string describe(const message_view &message) {
    if (message.is_json()) return "json:" + std::string(message.data());
    if (message.is_attached()) {
        const auto *begin = reinterpret_cast<const std::byte *>(message.data().data());
        const std::vector<std::byte> bytes(begin, begin + message.data().size());
        const std::string verdict = bytes == pattern(bytes.size()) ? ":good:" : ":bad:";
        return "attached:" + std::to_string(bytes.size()) + verdict + std::string(message.json());
    }
    const auto data = message.as<std::vector<std::byte>>();
    return "bytes:" + std::to_string(data.size()) + (data == pattern(data.size()) ? ":good" : ":bad");
}

body same_again(const message_view &message) {
    if (message.is_json()) return body::json(std::string(message.data()));
    if (message.is_attached()) {
        return body::borrowed_attached(std::string(message.json()), message.data().data(), message.data().size());
    }
    return body::borrowed_bytes(message.data().data(), message.data().size());
}

/* A body from `json:TEXT`, `bytes:SIZE` or `attached:SIZE:TEXT`. */
body build(const std::string &value) {
    if (value.rfind("json:", 0) == 0) return body::json(value.substr(5));
    if (value.rfind("attached:", 0) == 0) {
        const auto colon = value.find(':', 9);
        const auto data = pattern(std::stoull(value.substr(9, colon - 9)));
        return body::attached(value.substr(colon + 1), data.data(), data.size());
    }
    const auto data = pattern(std::stoull(value.substr(6)));
    return body::bytes(data.data(), data.size());
}

/* What handlers wait for. */
class waiting {
public:
    /* Until nobody waits for the answer, or the runner lets go. */
    void wait(const std::string &id, const simple_ipc::caller &caller) {
        say("started\t" + id);
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            if (released_.count(id) != 0) return say("released\t" + id);
            if (caller.is_cancelled()) return say("cancelled\t" + id);
            changed_.wait_for(lock, std::chrono::milliseconds(2));
        }
    }

    void meet(std::size_t guests) {
        std::unique_lock<std::mutex> lock(mutex_);
        const std::size_t complete = (met_++ / guests + 1) * guests;
        changed_.notify_all();
        changed_.wait(lock, [&] { return met_ >= complete; });
    }

    void release(const std::string &id) {
        std::lock_guard<std::mutex> lock(mutex_);
        released_.insert(id);
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> released_;
    std::size_t met_ = 0;
};

waiting waits;

body answer(const message_view &message, const simple_ipc::caller &caller) {
    const std::string data(message.is_json() ? message.data() : std::string_view());
    const auto after = [&](const std::string &prefix) { return data.substr(prefix.size(), data.size() - prefix.size() - 1); };
    if (data.rfind("\"do:fail:", 0) == 0) throw std::runtime_error(after("\"do:fail:"));
    if (data.rfind("\"do:wait:", 0) == 0) {
        waits.wait(after("\"do:wait:"), caller);
    } else if (data.rfind("\"do:meet:", 0) == 0) {
        waits.meet(std::stoul(after("\"do:meet:")));
    } else {
        say("heard\t" + describe(message));
    }
    return same_again(message);
}

void listen(const std::string &prefix) {
    simple_ipc::options with;
    with.plain_text(true);
    const auto hear = [](const message_view &message) { say("heard\t" + describe(message)); };
    auto named = simple_ipc::listen_uds_request(prefix + "_requests", answer, with);
    auto heard = simple_ipc::listen_uds_broadcast(prefix + "_broadcasts", hear, with);
    auto on_port = simple_ipc::listen_ip_request(0, answer, with);
    auto heard_on_port = simple_ipc::listen_ip_broadcast(0, hear, with);
    say("ready\t" + std::to_string(on_port.port()) + "\t" + std::to_string(heard_on_port.port()));
    for (std::string line; std::getline(std::cin, line);)
        waits.release(line.substr(line.find('\t') + 1));
    named.close();
    heard.close();
    on_port.close();
    heard_on_port.close();
}

void say_error(const simple_ipc::error &error) {
    say("error\t" + error.code().message() + (error.may_have_been_handled() ? "\tmaybe\t" : "\tno\t") + error.what());
}

template <class... More> auto start(const std::string &address, More &&...more) {
    if (address[0] == ':')
        return simple_ipc::post_ip_request_async(static_cast<std::uint32_t>(std::stoul(address.substr(1))), more...);
    return simple_ipc::post_uds_request_async(address, more...);
}

simple_ipc::message request(const std::string &address, const body &data, const simple_ipc::options &with) {
    if (address[0] == ':')
        return simple_ipc::post_ip_request(static_cast<std::uint32_t>(std::stoul(address.substr(1))), data, with);
    return simple_ipc::post_uds_request(address, data, with);
}

void broadcast(const std::string &address, const body &data, const simple_ipc::options &with) {
    if (address[0] == ':')
        simple_ipc::post_ip_broadcast(static_cast<std::uint32_t>(std::stoul(address.substr(1))), data, with);
    else
        simple_ipc::post_uds_broadcast(address, data, with);
}

void cancel(const std::string &address, const body &data, const simple_ipc::options &with) {
    const auto show = [](simple_ipc::result<simple_ipc::message> reply) {
        if (reply)
            say("ok\t" + describe(*reply));
        else
            say_error(reply.error());
    };
    auto operation = start(address, data, show, with);
    std::string line;
    std::getline(std::cin, line);
    operation.cancel();
    operation.wait();
}

void many(const std::string &address, const std::string &prefix, int count, const simple_ipc::options &with) {
    auto wrong = std::make_shared<std::pair<std::mutex, std::string>>();
    std::vector<simple_ipc::operation> operations;
    for (int number = 0; number < count; number++) {
        const std::string text = prefix + std::to_string(number);
        const auto compare = [wrong, text](simple_ipc::result<simple_ipc::message> reply) {
            std::lock_guard<std::mutex> lock(wrong->first);
            if (!reply)
                wrong->second = reply.error().what();
            else if (reply->as<std::string>() != text)
                wrong->second = "got another answer";
        };
        operations.push_back(start(address, body::text(text), compare, with));
    }
    for (auto &operation : operations)
        operation.wait();
    say(wrong->second.empty() ? "ok" : "error\tother\tmaybe\t" + wrong->second);
}

std::vector<std::string> split(const std::string &line, char between) {
    std::vector<std::string> fields;
    std::istringstream rest(line);
    for (std::string field; std::getline(rest, field, between);)
        fields.push_back(field);
    return fields;
}

void post() {
    say("ready\t");
    for (std::string line; std::getline(std::cin, line);) {
        const std::vector<std::string> fields = split(line, '\t');
        const std::string &verb = fields.at(0), &address = fields.at(1), &value = fields.at(3);
        simple_ipc::options with;
        with.timeout(std::chrono::milliseconds(std::stoll(fields.at(2))));
        try {
            if (verb == "request") {
                say("ok\t" + describe(request(address, build(value), with)));
            } else if (verb == "broadcast") {
                broadcast(address, build(value), with);
                say("ok");
            } else if (verb == "cancel") {
                cancel(address, build(value), with);
            } else {
                many(address, value, std::stoi(fields.at(4)), with);
            }
        } catch (const simple_ipc::error &error) {
            say_error(error);
        }
    }
}

/* The strings `flood:0:`, `flood:1:` and so on, filled up with `x`. */
void flood(const simple_ipc::listener &publisher, std::size_t count, std::size_t size) {
    for (std::size_t number = 0; number < count; number++) {
        std::string text = "flood:" + std::to_string(number) + ":";
        text.resize(size, 'x');
        publisher.publish(body::text(std::move(text)));
    }
}

void publish(const std::string &prefix) {
    simple_ipc::options with;
    with.retain(true).patience(std::chrono::seconds(20));
    auto named = simple_ipc::listen_uds_publish(prefix + "_publications", with);
    auto on_port = simple_ipc::listen_ip_publish(0, with);
    say("ready\t" + std::to_string(on_port.port()));
    for (std::string line; std::getline(std::cin, line);) {
        const std::vector<std::string> fields = split(line, '\t');
        const std::string &verb = fields.at(0);
        const auto &publisher = fields.at(1) == named.channel() ? named : on_port;
        try {
            if (verb == "publish") {
                const std::string topic = fields.at(2) == "-" ? "" : fields.at(2);
                say("ok\t" + std::to_string(publisher.publish(build(fields.at(3)), topic)));
            } else if (verb == "flood") {
                flood(publisher, std::stoul(fields.at(2)), std::stoul(fields.at(3)));
                say("ok");
            } else {
                const sipc_counters now = publisher.counters();
                say("ok\t" + std::to_string(now.subscribers) + "\t" + std::to_string(now.published) + "\t" +
                    std::to_string(now.dropped) + "\t" + std::to_string(now.too_slow));
            }
        } catch (const simple_ipc::error &error) {
            say_error(error);
        }
    }
    named.close();
    on_port.close();
}

simple_ipc::subscription subscribe(const std::string &address, const std::vector<std::string> &fields) {
    simple_ipc::options with;
    with.timeout(std::chrono::milliseconds(std::stoll(fields.at(2))));
    if (fields.at(3) == "drop_oldest") with.overflow(SIPC_OVERFLOW_DROP_OLDEST);
    if (fields.at(3) == "block") with.overflow(SIPC_OVERFLOW_BLOCK);
    if (fields.at(4) != "-") with.queue(std::stoul(fields.at(4)));
    if (fields.at(5) != "*") with.topics(split(fields.at(5), ','));
    if (address[0] == ':')
        return simple_ipc::subscribe_ip(static_cast<std::uint32_t>(std::stoul(address.substr(1))), with);
    return simple_ipc::subscribe_uds(address, with);
}

void say_event(const simple_ipc::event &event) {
    const std::string topic = event.topic().empty() ? "-" : std::string(event.topic());
    say("ok\t" + std::to_string(event.missed()) + (event.retained() ? "\t1\t" : "\t0\t") + topic + "\t" +
        describe(event.body()));
}

/* Takes events of a flood until delivered and missed are `total` together. */
void take(simple_ipc::subscription &events, std::int64_t total, std::chrono::microseconds pause) {
    std::int64_t delivered = 0, missed = 0, due = 0;
    bool in_order = true;
    for (const simple_ipc::event &event : events) {
        missed += std::max<std::int64_t>(event.missed(), 0);
        /* A gap of so many as were told, no more and no fewer. */
        due += event.missed();
        in_order = in_order && event.data<std::string>().rfind("flood:" + std::to_string(due) + ":", 0) == 0;
        due++;
        delivered++;
        if (pause.count() > 0) std::this_thread::sleep_for(pause);
        if (delivered + missed >= total) break;
    }
    say("ok\t" + std::to_string(delivered) + "\t" + std::to_string(missed) + (in_order ? "\t1" : "\t0"));
}

void subscribe() {
    say("ready\t");
    std::optional<simple_ipc::subscription> events;
    for (std::string line; std::getline(std::cin, line);) {
        const std::vector<std::string> fields = split(line, '\t');
        const std::string &verb = fields.at(0);
        try {
            if (verb == "subscribe") {
                events.reset();
                events = subscribe(fields.at(1), fields);
                say("ok");
            } else if (verb == "next") {
                if (const auto event = events.value().next(std::chrono::milliseconds(std::stoll(fields.at(1)))))
                    say_event(*event);
                else
                    say("ok\tend");
            } else if (verb == "take") {
                take(events.value(), std::stoll(fields.at(1)), std::chrono::microseconds(std::stoll(fields.at(2))));
            } else {
                events.reset();
                say("ok");
            }
        } catch (const simple_ipc::error &error) {
            say_error(error);
        }
    }
}

#include "streams.hpp"

} // namespace

int main(int argc, char **argv) {
    const std::string_view mode = argc > 1 ? argv[1] : "";
    if (argc == 3 && mode == "listen")
        listen(argv[2]);
    else if (argc == 3 && mode == "publish")
        publish(argv[2]);
    else if (mode == "subscribe")
        subscribe();
    else if (argc == 3 && mode == "streams")
        listen_for_streams(argv[2]);
    else if (mode == "stream")
        call_streams();
    else
        post();
}
