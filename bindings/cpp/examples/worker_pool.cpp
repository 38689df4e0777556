// Four workers square numbers that a dispatcher spreads over them; prints the sum of the squares of 0 to 99.
#include <simple_ipc.hpp>

#include <atomic>
#include <iostream>
#include <vector>

int main() {
    std::vector<simple_ipc::listener> listeners;
    std::vector<simple_ipc::client> clients;
    for (int worker = 0; worker < 4; ++worker) {
        const std::string channel = "worker_" + std::to_string(worker);
        listeners.push_back(simple_ipc::listen_uds_request<int>(channel, [](int number) { return number * number; }));
        clients.push_back(simple_ipc::connect_uds(channel));
    }
    std::atomic<int> sum(0);
    std::vector<simple_ipc::operation> calls;
    for (int number = 0; number < 100; ++number) {
        calls.push_back(clients[number % 4].request_async(
            number, [&sum](simple_ipc::result<simple_ipc::message> square) { sum += square.value().as<int>(); }));
    }
    for (const auto &call : calls) call.wait();
    std::cout << sum << "\n";
}
