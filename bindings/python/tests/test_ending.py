"""The interpreter ends cleanly and promptly whatever is open, under way or running; Ctrl-C; forks."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

RUNS = int(os.environ.get("SIMPLE_IPC_TEST_RUNS", "20"))
AT_ONCE = 4
# What an end could wait for is made longer than the watchdog: a grace period, a handler's sleep, a listener to appear.
HANG_SECONDS = 120

START = """
import asyncio, os, sys, threading, time
import simple_ipc
from simple_ipc import aio
name = f"c{os.getpid()}"
GRACE = 100_000
"""

THREADS = """
started = threading.Semaphore(0)
def handler(data):
    started.release()
    {body}
server = simple_ipc.listen_uds_request(name, handler, grace=GRACE)
def post():
    while True:
        try:
            simple_ipc.post_uds_request(name, 1, timeout=None)
        except simple_ipc.IpcError:
            return
for _ in range(4):
    threading.Thread(target=post, daemon=True).start()
for _ in range(4):
    started.acquire()
"""

EVENTS = """
server = simple_ipc.listen_uds_publish(name, grace=GRACE, patience=GRACE)
events = simple_ipc.subscribe_uds(name)
def wait():
    for event in events:
        pass
def publish():
    while True:
        try:
            server.publish("x" * 1000)
        except simple_ipc.IpcError:
            return
"""

AIO_EVENTS = """
async def main():
    global server, events, task
    server = aio.listen_uds_publish(name, grace=GRACE, patience=GRACE)
    events = await aio.subscribe_uds(name)
    task = asyncio.create_task(events.next())
    await asyncio.sleep(0)
run(main())
"""

AIO = """
async def main():
    began = asyncio.Event()
    async def handler(data):
        began.set()
        await asyncio.sleep(3600)
    global server, client, task
    server = aio.listen_uds_request(name, handler, grace=GRACE)
    client = await aio.connect(name)
    task = asyncio.create_task(client.request(1))
    await began.wait()
    {end}
