"""Calls that wait are given up: by a cancellation, by the end of their client, by their own time."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import simple_ipc
from simple_ipc import aio
from where import RUNNERS, WINDOWS, WIRES, not_on_windows


@pytest.fixture
def slow():
    """A listener whose handler tells that it has begun and waits until nobody waits for it."""
    begun, heard, release = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def handler(data, context):
        if data == "quick":
            return data
        begun.release()
        while not context.cancelled and not release.is_set():
            release.wait(0.001)
        if context.cancelled:
            heard.release()
        return data

    with simple_ipc.listen_uds_request("slow", handler, context=True) as server:
        server.begun, server.heard = begun, heard
        yield server
        release.set()


BLOCKING = {
    "post": lambda token, wire: simple_ipc.post_uds_request("slow", 1, timeout=None, cancellation=token, wire=wire),
    "client": lambda token, wire: simple_ipc.connect("slow", wire=wire).request(1, timeout=None, cancellation=token),
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("call", BLOCKING)
def test_a_request_is_given_up_from_another_thread_and_its_handler_hears_of_it(slow, call, wire):
    token = simple_ipc.Cancellation()
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(BLOCKING[call], token, wire) for _ in range(3)]
        for _ in calls:
            slow.begun.acquire()
        assert not token.cancelled
        token.cancel()
        token.cancel()
        assert token.cancelled
        for waiting in calls:
            error = waiting.exception()
            assert isinstance(error, simple_ipc.CancelledError)
            assert error.may_have_been_handled
    if wire == "native":
        for _ in calls:
            assert slow.heard.acquire(timeout=60)
    # One that is cancelled already sends nothing.
    with pytest.raises(simple_ipc.CancelledError) as caught:
        BLOCKING[call](token, wire)
    assert not caught.value.may_have_been_handled
    assert simple_ipc.post_uds_request("slow", "quick") == "quick"


@pytest.mark.parametrize("what", ["post", "broadcast", "connect"])
def test_a_call_that_waits_for_a_listener_without_limit_is_given_up(what):
    calls = {"post": simple_ipc.post_uds_request, "broadcast": simple_ipc.post_uds_broadcast}
    token = simple_ipc.Cancellation()
    options = {"wait": None, "timeout": None, "cancellation": token}
    with ThreadPoolExecutor() as pool:
        if what == "connect":
            waiting = pool.submit(simple_ipc.connect, "nobody", **options)
        else:
            waiting = pool.submit(calls[what], "nobody", 1, **options)
        with pytest.raises(TimeoutError):
            waiting.result(0.05)
        token.cancel()
        error = waiting.exception()
    assert isinstance(error, simple_ipc.CancelledError)
    assert not error.may_have_been_handled


@not_on_windows("there are no signals that one process, or one thread, sends another")
def test_a_signal_handler_gives_the_call_of_its_own_thread_up(slow):
    token = simple_ipc.Cancellation()
    before = signal.signal(signal.SIGUSR1, lambda *_: token.cancel())
    try:

        def interrupt():
            slow.begun.acquire()
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(simple_ipc.CancelledError):
            simple_ipc.post_uds_request("slow", 1, timeout=None, cancellation=token)
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("wire", WIRES)
def test_closing_a_client_ends_its_waiting_requests_and_their_handlers_hear_of_it(slow, wire):
    client = simple_ipc.connect("slow", wire=wire)
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(client.request, 1, timeout=None) for _ in range(3)]
        for _ in calls:
            slow.begun.acquire()
        client.close()
        for waiting in calls:
            assert isinstance(waiting.exception(), simple_ipc.CancelledError)
    if wire == "native":
        for _ in calls:
            assert slow.heard.acquire(timeout=60)


@pytest.mark.parametrize("run", RUNNERS.values(), ids=RUNNERS)
@pytest.mark.parametrize("wire", WIRES)
def test_closing_a_client_of_a_loop_ends_its_waiting_requests_and_their_handlers_hear_of_it(slow, wire, run):
    async def main():
        client = await aio.connect("slow", wire=wire)
        calls = [asyncio.create_task(client.request(1, timeout=None)) for _ in range(3)]
        for _ in calls:
            await asyncio.to_thread(slow.begun.acquire)
        await client.close()
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, simple_ipc.CancelledError)

    run(main())
    if wire == "native":
        for _ in range(3):
            assert slow.heard.acquire(timeout=60)


def test_each_call_of_a_client_has_a_time_of_its_own():
    begun, release = threading.Event(), threading.Event()

    def handler(_):
        begun.set()
        release.wait()

    with simple_ipc.listen_uds_broadcast("stuck", handler, threads=1) as server:
        client = simple_ipc.connect("stuck", timeout=None)
        client.broadcast(1)
        begun.wait()
        client.broadcast(2)
        with pytest.raises(simple_ipc.TimedOutError):
            client.flush(timeout=0.05)
        # That error has told of those two.
        client.broadcast(3)
        token = simple_ipc.Cancellation()
        with ThreadPoolExecutor() as pool:
            flushing = pool.submit(client.flush, timeout=None, cancellation=token)
            with pytest.raises(TimeoutError):
                flushing.result(0.05)
            token.cancel()
            assert isinstance(flushing.exception(), simple_ipc.CancelledError)
        client.broadcast(4)
        with pytest.raises(simple_ipc.TimedOutError):
            client.close(timeout=0.05)
        # It is closed all the same.
        client.close()
        with pytest.raises(simple_ipc.ClosedError):
            client.ping(timeout=1)
        release.set()
        assert server.counters.connections


def test_each_call_of_a_client_of_a_loop_has_a_time_of_its_own():
    begun, release = threading.Event(), threading.Event()

    def handler(_):
        begun.set()
        release.wait()

    async def main():
        client = await aio.connect("stuck", timeout=None)
        await client.broadcast(1)
        await asyncio.to_thread(begun.wait)
        await client.broadcast(2)
        with pytest.raises(simple_ipc.TimedOutError):
            await client.flush(timeout=0.05)
        await client.broadcast(3)
        with pytest.raises(simple_ipc.TimedOutError):
            await client.close(timeout=0.05)
        await client.close()
        with pytest.raises(simple_ipc.ClosedError):
            await client.ping(timeout=1)

    with simple_ipc.listen_uds_broadcast("stuck", handler, threads=1):
        asyncio.run(main())
        release.set()


@pytest.fixture
def silent(directory):
    """A listener that is stopped: it takes connections, and nothing else happens."""
    program = """
