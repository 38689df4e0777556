/* The C++ driver of the interop matrix; ../README.md says what it reads and prints: driver listen PREFIX | driver post. */

#include "simple_ipc.hpp"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
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
    const auto data = message.as<std::vector<std::byte>>();
    return "bytes:" + std::to_string(data.size()) + (data == pattern(data.size()) ? ":good" : ":bad");
}

body same_again(const message_view &message) {
    if (message.is_json()) return body::json(std::string(message.data()));
    return body::borrowed_bytes(message.data().data(), message.data().size());
}

/* A body from `json:TEXT` or `bytes:SIZE`. */
body build(const std::string &value) {
    if (value.rfind("json:", 0) == 0) return body::json(value.substr(5));
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

void post() {
    say("ready\t");
    for (std::string line; std::getline(std::cin, line);) {
        std::vector<std::string> fields;
        std::istringstream split(line);
        for (std::string field; std::getline(split, field, '\t');)
            fields.push_back(field);
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

} // namespace

int main(int argc, char **argv) {
    if (argc == 3 && std::string_view(argv[1]) == "listen")
        listen(argv[2]);
    else
        post();
}
