"""The asyncio calls, under asyncio's own loop and under uvloop."""

import asyncio
import os
import threading

import pytest
import simple_ipc
from simple_ipc import aio
from where import RUNNERS, WINDOWS, WIRES, descriptors, not_on_windows


@pytest.fixture(params=RUNNERS)
def run(request):
    return RUNNERS[request.param]


def test_calls_of_all_kinds_are_answered(run):
    async def main():
        got = []

        async def answer(data):
            await asyncio.sleep(0)
            return [data]

        async with (
            aio.listen_uds_request("name", answer) as name,
            aio.listen_ip_request(0, lambda data: [data]) as port,
            aio.listen_uds_broadcast("news", got.append),
            aio.listen_ip_broadcast(0, got.append) as port_news,
        ):
            # Names are pipes there, which are no files.
            assert WINDOWS or os.path.exists(name.path)
            for wire in ("auto", *WIRES):
                assert await aio.post_uds_request("name", "x", wire=wire) == ["x"]
            for wire in ("auto", "native", "deno"):
                assert await aio.post_ip_request(port.port, "x", wire=wire) == ["x"]
            await aio.post_uds_broadcast("news", 1)
            await aio.post_ip_broadcast(port_news.port, 2)
            assert got == [1, 2]
            assert await asyncio.gather(*(aio.post_uds_request("name", n) for n in range(500))) == [
                [n] for n in range(500)
            ]
            body = b"x" * (3 << 20)
            async with aio.listen_uds_request("echo", lambda data: data):
                assert await aio.post_uds_request("echo", body) == body

    run(main())


@not_on_windows("threads are counted in /proc")
def test_calls_start_no_thread(python):
    program = """
import asyncio, os, sys
from simple_ipc import aio
async def main():
    assert await aio.post_uds_request("echo", 1) == 1
    async with aio.connect("echo") as client:
        assert await client.request(2) == 2
        assert await client.ping() > 0
    assert len(os.listdir("/proc/self/task")) == 1
asyncio.run(main())
"""
    with simple_ipc.listen_uds_request("echo", lambda data: data):
        python(program)


def test_a_client_streams_in_order(run):
    async def main():
        got = []
        async with aio.listen_uds_broadcast("news", got.append), aio.connect("news") as client:
            for number in range(5000):
                await client.broadcast(number)
            await client.flush()
            assert got == list(range(5000))
        with pytest.raises(simple_ipc.ClosedError):
            await client.flush()
        await client.close()

    run(main())


def test_a_cancelled_task_gives_the_call_up_and_its_handler_hears_of_it(run):
    async def main():
        began, heard = asyncio.Event(), asyncio.Event()

        async def slow(data, context):
            began.set()
            try:
                await asyncio.sleep(3600)
            finally:
                assert context.cancelled
                heard.set()

        async with aio.listen_uds_request("slow", slow, context=True):
            task = asyncio.create_task(aio.post_uds_request("slow", 1, timeout=None))
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await heard.wait()
            heard.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await aio.post_uds_request("slow", 1)
            await heard.wait()
            with pytest.raises(simple_ipc.TimedOutError):
                await aio.post_uds_request("slow", 1, timeout=0.05)

    run(main())


@pytest.mark.parametrize("way", ["cancel", "timeout", "task group"])
def test_a_clients_request_that_is_given_up_is_told_to_a_handler_on_a_thread(run, way):
    began, heard = threading.Event(), threading.Event()

    def handler(data, context):
        if data == "quick":
            return data
        began.set()
        while not context.cancelled:
            heard.wait(0.001)
        heard.set()

    async def in_a_group_that_fails(client):
        async with asyncio.TaskGroup() as group:
            group.create_task(client.request(1, timeout=None))
            await asyncio.to_thread(began.wait)
            raise ValueError

    async def main():
        async with aio.connect("slow") as client:
            if way == "timeout":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await client.request(1, timeout=None)
            elif way == "cancel":
                task = asyncio.create_task(client.request(1, timeout=None))
                await asyncio.to_thread(began.wait)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                with pytest.raises(ExceptionGroup):
                    await in_a_group_that_fails(client)
            assert await asyncio.to_thread(heard.wait, 60)
            assert await client.request("quick") == "quick"

    with simple_ipc.listen_uds_request("slow", handler, context=True):
        run(main())


