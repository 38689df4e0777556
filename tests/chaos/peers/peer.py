"""The Python peer of the chaos and soak runs; ../README.md says what it does and writes.

peer.py listen JOURNAL            until standard input ends
peer.py post JOURNAL NAME STOP    until the file STOP exists; rests for $PAUSE_MS after each round

On Unix sockets, or on the two ports in $PORTS: `0,0` are ports that the system picks.
"""

import os
import sys
import time

import simple_ipc

PATIENCE = 30.0
PADDING = "x" * 200_000
BATCH = 16
PAUSE = int(os.environ.get("PAUSE_MS", "0")) / 1000
PORTS = [int(port) for port in os.environ.get("PORTS", "").split(",") if port]
REQUESTS, BROADCASTS = PORTS or ("chaos_requests", "chaos_broadcasts")

what, journal_path, *rest = sys.argv[1:]
name, stop = rest or ("", "")
journal = os.open(journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def note(*words):
    line = f"{time.monotonic_ns()} {' '.join(map(str, words))}\n".encode()
    if os.write(journal, line) != len(line):
        sys.exit("peer: a line of the journal could not be written")


def note_error(kind, number, error):
    note("may" if error.may_have_been_handled else "not", kind, number, error.code, str(error)[:200])


def call(kind, number, large, post):
    head = f"{kind} {name} {number}"
    note("try", kind, number)
    try:
        reply = post(f"{head} {PADDING}" if large else head)
    except simple_ipc.IpcError as error:
        note_error(kind, number, error)
        return
    if kind in "hrtk" and reply != head:
        note("wrong", kind, number, str(reply)[:200])
    else:
        note("ok", kind, number)


def stream(client, number):
    """A batch of one-way messages on the kept session, and the flush that confirms them."""
    first = number + 1
    for _ in range(BATCH):
        number += 1
        note("try", "s", number)
        try:
            client.broadcast(f"s {name} {number}")
        except simple_ipc.IpcError as error:
            if error.may_have_been_handled:
                note("lost", "s", first, number, str(error)[:200])
                first = number + 1
            else:
                note_error("s", number, error)
    try:
        client.flush()
        note("flushed", "s", first, number)
    except simple_ipc.IpcError as error:
        note("lost", "s", first, number, str(error)[:200])
    return number


def request(**options):
    post = simple_ipc.post_ip_request if PORTS else simple_ipc.post_uds_request
    return lambda body: post(REQUESTS, body, **options)


def broadcast(**options):
    post = simple_ipc.post_ip_broadcast if PORTS else simple_ipc.post_uds_broadcast
    return lambda body: post(BROADCASTS, body, **options)


def on_request(message):
    head = " ".join(message.split(" ", 3)[:3])
    note("handled", head)
    return head


def on_broadcast(message):
    on_request(message)


def listen():
    if PORTS:
        requests = simple_ipc.listen_ip_request(REQUESTS, on_request)
        broadcasts = simple_ipc.listen_ip_broadcast(BROADCASTS, on_broadcast)
    else:
        requests = simple_ipc.listen_uds_request(REQUESTS, on_request)
        broadcasts = simple_ipc.listen_uds_broadcast(BROADCASTS, on_broadcast)
    note("ready")
    print(f"ready {requests.port or 0},{broadcasts.port or 0}", flush=True)
    sys.stdin.buffer.read()
    requests.close()
    broadcasts.close()
    note("closed")


def post():
    waiting, hasty = {"wait": PATIENCE, "timeout": PATIENCE}, {"timeout": PATIENCE}
    brief = {"wait": PATIENCE, "timeout": 0.02}
    requests = simple_ipc.connect(REQUESTS, **waiting)
    broadcasts = simple_ipc.connect(BROADCASTS, **waiting)
    calls = [
        ("h", request(**hasty)),
        ("r", request(**waiting)),
        ("t", request(**brief)),
        ("b", broadcast(**waiting)),
        ("g", broadcast(**hasty)),
        ("k", requests.request),
        ("b", broadcast(**waiting)),
    ]
    number = streamed = 0
    while not os.path.exists(stop):
        number += 1
        if number % 8 == 7:
            streamed = stream(broadcasts, streamed)
            if PAUSE:
                time.sleep(PAUSE)
        else:
            large = number % 32 < 8 and number % 8 < 6 and number // 32 % 2 == 0
            kind, post = calls[number % 8]
            call(kind, number, large, post)
    note("done")


listen() if what == "listen" else post()
