"""Streams on an event loop, asyncio's own and uvloop."""

import asyncio
import contextvars
import itertools
import logging

import pytest
import simple_ipc
from simple_ipc import aio
from streaming import COST, WINDOW
from where import RUNNERS, not_on_windows


@pytest.fixture(params=RUNNERS)
def run(request):
    return RUNNERS[request.param]


async def until(condition):
    """Asks until it is so; the watchdog is far away."""
    while not condition():
        await asyncio.sleep(0)


async def send_until_full(stream, item):
    """Sends until there is no room; how many items were sent."""
    sent = 0
    try:
        while True:
            await stream.send(item, timeout=0.01)
            sent += 1
    except simple_ipc.TimedOutError:
        return sent


async def first_of(stream):
    async with stream:
        return await anext(stream)


async def send_for_ever(stream):
    while True:
        await stream.send(1)


async def count(n):
    for number in range(n):
        yield number


async def echo(_, context):
    async for item in context.items:
        yield item


async def total(_, context):
    return sum([item async for item in context.items])


class Watched:
    """A handler that sends items without end, and knows how many it has given and whether its cleanup has run."""

    def __init__(self, item=b"", pause=None):
        self.item = item
        self.pause = pause
        self.given = 0
        self.cleaned = asyncio.Event()
        self.where = []

    async def __call__(self, _):
        variable.set("the handler's")
        self.where.append(asyncio.current_task())
        try:
            while True:
                self.given += 1
                yield self.item
                if self.pause is not None:
                    await self.pause.wait()
        finally:
            # In the handler's own task and context, which may wait.
            self.where.append(asyncio.current_task())
            assert variable.get() == "the handler's"
            await asyncio.sleep(0)
            self.cleaned.set()


variable = contextvars.ContextVar("variable")


def test_what_an_async_generator_yields_arrives_in_order_and_the_loop_ends(run):
    async def main():
        async with aio.listen_uds_request("s", count), aio.listen_ip_request(0, count) as port:
            for post in (
                lambda n: aio.post_uds_stream("s", n),
                lambda n: aio.post_ip_stream(port.port, n),
            ):
                assert [item async for item in post(1000)] == list(range(1000))
                assert [item async for item in await post(3)] == [0, 1, 2]
                async with post(2) as stream:
                    assert isinstance(stream, aio.Stream)
                    assert await anext(stream) == 0
                    assert await stream.next(timeout=60) == 1
                    for _ in range(2):
                        with pytest.raises(StopAsyncIteration):
                            await stream.next()
                assert [item async for item in stream] == []

    run(main())


def test_a_caller_sends_items_and_gets_one_answer(run):
    async def main():
        async with aio.listen_uds_request("s", total, context=True), aio.post_uds_stream("s", None) as stream:
            for number in range(1000):
                await stream.send(number)
            await stream.end()
            await stream.end()
            assert [item async for item in stream] == [sum(range(1000))]

    run(main())


def test_both_sides_send_at_once(run):
    async def main():
        async with aio.listen_uds_request("s", echo, context=True), aio.post_uds_stream("s", None) as stream:

            async def send():
                for number in range(20_000):
                    await stream.send([number])
                await stream.end()

            sending = asyncio.create_task(send())
            assert [item async for item in stream] == [[number] for number in range(20_000)]
            await sending

    run(main())


def test_callers_and_handlers_on_threads_and_on_loops_meet(run):
    def total(_, context):
        return sum(context.items)

    async def main():
        async with aio.listen_uds_request("loop", count):
            numbers = await asyncio.to_thread(lambda: list(simple_ipc.post_uds_stream("loop", 1000)))
            assert numbers == list(range(1000))
        with simple_ipc.listen_uds_request("threads", total, context=True):
            async with aio.post_uds_stream("threads", None) as stream:
                for number in range(100):
                    await stream.send(number)
                await stream.end()
                assert await anext(stream) == sum(range(100))

    run(main())


