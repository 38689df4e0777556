// The worker: computes what it is asked to, says how far it is, stops when nobody waits any more.
// Ends with the process that started it, since its standard input ends then.
#include <simple_ipc_json.hpp>

#include <cstdlib>
#include <future>
#include <iostream>
#include <mutex>
#include <string>

namespace {

using nlohmann::json;

std::promise<void> leaves; // a job was left by its caller
std::once_flag told;
const std::shared_future<void> left = leaves.get_future().share();

void sum_of_squares(simple_ipc::reply_stream out, long to, long steps) {
    long total = 0;
    for (long step = 1; step <= steps; ++step) {
        for (long n = to * (step - 1) / steps + 1; n <= to * step / steps; ++n) total += n * n;
        out.send(json{{"progress", 100 * step / steps}});
    }
    out.send(json{{"result", total}});
} // complete where `out` is destroyed

void endless(simple_ipc::reply_stream out) {
    // The caller has left its loop, or is gone: what the job holds is given back here.
    struct at_the_end {
        ~at_the_end() {
            std::call_once(told, [] { leaves.set_value(); });
        }
    } const end;
    while (true) out.send(json{{"progress", 0}}); // throws `cancelled` then
}

void handle(const json &job, simple_ipc::responder &answer) {
    const std::string name = job.value("job", "");
    if (name == "sum_of_squares" && job.value("steps", 0) > 0) {
        sum_of_squares(answer.stream(), job.value("to", 0L), job.value("steps", 0L));
    } else if (name == "endless") {
        endless(answer.stream());
    } else if (name == "was_left") {
        left.wait();
        (void)answer.respond(true);
    } else if (name == "crash") {
        std::_Exit(70);
    } else {
        throw simple_ipc::handler_error("no such job: " + job.dump(), "no_such_job");
    }
}

} // namespace

int main(int count, char **arguments) {
    try {
        const auto listener = simple_ipc::listen_uds_request<json>(count > 1 ? arguments[1] : "worker", handle);
        while (std::cin.get() != std::char_traits<char>::eof()) {}
    } catch (const simple_ipc::error &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