run(main())
"""

PROGRAMS = {
    "listeners open": 'keep = [simple_ipc.listen_uds_request(name + str(n), print, grace=GRACE) for n in range(3)]',
    "client open": 'server = simple_ipc.listen_uds_request(name, abs, grace=GRACE)\nclient = simple_ipc.connect(name)\nclient.request(1)',
    "handlers sleep": THREADS.format(body="time.sleep(3600)"),
    "handlers spin": THREADS.format(body="while True: pass"),
    "handlers sleep a little": THREADS.format(body="while True: time.sleep(0.0001)"),
    "client's requests": THREADS.format(body="time.sleep(3600)").replace(
        "def post", "client = simple_ipc.connect(name)\ndef post"
    ).replace("simple_ipc.post_uds_request(name, 1,", "client.request(1,"),
    "broadcasts": (
        "server = simple_ipc.listen_uds_broadcast(name, lambda data: time.sleep(0.001), grace=GRACE)\n"
        "client = simple_ipc.connect(name)\nfor number in range(1000): client.broadcast(number)"
    ),
    "flood": THREADS.format(body="return 1") + "for _ in range(100): started.acquire()",
    "a subscription open": EVENTS,
    "a subscription that waits": EVENTS + "threading.Thread(target=wait, daemon=True).start()",
    "events published and taken": EVENTS
    + "threading.Thread(target=wait, daemon=True).start()\nthreading.Thread(target=publish, daemon=True).start()",
    "a publish that waits": EVENTS
    + "blocked = simple_ipc.subscribe_uds(name, overflow='block', queue=1)\n"
    + "threading.Thread(target=publish, daemon=True).start()\nblocked.next()",
    "asyncio, a subscription that waits": "run = asyncio.run\n" + AIO_EVENTS,
    "asyncio, a subscription in a loop left open": "run = asyncio.new_event_loop().run_until_complete\n" + AIO_EVENTS,
    "uvloop, a subscription in a loop left open": "import uvloop\nrun = uvloop.new_event_loop().run_until_complete\n"
    + AIO_EVENTS,
    "exit in a handler's sight": THREADS.format(body="time.sleep(3600)") + "print('end', flush=True); sys.exit(0)",
    "asyncio": "run = asyncio.run\n" + AIO.format(end="pass"),
    "asyncio, the loop left open": "run = asyncio.new_event_loop().run_until_complete\n" + AIO.format(end="pass"),
    "asyncio, posts that wait": "run = asyncio.run\n" + AIO.format(
        end="posts = [asyncio.create_task(aio.post_uds_request('nobody', n, wait=3600)) for n in range(4)]; await asyncio.sleep(0)"
    ),
    "asyncio, a handler in mid-call": "run = asyncio.run\n" + AIO.format(end="sys.exit(print('end', flush=True))"),
    "uvloop": "import uvloop\nrun = uvloop.run\n" + AIO.format(end="pass"),
    "uvloop, the loop left open": "import uvloop\nrun = uvloop.new_event_loop().run_until_complete\n" + AIO.format(end="pass"),
    "asyncio in a daemon thread": (
        "up = threading.Event()\nrun = lambda main: threading.Thread(target=asyncio.run, args=(main,), daemon=True).start()\n"
        + AIO.format(end="up.set(); await asyncio.sleep(3600)") + "up.wait()"
    ),
}  # fmt: skip


def ends(arguments, directory):
    """Runs a program that prints `end` when it is at its end, and ends there."""
    command = [sys.executable, "-X", "faulthandler", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory, timeout=HANG_SECONDS)
    assert (done.stdout, done.returncode) == ("end\n", 0), f"status {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    assert "Fatal" not in done.stderr, done.stderr


def end_without_waiting(runs, arguments, directory):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: ends(arguments, directory), range(runs)))


@pytest.mark.parametrize("what", PROGRAMS)
def test_the_interpreter_ends_cleanly_and_waits_for_nothing_with(what, directory):
    program = START + PROGRAMS[what]
    if "print('end'" not in program:
        program += "\nprint('end', flush=True)\n"
    end_without_waiting(RUNS, ["-c", program], directory)


def test_files_of_open_listeners_are_gone_after_the_end(python, directory):
    python(START + PROGRAMS["listeners open"])
    assert [name for name in os.listdir(directory) if name.endswith(".socket")] == []


WAITS = {
    "request": "simple_ipc.post_uds_request(name, 1, timeout=None)",
    "client": "client.request(1, timeout=None)",
    "wait for a listener": "simple_ipc.post_uds_request('nobody', 1, wait=3600)",
    "wait for a publisher": "simple_ipc.subscribe_uds('nobody', wait=3600)",
    "wait for an event": "p = simple_ipc.listen_uds_publish('p'); list(simple_ipc.subscribe_uds('p'))",
    "wait for an event of a publisher that is gone": "p = simple_ipc.listen_uds_publish('p'); "
    "s = simple_ipc.subscribe_uds('p'); p.close(); next(s)",
    "publish": "p = simple_ipc.listen_uds_publish('p', patience=3600, grace=0); "
    "s = simple_ipc.subscribe_uds('p', overflow='block', queue=1); [p.publish('x' * 300_000) for _ in range(9)]",
    "server.wait": "server.wait()",
    "close": "threading.Thread(target=simple_ipc.post_uds_request, args=(name, 1), daemon=True).start(); "
    "began.acquire(); server.close()",
}


@pytest.mark.parametrize("what", WAITS)
def test_ctrl_c_ends(what, directory):
    program = f"""{START}
began = threading.Semaphore(0)
def handler(data):
    began.release()
    time.sleep(3600)
server = simple_ipc.listen_uds_request(name, handler, grace=3600)
client = simple_ipc.connect(name)
try:
    print("waiting", flush=True)
    {WAITS[what]}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=directory)
    with process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait() == 0


