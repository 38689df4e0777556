"""A hub: what anybody posts to it, everybody who subscribes gets."""

import simple_ipc

with (
    simple_ipc.listen_uds_broadcast("chat", lambda line: chat.publish(line), publish=True) as chat,
    simple_ipc.subscribe_uds("chat") as lines,
):
    simple_ipc.post_uds_broadcast("chat", "ann: hello")
    for line in lines:
        print(line.data)
        break
