#!/usr/bin/env python3
"""The driver of the Deno wire, raw: what tests/conformance says that the original does, without this library.

    deno_wire.py listen PREFIX
    deno_wire.py post

As a listener it is kinder than the original: its process survives a client that leaves.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from spoken import at_once, build, commands, describe, say, say_many  # noqa: E402  (needs the path above)

from tests.conformance import clients, decoder, original  # noqa: E402


class Waiting:
    """What handlers wait for."""

    def __init__(self):
        self.changed = threading.Condition()
        self.released = set()
        self.met = 0

    def wait(self, id):
        say("started", id)
        with self.changed:
            self.changed.wait_for(lambda: id in self.released)
        say("released", id)

    def meet(self, guests):
        with self.changed:
            complete = (self.met // guests + 1) * guests
            self.met += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.met >= complete)

    def release(self, id):
        with self.changed:
            self.released.add(id)
            self.changed.notify_all()


class Failing(Exception):
    """The handler fails: the original's process would end with this."""


def handle(waiting, kind, body):
    text = json.loads(body) if kind == "json" and body.startswith(b'"do:') else ""
    verb, _, rest = text.removeprefix("do:").partition(":")
    if verb == "fail":
        raise Failing
    if verb == "wait":
        waiting.wait(rest)
    elif verb == "meet":
        waiting.meet(int(rest.partition(":")[0]))
    else:
        say("heard", describe(kind, body))
    return body


def serve(connection, waiting, broadcast):
    with connection:
        data = bytearray()
        while piece := connection.recv(1 << 18):
            data += piece
        if not data:
            return
        kind, body = ("bytes" if data[0] & 1 else "json"), bytes(data[1:])
        try:
            answer = handle(waiting, kind, body)
            if not broadcast:
                connection.sendall(decoder.encode_deno(kind, answer))
        except (Failing, OSError):
            pass


def listen(prefix):
    waiting = Waiting()
    directory = os.environ["SIMPLE_IPC_DIR"]
    sockets = []
    for address, broadcast in ((f"{directory}/.deno.{prefix}_requests.socket", False),
                               (f"{directory}/.deno.{prefix}_broadcasts.socket", True), (":0", False), (":0", True)):
        listener = original.listen(address)
        sockets.append(listener)

        def accept(listener=listener, broadcast=broadcast):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection, waiting, broadcast), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
    say("ready", *(str(listener.getsockname()[1]) for listener in sockets[2:]))
    for verb, id in commands():
        assert verb == "release", verb
        waiting.release(id)
    return 0


def path_of(address):
    return address if address.startswith(":") else f"{os.environ['SIMPLE_IPC_DIR']}/.deno.{address}.socket"


def cancel(address, kind, body):
    """The wire has no word for it: the client leaves."""
    with clients.Connection(path_of(address), 60) as connection:
        connection.send(decoder.encode_deno(kind, body))
        connection.end_of_sending()
        sys.stdin.readline()
    say("error", "cancelled", "maybe", "the client left")


def request(address, kind, body, timeout):
    # clients.deno_request takes a reply byte by byte, which is slow for large ones.
    with clients.Connection(path_of(address), timeout) as connection:
        connection.send(decoder.encode_deno(kind, body))
        connection.end_of_sending()
        reply = bytearray()
        while piece := connection.receive():
            reply += piece
    if not reply:
        raise clients.ClientError("no_reply", "closed without an answer")
    return ("bytes" if reply[0] & 1 else "json"), bytes(reply[1:])


def post():
    say("ready")
    for verb, address, timeout, value, *count in commands():
        seconds = int(timeout) / 1000
        try:
            if verb == "many":
                texts = [json.dumps(f"{value}{number}").encode() for number in range(int(count[0]))]
                results = at_once(len(texts), lambda number: request(address, "json", texts[number], seconds))
                say_many(results, lambda number: ("json", texts[number]))
                continue
            kind, body = build(value)
            if verb == "cancel":
                cancel(address, kind, body)
            elif verb == "broadcast":
                clients.deno_broadcast(path_of(address), body, kind, seconds)
                say("ok")
            else:
                say("ok", describe(*request(address, kind, body, seconds)))
        except clients.ClientError as error:
            say("error", error.code, "maybe", str(error))


if __name__ == "__main__":
    sys.exit(listen(sys.argv[2]) if sys.argv[1] == "listen" else post())
