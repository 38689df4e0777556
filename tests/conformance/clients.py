"""Small raw clients of the channel protocol, in standard-library Python, to import or to run.

    python3 tests/conformance/clients.py deno-request /tmp/.deno.example_channel.socket '"request-foo"'

An address is the path of a Unix socket, or a port of 127.0.0.1 (a number, or `:` and a number). A body is JSON text
or bytes, as its kind says, and so is a reply, which comes back as `(kind, body)`.
"""

import argparse
import os
import socket
import sys
import time

try:
    from . import decoder
except ImportError:  # run as a script
    import decoder

DEFAULT_TIMEOUT = 30.0


class ClientError(Exception):
    """A call that failed. `code` is the stable error name."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Connection:
    """A socket every wait on which ends with the call's deadline, and whose errors are `ClientError`s."""

    def __init__(self, address, timeout):
        self._deadline = time.monotonic() + timeout
        self._address = address
        text = str(address).removeprefix(":")
        port = int(text) if text.isdecimal() else None
        if port is not None and not 1 <= port <= 65535:
            raise ClientError("invalid_port", f"cannot connect to {address}: a port is 1 to 65535")
        self._socket = socket.socket(socket.AF_UNIX if port is None else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._call("connect to", lambda s: s.connect(text if port is None else ("127.0.0.1", port)))
            if port is not None:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def _call(self, what, action):
        try:
            self._socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
            return action(self._socket)
        except TimeoutError:
            raise ClientError("timed_out", f"cannot {what} {self._address}: no answer in time") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise ClientError("not_listening", f"cannot {what} {self._address}: nobody listens there") from None
        except OSError as error:
            raise ClientError("connection_lost", f"cannot {what} {self._address}: {error.strerror or error}") from None

    def send(self, data):
        self._call("send to", lambda s: s.sendall(data))

    def receive(self):
        """Some bytes, or none at the end of the stream."""
        return self._call("receive from", lambda s: s.recv(1 << 16))

    def receive_more(self):
        """Some bytes, where the end of the stream is not due."""
        data = self.receive()
        if not data:
            raise ClientError("connection_lost", f"{self._address} closed the connection before its answer")
        return data

    def end_of_sending(self):
        self._call("send to", lambda s: s.shutdown(socket.SHUT_WR))

    def receive_to_end(self):
        data = b""
        while piece := self.receive():
            data += piece
        return data


def _broken(violation):
    return ClientError(violation.code, f"the listener broke the protocol: {violation}")


def _native_exchange(address, frame, timeout):
    """Sends one frame on a session of its own and returns the response or ack with its id that comes back."""
    hello = decoder.Hello("exclusive", 0, decoder.DEFAULT_MAX_MESSAGE)
    with Connection(address, timeout) as connection:
        connection.send(hello.encode() + frame.encode())
        try:
            return _native_answer(connection, frame.id)
        except decoder.Violation as violation:
            raise _broken(violation) from None


def _native_answer(connection, id):
    received = b""
    while len(received) < decoder.HELLO.size:
        received += connection.receive_more()
    decoder.decode_hello(received[: decoder.HELLO.size], "listener")
    reader = decoder.FrameReader("listener")
    reader.feed(received[decoder.HELLO.size :])
    while True:
        for frame in reader.events:
            if frame.kind == "ping":
                connection.send(decoder.Frame("pong", frame.id).encode())
            elif frame.kind == "error" and frame.id in (0, id):
                raise ClientError(*decoder.decode_error_body(frame.body)[:2])
            elif frame.kind == "goaway" and frame.id != id:
                raise ClientError("closing", "the listener is closing and did not take the message")
            elif frame.kind in ("response", "ack") and frame.id == id:
                return frame
        reader.events.clear()
        if reader.violation is not None:
            raise reader.violation
        reader.feed(connection.receive_more())


def _flags(kind):
    return decoder.BYTES if kind == "bytes" else 0


def native_request(address, body, kind="json", timeout=DEFAULT_TIMEOUT):
    """One request on a native session of its own; the reply."""
    request = decoder.Frame("request", 1, _flags(kind), int(timeout * 1000), body)
    answer = _native_exchange(address, request, timeout)
    if answer.kind != "response":
        raise ClientError("protocol", "the listener acknowledged a request")
    return "bytes" if answer.flags & decoder.BYTES else "json", answer.body


def native_broadcast(address, body, kind="json", timeout=DEFAULT_TIMEOUT):
    """One broadcast on a native session of its own; returns when the handler has it."""
    answer = _native_exchange(
        address, decoder.Frame("broadcast", 1, _flags(kind) | decoder.ACK_WANTED, 0, body), timeout
    )
    if answer.kind != "ack":
        raise ClientError("protocol", "the listener responded to a broadcast")


def deno_request(address, body, kind="json", timeout=DEFAULT_TIMEOUT):
    """One request on the Deno wire; the reply."""
    with Connection(address, timeout) as connection:
        connection.send(decoder.encode_deno(kind, body))
        connection.end_of_sending()
        reply = connection.receive_to_end()
    if not reply:
        raise ClientError("no_reply", f"{address} closed the connection without an answer")
    reader = decoder.DenoReader("reply")
    reader.feed(reply)
    reader.eof()
    if reader.violation is not None:
        raise _broken(reader.violation)
    return reader.events[0]


def deno_broadcast(address, body, kind="json", timeout=DEFAULT_TIMEOUT, wait=True):
    """One broadcast on the Deno wire. Without `wait` it closes right after sending, as the original's client does."""
    with Connection(address, timeout) as connection:
        connection.send(decoder.encode_deno(kind, body))
        connection.end_of_sending()
        if wait and connection.receive_to_end():
            raise ClientError("wrong_mode", f"the listener at {address} takes requests, not broadcasts")


def readme_raw_client(address, count=3, pause=3.0, timeout=DEFAULT_TIMEOUT, show=print):
    """What the .NET client in the original's first README did: text with no delimiter, over and over on one connection.

    Gives each reply to `show` and returns all of them.
    """
    replies = []
    with Connection(address, timeout + count * pause) as connection:
        for index in range(count):
            if index:
                time.sleep(pause)
            connection.send(b"request-foo")
            reply = connection.receive()
            if not reply:
                raise ClientError("no_reply", f"{address} closed the connection without an answer")
            replies.append(reply.decode("utf-8", "replace"))
            show(replies[-1])
    return replies


def _parse():
    parser = argparse.ArgumentParser(description="Raw clients of the channel protocol.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("native-request", "native-broadcast", "deno-request", "deno-broadcast"):
        command = commands.add_parser(name)
        command.add_argument("address", help="path of a Unix socket, or a port")
        command.add_argument("body", help="JSON text, or bytes with --bytes")
        command.add_argument("--bytes", action="store_true", help="the body is bytes")
        command.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT, help="seconds")
        if name == "deno-broadcast":
            command.add_argument("--no-wait", action="store_true", help="close at once, as the original does")
    command = commands.add_parser("readme")
    command.add_argument("address", help="path of a Unix socket, or a port")
    command.add_argument("--count", type=int, default=3, help="how often it sends")
    command.add_argument("--pause", type=float, default=3.0, help="seconds between two sends")
    command.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT, help="seconds, pauses not counted")
    return parser.parse_args()


def _run(arguments):
    if arguments.command == "readme":
        readme_raw_client(
            arguments.address,
            arguments.count,
            arguments.pause,
            arguments.timeout,
            show=lambda reply: print(reply, flush=True),
        )
        return
    call = {
        "native-request": native_request,
        "native-broadcast": native_broadcast,
        "deno-request": deno_request,
        "deno-broadcast": deno_broadcast,
    }[arguments.command]
    more = {"wait": False} if getattr(arguments, "no_wait", False) else {}
    kind = "bytes" if arguments.bytes else "json"
    reply = call(arguments.address, os.fsencode(arguments.body), kind, arguments.timeout, **more)
    if reply is not None:
        kind, body = reply
        sys.stdout.buffer.write(body if kind == "bytes" else body + b"\n")


def main():
    try:
        _run(_parse())
    except ClientError as error:
        print(f"{error.code}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
