// Many publishers on one channel: a hub that publishes what is broadcast to it; prints `hello, everybody`.
#include <simple_ipc.hpp>

#include <future>
#include <iostream>

int main() {
    std::promise<const simple_ipc::listener *> listens;
    const auto itself = listens.get_future().share();
    const auto pass_on = [itself](const simple_ipc::message_view &line) { itself.get()->publish(line); };
    const auto hub = simple_ipc::listen_uds_broadcast("hub", pass_on, simple_ipc::options().publish(true));
    listens.set_value(&hub); // a message may come before `listen_uds_broadcast` has returned

    auto heard = simple_ipc::subscribe_uds("hub");
    simple_ipc::post_uds_broadcast("hub", "hello, everybody");
    std::cout << heard.next()->data<std::string>() << "\n";
}
