// A service and its command: keeps notes as long as it runs. Notes, handlers and signals are one thread's, in a loop on poll, and
// need no lock.
//
//     daemon start            in the foreground, until Ctrl-C, SIGTERM or `stop`
//     daemon add TEXT…        adds a note
//     daemon list             prints them
//     daemon status           says whether it runs, and how many notes it has
//     daemon stop             has it end when it has answered what it took
#include <simple_ipc_json.hpp>
#include <simple_ipc_queue.hpp>

#include <csignal>
#include <iostream>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using nlohmann::json;

constexpr const char *channel = "notes";
int signals[2]; // a pipe: a signal writes to it, the loop reads

void start() {
    std::vector<std::string> notes;
    bool stops = false;
    auto queue = simple_ipc::make_queue();
    // One instance: listening is the lock.
    const auto listener = queue.listen_uds_request(
        channel, simple_ipc::methods{
                     {"add",
                      [&](const std::string &text) {
                          notes.push_back(text);
                          return notes.size();
                      }},
                     {"list", [&] { return notes; }},
                     {"status", [&] { return json{{"notes", notes.size()}}; }},
                     {"stop", [&] { stops = true; }},
                 });
    if (pipe(signals) != 0) throw std::runtime_error("no pipe for signals");
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { (void)!write(signals[1], "", 1); });
    std::cout << "ready" << std::endl;
    pollfd watched[] = {{queue.descriptor(), POLLIN, 0}, {signals[0], POLLIN, 0}};
    while (!stops) {
        if (poll(watched, 2, -1) < 0) continue; // a signal, which the pipe tells of
        if (watched[1].revents) break;
        queue.process();
    }
    listener.close(); // what was taken is answered, the channel's files are gone
    std::cout << "stopped\n";
}

template <class Out, class... Parameters> Out call(const char *method, const Parameters &...parameters) {
    return simple_ipc::connect_uds(channel).call<Out>(method, parameters...);
}

bool run(const std::vector<std::string> &words) {
    const std::string verb = words.empty() ? "" : words[0];
    if (verb == "start" && words.size() == 1) {
        start();
    } else if (verb == "add" && words.size() > 1) {
        std::string text = words[1];
        for (std::size_t index = 2; index < words.size(); ++index) text += " " + words[index];
        std::cout << "note " << call<std::size_t>("add", text) << "\n";
    } else if (verb == "list" && words.size() == 1) {
        int number = 0;
        for (const auto &note : call<json>("list")) std::cout << ++number << ". " << note.get<std::string>() << "\n";
    } else if (verb == "status" && words.size() == 1) {
        std::cout << "running with " << call<json>("status")["notes"] << " notes\n";
    } else if (verb == "stop" && words.size() == 1) {
        call<json>("stop");
        std::cout << "stopping\n";
    } else {
        return false;
    }
    return true;
}

} // namespace

int main(int count, char **arguments) {
    try {
        if (run({arguments + 1, arguments + count})) return 0;
        std::cerr << "usage: daemon start | add TEXT… | list | status | stop\n";
    } catch (const simple_ipc::error &failure) {
        if (failure.kind() == simple_ipc::kind::in_use) std::cerr << "already running: ";
        if (failure.kind() == simple_ipc::kind::not_listening) std::cerr << "not running: daemon start: ";
        std::cerr << failure.what() << "\n";
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
    }
    return 1;
}
