"""A listener counts 1000 messages that nobody answers; `flush` makes sure that it has had all of them."""

import simple_ipc

count = 0


def on_message(_: object) -> None:
    # Messages of one sender are handled one after another: no lock is needed.
    global count
    count += 1


with (
    simple_ipc.listen_uds_broadcast("one_way", on_message),
    simple_ipc.connect("one_way") as client,
):
    for number in range(1000):
        client.broadcast(number)
    client.flush()
    print(count)