def test_a_handler_that_raises_is_the_callers_error(run):
    async def main():
        async def fails(data):
            raise ValueError(f"no {data} today")

        def fails_at_once(data):
            raise KeyError

        async with aio.listen_uds_request("one", fails), aio.listen_uds_request("two", fails_at_once):
            with pytest.raises(simple_ipc.HandlerFailedError, match="no luck today"):
                await aio.post_uds_request("one", "luck")
            with pytest.raises(simple_ipc.HandlerFailedError, match="KeyError"):
                await aio.post_uds_request("two", 1)

    run(main())


@pytest.mark.filterwarnings("error")
def test_answers_that_come_at_once_and_in_later_turns_each_reach_their_caller(run):
    async def later(number):
        for _ in range(number % 4):
            await asyncio.sleep(0)
        if number % 50 == 0:
            await asyncio.sleep(0.001)
        return number

    async def main():
        for name, handler in (("later", later), ("at_once", lambda number: number)):
            async with (
                aio.listen_uds_request(name, handler) as server,
                aio.connect(name) as one,
                aio.connect(name) as other,
            ):
                for _ in range(3):
                    calls = [(one, other)[number % 2].request(number) for number in range(400)]
                    assert await asyncio.gather(*calls) == list(range(400))
                assert server.counters.messages == 1200

    run(main())


def test_close_waits_for_running_handlers_and_answers_them(run):
    async def main():
        began, release = asyncio.Event(), asyncio.Event()

        async def handler(data):
            began.set()
            await release.wait()
            return data

        server = aio.listen_uds_request("slow", handler, grace=60)
        task = asyncio.create_task(aio.post_uds_request("slow", "kept"))
        await began.wait()
        closing = asyncio.create_task(server.close())
        await asyncio.sleep(0)
        release.set()
        assert await task == "kept"
        await closing
        await server.close()
        await server.wait()
        with pytest.raises(ConnectionRefusedError):
            await aio.post_uds_request("slow", 1)

    run(main())


def test_each_loop_has_calls_of_its_own_and_closed_ones_are_let_go(run):
    with simple_ipc.listen_uds_request("echo", lambda data: data):

        async def main(number):
            return await aio.post_uds_request("echo", number)

        for number in range(20):
            assert run(main(number)) == number
        before = descriptors()
        for number in range(200):
            assert run(main(number)) == number
        assert descriptors() <= before + 20

        results = []
        threads = [
            threading.Thread(target=lambda n=n: results.extend(run(main(n)) for _ in range(25))) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == sorted(list(range(8)) * 25)


def test_a_call_without_a_running_loop_is_a_clear_error():
    with pytest.raises(RuntimeError, match="no running event loop"):
        aio.listen_uds_request("x", print)


def test_a_post_waits_for_its_listener_without_holding_up_the_loop(run):
    async def main():
        task = asyncio.create_task(aio.post_uds_request("late", 1, wait=60))
        for _ in range(10):
            await asyncio.sleep(0)
        async with aio.listen_uds_request("late", lambda data: data + 1):
            assert await task == 2

    run(main())


def test_what_belongs_to_another_loop_is_refused_there(run):
    kept = {}

    async def here():
        kept["server"] = aio.listen_uds_request("echo", lambda data: data)
        kept["client"] = await aio.connect("echo")

    async def there():
        client, server = kept["client"], kept["server"]
        for call in (client.request, client.broadcast):
            with pytest.raises(simple_ipc.InvalidArgumentError, match="not to the running loop"):
                await call(1)
        for call in (client.flush, client.ping, client.close, server.wait, server.close):
            with pytest.raises(simple_ipc.InvalidArgumentError, match="open one in each loop"):
                await call()

    async def back():
        assert await kept["client"].request(1) == 1
        await kept["client"].close()
        await kept["server"].close()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(here())
        run(there())
        loop.run_until_complete(back())
    finally:
        loop.close()
