"""What bodies become, and what is refused."""

import array
import asyncio
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import json
import math
import os
import pathlib
import random
import socket
import struct
import threading
import types
import uuid
from collections import OrderedDict, deque, namedtuple

import pytest
import simple_ipc
from simple_ipc import _native, aio
from where import not_on_windows

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


@dataclasses.dataclass
class Data:
    x: int = 1


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Word(enum.StrEnum):
    YES = "y"


class Text(str):
    pass


async def coroutine():
    return 1


point = namedtuple("point", "x y")
# A class that says that it is numpy's: the package itself is not needed to be told what to send.
scalar = type("int64", (type("generic", (), {"__module__": "numpy", "__qualname__": "generic"}),), {})()
not_awaited = coroutine()
not_awaited.close()
circular_list: list = []
circular_list.append(circular_list)
circular_dict: dict = {}
circular_dict["self"] = [circular_dict]
deep: list = []
for _ in range(100_000):
    deep = [deep]

# What each kind of value is sent as, and what it arrives as.
KEPT = {
    "None": (None, "null", None),
    "bool": (True, "true", True),
    "int": (-1, "-1", -1),
    "int beyond 2^53": (2**53 + 1, "9007199254740993", 2**53 + 1),
    "int beyond 64 bits": (2**70, "1180591620717411303424", 2**70),
    "float": (0.1, "0.1", 0.1),
    "float without fraction": (1.0, "1.0", 1.0),
    "negative zero": (-0.0, "-0.0", -0.0),
    "str": ("a\0é", '"a\\u0000é"', "a\0é"),
    "str with a lone surrogate": ("\ud800", '"\\ud800"', "\ud800"),
    "list": ([1, []], "[1,[]]", [1, []]),
    "dict": ({"b": 1, "a": {}}, '{"b":1,"a":{}}', {"b": 1, "a": {}}),
    "tuple": ((1, (2,)), "[1,[2]]", [1, [2]]),
    "namedtuple": (point(1, 2), "[1,2]", [1, 2]),
    "IntEnum": (Number.ONE, "1", 1),
    "StrEnum": (Word.YES, '"y"', "y"),
    "subclass of str": (Text("x"), '"x"', "x"),
    "subclass of dict": (OrderedDict(a=1), '{"a":1}', {"a": 1}),
    "bytes": (b"\0\xff", b"\0\xff", b"\0\xff"),
    "bytearray": (bytearray(b"ab"), b"ab", b"ab"),
    "memoryview": (memoryview(b"ab"), b"ab", b"ab"),
}

# What is refused on every depth, and what its error says.
REFUSED = {
    "NaN": (math.nan, "NaN is not a JSON number"),
    "infinity": (-math.inf, "-inf is not a JSON number"),
    "int of more than 4300 digits": (10**5000, "limit"),
    "key that is an int": ({1: 2}, "a key of type int; keys of JSON objects are str"),
    "key that is None": ({None: 2}, "a key of type NoneType"),
    "key that is bytes": ({b"k": 2}, "a key of type bytes"),
    "set": ({1}, "type set is not a JSON value; send a list of its members"),
    "frozenset": (frozenset(), "type frozenset is not a JSON value; send a list of its members"),
    "Decimal": (decimal.Decimal("0.1"), "type Decimal is not a JSON value; send str(…) of it"),
    "Fraction": (fractions.Fraction(1, 3), "type Fraction is not a JSON value; send str(…) of it"),
    "complex": (1j, "type complex is not a JSON value"),
    "datetime": (datetime.datetime(2000, 1, 1), "type datetime is not a JSON value; send its isoformat()"),
    "date": (datetime.date(2000, 1, 1), "type date is not a JSON value; send its isoformat()"),
    "timedelta": (datetime.timedelta(1), "type timedelta is not a JSON value; send its total_seconds()"),
    "UUID": (uuid.UUID(int=1), "type UUID is not a JSON value; send str(…) of it"),
    "Path": (pathlib.Path("/"), f"type {type(pathlib.Path()).__name__} is not a JSON value; send str(…) of it"),
    "Enum": (Colour.RED, "type Colour is not a JSON value; send its value"),
    "dataclass": (Data(), "type Data is not a JSON value; send dataclasses.asdict(…) of it"),
    "numpy scalar": (scalar, "type int64 is not a JSON value; send its item()"),
    "array": (array.array("i"), "type array is not a JSON value; send its tolist()"),
    "deque": (deque(), "type deque is not a JSON value; send list(…) of it"),
    "range": (range(3), "type range is not a JSON value; send list(…) of it"),
    "mappingproxy": (types.MappingProxyType({}), "type mappingproxy is not a JSON value; send dict(…) of it"),
    "coroutine": (not_awaited, "type coroutine is not a JSON value; send what it returns: it was not awaited"),
    "generator": ((n for n in ()), "type generator is not a JSON value; send list(…) of it"),
    "exception": (KeyError("x"), "type KeyError is not a JSON value; send its text"),
    "function": (print, "type builtin_function_or_method is not a JSON value; send dict, list"),
    "class": (int, "type type is not a JSON value; send dict, list"),
    "object": (object(), "type object is not a JSON value; send dict, list"),
}

