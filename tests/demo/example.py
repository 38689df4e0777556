"""Listens, posts or subscribes in Python: example.py listen NAME|:PORT, post NAME|:PORT TEXT, subscribe NAME."""

import sys
import time

import simple_ipc


def answer(data):
    print(data, flush=True)
    return "response-bar"


role, channel, *text = sys.argv[1:]
is_port = channel.startswith(":")
if role == "listen":
    if is_port:
        # Plain text is off on TCP unless it is asked for.
        server = simple_ipc.listen_ip_request(int(channel[1:]), answer, plain_text=True)
    else:
        server = simple_ipc.listen_uds_request(channel, answer)
    with server:
        print("ready on", f"127.0.0.1:{server.port}" if is_port else server.path, file=sys.stderr, flush=True)
        sys.stdin.read()
elif role == "subscribe":
    with simple_ipc.subscribe_uds(channel, wait=60, reconnect=0) as events:
        for event in events:
            print(event.data, flush=True)
else:
    began = time.perf_counter()
    if is_port:
        reply = simple_ipc.post_ip_request(int(channel[1:]), text[0])
    else:
        reply = simple_ipc.post_uds_request(channel, text[0])
    print(round((time.perf_counter() - began) * 1e6), file=sys.stderr)
    print(reply)