def test_items_are_values_as_messages_are(run):
    values = [None, {"a": [1.5, "\ud800", 1 << 70]}, b"\x00\xff", "text", b"", [], False]

    async def main():
        async with aio.listen_uds_request("s", echo, context=True), aio.post_uds_stream("s", None) as stream:
            for value in values:
                await stream.send(value)
            with pytest.raises(simple_ipc.InvalidJsonError):
                await stream.send({1})
            await stream.end()
            assert [item async for item in stream] == values

    run(main())


def test_a_handler_answers_with_any_iterator_or_something_that_async_for_takes(run):
    class Iterable:
        async def __aiter__(self):
            yield 1
            yield 2

    async def later(answer):
        return answer()

    answers = [lambda: iter([1, 2]), lambda: (n for n in (1, 2)), lambda: twice(), Iterable]

    async def twice():
        yield 1
        yield 2

    async def main():
        for answer in answers:
            for handler in (lambda _, answer=answer: answer(), lambda _, answer=answer: later(answer)):
                async with aio.listen_uds_request("s", handler):
                    assert [item async for item in aio.post_uds_stream("s", 0)] == [1, 2]
        async with aio.listen_uds_request("s", lambda _: [1, 2]):
            assert [item async for item in aio.post_uds_stream("s", 0)] == [[1, 2]]

    run(main())


def test_a_plain_request_has_no_items_and_gets_no_sequence(run):
    async def main():
        async with aio.listen_uds_request("s", count):
            with pytest.raises(simple_ipc.WrongModeError, match="post a stream"):
                await aio.post_uds_request("s", 1)
        async with aio.listen_uds_request("s", total, context=True):
            assert await aio.post_uds_request("s", 1) == 0

    run(main())


def test_an_error_comes_after_all_items_before_it_and_stays(run, caplog):
    async def fails(how):
        for number in range(3):
            yield number
        if how == "on purpose":
            raise simple_ipc.HandlerError("on purpose", code="stopped", data=[3])
        if how == "bad item":
            yield {"a": {2}}
        raise KeyError("nope")

    async def main():
        async with aio.listen_uds_request("s", fails):
            stream = aio.post_uds_stream("s", "on purpose")
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
            for _ in range(2):
                with pytest.raises(simple_ipc.HandlerFailedError, match=r"^on purpose$") as caught:
                    await anext(stream)
                assert (caught.value.handler_code, caught.value.handler_data) == ("stopped", [3])
            assert not caplog.records
            for how, text in (
                ("", "KeyError: 'nope'"),
                ("bad item", r"^the handler's item cannot become JSON: item\.a"),
            ):
                with pytest.raises(simple_ipc.HandlerFailedError, match=text):
                    [item async for item in aio.post_uds_stream("s", how)]
                await until(lambda: caplog.records)
                [record] = caplog.records
                assert record.levelno == logging.ERROR
                caplog.clear()

    run(main())


def test_a_listener_that_ends_first_ends_sending_and_what_it_sent_is_read(run):
    async def first(n, context):
        got = []
        async for item in context.items:
            got.append(item)
            if len(got) == n:
                break
        yield sum(got)

    async def main():
        async with aio.listen_uds_request("s", first, context=True), aio.post_uds_stream("s", 3) as stream:
            with pytest.raises(simple_ipc.ClosedError):
                await send_for_ever(stream)
            assert [item async for item in stream] == [3]

    run(main())


async def leave_by_break():
    async for _ in aio.post_uds_stream("s", 0):
        break


async def leave_by_with():
    async with aio.post_uds_stream("s", 0) as stream:
        await anext(stream)


async def leave_by_letting_go():
    stream = await aio.post_uds_stream("s", 0)
    await stream.send("x")
    await anext(stream)
    del stream


async def leave_by_closing_in_another_task():
    async with aio.post_uds_stream("s", 0) as stream:

        async def take():
            return [item async for item in stream]

        await anext(stream)
        taking = asyncio.create_task(take())
        await asyncio.sleep(0)
        await stream.close()
        await taking
        await stream.close()


