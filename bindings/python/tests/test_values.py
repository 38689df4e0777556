"""What bodies become, and what is refused."""

import asyncio
import contextlib
import dataclasses
import enum
import fcntl
import json
import math
import os
import random
import socket
import struct
import threading
from collections import namedtuple

import pytest
import simple_ipc
from simple_ipc import _native, aio

JSON = [
    None, True, False, 0, 1, -1, 2**53 - 1, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400,
    0.0, -0.0, 0.1, 1e308, 5e-324, 1e16, 123456789.123456789, 1e19,
    "", "text", "a\0b", "é😀\u2028", "\ud800", "a\udfffb", '"\\\n\x7f\x01',
    [], {}, [[[]]], {"a": {"": [None, {"é": "\ud83d"}]}, "\ud800": 1},
]  # fmt: skip


def same(one, other):
    return repr(one) == repr(other)


@pytest.fixture
def echo():
    with simple_ipc.listen_uds_request("echo", lambda data: data) as server:
        yield server


@pytest.mark.parametrize("value", JSON, ids=repr)
def test_json_comes_back_as_it_was(echo, value):
    assert same(simple_ipc.post_uds_request("echo", value), value)
    assert same(asyncio.run(aio.post_uds_request("echo", value)), value)


@pytest.mark.parametrize("value", JSON, ids=repr)
def test_json_is_what_the_module_json_reads_and_writes(value):
    assert same(json.loads(_native.encode(value)), value)
    assert same(_native.decode(json.dumps(value)), value)


def test_every_float_comes_back_as_itself():
    chance = random.Random(1)
    for _ in range(20_000):
        number = chance.uniform(-1, 1) * 10.0 ** chance.randint(-307, 307)
        assert _native.decode(repr(number)) == number
        assert json.loads(_native.encode(number)) == number


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_bytes_come_back_as_bytes(echo, size):
    data = random.Random(size).randbytes(size)
    for given in (data, bytearray(data), memoryview(data), memoryview(data * 2)[:size]):
        reply = simple_ipc.post_uds_request("echo", given)
        assert type(reply) is bytes
        assert reply == data


def test_subclasses_are_what_json_makes_of_them(echo):
    class Colour(enum.IntEnum):
        RED = 1

    class Word(enum.StrEnum):
        YES = "y"

    point = namedtuple("point", "x y")
    assert simple_ipc.post_uds_request("echo", [Colour.RED, Word.YES, point(1, 2)]) == [1, "y", [1, 2]]


@dataclasses.dataclass
class Data:
    x: int = 1


circular_list: list = []
circular_list.append(circular_list)
circular_dict: dict = {}
circular_dict["self"] = [circular_dict]
deep: list = []
for _ in range(100_000):
    deep = [deep]

