"""100,000 calls of all kinds, and 5,000 streams, leave memory, descriptors and threads as they were."""

import asyncio
import gc
import itertools
import os
import time
from pathlib import Path

import pytest
import simple_ipc
from simple_ipc import aio
from streaming import echo

CALLS = 100_000
# What one leaked object for each call would exceed by far.
MOST_GROWTH = 8 << 20


def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def threads():
    return len(os.listdir("/proc/self/task"))


# Sessions of streams that were given up, and threads that wait for the next stream, stay for a second.
STREAMS_SLACK = 100


def stays_flat(work, slack=2):
    """`slack`: how many descriptors, and threads, more may be there for a moment."""
    work(CALLS // 5)
    memory, open_files, running = resident(), descriptors(), threads()
    work(CALLS)
    assert threads() <= running + slack
    assert descriptors() <= open_files + slack
    assert resident() - memory < MOST_GROWTH


def handler(data):
    if data == "fail":
        raise ValueError("x" * 100)
    return {"data": [data, 1.5, "text"]}


def test_blocking_calls(caplog):
    caplog.set_level("CRITICAL", "simple_ipc")

    def work(calls):
        with simple_ipc.listen_uds_request("leak", handler, context=False), simple_ipc.connect("leak") as client:
            for number in range(calls):
                assert client.request({"n": number, "s": "text"})["data"][1] == 1.5
                if number % 100 == 0:
                    for bad in ("fail", {1}):
                        try:
                            client.request(bad)
                        except simple_ipc.IpcError:
                            continue
                        raise AssertionError

    stays_flat(work)


def test_asyncio_calls(caplog):
    caplog.set_level("CRITICAL", "simple_ipc")

    async def some(client, calls):
        for number in range(calls):
            assert (await client.request({"n": number}))["data"][1] == 1.5
            if number % 100 == 0:
                task = asyncio.ensure_future(client.request(number))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])

    async def main(calls):
        async with aio.listen_uds_request("leak", handler), aio.connect("leak") as client:
            await asyncio.gather(*(some(client, calls // 10) for _ in range(10)))

    stays_flat(lambda calls: asyncio.run(main(calls)))


def test_events(caplog):
    def work(calls):
        with (
            simple_ipc.listen_uds_publish("leak", retain=True) as server,
            simple_ipc.subscribe_uds("leak") as events,
        ):
            for number in range(calls):
                server.publish({"n": number, "s": "text"}, topic="t")
                assert next(events).data["n"] == number
                if number % 100 == 0:
                    with simple_ipc.subscribe_uds("leak") as late:
                        assert next(late).retained

    stays_flat(work)


def test_events_on_a_loop():
    async def main(calls):
        async with aio.listen_uds_publish("leak") as server, aio.subscribe_uds("leak") as events:
            for number in range(calls):
                waits = asyncio.ensure_future(anext(events)) if number % 100 == 0 else None
                await asyncio.sleep(0)
                await server.publish({"n": number})
                assert (await (waits or anext(events))).data["n"] == number

    stays_flat(lambda calls: asyncio.run(main(calls)))


def test_streams(caplog):
    def work(calls):
        with simple_ipc.listen_uds_request("leak", echo, context=True) as server:
            for number in range(calls // 20):
                with simple_ipc.post_uds_stream("leak", number) as stream:
                    stream.send({"n": number})
                    assert next(stream) == {"n": number}
                    if number % 2:
                        stream.end()
                        assert list(stream) == []
            while server.counters.streams:
                time.sleep(0)

    stays_flat(work, STREAMS_SLACK)
    assert not caplog.records


def test_streams_on_a_loop(caplog):
    async def echo(_, context):
        async for item in context.items:
            yield item

    async def main(calls):
        async with aio.listen_uds_request("leak", echo, context=True) as server:
            for number in range(calls // 20):
                async with aio.post_uds_stream("leak", number) as stream:
                    await stream.send({"n": number})
                    assert await anext(stream) == {"n": number}
                    if number % 2:
                        await stream.end()
                        assert [item async for item in stream] == []
            while server.counters.streams:
                await asyncio.sleep(0)

    stays_flat(lambda calls: asyncio.run(main(calls)), STREAMS_SLACK)
    assert not caplog.records


@pytest.mark.parametrize("how", ["blocking", "asyncio"])
def test_a_gibibyte_crosses_each_way_in_flat_memory(how):
    chunk, chunks = bytes(1 << 20), 1 << 10

    def down(n):
        return itertools.repeat(chunk, n)

    def up(_, context):
        return sum(len(item) for item in context.items)

    def both(count):
        """Gives the most memory that was in use on the way."""
        with simple_ipc.listen_uds_request("down", down), simple_ipc.listen_uds_request("up", up, context=True):
            most = max(resident() for _ in every(simple_ipc.post_uds_stream("down", count)))
            with simple_ipc.post_uds_stream("up", None) as stream:
                for _ in range(count):
                    stream.send(chunk)
                stream.end()
                assert next(stream) == count * len(chunk)
        return max(most, resident())

    async def adown(n):
        for _ in range(n):
            yield chunk

    async def aup(_, context):
        return sum([len(item) async for item in context.items])

    async def aboth(count):
        most = taken = 0
        async with aio.listen_uds_request("down", adown), aio.listen_uds_request("up", aup, context=True):
            async for _ in aio.post_uds_stream("down", count):
                taken += 1
                most = max(most, resident()) if taken % 64 == 0 else most
            async with aio.post_uds_stream("up", None) as stream:
                for _ in range(count):
                    await stream.send(chunk)
                await stream.end()
                assert await anext(stream) == count * len(chunk)
        return max(most, resident())

    def work(count):
        return both(count) if how == "blocking" else asyncio.run(aboth(count))

    work(64)
    before = resident()
    assert work(chunks) - before < 2 * MOST_GROWTH


def every(items, nth=64):
    """One of so many items."""
    return itertools.islice(items, nth - 1, None, nth)
