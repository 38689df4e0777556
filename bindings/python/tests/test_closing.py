"""Closing: by a handler of the listener itself, at the end of the grace period, and what handlers hear of it."""

import asyncio
import threading

import pytest
import simple_ipc
from simple_ipc import aio
from where import RUNNERS

# Nothing here waits for the end of a grace period but those tests that are about it: this is far beyond the watchdog.
NEVER = 100_000


@pytest.fixture(params=RUNNERS.values(), ids=RUNNERS)
def run(request):
    return request.param


def leave_with(server):
    with server:
        pass


@pytest.mark.parametrize("close", [lambda server: server.close(), leave_with], ids=["close", "with"])
@pytest.mark.parametrize("context", [False, True])
def test_a_handler_closes_its_own_listener_and_its_answer_goes_out(close, context):
    def stop(data, *_):
        close(server)
        return [data, "stopping"]

    server = simple_ipc.listen_uds_request("daemon", stop, grace=NEVER, context=context)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(simple_ipc.post_uds_request("daemon", 1)))
    thread.start()
    # As a daemon's main thread does.
    assert server.wait(None)
    thread.join()
    assert answers == [[1, "stopping"]]
    server.close()
    with pytest.raises(simple_ipc.NotListeningError):
        simple_ipc.post_uds_request("daemon", 1)


def test_a_broadcasts_handler_closes_its_own_listener():
    server = simple_ipc.listen_uds_broadcast("daemon", lambda _: server.close(), grace=NEVER)
    simple_ipc.post_uds_broadcast("daemon", "stop")
    assert server.wait()


def test_other_handlers_are_answered_when_one_of_them_closes_and_wait_returns_after_them():
    begun, release, answers = threading.Event(), threading.Event(), []

    def handler(data):
        if data == "slow":
            begun.set()
            release.wait()
        else:
            server.close()
        return data

    def post(data):
        answers.append(simple_ipc.post_uds_request("daemon", data))

    server = simple_ipc.listen_uds_request("daemon", handler, grace=NEVER)
    threads = [threading.Thread(target=post, args=("slow",))]
    threads[0].start()
    begun.wait()
    post("stop")
    assert answers == ["stop"]
    assert not server.wait(0.05)
    release.set()
    assert server.wait()
    threads[0].join()
    assert answers == ["stop", "slow"]


def test_a_handler_that_waits_for_its_own_listener_is_refused():
    with (
        simple_ipc.listen_uds_request("daemon", lambda _: server.wait()) as server,
        pytest.raises(simple_ipc.HandlerFailedError, match="InvalidArgumentError: cannot wait in a handler"),
    ):
        simple_ipc.post_uds_request("daemon", 1)


def test_a_handler_may_close_another_listener_and_wait_for_it():
    def close_other(_):
        other.close()
        return other.wait(0)

    with simple_ipc.listen_uds_request("one", close_other):
        other = simple_ipc.listen_uds_request("other", print)
        assert simple_ipc.post_uds_request("one", 1) is True


def test_a_program_whose_only_wait_is_a_closing_handler_ends_by_itself(python):
    """The answer is on its way when the main thread has nothing more to do."""
    program = """
import simple_ipc, threading
server = simple_ipc.listen_uds_request("daemon", lambda data: [server.close(), data][1], grace=100000)
def client():
    print(simple_ipc.post_uds_request("daemon", "stop"), flush=True)
threading.Thread(target=client, daemon=True).start()
server.wait()
print("end")
"""
    assert sorted(python(program).split()) in (["end", "stop"], ["end"])


WAYS = {
    "await": lambda server: server.close(),
    "async with": lambda server: leave_async_with(server),
    "wait_for": lambda server: asyncio.wait_for(server.close(), NEVER),
    "task": lambda server: asyncio.create_task(server.close()),
    "gather": lambda server: asyncio.gather(server.close(), server.close()),
    "group": lambda server: in_a_group(server),
}


async def leave_async_with(server):
    async with server:
        pass


async def in_a_group(server):
    async with asyncio.TaskGroup() as group:
        group.create_task(server.close())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_a_handler_on_a_loop_closes_its_own_listener_and_its_answer_goes_out(run, way, kind):
    async def stop(data):
        await WAYS[way](server)
        return [data, "stopping"]

    def begin_to_stop(data):
        # Its task begins within the call of the handler, and belongs to it.
        return asyncio.ensure_future(stop(data))

    async def main():
        nonlocal server
        server = aio.listen_uds_request("daemon", stop if kind == "async def" else begin_to_stop, grace=NEVER)
        post = asyncio.create_task(aio.post_uds_request("daemon", 1))
        await server.wait()
        assert await post == [1, "stopping"]
        await server.close()

    server = None
    run(main())


