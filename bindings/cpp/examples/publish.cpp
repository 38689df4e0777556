// A clock that ticks for whoever listens, and one who does; prints the first tick, `tick 1`.
#include <simple_ipc.hpp>

#include <iostream>

int main() {
    const auto clock = simple_ipc::listen_uds_publish("publish");
    auto ticks = simple_ipc::subscribe_uds("publish"); // everything that is published from now on
    for (int second = 1; second <= 3; ++second) clock.publish(second, "tick");
    for (auto &event : ticks) {
        if (event.missed() != 0) std::cout << event.missed() << " were missed\n";
        std::cout << event.topic() << " " << event.data<int>() << "\n";
        break; // `ticks` closes at the end of its scope
    }
}
