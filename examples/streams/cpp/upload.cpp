// Bytes go up, and one answer comes back. The sender waits whenever the receiver falls behind.
#include <iostream>
#include <simple_ipc.hpp>

using bytes = std::vector<unsigned char>;

int main() {
    const auto store = simple_ipc::listen_uds_request<std::string>(
        "upload", [](const std::string &name, const simple_ipc::caller &caller) {
            int chunks = 0;
            std::size_t size = 0;
            for (const auto &chunk : caller.items<bytes>()) ++chunks, size += chunk.size();
            return name + ": " + std::to_string(chunks) + " chunks, " + std::to_string(size) + " bytes";
        });
    const auto upload = simple_ipc::post_uds_stream<std::string>("upload", "a film");
    const bytes chunk(64 << 10);
    for (int i = 0; i < 100; ++i) upload.send(chunk);
    upload.finish();
    std::cout << upload.next().value() << "\n";
}
