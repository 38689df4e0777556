#!/usr/bin/env python3
"""The Python driver of the interop matrix; ../README.md says what it reads and prints.

python_driver.py (sync|asyncio) (listen PREFIX|post|publish PREFIX|subscribe|streams PREFIX|stream)
"""

import asyncio
import logging
import sys
import threading

import simple_ipc
from python_publications import publish, publish_async, subscribe, subscribe_async
from python_streams import stream, stream_async, streams, streams_async
from python_values import build, describe, lines, say_error
from simple_ipc import aio
from spoken import at_once, commands, say, say_many

# A handler that is to fail would be logged.
logging.disable()


def order(data):
    """What a message asks its handler to do, and with what."""
    if isinstance(data, str) and data.startswith("do:"):
        _, verb, rest = data.split(":", 2)
        return verb, rest
    return "echo", ""


def hear(data):
    say("heard", describe(data))


class Waiting:
    """What handlers on threads wait for."""

    def __init__(self):
        self.changed = threading.Condition()
        self.released = set()
        self.met = 0

    def answer(self, data, context):
        verb, rest = order(data)
        if verb == "fail":
            raise RuntimeError(rest)
        if verb == "wait":
            self.wait(rest, context)
        elif verb == "meet":
            self.meet(int(rest.partition(":")[0]))
        else:
            hear(data)
        return data

    def wait(self, id, context):
        say("started", id)
        with self.changed:
            # A blocking handler asks; nothing calls it back.
            while not context.cancelled and id not in self.released:
                self.changed.wait(0.002)
        say("released" if id in self.released else "cancelled", id)

    def meet(self, guests):
        with self.changed:
            complete = (self.met // guests + 1) * guests
            self.met += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.met >= complete)

    def release(self, id):
        with self.changed:
            self.released.add(id)
            self.changed.notify_all()


def listen(prefix):
    waiting = Waiting()
    with (
        simple_ipc.listen_uds_request(f"{prefix}_requests", waiting.answer, context=True, plain_text=True),
        simple_ipc.listen_uds_broadcast(f"{prefix}_broadcasts", hear, plain_text=True),
        simple_ipc.listen_ip_request(0, waiting.answer, context=True, plain_text=True) as requests,
        simple_ipc.listen_ip_broadcast(0, hear, plain_text=True) as broadcasts,
    ):
        say("ready", str(requests.port), str(broadcasts.port))
        for _, id in commands():
            waiting.release(id)


def calls(module, address):
    """The calls for an address, and the address as they take it."""
    if address.startswith(":"):
        return module.post_ip_request, module.post_ip_broadcast, int(address[1:])
    return module.post_uds_request, module.post_uds_broadcast, address


def post():
    say("ready")
    for verb, address, milliseconds, value, *count in commands():
        request, broadcast, where = calls(simple_ipc, address)
        timeout = int(milliseconds) / 1000
        try:
            if verb == "many":
                texts = [f"{value}{number}" for number in range(int(count[0]))]
                results = at_once(len(texts), lambda number: request(where, texts[number], timeout=timeout))
                say_many(results, lambda number: texts[number])
            elif verb == "broadcast":
                broadcast(where, build(value), timeout=timeout)
                say("ok")
            else:
                say("ok", describe(request(where, build(value), timeout=timeout)))
        except simple_ipc.IpcError as error:
            say_error(error)


class AsyncWaiting:
    """What handlers on the event loop wait for."""

    def __init__(self):
        self.releases = {}
        self.met = []

    async def answer(self, data):
        verb, rest = order(data)
        if verb == "fail":
            raise RuntimeError(rest)
        if verb == "wait":
            await self.wait(rest)
        elif verb == "meet":
            await self.meet(int(rest.partition(":")[0]))
        else:
            hear(data)
        return data

    async def wait(self, id):
        released = self.releases[id] = asyncio.Event()
        say("started", id)
        try:
            await released.wait()
        except asyncio.CancelledError:
            say("cancelled", id)
            raise
        say("released", id)

    async def meet(self, guests):
        complete = asyncio.get_running_loop().create_future()
        self.met.append(complete)
        if len(self.met) == guests:
            for one in self.met:
                one.set_result(None)
            self.met = []
        await complete


async def listen_async(prefix):
    waiting = AsyncWaiting()
    async with (
        aio.listen_uds_request(f"{prefix}_requests", waiting.answer, plain_text=True),
        aio.listen_uds_broadcast(f"{prefix}_broadcasts", hear, plain_text=True),
        aio.listen_ip_request(0, waiting.answer, plain_text=True) as requests,
        aio.listen_ip_broadcast(0, hear, plain_text=True) as broadcasts,
    ):
        say("ready", str(requests.port), str(broadcasts.port))
        async for _, id in lines():
            waiting.releases.pop(id).set()


async def post_async():
    say("ready")
    told = lines()
    async for verb, address, milliseconds, value, *count in told:
        request, broadcast, where = calls(aio, address)
        timeout = int(milliseconds) / 1000
        try:
            if verb == "many":
                texts = [f"{value}{number}" for number in range(int(count[0]))]
                results = await asyncio.gather(*(request(where, text, timeout=timeout) for text in texts))
                say_many(results, lambda number: texts[number])
            elif verb == "broadcast":
                await broadcast(where, build(value), timeout=timeout)
                say("ok")
            elif verb == "cancel":
                task = asyncio.create_task(request(where, build(value), timeout=timeout))
                await anext(told)
                task.cancel()
                say("ok", describe(await task))
            else:
                say("ok", describe(await request(where, build(value), timeout=timeout)))
        except asyncio.CancelledError:
            say("error", "cancelled", "maybe", "the task was cancelled")
        except simple_ipc.IpcError as error:
            say_error(error)


ROLES = {
    "listen": listen,
    "post": post,
    "publish": publish,
    "subscribe": subscribe,
    "streams": streams,
    "stream": stream,
}
ASYNC_ROLES = {
    "listen": listen_async,
    "post": post_async,
    "publish": publish_async,
    "subscribe": subscribe_async,
    "streams": streams_async,
    "stream": stream_async,
}

if __name__ == "__main__":
    how, role, *prefix = sys.argv[1:]
    if how == "asyncio":
        asyncio.run(ASYNC_ROLES[role](*prefix))
    else:
        ROLES[role](*prefix)
