// Prints lines as they are collected.
//     follow LEVEL [COUNT]    of one level; ends after COUNT lines, or at Ctrl-C
#include <simple_ipc_json.hpp>

#include <cstdlib>
#include <iostream>

int main(int count, char **arguments) {
    using namespace std::chrono_literals;
    if (count < 2) {
        std::cerr << "usage: follow LEVEL [COUNT]\n";
        return 2;
    }
    try {
        // A follower that is slow loses the oldest lines and is told how many: it must hold up nobody.
        auto lines = simple_ipc::subscribe_uds("logs", simple_ipc::options()
                                                           .topics(std::vector<std::string>{arguments[1]})
                                                           .overflow(SIPC_OVERFLOW_DROP_OLDEST)
                                                           .wait(60s));
        std::cout << "following" << std::endl;
        long left = count > 2 ? std::atol(arguments[2]) : -1;
        for (auto &line : lines) {
            if (line.missed() != 0) std::cout << "(" << line.missed() << " lines were missed)\n";
            const auto data = line.data<nlohmann::json>();
            std::cout << data.at("source").get<std::string>() << ": " << data.at("text").get<std::string>() << std::endl;
            if (--left == 0) break;
        }
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
