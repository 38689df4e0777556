// A listener and a thousand requests under way at once, all in one thread, behind one descriptor that an event loop watches; prints the
// sum of the answers, 1 to 1000.
#include <simple_ipc_queue.hpp>

#include <iostream>
#include <poll.h>

int main() {
    auto queue = simple_ipc::make_queue();
    // The handler runs inside `process`, in this thread. Callers are in any process; here they are in this one, too.
    const auto listener = queue.listen_uds_request<int>("event_loop", [](int n) { return n + 1; });
    const auto client = queue.connect_uds("event_loop");
    long sum = 0;
    for (int n = 0; n < 1000; ++n) {
        queue.request(client, n, [&sum](simple_ipc::result<simple_ipc::message> reply) { sum += reply.value().as<int>(); });
    }
    queue.submit();
    pollfd watched{queue.descriptor(), POLLIN, 0}; // and whatever else the program waits for
    while (queue.under_way() > 0) {
        if (poll(&watched, 1, -1) > 0) queue.process();
    }
    std::cout << sum << "\n"; // 500500
}
