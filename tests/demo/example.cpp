/* Listens, posts or subscribes in C++: example listen NAME|:PORT, post NAME|:PORT TEXT, subscribe NAME. */

#include "simple_ipc.hpp"

#include <chrono>
#include <iostream>
#include <iterator>
#include <string>

int main(int argc, char **argv) try {
    if (argc < 3) throw std::runtime_error("usage: example listen NAME|:PORT, post NAME|:PORT TEXT, subscribe NAME");
    const std::string role = argv[1], channel = argv[2];
    const bool is_port = channel[0] == ':';
    const std::uint32_t port = is_port ? static_cast<std::uint32_t>(std::stoul(channel.substr(1))) : 0;
    if (role == "listen") {
        const auto answer = [](const simple_ipc::message_view &message) {
            std::cout << message.as<std::string>() << std::endl;
            return simple_ipc::body::text("response-bar");
        };
        // Plain text is off on TCP unless it is asked for.
        simple_ipc::options with;
        with.plain_text(true);
        auto listener = is_port ? simple_ipc::listen_ip_request(port, answer, with)
                                : simple_ipc::listen_uds_request(channel, answer, with);
        std::cerr << "ready on " << (is_port ? "127.0.0.1:" + std::to_string(listener.port()) : channel) << std::endl;
        std::string(std::istreambuf_iterator<char>(std::cin), {});
        listener.close();
        return 0;
    }
    if (role == "subscribe") {
        simple_ipc::options with;
        with.wait(std::chrono::minutes(1)).reconnect(std::chrono::milliseconds(0));
        for (auto &event : simple_ipc::subscribe_uds(channel, with)) std::cout << event.data<std::string>() << std::endl;
        return 0;
    }
    const auto began = std::chrono::steady_clock::now();
    const auto reply = is_port ? simple_ipc::post_ip_request<std::string>(port, argv[3])
                               : simple_ipc::post_uds_request<std::string>(channel, argv[3]);
    const auto took = std::chrono::steady_clock::now() - began;
    std::cerr << std::chrono::duration_cast<std::chrono::microseconds>(took).count() << '\n';
    std::cout << reply << '\n';
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
