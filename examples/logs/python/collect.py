"""Collects the lines of all sources into a file, and publishes each, by its level, to whoever follows.

collect.py FILE            until Ctrl-C or SIGTERM
"""

import json
import signal
import sys
import threading

import simple_ipc

lock = threading.Lock()
stop = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: stop.set())

with open(sys.argv[1], "a", buffering=1) as file:

    def collect(line):
        # Sources are handled side by side; the lock keeps the file and what is published in one order.
        with lock:
            file.write(json.dumps(line) + "\n")
            server.publish(line, topic=line["level"])

    with lock:
        # The first line waits for the lock, until `server` is there.
        server = simple_ipc.listen_uds_broadcast("logs", collect, publish=True)
    with server:
        print("ready", flush=True)
        stop.wait()