MULTIPROCESSING = """
import multiprocessing, sys
import simple_ipc

def in_child(name):
    with simple_ipc.listen_uds_request(name, lambda data: data + 1):
        return simple_ipc.post_uds_request(name, 1) + simple_ipc.post_uds_request("parent", 1)

if __name__ == "__main__":
    with simple_ipc.listen_uds_request("parent", lambda data: data * 10), simple_ipc.connect("parent") as client:
        assert client.request(1) == 10
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            assert pool.map(in_child, ["one", "two"]) == [12, 12]
        assert client.request(2) == 20
    print("end")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works_beside_open_channels(method, directory):
    program = directory / "program.py"
    program.write_text(MULTIPROCESSING)
    done = subprocess.run([sys.executable, program, method], capture_output=True, text=True, timeout=HANG_SECONDS)
    assert (done.stdout, done.returncode) == ("end\n", 0), done.stderr


CHILDREN = """
import asyncio, multiprocessing, os, sys, threading, time
import simple_ipc
from simple_ipc import aio

def in_threads(number):
    global server, client
    began = threading.Event()
    def handler(data):
        began.set()
        time.sleep(3600)
    server = simple_ipc.listen_uds_request(f"child{os.getpid()}", handler, grace=100_000)
    client = simple_ipc.connect("parent" + sys.argv[2])
    assert client.request(number) == number
    threading.Thread(target=simple_ipc.connect(f"child{os.getpid()}").request, args=(1,), daemon=True).start()
    began.wait()

async def in_loop(number):
    global server, client, task
    began = asyncio.Event()
    async def handler(data):
        began.set()
        await asyncio.sleep(3600)
    server = aio.listen_uds_request(f"child{os.getpid()}", handler, grace=100_000)
    client = await aio.connect("parent" + sys.argv[2])
    assert await client.request(number) == number
    task = asyncio.create_task(aio.post_uds_request(f"child{os.getpid()}", 1))
    await began.wait()

def in_asyncio(number):
    asyncio.run(in_loop(number))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    parent = "parent" + sys.argv[2]
    server = simple_ipc.listen_uds_request(parent, lambda data: data)
    client = simple_ipc.connect(parent)
    assert client.request(1) == 1
    children = [context.Process(target=(in_threads, in_asyncio)[n % 2], args=(n,)) for n in range(10)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 10, [child.exitcode for child in children]
    print("end", flush=True)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_end_cleanly_with_channels_open(method, directory):
    program = directory / "program.py"
    program.write_text(CHILDREN)
    # Ten children in each, half of them with asyncio.
    for run in range(max(RUNS // 10, 1)):
        ends([program, method, run], directory)


def test_a_forked_child_starts_without_its_parents_channels(python):
    python(
        START
        + """
server = simple_ipc.listen_uds_request(name, lambda data: data)
client = simple_ipc.connect(name)
client.request(1)
async def main():
    await aio.post_uds_request(name, 1)
    kept = await aio.connect(name)
    child = os.fork()
    if child == 0:
        for call in (server.close, lambda: client.request(1), client.close):
            try:
                call()
            except simple_ipc.ForkedError:
                continue
            os._exit(1)
        with simple_ipc.listen_uds_request(name + "child", lambda data: data + 1):
            answer = simple_ipc.post_uds_request(name + "child", 1) + simple_ipc.post_uds_request(name, 1)
        os._exit(0 if answer == 3 else 2)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        await asyncio.sleep(0.01)
    assert await kept.request(5) == 5
    await kept.close()
asyncio.run(main())
assert client.request(2) == 2
child = os.fork()
if child == 0:
    async def again():
        return await aio.post_uds_request(name, 7)
    sys.exit(0 if asyncio.run(again()) == 7 else 3)
status = os.waitpid(child, 0)[1]
assert status == 0, status
client.close()
server.close()
"""
    )