async def leave_by_cancelling_the_task():
    async def take():
        async for _ in aio.post_uds_stream("s", 0):
            taken.set()

    taken = asyncio.Event()
    taking = asyncio.create_task(take())
    await taken.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking


async def leave_while_opening():
    opening = asyncio.ensure_future(accept(aio.post_uds_stream("s", 0)))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])


async def accept(stream):
    await stream


@pytest.mark.parametrize("between_reads", [False, True])
@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break,
        leave_by_with,
        leave_by_letting_go,
        leave_by_closing_in_another_task,
        leave_by_cancelling_the_task,
    ],
)
def test_leaving_runs_the_handlers_cleanup_in_its_own_task_and_is_no_failure(run, leave, between_reads, caplog):
    async def main():
        watched = Watched(pause=asyncio.Event() if between_reads else None)
        async with aio.listen_uds_request("s", watched) as server:
            await leave()
            await watched.cleaned.wait()
            assert watched.where[0] is watched.where[1]
            await until(lambda: server.counters.streams == 0)
            assert (server.counters.failed, server.counters.in_flight, server.counters.abandoned) == (0, 0, 0)

    run(main())
    assert not caplog.records


def test_a_stream_that_is_given_up_while_it_opens_leaves_nothing(run, caplog):
    async def main():
        async with aio.listen_uds_request("s", Watched()) as server:
            for _ in range(20):
                await leave_while_opening()
            await until(lambda: server.counters.streams == 0)

    run(main())
    assert not caplog.records


def test_a_handler_that_waits_for_an_item_is_cancelled_when_its_caller_leaves(run, caplog):
    ends = []

    async def reads(_, context):
        try:
            async for _ in context.items:
                ends.append("item")
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async def main():
        async with aio.listen_uds_request("s", reads, context=True) as server:
            async with aio.post_uds_stream("s", 0) as stream:
                await stream.send(1)
                await until(lambda: ends)
            await until(lambda: server.counters.streams == 0)
            assert ends == ["item", "cancelled"]

    run(main())
    assert not caplog.records


def test_a_handler_that_swallows_its_cancellation_may_go_on_and_sends_to_nobody(run, caplog):
    async def main():
        seen, go_on = asyncio.Event(), asyncio.Event()

        async def stubborn(_, context):
            yield 0
            while not go_on.is_set():
                try:
                    await go_on.wait()
                except asyncio.CancelledError:
                    assert context.cancelled
                    seen.set()
            yield 1
            raise AssertionError("nobody is there")

        async with aio.listen_uds_request("s", stubborn, context=True) as server:
            async with aio.post_uds_stream("s", 0) as stream:
                assert await anext(stream) == 0
                # It is in its wait, and not at its yield, where leaving would close it.
                with pytest.raises(simple_ipc.TimedOutError):
                    await stream.next(timeout=0.01)
            await seen.wait()
            assert server.counters.abandoned == 1
            go_on.set()
            await until(lambda: (server.counters.abandoned, server.counters.streams) == (0, 0))

    run(main())
    assert not caplog.records


def test_a_task_that_is_cancelled_takes_no_item_with_it_and_sends_none(run):
    async def main():
        async with aio.listen_uds_request("s", echo, context=True), aio.post_uds_stream("s", 0) as stream:
            for number in range(200):
                taking = asyncio.create_task(stream.next())
                await asyncio.sleep(0)
                await stream.send(number)
                if number % 2:
                    await asyncio.sleep(0)
                taking.cancel()
                try:
                    got = await taking
                except asyncio.CancelledError:
                    got = await stream.next()
                assert got == number

    run(main())


