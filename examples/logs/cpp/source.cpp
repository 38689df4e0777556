// A program that says what it does: so many lines, every tenth of them an error.
//     source NAME COUNT
#include <simple_ipc_json.hpp>

#include <cstdlib>
#include <iostream>

int main(int count, char **arguments) {
    using namespace std::chrono_literals;
    if (count != 3) {
        std::cerr << "usage: source NAME COUNT\n";
        return 2;
    }
    try {
        const auto logs = simple_ipc::connect_uds("logs", simple_ipc::options().wait(60s));
        for (int number = 1; number <= std::atoi(arguments[2]); ++number) {
            const char *const level = number % 10 == 0 ? "error" : "info";
            // Returns at once, unless the collector is far behind.
            logs.broadcast(nlohmann::json{{"source", arguments[1]}, {"level", level}, {"text", "line " + std::to_string(number)}});
        }
        logs.flush(); // all lines are in the collector's file when this returns; else it says how many may not be
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
