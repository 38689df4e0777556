"""Streams whose processes fork, are interrupted, end or are killed."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import simple_ipc
from streaming import Watched, count, echo, send_for_ever, until

START = "import asyncio, os, signal, sys, threading\nimport simple_ipc\nfrom simple_ipc import aio\n"


@pytest.fixture
def caller():
    """Starts a program that opens a stream; it has said what it had to say."""
    running = []

    def start(program):
        command = [sys.executable, "-X", "faulthandler", "-c", START + program]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        assert running[-1].stdout.readline() == "ready\n"
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_caller_that_is_killed_is_one_that_has_left(caller, caplog):
    watched = Watched()
    with simple_ipc.listen_uds_request("s", watched) as server:
        process = caller("stream = simple_ipc.post_uds_stream('s', 0)\nprint('ready', flush=True)\nsignal.pause()\n")
        process.kill()
        assert watched.cleaned.wait()
        until(lambda: server.counters.streams == 0)
    assert not caplog.records


def test_a_listener_that_is_killed_is_a_lost_connection(caller):
    process = caller(
        "def handler(_):\n"
        "    yield 0\n"
        "    signal.pause() if threading.current_thread() is threading.main_thread() else threading.Event().wait()\n"
        "server = simple_ipc.listen_uds_request('s', handler)\nprint('ready', flush=True)\nsignal.pause()\n"
    )
    with simple_ipc.post_uds_stream("s", 0) as stream:
        assert next(stream) == 0
        process.kill()
        for _ in range(2):
            with pytest.raises(simple_ipc.ConnectionLostError) as caught:
                next(stream)
        assert caught.value.may_have_been_handled
        with pytest.raises(simple_ipc.ConnectionLostError):
            send_for_ever(stream)


WAITS = {
    "for an item": "next(stream)",
    "for room": "while True: stream.send(bytes(10000))",
    "in a task": "asyncio.run(take())",
}


@pytest.mark.parametrize("waits", WAITS)
def test_ctrl_c_ends_a_wait_and_the_handler_hears(waits, caller):
    cleaned = threading.Event()

    def silent(_, context):
        try:
            while not context.cancelled:
                time.sleep(0)
            yield
        finally:
            cleaned.set()

    with simple_ipc.listen_uds_request("s", silent, context=True) as server:
        process = caller(f"""
async def take():
    async with aio.post_uds_stream("s", 0) as stream:
        print("ready", flush=True)
        await anext(stream)
try:
    stream = simple_ipc.post_uds_stream("s", 0) if {waits != "in a task"} else None
    if stream is not None: print("ready", flush=True)
    {WAITS[waits]}
except KeyboardInterrupt:
    if stream is not None: stream.close()
    print("interrupted", flush=True)
""")
        until(lambda: server.counters.streams > 0)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert cleaned.wait()
        assert process.wait() == 0


def test_a_process_ends_with_streams_open(python):
    watched = Watched()
    with simple_ipc.listen_uds_request("s", watched) as server:
        python(START + "streams = [simple_ipc.post_uds_stream('s', 0) for _ in range(3)]\nnext(streams[0])\n")
        until(lambda: server.counters.streams == 0)
        python(f"""{START}
async def main():
    global stream
    stream = await aio.post_uds_stream("s", 0)
    await anext(stream)
asyncio.run(main())
""")
        until(lambda: server.counters.streams == 0)


def test_a_process_ends_while_its_handlers_send_and_read(python):
    python(f"""{START}
def forever(_):
    while True:
        yield b""

def reads(_, context):
    yield 0
    for _ in context.items: pass

for handler, options in ((forever, dict()), (reads, dict(context=True))):
    server = simple_ipc.listen_uds_request("s" + handler.__name__, handler, **options)
    globals()[handler.__name__ + "_server"] = server
    stream = simple_ipc.post_uds_stream("s" + handler.__name__, 0)
    next(stream)
    globals()[handler.__name__ + "_stream"] = stream
""")


def test_a_forked_child_leaves_its_parents_stream_alone():
    with (
        simple_ipc.listen_uds_request("s", echo, context=True),
        simple_ipc.listen_uds_request("c", count),
        simple_ipc.post_uds_stream("s", 0) as stream,
    ):
        stream.send(1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with stream:
                    pass
                for use in (
                    lambda: next(stream),
                    stream.next,
                    lambda: stream.send(1),
                    stream.end,
                    stream.close,
                ):
                    with pytest.raises(simple_ipc.ForkedError, match="before a fork"):
                        use()
                assert list(simple_ipc.post_uds_stream("c", 3)) == [0, 1, 2]
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert next(stream) == 1
        stream.send(2)
        stream.end()
        assert list(stream) == [2]


def test_a_forked_child_leaves_its_parents_stream_of_a_loop_alone(python):
    with simple_ipc.listen_uds_request("s", echo, context=True):
        python(f"""{START}
async def main():
    async with aio.post_uds_stream("s", 0) as stream:
        await stream.send(1)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                use = stream.next()
                try:
                    use.send(None)
                except simple_ipc.ForkedError:
                    status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert await anext(stream) == 1
asyncio.run(main())
""")


def test_nothing_breaks_when_a_stream_is_closed_at_the_interpreters_end(python):
    with simple_ipc.listen_uds_request("s", Watched()):
        python(f"""{START}
class Late:
    def __del__(self):
        self.stream.close()
late = Late()
late.stream = simple_ipc.post_uds_stream("s", 0)
sys.modules["late"] = late
""")