def test_a_wait_that_is_over_leaves_the_stream_as_it_was(run):
    async def main():
        go_on = asyncio.Event()

        async def slow(_, context):
            await go_on.wait()
            for timeout in (0, 0.001):
                try:
                    while True:
                        yield await context.items.next(timeout=timeout)
                except simple_ipc.TimedOutError:
                    pass

        async with aio.listen_uds_request("s", slow, context=True), aio.post_uds_stream("s", 0) as stream:
            for timeout in (0, 0.001):
                with pytest.raises(simple_ipc.TimedOutError):
                    await stream.next(timeout=timeout)
            sent = await send_until_full(stream, bytes(10_000))
            assert sent <= WINDOW // 10_000 + 2
            go_on.set()
            assert [len(item) async for item in stream] == [10_000] * sent

    run(main())


def test_timeouts_of_a_stream_end_it_and_its_handler_hears(run):
    async def main():
        for options in ({"idle_timeout": 0.05}, {"timeout": 0.05}):
            async with aio.listen_uds_request("s", echo, context=True) as server:
                # Whether it takes so long to be accepted, or to its first item.
                with pytest.raises(simple_ipc.TimedOutError):
                    await first_of(aio.post_uds_stream("s", 0, **options))
                await until(lambda server=server: server.counters.streams == 0)
        async with aio.listen_uds_request("s", echo, context=True), aio.post_uds_stream("s", 0) as stream:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(stream)
            await stream.send(1)
            assert await anext(stream) == 1

    run(main())


def test_tasks_that_share_a_stream_have_their_turns(run):
    async def main():
        async with aio.listen_uds_request("s", echo, context=True), aio.post_uds_stream("s", 0) as stream:
            taken = [asyncio.create_task(stream.next()) for _ in range(10)]
            await asyncio.sleep(0)
            # More than there is room for, so that some wait.
            await asyncio.gather(*(stream.send([number, "x" * 100_000]) for number in range(10)))
            assert [(await item)[0] for item in taken] == list(range(10))

    run(main())


def test_a_client_opens_streams_with_its_options_or_others(run):
    async def main():
        async with aio.listen_uds_request("s", echo, context=True), aio.connect("s", idle_timeout=0.05) as client:
            with pytest.raises(simple_ipc.TimedOutError):
                await first_of(client.stream(0))
            async with client.stream(0, idle_timeout=None) as stream:
                with pytest.raises(simple_ipc.TimedOutError):
                    await stream.next(timeout=0.1)
                await client.close()
                await stream.send(1)
                assert await anext(stream) == 1
            with pytest.raises(simple_ipc.ClosedError):
                client.stream(0)
        async with aio.listen_uds_request("s", echo, context=True), aio.connect("s") as client:
            with pytest.raises(TypeError, match="a client's stream takes 'timeout' and 'idle_timeout' only"):
                client.stream(0, wait=1)
            with pytest.raises(TypeError, match="cancel the task instead"):
                aio.post_uds_stream("s", 0, cancellation=simple_ipc.Cancellation())

    run(main())


def test_nobody_listens(run):
    async def main():
        with pytest.raises(simple_ipc.NotListeningError):
            await aio.post_uds_stream("s", 0)
        waiting = asyncio.create_task(first_of(aio.post_uds_stream("s", 3, wait=None)))
        async with aio.listen_uds_request("s", count):
            assert await waiting == 0

    run(main())


def test_a_stream_belongs_to_its_loop():
    async def use():
        with pytest.raises(simple_ipc.InvalidArgumentError, match="this stream belongs to"):
            await stream.next()

    async def main():
        async with aio.listen_uds_request("s", echo, context=True), aio.post_uds_stream("s", 0) as opened:
            nonlocal stream
            stream = opened
            await asyncio.to_thread(lambda: asyncio.run(use()))

    stream = None
    asyncio.run(main())
    with pytest.raises(simple_ipc.InvalidArgumentError, match="no running event loop"):
        aio.post_uds_stream("s", 0)


@not_on_windows("threads are counted in /proc")
def test_a_stream_starts_no_thread(python):
    program = """
import asyncio, os
from simple_ipc import aio
async def main():
    async with aio.post_uds_stream("s", 3) as stream:
        assert [item async for item in stream] == [0, 1, 2]
    assert len(os.listdir("/proc/self/task")) == 1
asyncio.run(main())
"""
    with simple_ipc.listen_uds_request("s", lambda n: iter(range(n))):
        python(program)


