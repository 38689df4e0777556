// Answers each request with its own body, whatever that is, until Ctrl-C.
#include <simple_ipc.hpp>

#include <csignal>
#include <iostream>

int main(int count, char **arguments) {
    // Blocked before the library's threads start, so that this thread is the one that waits for it.
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);
    try {
        const auto listener = simple_ipc::listen_uds_request(
            count > 1 ? arguments[1] : "echo", [](const simple_ipc::message_view &request) { return request.clone(); });
        std::cout << "listening on " << listener.address() << std::endl;
        int signal = 0;
        sigwait(&interrupt, &signal);
        listener.close();
    } catch (const simple_ipc::error &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
