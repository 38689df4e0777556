// Collects the lines of all sources into a file, and publishes each, by its level, to whoever follows. Sources are handled one after
// the other, in a loop on poll: file and publications have one order without a lock.
//     collect FILE            until Ctrl-C or SIGTERM
#include <simple_ipc_json.hpp>
#include <simple_ipc_queue.hpp>

#include <csignal>
#include <fstream>
#include <iostream>
#include <poll.h>
#include <unistd.h>

namespace {

using nlohmann::json;

int signals[2]; // a pipe: a signal writes to it, the loop reads

void collect(const char *path) {
    std::ofstream file(path, std::ios::app);
    auto queue = simple_ipc::make_queue();
    std::optional<simple_ipc::listener> listener;
    listener = queue.listen_uds_broadcast<json>(
        "logs",
        [&](const json &line) {
            file << line.dump() << std::endl;
            listener->publish(line, line.at("level").get<std::string>());
        },
        simple_ipc::options().publish(true));
    if (pipe(signals) != 0) throw std::runtime_error("no pipe for signals");
    for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { (void)!write(signals[1], "", 1); });
    std::cout << "ready" << std::endl;
    pollfd watched[] = {{queue.descriptor(), POLLIN, 0}, {signals[0], POLLIN, 0}};
    while (!watched[1].revents) {
        if (poll(watched, 2, -1) > 0) queue.process();
    }
    listener->close(); // what has come is in the file
}

} // namespace

int main(int count, char **arguments) {
    if (count != 2) {
        std::cerr << "usage: collect FILE\n";
        return 2;
    }
    try {
        collect(arguments[1]);
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
