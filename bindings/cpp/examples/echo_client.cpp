// Posts "hello" and prints the reply.
#include <simple_ipc.hpp>

#include <iostream>

int main(int count, char **arguments) {
    try {
        std::cout << simple_ipc::post_uds_request<std::string>(count > 1 ? arguments[1] : "echo", "hello") << "\n";
    } catch (const simple_ipc::error &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
