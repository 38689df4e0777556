"""A stand-in for a listener of the Deno original, in standard-library Python.

Like the original's, its process ends with exit code 1 at the first thing that goes wrong on any connection: a client
that leaves without a byte, a body that is not JSON, a client that is gone before its reply (so also a broadcast sent
to a request listener). It takes no lock file, and leaves its socket file behind.

    python3 tests/conformance/original.py /tmp/.deno.example_channel.socket --reply '"response-bar"'
"""

import argparse
import json
import math
import os
import socket
import sys
import threading
import time


def parse_json(text):
    """What JSON.parse makes of a text. A number too large for a double is infinite there."""

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def to_json(value):
    """The text that JSON.stringify makes of a value, in UTF-8."""

    def finite(value):
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if isinstance(value, list):
            return [finite(item) for item in value]
        if isinstance(value, dict):
            return {key: finite(item) for key, item in value.items()}
        return value

    text = json.dumps(finite(value), separators=(",", ":"), ensure_ascii=False)
    # Half of a surrogate pair is the only thing without UTF-8, and is escaped as JSON.stringify does.
    return text.encode("utf-8", "backslashreplace")


class Original:
    def __init__(self, broadcast, handler):
        self._broadcast = broadcast
        self._handler = handler

    def serve(self, connection):
        """One connection, to its end or to the end of the process."""
        try:
            with connection:
                self._serve(connection)
        except Exception as error:
            # os._exit: the other connections die with this one, whatever their threads are doing.
            sys.stderr.write(f"error: Uncaught (in promise) {type(error).__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(1)

    def _serve(self, connection):
        data = b""
        while piece := connection.recv(1 << 16):
            data += piece
        if not data:
            raise EOFError("the connection ended without a byte")
        flag, body = data[0] & 1, data[1:]
        value = body if flag else parse_json(body.decode("utf-8", "replace").removeprefix("\ufeff"))
        answer = self._handler(value)
        if not self._broadcast:
            is_bytes = isinstance(answer, bytes)
            connection.sendall(b"\x01" if is_bytes else b"\x00")
            # The reply is gone before the connection is, so that a client which left is noticed here.
            connection.sendall(answer if is_bytes else to_json(answer))
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # A broadcast's sender has usually gone, which a broadcast listener survives.


def listen(address):
    text = address.removeprefix(":")
    if text.isdecimal():
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(text)))
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(address)
    listener.listen(128)
    return listener


def main():
    parser = argparse.ArgumentParser(description="A listener that behaves like the Deno original's.")
    parser.add_argument("address", help="path of a Unix socket, or a port; with port 0 'ready' is followed by the port")
    parser.add_argument("--broadcast", action="store_true", help="take broadcasts, not requests")
    parser.add_argument("--reply", metavar="JSON", help="answer this, not what came")
    parser.add_argument("--delay", metavar="SECONDS", type=float, default=0.0, help="how long the handler works")
    parser.add_argument("--hold", action="store_true", help="the handler waits for a line on standard input")
    arguments = parser.parse_args()
    try:
        reply = parse_json("null" if arguments.reply is None else arguments.reply)
    except ValueError as error:
        parser.error(f"--reply is not JSON: {error}")

    one_reader = threading.Lock()

    def handler(value):
        if arguments.hold:
            with one_reader:
                sys.stdin.readline()
        time.sleep(arguments.delay)
        return value if arguments.reply is None else reply

    try:
        listener = listen(arguments.address)
    except OSError as error:
        print(f"error: cannot listen at {arguments.address}: {error.strerror}", file=sys.stderr)
        return 1
    original = Original(arguments.broadcast, handler)
    port = f" {listener.getsockname()[1]}" if arguments.address.removeprefix(":") == "0" else ""
    print(f"ready{port}", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=original.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
