// A log is followed as it is written, until its reader has seen enough.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <simple_ipc.hpp>
#include <thread>
#include <unistd.h>

namespace {

void follow(const std::string &path, simple_ipc::responder &responder) {
    const auto lines = responder.stream();
    std::ifstream log(path);
    while (!lines.is_over()) { // it is once the caller has left
        const auto at = log.tellg();
        std::string line;
        if (std::getline(log, line) && !log.eof()) {
            (void)lines.try_send(line);
        } else {
            log.clear();
            log.seekg(at);
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }
    std::cout << "the log is no longer followed\n";
}

} // namespace

int main() {
    const std::string path = std::filesystem::temp_directory_path() / ("follow_a_log_" + std::to_string(getpid()));
    std::ofstream(path) << "started\n";
    {
        const auto listener = simple_ipc::listen_uds_request<std::string>("follow_a_log", follow);
        for (const auto &line : simple_ipc::post_uds_stream<std::string>("follow_a_log", path)) {
            std::cout << line << "\n";
            if (line == "started") std::ofstream(path, std::ios::app) << "working\nstopped\n";
            if (line == "stopped") break; // the handler is told at once
        }
    }
    std::remove(path.c_str());
}
