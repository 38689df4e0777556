"""The Python driver's part in streams: `streams PREFIX` and `stream`, each for threads and for asyncio."""

import asyncio
import itertools
import json
import threading

import simple_ipc
from python_values import build, describe, lines, say_error
from simple_ipc import aio
from spoken import commands, say


def item(number, size=0):
    """The item with this number, of this size."""
    return f"item:{number}:".ljust(int(size), "x")


def say_counters(server):
    counters = server.counters
    say("ok", *map(str, (counters.in_flight, counters.abandoned, counters.streams)))


class Total:
    """What `total` has read."""

    def __init__(self):
        self.items = self.chars = 0
        self.in_order = True

    def add(self, text):
        self.in_order = self.in_order and text.startswith(f"item:{self.items}:")
        self.items += 1
        self.chars += len(text)

    def value(self):
        return {"items": self.items, "chars": self.chars, "in_order": self.in_order}


def stopped(count):
    return simple_ipc.HandlerError("on purpose", code="stopped", data=count)


class Handlers:
    """The handlers on threads, and what the runner asks about them."""

    def __init__(self):
        self.cleaned = 0
        self.changed = threading.Lock()
        self.released = threading.Event()

    def __call__(self, opening, context):
        if opening == {"do": "total"}:
            total = Total()
            for text in context.items:
                total.add(text)
            return total.value()
        return self.sequence(opening, context)

    def sequence(self, opening, context):
        match opening:
            case {"do": "count", "n": n, "size": size}:
                yield from (item(number, size) for number in range(n))
            case {"do": "fail", "n": n}:
                yield from map(item, range(n))
                raise stopped(n)
            case {"do": "first", "n": n}:
                yield sum(1 for _ in itertools.islice(context.items, n))
            case {"do": "echo"}:
                yield from self.cleaning(context.items)
            case {"do": "forever", "size": size}:
                yield from self.cleaning(item(number, size) for number in itertools.count())
            case {"do": "silent"}:
                yield from self.cleaning(() for _ in context.items if False)
            case {"do": "stubborn"}:
                yield item(0)
                self.released.wait()
            case _:
                raise simple_ipc.HandlerError("unknown")

    def cleaning(self, items):
        try:
            yield from items
        finally:
            with self.changed:
                self.cleaned += 1


def streams(prefix):
    handlers = Handlers()
    with (
        simple_ipc.listen_uds_request(f"{prefix}_streams", handlers, context=True) as name,
        simple_ipc.listen_ip_request(0, handlers, context=True) as port,
    ):
        say("ready", str(port.port))
        for verb, *fields in commands():
            if verb == "cleaned":
                say("ok", str(handlers.cleaned))
            elif verb == "release":
                handlers.released.set()
                say("ok")
            else:
                say_counters(port if fields[0].startswith(":") else name)


class AsyncHandlers:
    """The handlers on an event loop."""

    def __init__(self):
        self.cleaned = 0
        self.released = asyncio.Event()

    def __call__(self, opening, context):
        return self.total(context) if opening == {"do": "total"} else self.sequence(opening, context)

    async def total(self, context):
        total = Total()
        async for text in context.items:
            total.add(text)
        return total.value()

    async def sequence(self, opening, context):
        match opening:
            case {"do": "count", "n": n, "size": size}:
                for number in range(n):
                    yield item(number, size)
            case {"do": "fail", "n": n}:
                for number in range(n):
                    yield item(number)
                raise stopped(n)
            case {"do": "first", "n": n}:
                read = 0
                while read < n:
                    await anext(context.items)
                    read += 1
                yield read
            case {"do": "echo"}:
                try:
                    async for one in context.items:
                        yield one
                finally:
                    self.cleaned += 1
            case {"do": "forever", "size": size}:
                try:
                    for number in itertools.count():
                        yield item(number, size)
                finally:
                    self.cleaned += 1
            case {"do": "silent"}:
                try:
                    async for _ in context.items:
                        pass
                finally:
                    self.cleaned += 1
            case {"do": "stubborn"}:
                yield item(0)
                await self.ignores()
            case _:
                raise simple_ipc.HandlerError("unknown")

    async def ignores(self):
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                # That its caller has left is nothing to it.
                continue


async def streams_async(prefix):
    handlers = AsyncHandlers()
    async with (
        aio.listen_uds_request(f"{prefix}_streams", handlers, context=True) as name,
        aio.listen_ip_request(0, handlers, context=True) as port,
    ):
        say("ready", str(port.port))
        async for verb, *fields in lines():
            if verb == "cleaned":
                say("ok", str(handlers.cleaned))
            elif verb == "release":
                handlers.released.set()
                say("ok")
            else:
                say_counters(port if fields[0].startswith(":") else name)


