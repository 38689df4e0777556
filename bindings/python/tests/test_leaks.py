"""100,000 calls of all kinds, and 5,000 streams, leave memory, descriptors and threads as they were."""

import asyncio
import gc
import os
from pathlib import Path

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


def stays_flat(work):
    work(CALLS // 5)
    memory, open_files, threads = resident(), descriptors(), len(os.listdir("/proc/self/task"))
    work(CALLS)
    assert len(os.listdir("/proc/self/task")) <= threads + 2
    assert descriptors() <= open_files + 2
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
                os.sched_yield()

    stays_flat(work)
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

    stays_flat(lambda calls: asyncio.run(main(calls)))
    assert not caplog.records
