// A request to a slow handler is cancelled after 100 ms; the handler hears of it and stops working.
#include <simple_ipc.hpp>

#include <future>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

int main() {
    std::promise<void> begun, heard;
    const auto listener = simple_ipc::listen_uds_request(
        "cancel", [&](const simple_ipc::message_view &, simple_ipc::responder &caller) {
            begun.set_value();
            while (!caller.is_cancelled()) std::this_thread::sleep_for(1ms); // work, a piece at a time
            heard.set_value();
        });
    std::promise<simple_ipc::kind> ended;
    const auto call = simple_ipc::post_uds_request_async(
        "cancel", "work", [&ended](simple_ipc::result<simple_ipc::message> reply) { ended.set_value(reply.error().kind()); });
    begun.get_future().wait(); // cancelled before that, the request would not reach the handler at all
    std::this_thread::sleep_for(100ms);
    call.cancel();
    if (ended.get_future().get() == simple_ipc::kind::cancelled) {
        heard.get_future().wait();
        std::cout << "cancelled\n";
    }
    call.wait();
}
