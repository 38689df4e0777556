// The header and the library from C++11: a handler as a lambda, handles in smart pointers.
#include <simple_ipc.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>

namespace {

struct Free {
    void operator()(sipc_listener *listener) const { sipc_listener_free(listener); }
    void operator()(sipc_message *message) const { sipc_message_free(message); }
    void operator()(sipc_error *error) const { sipc_error_free(error); }
};

template <typename T> using Handle = std::unique_ptr<T, Free>;

int fail(const char *attempted, sipc_error *error) {
    Handle<sipc_error> owned(error);
    std::fprintf(stderr, "cannot %s: %s\n", attempted, sipc_error_message(error));
    return 1;
}

} // namespace

int main() {
    std::atomic<int> calls(0);
    sipc_error *error = nullptr;

    sipc_listener *listening = nullptr;
    auto on_request = [](const sipc_message *request, sipc_responder *responder, void *user_data) {
        ++*static_cast<std::atomic<int> *>(user_data);
        std::string reply = std::string("hello, ") + sipc_message_text(request);
        sipc_respond(responder, sipc_text_n(reply.data(), reply.size()), nullptr);
    };
    if (sipc_listen_uds_request("cpp_smoke", on_request, &calls, nullptr, nullptr, &listening, &error) != SIPC_OK)
        return fail("listen", error);
    Handle<sipc_listener> listener(listening);

    sipc_message *answer = nullptr;
    if (sipc_post_uds_request("cpp_smoke", sipc_text("C++"), nullptr, &answer, &error) != SIPC_OK)
        return fail("post", error);
    Handle<sipc_message> reply(answer);
    std::printf("%s\n", sipc_message_text(reply.get()));

    if (sipc_listener_close(listener.get(), &error) != SIPC_OK)
        return fail("close", error);
    return calls == 1 ? 0 : 1;
}