REFUSED = {
    "nan": math.nan, "infinity": [math.inf], "set": {1}, "function": print, "lambda": lambda: 0, "complex": 1j,
    "dataclass": Data(), "int_key": {1: 2}, "none_key": {None: 2}, "bytes_inside": [b"x"], "object": object(),
    "circular_list": circular_list, "circular_dict": circular_dict, "deep": deep, "class": int, "huge_int": 10**5000,
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_json_cannot_hold_is_refused_before_anything_is_sent(echo, name):
    for post in (simple_ipc.post_uds_request, lambda *given: asyncio.run(aio.post_uds_request(*given))):
        with pytest.raises(simple_ipc.InvalidJsonError) as caught:
            post("echo", REFUSED[name])
        assert isinstance(caught.value, ValueError)
        assert not caught.value.may_have_been_handled
        assert "\n" not in str(caught.value)
    assert echo.counters.messages == 0


def test_a_memoryview_with_gaps_is_refused(echo):
    with pytest.raises(simple_ipc.InvalidArgumentError, match="contiguous"):
        simple_ipc.post_uds_request("echo", memoryview(b"abcdef")[::2])


def test_a_very_deep_text_is_an_error_and_not_a_crash():
    with pytest.raises(simple_ipc.InvalidBodyError):
        _native.decode("[" * 100_000 + "]" * 100_000)
    assert _native.decode("[" * 400 + "]" * 400) is not None


@pytest.mark.parametrize("text", ["", "{", "NaN", "1 2", "[1,]", "'a'"])
def test_what_is_not_json_is_refused(text):
    with pytest.raises(simple_ipc.InvalidJsonError):
        _native.decode(text)


@pytest.mark.parametrize(("text", "value"), [("0.0", 0.0), ("-0", 0), ("-0.0", -0.0), ("1e300", 1e300), ("1E2", 100.0)])
def test_numbers_that_look_alike_are_told_apart(text, value):
    assert same(_native.decode(f"[{text}]"), [value])
    assert same(_native.decode(text), json.loads(text))


def test_keys_that_come_again_are_right():
    keys = ["", "a", "b" * 32, "b" * 33, "é", "\n", *map(str, range(500))]
    value = [{key: number for number, key in enumerate(keys)}, dict.fromkeys(reversed(keys))] * 2
    assert _native.decode(json.dumps(value)) == value
    assert _native.decode(json.dumps(value, ensure_ascii=False)) == value
    assert _native.decode('{"a": 1, "a": 2}') == {"a": 2}


UNREADABLE = [b"", b"{", b"NaN", b"[Infinity]", b'"\xff"', b"\xef\xbb\xbf1", '"x"'.encode("utf-16"), b"1 1"]
# JSON, but no integer that Python reads, and too deep for it.
UNREADABLE += [b"9" * 5000, b"[" * 100_000 + b"]" * 100_000]


def hello(role):
    """How one side of a native session begins (docs/protocol.md)."""
    return b"\xf5SIP" + bytes([1, role, 0, 0]) + struct.pack("<II", 0, 1 << 20)


def frame(kind, number, body):
    return struct.pack("<IBBHII", len(body), kind, 0, 0, number, 0) + body


def receive(connection):
    """A frame's kind, number and body."""
    length, kind, _, _, number, _ = struct.unpack("<IBBHII", connection.recv(16, socket.MSG_WAITALL))
    return kind, number, connection.recv(length, socket.MSG_WAITALL)


def post_what_is_unreadable(path, got):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(path)
        connection.sendall(hello(1))
        connection.recv(16, socket.MSG_WAITALL)
        for number, body in enumerate(UNREADABLE, start=1):
            connection.sendall(frame(1, number, body))
            kind, answered, error = receive(connection)
            assert (kind, answered, json.loads(error)["code"]) == (3, number, "invalid_body"), body
        connection.sendall(frame(1, 99, b"1"))
        assert receive(connection) == (2, 99, b"1")
    assert got == [1]


def test_a_body_that_cannot_be_read_never_reaches_a_handler():
    got = []

    def handler(data):
        got.append(data)
        return data

    with simple_ipc.listen_uds_request("raw", handler) as server:
        post_what_is_unreadable(server.path, got)

    async def main():
        got.clear()
        async with aio.listen_uds_request("raw", handler) as server:
            await asyncio.to_thread(post_what_is_unreadable, server.path, got)

    asyncio.run(main())


@pytest.fixture
def answers_unreadable(echo, directory):
    """A listener by hand that answers with what cannot be read, one after another."""
    path = f"{echo.path[: -len('echo.socket')]}fake.socket"
    left = list(UNREADABLE)
    with socket.socket(socket.AF_UNIX) as listening, open(f"{path}.lock", "w") as lock:
        about = {"pid": os.getpid(), "version": "9", "channel": "fake", "mode": "request", "started": 1}
        lock.write(json.dumps(about) + "\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        listening.bind(path)
        listening.listen()

        def serve(connection):
            with contextlib.suppress(struct.error), connection:
                connection.recv(16, socket.MSG_WAITALL)
                connection.sendall(hello(0x11))
                while True:
                    connection.sendall(frame(2, receive(connection)[1], left.pop(0)))

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        yield left
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("api", ["post", "client", "aio", "aio client"])
def test_a_reply_that_cannot_be_read_is_an_error_after_the_handler(answers_unreadable, api):
    async def in_loop():
        if api == "aio":
            return await aio.post_uds_request("fake", 1)
        async with aio.connect("fake") as client:
            return await client.request(1)

    def call():
        if api == "post":
            return simple_ipc.post_uds_request("fake", 1)
        if api == "client":
            with simple_ipc.connect("fake") as client:
                return client.request(1)
        return asyncio.run(in_loop())

    while answers_unreadable:
        with pytest.raises(simple_ipc.InvalidBodyError) as caught:
            call()
        assert caught.value.may_have_been_handled
