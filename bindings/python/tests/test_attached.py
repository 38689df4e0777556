"""A JSON value with bytes beside it, in every call that has a body."""

import array
import asyncio
import contextlib

import pytest
import simple_ipc
from simple_ipc import Attached, aio

BODIES = [
    Attached({"shape": [2, 3], "name": "é"}, bytes(range(256))),
    Attached(None),
    Attached([], b""),
    Attached(10**30, b"\0"),
    Attached("\ud800", b"x" * 3_000_000),
    Attached(["long"] * 30_000, b"1"),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body)[:40])
def test_requests_and_answers_carry_it(body):
    with simple_ipc.listen_uds_request("echo", lambda data: data):
        for answer in (
            simple_ipc.post_uds_request("echo", body),
            asyncio.run(aio.post_uds_request("echo", body)),
        ):
            assert type(answer) is Attached
            assert (answer, type(answer.data)) == (body, bytes)


def test_broadcasts_events_and_items_carry_it():
    body, got = BODIES[0], []
    with simple_ipc.listen_uds_broadcast("log", got.append), simple_ipc.connect("log") as log:
        log.broadcast(body)
        simple_ipc.post_uds_broadcast("log", body)
        log.flush()
    assert got == [body, body]

    with simple_ipc.listen_uds_publish("news", retain=True) as news:
        news.publish(body, topic="a")
        with simple_ipc.subscribe_uds("news") as events:
            assert next(events).data == body
            news.publish(body)
            assert next(events).data == body

    def echo(data, context):
        yield data
        yield from context.items

    with (
        simple_ipc.listen_uds_request("items", echo, context=True),
        simple_ipc.post_uds_stream("items", body) as stream,
    ):
        stream.send(body)
        stream.end()
        assert list(stream) == [body, body]


def test_asyncio_carries_it_in_every_call():
    async def everything():
        body, got = BODIES[0], []

        async def take(data):
            got.append(data)

        async def echo(data, context):
            yield data
            async for item in context.items:
                yield item

        async with aio.listen_uds_broadcast("log", take), aio.connect("log") as log:
            await log.broadcast(body)
            await log.flush()
        assert got == [body]
        async with aio.listen_uds_publish("news") as news, aio.subscribe_uds("news") as events:
            await news.publish(body)
            assert (await anext(events)).data == body
        async with aio.listen_uds_request("items", echo, context=True), aio.post_uds_stream("items", body) as stream:
            await stream.send(body)
            await stream.end()
            assert [item async for item in stream] == [body, body]

    asyncio.run(everything())


def test_whatever_shows_bytes_can_be_attached():
    numbers = array.array("d", [1.0, 2.0])
    with simple_ipc.listen_uds_request("echo", lambda data: data):
        for data in (bytearray(b"ab"), memoryview(b"xaby")[1:3], numbers):
            answer = simple_ipc.post_uds_request("echo", Attached("kind", data))
            assert answer.value == "kind"
            assert answer.data == bytes(memoryview(data).cast("B"))
        assert array.array("d", simple_ipc.post_uds_request("echo", Attached(2, numbers)).data) == numbers


def test_what_cannot_be_attached_is_refused_with_the_reason():
    for data in ("text", [1], 7):
        with pytest.raises(simple_ipc.InvalidArgumentError, match="it shows no bytes"):
            Attached(1, data)
    with pytest.raises(TypeError):
        Attached()
    with simple_ipc.listen_uds_request("echo", lambda data: data):
        with pytest.raises(simple_ipc.InvalidArgumentError, match="one piece"):
            simple_ipc.post_uds_request("echo", Attached(1, memoryview(b"abcd")[::2]))
        with pytest.raises(simple_ipc.InvalidJsonError, match=r"data\.value\.a: bytes inside JSON"):
            simple_ipc.post_uds_request("echo", Attached({"a": b""}, b""))
        with pytest.raises(simple_ipc.InvalidJsonError, match=r"data\.value: "):
            simple_ipc.post_uds_request("echo", Attached(float("nan"), b""))
        for value in ([Attached(1)], Attached(Attached(1))):
            with pytest.raises(simple_ipc.InvalidJsonError):
                simple_ipc.post_uds_request("echo", value)


def test_a_handlers_answer_that_cannot_be_json_is_its_callers_error():
    with (
        simple_ipc.listen_uds_request("bad", lambda _: Attached({1, 2}, b"")),
        pytest.raises(simple_ipc.HandlerFailedError, match=r"answer\.value: "),
    ):
        simple_ipc.post_uds_request("bad", None)


def test_the_deno_wire_has_none():
    with simple_ipc.listen_uds_request("echo", lambda data: data) as server:
        with pytest.raises(simple_ipc.UnsupportedVersionError, match="the Deno wire"):
            simple_ipc.post_uds_request("echo", Attached(1), wire="deno")
        assert server.counters.connections == 0


def test_it_is_compared_shown_and_matched():
    one = Attached([1], b"ab")
    assert one == Attached([1], bytearray(b"ab"))
    assert one != Attached([2], b"ab")
    assert one != Attached([1], b"a")
    assert one != (1, b"ab")
    assert repr(one) == "Attached([1], 2 bytes)"
    assert repr(simple_ipc.Attached(1, memoryview(b"abcd")[::2])) == "Attached(1, 2 bytes)"
    match one:
        case Attached(value, data):
            assert (value, data) == ([1], b"ab")
    with contextlib.suppress(AttributeError):
        one.value = 2
    assert one.value == [1]
    assert Attached[int](1).value == 1
