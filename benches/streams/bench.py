"""One side of a measurement in Python: bench.py serve KIND ADDRESS, bench.py measure KIND ADDRESS WHAT SIZE SECONDS.

README.md beside this file says what is measured. ADDRESS is a channel's name, or the path of a Unix socket.
"""

import asyncio
import contextlib
import json
import os
import socket
import statistics
import struct
import sys
import threading
import time

SIZE = struct.Struct("<Q")
CLEANED = struct.Struct("<QQ")
LENGTH = struct.Struct("<I")
CLOCK = time.monotonic_ns


class Cleaned:
    """How many handlers have cleaned up, and when the last one did, in nanoseconds of the monotonic clock."""

    count = at = 0

    def note(self):
        self.at = CLOCK()
        self.count += 1

    def answer(self, body):
        return CLEANED.pack(self.count, self.at) if body == b"?" else body


CLEAN = Cleaned()


def forever(opening):
    """Items of the size that the opening says, without end."""
    item = bytes(SIZE.unpack(opening)[0])
    try:
        while True:
            yield item
    finally:
        CLEAN.note()


async def forever_async(opening):
    item = bytes(SIZE.unpack(opening)[0])
    try:
        while True:
            yield item
    finally:
        CLEAN.note()


def serve_until_end():
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


def timed(once, seconds):
    """The median of the nanoseconds that `once` returns; a fifth of the time before it counts for nothing."""
    end = CLOCK() + seconds * 1e9 / 5
    while CLOCK() < end:
        once()
    took, end = [], CLOCK() + seconds * 1e9
    while CLOCK() < end or not took:
        took.append(once())
    return {"p50_us": statistics.median(took) / 1e3}


async def timed_async(once, seconds):
    end = CLOCK() + seconds * 1e9 / 5
    while CLOCK() < end:
        await once()
    took, end = [], CLOCK() + seconds * 1e9
    while CLOCK() < end or not took:
        took.append(await once())
    return {"p50_us": statistics.median(took) / 1e3}


def rate(items, seconds):
    items = iter(items)
    end = CLOCK() + seconds * 1e9 / 5
    while CLOCK() < end:
        next(items)
    count, began = 0, CLOCK()
    end = began + seconds * 1e9
    while (now := CLOCK()) < end:
        # The clock is looked at now and then.
        for _ in range(16):
            next(items)
        count += 16
    return {"rate": count / ((now - began) / 1e9)}


async def rate_async(items, seconds):
    items = items.__aiter__()
    end = CLOCK() + seconds * 1e9 / 5
    while CLOCK() < end:
        await items.__anext__()
    count, began = 0, CLOCK()
    end = began + seconds * 1e9
    while (now := CLOCK()) < end:
        for _ in range(16):
            await items.__anext__()
        count += 16
    return {"rate": count / ((now - began) / 1e9)}


class Blocking:
    """What a blocking client does. `open` gives an iterable of items, `leave` gives it up, `request` is a plain request."""

    def measure(self, address, what, size, seconds):
        self.connect(address)
        opening = SIZE.pack(size)
        if what == "down":
            stream = self.open(opening)
            result = rate(stream, seconds)
            self.leave(stream)
            return result
        if what == "request":
            body = bytes(size)

            def once():
                began = CLOCK()
                self.request(body)
                return CLOCK() - began

            return timed(once, seconds)
        if what == "first":

            def once():
                began = CLOCK()
                stream = self.open(opening)
                next(iter(stream))
                took = CLOCK() - began
                self.leave(stream)
                return took

            return timed(once, seconds)

        def once():
            before, _ = CLEANED.unpack(self.request(b"?"))
            stream = self.open(opening)
            for _ in zip(range(5), stream):
                pass
            began = CLOCK()
            self.leave(stream)
            while True:
                count, at = CLEANED.unpack(self.request(b"?"))
                if count > before:
                    return at - began

        return timed(once, seconds)


class SimpleIpc(Blocking):
    def serve(self, address):
        import simple_ipc

        def handler(body):
            return forever(body) if len(body) == SIZE.size else CLEAN.answer(body)

        with simple_ipc.listen_uds_request(address, handler):
            serve_until_end()

    def connect(self, address):
        import simple_ipc

        self.client = simple_ipc.connect(address)

    def open(self, opening):
        return self.client.stream(opening)

    def leave(self, stream):
        stream.close()

    def request(self, body):
        return self.client.request(body)


