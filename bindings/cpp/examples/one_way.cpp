// A client streams 1000 one-way messages and makes sure that they have arrived; the listener counts them.
#include <simple_ipc.hpp>

#include <iostream>

int main() {
    int count = 0;
    // Messages of one session come one after another: the handler needs no lock.
    const auto listener = simple_ipc::listen_uds_broadcast<int>("one_way", [&count](int) { ++count; });
    const auto client = simple_ipc::connect_uds("one_way");
    for (int number = 0; number < 1000; ++number) client.broadcast(number);
    client.flush();
    std::cout << count << "\n";
}
