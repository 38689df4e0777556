"""Both sides talk, on one stream."""

import simple_ipc


def talk(name, context):
    yield f"hello, {name}"
    for line in context.items:
        yield f"you said: {line}"
    yield "goodbye"


with (
    simple_ipc.listen_uds_request("chat", talk, context=True),
    simple_ipc.post_uds_stream("chat", "Ada") as chat,
):
    lines = ["how are you?", "see you"]
    for answer in chat:
        print(answer)
        if lines:
            chat.send(lines.pop(0))
        else:
            chat.end()