def test_what_a_handler_leaves_behind_waits_for_the_end(run):
    async def main():
        async def stop(data):
            nonlocal closing
            if data == "slow":
                began.set()
                await release.wait()
                return data

            async def later():
                await answered.wait()
                await server.close()

            closing = asyncio.create_task(later())

        answered, began, release = asyncio.Event(), asyncio.Event(), asyncio.Event()
        closing = None
        server = aio.listen_uds_request("daemon", stop, grace=NEVER)
        slow = asyncio.create_task(aio.post_uds_request("daemon", "slow"))
        await began.wait()
        await aio.post_uds_request("daemon", "stop")
        answered.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not closing.done()
        release.set()
        await closing
        assert await slow == "slow"

    run(main())


def test_a_handler_on_a_loop_that_waits_for_its_own_listener_is_refused(run):
    async def main():
        async def handler(_):
            await server.wait()

        async with aio.listen_uds_request("daemon", handler) as server:
            with pytest.raises(simple_ipc.HandlerFailedError, match="InvalidArgumentError: cannot wait in a handler"):
                await aio.post_uds_request("daemon", 1)

    run(main())


@pytest.mark.parametrize("kind", ["request", "broadcast"])
def test_every_handler_hears_that_the_grace_period_is_over(run, kind):
    async def main():
        began, heard = asyncio.Event(), []

        async def handler(data):
            began.set()
            try:
                await asyncio.sleep(NEVER)
            except asyncio.CancelledError:
                # What it does about it takes a few turns of the loop.
                for _ in range(5):
                    await asyncio.sleep(0)
                heard.append(data)
                raise

        server = getattr(aio, f"listen_uds_{kind}")("slow", handler, grace=0.05)
        post = asyncio.create_task(getattr(aio, f"post_uds_{kind}")("slow", 1))
        await began.wait()
        if kind == "broadcast":
            # It is acknowledged while its handler still runs.
            await post
        await server.close()
        assert heard == [1]
        if kind == "request":
            with pytest.raises(simple_ipc.IpcError):
                await post

    run(main())


def test_closing_says_when_a_handler_on_a_loop_does_not_end(run):
    async def main():
        began, release = asyncio.Event(), asyncio.Event()

        async def handler(_):
            began.set()
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue

        server = aio.listen_uds_broadcast("slow", handler, grace=0.05)
        await aio.post_uds_broadcast("slow", 1)
        await began.wait()
        with pytest.raises(simple_ipc.TimedOutError, match="handlers still run"):
            await server.close()
        release.set()
        await server.close()

    run(main())


def test_closing_says_when_a_handler_on_a_thread_does_not_end(caplog):
    began, release = threading.Event(), threading.Event()

    def handler(_):
        began.set()
        release.wait()

    server = simple_ipc.listen_uds_broadcast("slow", handler, grace=0.05)
    simple_ipc.post_uds_broadcast("slow", 1)
    began.wait()
    with pytest.raises(simple_ipc.TimedOutError, match="still runs"):
        server.close()
    with pytest.raises(simple_ipc.TimedOutError), server:
        pass
    # What went wrong inside is not hidden by it.
    with pytest.raises(KeyError), server:
        raise KeyError
    assert "has not ended" in caplog.text
    release.set()
    assert server.wait(60)


def test_a_caller_that_goes_is_heard_by_every_kind_of_awaitable(run):
    class Awaitable:
        def __init__(self, future):
            self.future = future

        def __await__(self):
            return self.future.__await__()

    async def main():
        futures = []

        async def work():
            futures.append(asyncio.get_running_loop().create_future())
            await futures[-1]

        def handler(data):
            if data == "coroutine":
                return work()
            futures.append(asyncio.get_running_loop().create_future())
            return futures[-1] if data == "future" else Awaitable(futures[-1])

        async with aio.listen_uds_request("slow", handler):
            for data in ("coroutine", "future", "awaitable"):
                post = asyncio.create_task(aio.post_uds_request("slow", data))
                count = len(futures)
                while len(futures) == count:
                    await asyncio.sleep(0)
                post.cancel()
                while not futures[-1].cancelled():
                    await asyncio.sleep(0)

    run(main())


def test_a_closed_listener_still_tells_what_it_has_seen(run):
    async def main():
        async with aio.listen_uds_request("seen", lambda data: data) as server:
            await aio.post_uds_request("seen", 1)
        assert server.counters.messages == 1

    run(main())
    with simple_ipc.listen_uds_request("seen", lambda data: data) as server:
        simple_ipc.post_uds_request("seen", 1)
    assert server.counters.messages == 1