class Taken:
    """How many items were taken, and whether each was the one that was due."""

    def __init__(self):
        self.count = 0
        self.in_order = True

    def add(self, value):
        self.in_order = self.in_order and isinstance(value, str) and value.startswith(f"item:{self.count}:")
        self.count += 1

    def say(self):
        say("ok", str(self.count), "1" if self.in_order else "0")


class Caller:
    """A stream of one caller on threads."""

    def __init__(self):
        self.stream = None

    def open(self, address, opening):
        post, where = (
            (simple_ipc.post_ip_stream, int(address[1:]))
            if address.startswith(":")
            else (simple_ipc.post_uds_stream, address)
        )
        self.stream = post(where, json.loads(opening))
        say("ok")

    def next(self, milliseconds):
        try:
            say("ok", describe(self.stream.next(timeout=int(milliseconds) / 1000)))
        except StopIteration:
            say("ok", "end")

    def take(self, count):
        taken = Taken()
        # An error is told by the next `next`, which repeats it.
        try:
            for value in itertools.islice(self.stream, int(count)):
                taken.add(value)
        except simple_ipc.IpcError:
            pass
        taken.say()

    def send(self, value):
        self.stream.send(build(value))
        say("ok")

    def sends(self, count, size):
        say("ok", str(self.send_items(int(count), size)))

    def send_items(self, count, size):
        """How many items were sent: fewer where the listener ended first."""
        for number in range(count):
            try:
                self.stream.send(item(number, size))
            except simple_ipc.ClosedError:
                return number
        return count

    def end(self):
        self.stream.end()
        say("ok")

    def pump(self, count, size):
        def send():
            try:
                self.send_items(int(count), size)
                self.stream.end()
            except simple_ipc.IpcError:
                # Who takes hears of it.
                pass

        sending = threading.Thread(target=send)
        sending.start()
        taken = Taken()
        try:
            for value in self.stream:
                taken.add(value)
        finally:
            sending.join()
        taken.say()

    def cancel(self):
        threading.Timer(0.01, self.stream.close).start()
        try:
            say("ok", describe(next(self.stream)))
        except StopIteration:
            say("ok", "end")

    def leave(self):
        stream, self.stream = self.stream, None
        for _ in stream:
            break
        del stream
        say("ok")

    def close(self):
        if self.stream:
            self.stream.close()
        say("ok")


def stream():
    say("ready")
    caller = Caller()
    for verb, *fields in commands():
        try:
            getattr(caller, verb)(*fields)
        except simple_ipc.IpcError as error:
            say_error(error)


class AsyncCaller:
    """A stream of one caller on an event loop."""

    def __init__(self):
        self.stream = None

    async def open(self, address, opening):
        post, where = (
            (aio.post_ip_stream, int(address[1:])) if address.startswith(":") else (aio.post_uds_stream, address)
        )
        self.stream = await post(where, json.loads(opening))
        say("ok")

    async def next(self, milliseconds):
        try:
            say("ok", describe(await self.stream.next(timeout=int(milliseconds) / 1000)))
        except StopAsyncIteration:
            say("ok", "end")

    async def take(self, count):
        taken = Taken()
        try:
            while taken.count < int(count):
                taken.add(await anext(self.stream))
        except (StopAsyncIteration, simple_ipc.IpcError):
            pass
        taken.say()

    async def send(self, value):
        await self.stream.send(build(value))
        say("ok")

    async def sends(self, count, size):
        say("ok", str(await self.send_items(int(count), size)))

    async def send_items(self, count, size):
        for number in range(count):
            try:
                await self.stream.send(item(number, size))
            except simple_ipc.ClosedError:
                return number
        return count

    async def end(self):
        await self.stream.end()
        say("ok")

    async def pump(self, count, size):
        async def send():
            try:
                await self.send_items(int(count), size)
                await self.stream.end()
            except simple_ipc.IpcError:
                # Who takes hears of it.
                pass

        sending = asyncio.create_task(send())
        taken = Taken()
        try:
            async for value in self.stream:
                taken.add(value)
        finally:
            await sending
        taken.say()

    async def cancel(self):
        stream, self.stream = self.stream, None

        async def take():
            async with stream:
                return await anext(stream)

        taking = asyncio.create_task(take())
        await asyncio.sleep(0.01)
        taking.cancel()
        try:
            say("ok", describe(await taking))
        except StopAsyncIteration:
            say("ok", "end")
        except asyncio.CancelledError:
            say("error", "cancelled", "maybe", "the task was cancelled")

    async def leave(self):
        stream, self.stream = self.stream, None
        async for _ in stream:
            break
        del stream
        say("ok")

    async def close(self):
        if self.stream:
            await self.stream.close()
        say("ok")


async def stream_async():
    say("ready")
    caller = AsyncCaller()
    async for verb, *fields in lines():
        try:
            await getattr(caller, verb)(*fields)
        except simple_ipc.IpcError as error:
            say_error(error)