@pytest.mark.parametrize("item", [b"", b"x" * 1000])
def test_a_caller_that_takes_nothing_holds_no_more_than_its_window(run, item):
    most = WINDOW // (COST + len(item)) + 1

    async def main():
        watched = Watched(item)
        async with (
            aio.listen_uds_request("s", watched),
            aio.listen_uds_request("other", lambda data: data),
            aio.post_uds_stream("s", 0) as stream,
        ):
            await until(lambda: watched.given >= most)
            # Something to do meanwhile, in which a handler that nobody stops would give many more.
            for number in range(500):
                await aio.post_uds_request("other", number)
            assert watched.given <= most + 1
            for _ in range(most * 3 // 4):
                assert await anext(stream) == item
            await until(lambda: watched.given > most + 1)

    run(main())


def test_neither_side_keeps_the_loop_from_others(run):
    async def main():
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with aio.listen_uds_request("s", lambda n: itertools.repeat(b"", n)):
            task = asyncio.create_task(others())
            assert len([item async for item in aio.post_uds_stream("s", 100_000)]) == 100_000
            assert turns > 100
            task.cancel()

    run(main())


def test_a_loop_is_idle_while_an_item_waits_that_nobody_takes(run):
    async def main():
        async with (
            aio.listen_uds_request("s", lambda _: itertools.repeat(b"x" * 1000)),
            aio.post_uds_stream("s", 0) as stream,
        ):
            # The handler takes nothing: this side waits for room while items are there to be taken.
            await send_until_full(stream, bytes(10_000))
            woken, ready = 0, stream._ready

            def counted():
                nonlocal woken
                woken += 1
                ready()

            stream._ready = counted
            assert await send_until_full(stream, bytes(10_000)) == 0
            assert woken < 20

    run(main())


def test_who_gave_a_wait_up_does_not_keep_the_loop_busy(run):
    async def main():
        go_on = asyncio.Event()

        async def reads_later(_, context):
            yield "here"
            await go_on.wait()
            async for _ in context.items:
                pass
            yield "read"

        async with (
            aio.listen_uds_request("s", reads_later, context=True),
            aio.post_uds_stream("s", 0) as stream,
        ):
            assert await anext(stream) == "here"
            await send_until_full(stream, bytes(10_000))
            woken, ready = 0, stream._ready

            def counted():
                nonlocal woken
                woken += 1
                ready()

            stream._ready = counted
            # There comes to be room, for which nobody waits any more.
            go_on.set()
            with pytest.raises(simple_ipc.TimedOutError):
                await stream.next(timeout=0.2)
            assert woken < 20
            await stream.end()
            assert await anext(stream) == "read"

    run(main())


def test_what_was_sent_leaves_while_its_caller_does_something_else(run):
    async def main():
        got = asyncio.get_running_loop().create_future()

        async def reads(_, context):
            got.set_result([len(item) async for item in context.items])

        large = bytes(5 << 20)
        async with aio.listen_uds_request("s", reads, context=True), aio.post_uds_stream("s", 0) as stream:
            await stream.send(large)
            sending = asyncio.create_task(stream.send(large))
            await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait([sending])
            await stream.send(b"")
            await stream.end()
            sizes = await got
            assert sizes in ([len(large), len(large), 0], [len(large), 0])

    run(main())


def test_closing_a_server_ends_its_streams(run):
    async def main():
        watched = Watched(pause=asyncio.Event())
        server = aio.listen_uds_request("s", watched, grace=0.05)
        async with aio.post_uds_stream("s", 0) as stream:
            assert await anext(stream) == b""
            await server.close()
            assert watched.cleaned.is_set()
            with pytest.raises(simple_ipc.IpcError):
                await anext(stream)

    run(main())
