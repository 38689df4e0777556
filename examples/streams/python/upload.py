"""Bytes go up, and one answer comes back. The sender waits whenever the receiver falls behind."""

import simple_ipc


def store(name, context):
    sizes = [len(chunk) for chunk in context.items]
    return f"{name}: {len(sizes)} chunks, {sum(sizes)} bytes"


with (
    simple_ipc.listen_uds_request("upload", store, context=True),
    simple_ipc.post_uds_stream("upload", "a film") as upload,
):
    for _ in range(100):
        upload.send(bytes(64 << 10))
    upload.end()
    print(next(upload))