class Grpcio(Blocking):
    NAME = "bench.Items"

    def serve(self, address):
        from concurrent import futures

        import grpc

        def items(body, context):
            yield from forever(body)

        methods = {
            "Down": grpc.unary_stream_rpc_method_handler(items),
            "One": grpc.unary_unary_rpc_method_handler(lambda body, context: CLEAN.answer(body)),
        }
        server = grpc.server(futures.ThreadPoolExecutor(8))
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(self.NAME, methods)])
        server.add_insecure_port(f"unix:{address}")
        server.start()
        serve_until_end()

    def connect(self, address):
        import grpc

        channel = grpc.insecure_channel(f"unix:{address}")
        self.down = channel.unary_stream(f"/{self.NAME}/Down")
        self.one = channel.unary_unary(f"/{self.NAME}/One")

    def open(self, opening):
        return self.down(opening)

    def leave(self, stream):
        stream.cancel()

    def request(self, body):
        return self.one(body)


class Socket:
    """The language's own socket: lengths and bodies, one stream a connection; blocking."""

    def serve(self, address):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()

        def serve(connection):
            with contextlib.suppress(ConnectionError), connection:
                item = bytes(SIZE.unpack(connection.recv(SIZE.size))[0])
                head = LENGTH.pack(len(item))
                while True:
                    connection.sendall(head + item if len(item) < 4096 else head)
                    if len(item) >= 4096:
                        connection.sendall(item)

        def accept():
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        serve_until_end()

    def measure(self, address, what, size, seconds):
        assert what == "down"
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(address)
        connection.sendall(SIZE.pack(size))
        # As its users read: through the buffered file of the connection.
        file = connection.makefile("rb", 65536)

        def items():
            while True:
                yield file.read(LENGTH.unpack(file.read(LENGTH.size))[0])

        return rate(items(), seconds)


class Tasks:
    """What an asynchronous client does."""

    def measure(self, address, what, size, seconds):
        return asyncio.run(self.run(address, what, size, seconds))

    async def run(self, address, what, size, seconds):
        await self.connect(address)
        opening = SIZE.pack(size)
        if what == "down":
            stream = await self.open(opening)
            result = await rate_async(stream, seconds)
            await self.leave(stream)
            return result
        if what == "request":
            body = bytes(size)

            async def once():
                began = CLOCK()
                await self.request(body)
                return CLOCK() - began

            return await timed_async(once, seconds)
        if what == "first":

            async def once():
                began = CLOCK()
                stream = await self.open(opening)
                await stream.__aiter__().__anext__()
                took = CLOCK() - began
                await self.leave(stream)
                return took

            return await timed_async(once, seconds)

        async def once():
            before, _ = CLEANED.unpack(await self.request(b"?"))
            stream = await self.open(opening)
            items = stream.__aiter__()
            for _ in range(5):
                await items.__anext__()
            began = CLOCK()
            await self.leave(stream)
            while True:
                count, at = CLEANED.unpack(await self.request(b"?"))
                if count > before:
                    return at - began

        return await timed_async(once, seconds)


class SimpleIpcAio(Tasks):
    def serve(self, address):
        asyncio.run(self.serve_until_end(address))

    async def serve_until_end(self, address):
        import simple_ipc.aio

        def handler(body):
            return forever_async(body) if len(body) == SIZE.size else CLEAN.answer(body)

        async with simple_ipc.aio.listen_uds_request(address, handler):
            print("ready", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
            os._exit(0)

    async def connect(self, address):
        import simple_ipc.aio

        self.client = await simple_ipc.aio.connect(address)

    async def open(self, opening):
        return await self.client.stream(opening)

    async def leave(self, stream):
        await stream.close()

    async def request(self, body):
        return await self.client.request(body)


class GrpcioAio(Tasks):
    NAME = "bench.Items"

    def serve(self, address):
        asyncio.run(self.serve_until_end(address))

    async def serve_until_end(self, address):
        import grpc

        async def items(body, context):
            stream = forever_async(body)
            try:
                async for item in stream:
                    yield item
            finally:
                await stream.aclose()

        async def one(body, context):
            return CLEAN.answer(body)

        methods = {
            "Down": grpc.unary_stream_rpc_method_handler(items),
            "One": grpc.unary_unary_rpc_method_handler(one),
        }
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(self.NAME, methods)])
        server.add_insecure_port(f"unix:{address}")
        await server.start()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        os._exit(0)

    async def connect(self, address):
        import grpc

        channel = grpc.aio.insecure_channel(f"unix:{address}")
        self.down = channel.unary_stream(f"/{self.NAME}/Down")
        self.one = channel.unary_unary(f"/{self.NAME}/One")

    async def open(self, opening):
        return self.down(opening)

    async def leave(self, stream):
        stream.cancel()

    async def request(self, body):
        return await self.one(body)


KINDS = {"simple-ipc": SimpleIpc, "aio": SimpleIpcAio, "grpcio": Grpcio, "grpcio-aio": GrpcioAio, "socket": Socket}


if __name__ == "__main__":
    role, kind, address, *more = sys.argv[1:]
    if role == "serve":
        KINDS[kind]().serve(address)
    else:
        what, size, seconds = more
        print(json.dumps(KINDS[kind]().measure(address, what, int(size), float(seconds))), flush=True)
        os._exit(0)
