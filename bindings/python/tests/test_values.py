"""What bodies become, and what is refused."""

import asyncio
import dataclasses
import enum
import json
import math
import random
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
