"""A forked child: what it inherits belongs to the parent, and everything says so."""

# What the child runs; `expect` fails the program where a call does not raise `ForkedError`.
START = """
import asyncio, os, sys
import simple_ipc
from simple_ipc import aio
failed = []
def expect(what, call):
    try:
        call()
    except simple_ipc.ForkedError:
        return
    except BaseException as error:
        failed.append(f"{what}: {error!r}")
    else:
        failed.append(f"{what}: no error")
def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            failed.append(repr(error))
        print(failed, flush=True) if failed else None
        os._exit(bool(failed))
    assert os.waitpid(child, 0)[1] == 0
"""

CLIENT = """{
    "request": lambda: client.request(1),
    "broadcast": lambda: client.broadcast(1),
    "flush": client.flush,
    "ping": client.ping,
    "close": client.close,
}"""


def test_every_accessor_of_a_server_and_a_client_says_that_they_are_the_parents(python):
    python(
        f"""{START}
server = simple_ipc.listen_uds_request("echo", lambda data: data)
client = simple_ipc.connect("echo")
def work():
    for name in ("address", "path", "port", "counters"):
        expect(name, lambda: getattr(server, name))
    expect("wait", server.wait)
    expect("wait with a limit", lambda: server.wait(1))
    expect("close", server.close)
    for name, call in {CLIENT}.items():
        expect(name, call)
    assert "of the parent process" in repr(server)
    with server, client:
        pass
in_child(work)
assert client.request(2) == 2
client.close()
server.close()
"""
    )


def test_the_same_of_asyncio(python):
    python(
        f"""{START}
async def main():
    global server, client, loop
    loop = asyncio.get_running_loop()
    server = aio.listen_uds_request("echo", lambda data: data)
    client = await aio.connect("echo")
    assert await client.request(1) == 1
def call(coroutine):
    # The child goes on with its parent's loop, or has one of its own.
    loop.run_until_complete(coroutine())
def work():
    global loop
    for loop in (loop, asyncio.new_event_loop()):
        for name in ("address", "path", "port", "counters"):
            expect(name, lambda: getattr(server, name))
        for name, method in {CLIENT}.items():
            expect(name, lambda: call(method))
        expect("wait", lambda: call(server.wait))
        expect("server.close", lambda: call(server.close))
        async def leave():
            async with server:
                pass
            await client.__aexit__(None, None, None)
        call(leave)
    assert "of the parent process" in repr(server)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
in_child(work)
async def end():
    assert await client.request(2) == 2
    await client.close()
    await server.close()
loop.run_until_complete(end())
"""
    )


def test_a_daemonised_child_hears_that_its_server_is_the_parents(python):
    """The usual mistake: listen, then go to the background, then wait."""
    printed = python(
        """
import os, sys
import simple_ipc
with simple_ipc.listen_uds_request("daemon", print) as server:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    else:
        try:
            server.wait()
        except simple_ipc.ForkedError as error:
            print(error)
            sys.stdout.flush()
            os._exit(0)
"""
    )
    assert "opened before a fork and belongs to the parent" in printed
    assert "listen in the child" in printed


def test_leaving_with_in_a_child_that_ends_in_order_is_silent(python):
    """A child of `multiprocessing` that was forked inside `with`, and one that leaves it by itself."""
    printed = python(
        """
import multiprocessing, os, sys
import simple_ipc
def work():
    return simple_ipc.post_uds_request("echo", 1)
with simple_ipc.listen_uds_request("echo", lambda data: data) as server, simple_ipc.connect("echo") as client:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert process.exitcode == 0
    child = os.fork()
if child == 0:
    print("left", flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print("end")
"""
    )
    assert printed.split() == ["left", "end"]


def test_a_publisher_and_a_subscription_are_the_parents(python):
    """The child's end takes nothing from the parent's subscription, and closes nothing of it."""
    python(
        f"""{START}
server = simple_ipc.listen_uds_publish("news")
events = simple_ipc.subscribe_uds("news")
def work():
    expect("publish", lambda: server.publish(1))
    expect("next", lambda: events.next(timeout=0))
    expect("iterating", lambda: list(events))
    expect("events.close", events.close)
    with server, events:
        pass
    # The child may subscribe to its parent.
    with simple_ipc.subscribe_uds("news") as own:
        assert os.write(ready[1], b"1") == 1
        assert next(own).data == "both"
ready = os.pipe()
child = os.fork()
if child == 0:
    try:
        work()
    except BaseException as error:
        failed.append(repr(error))
    print(failed, flush=True) if failed else None
    os._exit(bool(failed))
os.close(ready[1])
assert os.read(ready[0], 1) == b"1", "the child failed"
assert server.publish("both") == 2
assert os.waitpid(child, 0)[1] == 0
assert next(events).data == "both"
events.close()
server.close()
"""
    )


def test_the_same_of_asyncios_publisher_and_subscription(python):
    python(
        f"""{START}
async def main():
    global server, events
    server = aio.listen_uds_publish("news")
    events = await aio.subscribe_uds("news")
    assert await server.publish(1) == 1
    assert (await anext(events)).data == 1
def call(coroutine):
    loop.run_until_complete(coroutine())
def work():
    global loop
    for loop in (loop, asyncio.new_event_loop()):
        expect("publish", lambda: call(lambda: server.publish(1)))
        expect("next", lambda: call(events.next))
        expect("events.close", lambda: call(events.close))
        async def leave():
            async with server, events:
                pass
        call(leave)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
in_child(work)
async def end():
    assert await server.publish(2) == 1
    assert (await anext(events)).data == 2
    await events.close()
    await server.close()
loop.run_until_complete(end())
"""
    )