# What is bytes by itself and refused inside JSON.
REFUSED_INSIDE = {
    "bytes": (b"x", "bytes inside JSON; send bytes by themselves, or as text (base64)"),
    "bytearray": (bytearray(b"x"), "bytearray inside JSON; send bytes by themselves"),
    "memoryview": (memoryview(b"x"), "memoryview inside JSON; send bytes by themselves"),
}

# Where a value stands, and how its error says so.
PLACES = {
    "data": lambda value: value,
    "data[1]": lambda value: [0, value],
    "data.items[3].image": lambda value: {"items": [0, {"image": 1}, (), {"name": "", "image": value}]},
    'data["a b"]["é\\n"][0]': lambda value: {"a b": {"é\n": (value,)}},
    "data.x.y": lambda value: {"x": {"\ud800": 1, "y": value}},
}


def refused_by_each_call(value):
    """The texts of the errors with which a post, a client and the same of asyncio refuse a value."""

    def client(data):
        with simple_ipc.connect("echo") as client:
            for call in (client.broadcast, client.request):
                call(data)

    async def loop(data):
        async with aio.connect("echo") as client:
            await client.request(data)

    for post in (
        lambda data: simple_ipc.post_uds_request("echo", data),
        client,
        lambda data: asyncio.run(aio.post_uds_request("echo", data)),
        lambda data: asyncio.run(loop(data)),
    ):
        with pytest.raises(simple_ipc.InvalidJsonError) as caught:
            post(value)
        assert isinstance(caught.value, ValueError)
        assert not caught.value.may_have_been_handled
        assert "\n" not in str(caught.value)
        yield str(caught.value)


@pytest.mark.parametrize("kind", KEPT)
def test_each_kind_of_value_is_sent_and_arrives_as_the_table_says(echo, kind):
    value, sent, arrives = KEPT[kind]
    assert _native.encode(value) == (sent if isinstance(sent, bytes) else sent.encode())
    assert same(simple_ipc.post_uds_request("echo", value), arrives)
    assert same(asyncio.run(aio.post_uds_request("echo", value)), arrives)


@pytest.mark.parametrize("kind", REFUSED)
def test_each_kind_of_value_is_refused_on_every_depth_with_its_path(echo, kind):
    value, why = REFUSED[kind]
    for path, place in PLACES.items():
        for text in refused_by_each_call(place(value)):
            assert text.startswith(f"the value cannot become JSON: {path}: ")
            assert why in text
    assert echo.counters.messages == 0


@pytest.mark.parametrize("kind", REFUSED_INSIDE)
def test_bytes_are_refused_inside_json_on_every_depth_with_their_path(echo, kind):
    value, why = REFUSED_INSIDE[kind]
    for path, place in PLACES.items():
        if path != "data":
            for text in refused_by_each_call(place(value)):
                assert text.startswith(f"the value cannot become JSON: {path}: {why}")
    assert echo.counters.messages == 0


