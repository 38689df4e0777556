// Both sides talk, on one stream.
#include <iostream>
#include <simple_ipc.hpp>

int main() {
    const auto listener = simple_ipc::listen_uds_request<std::string>("chat", [](const std::string &name, simple_ipc::responder &responder) {
        auto chat = responder.stream();
        chat.send("hello, " + name);
        for (const auto &line : chat.items<std::string>()) chat.send("you said: " + line);
        chat.send("goodbye");
    });
    auto chat = simple_ipc::post_uds_stream<std::string>("chat", "Ada");
    std::vector<std::string> lines{"how are you?", "see you"};
    auto line = lines.begin();
    for (const auto &answer : chat) {
        std::cout << answer << "\n";
        if (line != lines.end()) {
            chat.send(*line++);
        } else {
            chat.finish(); // once more does nothing
        }
    }
}