import simple_ipc, sys
with simple_ipc.listen_uds_request("silent", abs):
    print("up", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=directory
    ) as process:
        assert process.stdout.readline().rstrip() == b"up"
        if WINDOWS:
            pytest.skip("no process is stopped there, and goes on, by a signal")
        process.send_signal(signal.SIGSTOP)
        yield
        process.send_signal(signal.SIGCONT)
        process.stdin.close()


def test_a_ping_has_a_time_of_its_own(silent):
    client = simple_ipc.connect("silent", timeout=None)
    with pytest.raises(simple_ipc.TimedOutError):
        client.ping(timeout=0.05)
    token = simple_ipc.Cancellation()
    threading.Timer(0.05, token.cancel).start()
    with pytest.raises(simple_ipc.CancelledError):
        client.ping(cancellation=token)
    client.close(timeout=0.05)

    async def main():
        client = await aio.connect("silent", timeout=60)
        with pytest.raises(simple_ipc.TimedOutError):
            await client.ping(timeout=0.05)
        await client.close(timeout=0.05)

    asyncio.run(main())


async def with_client(call, **options):
    async with aio.connect("echo", **options) as client:
        return await call(client)


async def broadcast_and_flush(client):
    await client.broadcast(1)
    await client.flush(timeout=0)


NO_TIME = {
    "post": lambda: simple_ipc.post_uds_request("echo", 1, timeout=0),
    "connect": lambda: simple_ipc.connect("echo", timeout=0),
    "request": lambda: simple_ipc.connect("echo").request(1, timeout=0),
    "ping": lambda: simple_ipc.connect("echo").ping(timeout=0.0),
    "flush": lambda: simple_ipc.connect("echo").flush(timeout=0),
    "aio post": lambda: asyncio.run(aio.post_uds_request("echo", 1, timeout=0)),
    "aio connect": lambda: asyncio.run(with_client(None, timeout=0)),
    "aio request": lambda: asyncio.run(with_client(lambda client: client.request(1, timeout=0))),
    "aio ping": lambda: asyncio.run(with_client(lambda client: client.ping(timeout=0))),
    "aio flush": lambda: asyncio.run(with_client(lambda client: client.flush(timeout=0))),
}


@pytest.mark.parametrize("call", NO_TIME)
def test_a_call_without_any_time_sends_nothing_in_either_api(call):
    with simple_ipc.listen_uds_request("echo", lambda data: data) as server:
        for _ in range(20):
            with pytest.raises(simple_ipc.TimedOutError) as caught:
                NO_TIME[call]()
            assert not caught.value.may_have_been_handled
        assert server.counters.messages == 0


@pytest.mark.parametrize("seconds", [None, 1e10, 1e19, 1.8e19])
def test_a_time_of_any_length_is_taken(seconds):
    async def in_loop():
        assert await aio.post_uds_request("echo", 1, timeout=seconds, wait=seconds) == 1
        async with aio.connect("echo", timeout=seconds, wait=seconds) as client:
            assert await client.request(2, timeout=seconds) == 2
            assert await client.ping(timeout=seconds) > 0
            await client.flush(timeout=seconds)
            await client.close(timeout=seconds)

    times = (
        {}
        if seconds is None
        else {name: seconds for name in ("grace", "hello_timeout", "stall_timeout", "check_interval")}
    )
    with simple_ipc.listen_uds_request("echo", lambda data: data, **times) as server:
        assert simple_ipc.post_uds_request("echo", 1, timeout=seconds, wait=seconds) == 1
        with simple_ipc.connect("echo", timeout=seconds, wait=seconds) as client:
            assert client.request(2, timeout=seconds) == 2
            assert client.ping(timeout=seconds) > 0
            client.flush(timeout=seconds)
            client.close(timeout=seconds)
        asyncio.run(in_loop())
        threading.Timer(0.01, server.close).start()
        assert server.wait(seconds)
