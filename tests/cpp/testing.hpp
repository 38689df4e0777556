// A runner for tests: each is a function that throws if its promise does not hold.
#ifndef TESTING_HPP
#define TESTING_HPP

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

#include <simple_ipc.hpp>

namespace testing {

inline int passed = 0, failed = 0;

#define CHECK(...)                                                                                                             \
    do {                                                                                                                       \
        if (!(__VA_ARGS__)) throw std::runtime_error(std::to_string(__LINE__) + ": does not hold: " #__VA_ARGS__);             \
    } while (false)

// The call throws an error of this kind, whose text is one line.
template <class Call> simple_ipc::error fails(simple_ipc::kind kind, Call &&call) {
    try {
        call();
    } catch (const simple_ipc::error &failure) {
        const std::string text = failure.what();
        if (failure.kind() != kind) throw std::runtime_error("another kind: " + text);
        if (text == sipc_error_message(nullptr)) throw std::runtime_error("the error has lost its text");
        if (text.empty() || text.find('\n') != std::string::npos) throw std::runtime_error("not one line: " + text);
        return failure;
    }
    throw std::runtime_error(std::string("nothing was thrown instead of ") + sipc_status_name(static_cast<int>(kind)));
}

// A directory for the channels of one test.
struct scratch {
    std::string path;

    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "sipc-cpp-XXXXXX").string();
        if (!mkdtemp(name.data())) throw std::runtime_error("no scratch directory");
        path = name;
    }
    scratch(const scratch &) = delete;
    scratch &operator=(const scratch &) = delete;
    ~scratch() { std::filesystem::remove_all(path); }

    simple_ipc::options options() const { return std::move(simple_ipc::options().directory(path)); }
};

// The tests that were asked for by name; all of them if none was.
inline std::vector<std::string> wanted;

template <class Test> void run(const char *name, Test &&test) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) return;
    try {
        test();
        ++passed;
        std::printf("ok - %s\n", name);
    } catch (const std::exception &failure) {
        ++failed;
        std::printf("not ok - %s\n# %s\n", name, failure.what());
    }
    std::fflush(stdout);
}

inline int finish() {
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}

} // namespace testing

#endif
