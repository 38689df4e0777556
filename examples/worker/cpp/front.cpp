// The front end: starts a worker, has it compute, leaves a job, and starts another worker where one has crashed.
//     front COMMAND-OF-THE-WORKER [ARGUMENT…]
#include <simple_ipc_json.hpp>

#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace {

using nlohmann::json;
using namespace std::chrono_literals;

// A worker process. It ends with this one, since its standard input does.
class worker {
public:
    explicit worker(char **command) {
        int ends[2];
        if (pipe(ends) != 0) throw std::runtime_error("cannot start the worker");
        // No other process holds the pipe open.
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
        const int failed = posix_spawnp(&process_, command[0], &actions, nullptr, command, environ);
        posix_spawn_file_actions_destroy(&actions);
        close(ends[0]);
        if (failed) {
            close(ends[1]);
            throw std::runtime_error("cannot start " + std::string(command[0]) + ": " + std::strerror(failed));
        }
        input_ = ends[1];
    }
    worker(const worker &) = delete;
    worker &operator=(const worker &) = delete;
    ~worker() {
        close(input_);
        waitpid(process_, nullptr, 0);
    }

private:
    pid_t process_ = 0;
    int input_ = -1;
};

const json sum = {{"job", "sum_of_squares"}, {"to", 1000}, {"steps", 4}};

auto run(const json &job) {
    // The first job may come before the worker listens.
    return simple_ipc::post_uds_stream<json>("worker", job, simple_ipc::options().wait(60s));
}

void show(simple_ipc::item_stream<json> items) {
    for (const json &item : items) {
        if (item.contains("progress")) {
            std::cout << item["progress"] << " %\n";
        } else {
            std::cout << "result " << item["result"] << "\n";
        }
    }
}

void drive(char **command) {
    {
        const worker first(command);
        show(run(sum));
        {
            auto items = run({{"job", "endless"}});
            (void)items.next();
        } // its end tells the worker that nobody waits any more
        if (simple_ipc::post_uds_request<bool>("worker", json{{"job", "was_left"}})) {
            std::cout << "the job that was left has stopped\n";
        }
        try {
            show(run({{"job", "unknown"}}));
        } catch (const simple_ipc::error &failure) {
            std::cout << "refused: " << failure.handler_code().value_or(failure.what()) << "\n";
        }
        try {
            show(run({{"job", "crash"}}));
        } catch (const simple_ipc::error &failure) {
            std::cout << "the worker crashed: " << failure.code().message() << "\n";
        }
    }
    const worker second(command);
    show(run(sum));
}

} // namespace

int main(int count, char **arguments) {
    if (count < 2) {
        std::cerr << "usage: front COMMAND-OF-THE-WORKER [ARGUMENT…]\n";
        return 2;
    }
    try {
        drive(arguments + 1);
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
}