@pytest.mark.parametrize("value", [circular_list, circular_dict, deep], ids=["list", "dict", "deep"])
def test_what_is_too_deep_is_refused_before_anything_is_sent(echo, value):
    for text in refused_by_each_call(value):
        assert "more than 500 levels deep" in text
        assert len(text) < 300
    assert echo.counters.messages == 0


@pytest.mark.parametrize("kind", [*REFUSED, "bytes inside"])
def test_an_answer_is_refused_as_a_value_is_and_both_sides_hear_where(kind, caplog):
    value, why = REFUSED.get(kind, REFUSED_INSIDE["bytes"])

    async def in_loop():
        async with aio.listen_uds_request("bad", lambda _: {"found": [value]}):
            await aio.post_uds_request("bad", 1)

    def on_threads():
        with simple_ipc.listen_uds_request("bad", lambda _: {"found": [value]}):
            simple_ipc.post_uds_request("bad", 1)

    for call in (on_threads, lambda: asyncio.run(in_loop())):
        caplog.clear()
        with pytest.raises(simple_ipc.HandlerFailedError) as caught:
            call()
        for text in (str(caught.value), caplog.text):
            assert "the handler's answer cannot become JSON: answer.found[0]: " in text
            assert why in text


def test_a_memoryview_with_gaps_or_released_is_refused(echo):
    with pytest.raises(simple_ipc.InvalidArgumentError, match="contiguous"):
        simple_ipc.post_uds_request("echo", memoryview(b"abcdef")[::2])
    released = memoryview(b"ab")
    released.release()
    with pytest.raises(simple_ipc.InvalidArgumentError, match="released"):
        simple_ipc.post_uds_request("echo", released)


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
# No JSON, so that it is refused before Python has it: a broadcast's acknowledgement would not wait for that.
NO_JSON = list(UNREADABLE)
# JSON, but no integer that Python reads, and too deep for it.
UNREADABLE += [b"9" * 5000, b"1e400", b"[" * 100_000 + b"]" * 100_000]


def hello(role):
    """How one side of a native session begins (docs/protocol.md)."""
    return b"\xf5SIP" + bytes([1, role, 0, 0]) + struct.pack("<II", 0, 1 << 20)


def frame(kind, number, body, flags=0):
    return struct.pack("<IBBHII", len(body), kind, flags, 0, number, 0) + body


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


@not_on_windows("its peer is a socket by hand")
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


def broadcast_what_is_unreadable(path, got):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(path)
        connection.sendall(hello(1))
        connection.recv(16, socket.MSG_WAITALL)
        for number, body in enumerate(NO_JSON, start=1):
            # Kind 4 is a broadcast; flag 2 asks for its acknowledgement, kind 5.
            connection.sendall(frame(4, number, body, flags=2))
            kind, answered, error = receive(connection)
            assert (kind, answered, json.loads(error)["code"]) == (3, number, "invalid_body"), body
        connection.sendall(frame(4, 99, b"1", flags=2))
        assert receive(connection) == (5, 99, b"")
        # One of a stream has no number; the question whether all has been handled comes after its error.
        connection.sendall(frame(4, 0, b"{x") + frame(5, 100, b""))
        kind, answered, error = receive(connection)
        assert (kind, answered, json.loads(error)["code"]) == (3, 0, "invalid_body")
        assert receive(connection) == (5, 100, b"")
    assert got == [1]


@not_on_windows("its peer is a socket by hand")
def test_a_broadcast_that_cannot_be_read_is_refused_and_never_acknowledged():
    got = []

    with simple_ipc.listen_uds_broadcast("raw", got.append) as server:
        broadcast_what_is_unreadable(server.path, got)

    async def main():
        got.clear()
        async with aio.listen_uds_broadcast("raw", got.append) as server:
            await asyncio.to_thread(broadcast_what_is_unreadable, server.path, got)

    asyncio.run(main())


@pytest.fixture
def answers_unreadable(echo, directory):
    """A listener by hand that answers with what cannot be read, one after another."""
    import fcntl

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


@not_on_windows("its peer is a socket by hand")
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
