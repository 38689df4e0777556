// A worker reports how far it is while it works. A caller that leaves its loop would stop it at its next `send`, which throws.
#include <iostream>
#include <simple_ipc.hpp>

int main() {
    const auto worker = simple_ipc::listen_uds_request("progress", [](auto &request) {
        auto reports = request.stream();
        const int of = request.template as<int>();
        // After each piece of the work.
        for (int done = 1; done <= of; ++done) reports.send(std::to_string(done) + " of " + std::to_string(of));
    });
    for (const auto &report : simple_ipc::post_uds_stream<std::string>("progress", 3)) std::cout << report << "\n";
}
