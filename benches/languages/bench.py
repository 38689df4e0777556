"""One side of a measurement in Python: bench.py serve KIND ADDRESS, bench.py measure KIND ADDRESS SIZE IN_FLIGHT SECONDS.

A server answers up to 64 bytes with the same bytes, more with the first 8, prints `ready`, and ends when standard input
does. What measures prints requests a second. ADDRESS is the path of a Unix socket, or a channel's name.
"""

import asyncio
import contextlib
import os
import socket
import struct
import sys
import threading
import time

LENGTH = struct.Struct("<I")


def answer(data):
    return data if len(data) <= 64 else data[:8]


def serve_until_end(serve):
    """Runs a blocking server in a thread of its own until standard input ends; its client may go before."""

    def run():
        with contextlib.suppress(EOFError, ConnectionError):
            serve()

    threading.Thread(target=run, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


def rate(call, seconds, batch=1):
    """How often a second `call` runs, which handles `batch` requests; a fifth of the time before it counts for nothing."""
    clock = time.perf_counter
    end = clock() + seconds / 5
    while clock() < end:
        call()
    count, began = 0, clock()
    end = began + seconds
    while clock() < end:
        call()
        count += batch
    return count / (clock() - began)


def lanes(send, receive, data, in_flight):
    """One request and its answer, or as many requests as are in flight and then their answers."""

    def call():
        for _ in range(in_flight):
            send(data)
        for _ in range(in_flight):
            receive()

    # Large messages would fill both sockets while neither side reads: another thread sends.
    if in_flight == 1 or len(data) < 4096:
        return call

    def call_both_ways():
        sender = threading.Thread(target=lambda: [send(data) for _ in range(in_flight)])
        sender.start()
        for _ in range(in_flight):
            receive()
        sender.join()

    return call_both_ways


class SimpleIpc:
    def serve(self, address):
        import simple_ipc

        with simple_ipc.listen_uds_request(address, answer):
            print("ready", flush=True)
            sys.stdin.read()

    def measure(self, address, data, in_flight, seconds):
        import simple_ipc

        assert in_flight == 1
        with simple_ipc.connect(address) as client:
            return rate(lambda: client.request(data), seconds)


class Multiprocessing:
    def serve(self, address):
        from multiprocessing.connection import Listener

        listener = Listener(address, "AF_UNIX")

        def serve():
            connection = listener.accept()
            while True:
                connection.send_bytes(answer(connection.recv_bytes()))

        serve_until_end(serve)

    def measure(self, address, data, in_flight, seconds):
        from multiprocessing.connection import Client

        with Client(address, "AF_UNIX") as connection:
            return rate(lanes(connection.send_bytes, connection.recv_bytes, data, in_flight), seconds, in_flight)


class Zmq:
    def serve(self, address):
        import zmq

        router = zmq.Context().socket(zmq.ROUTER)
        router.bind(f"ipc://{address}")

        def serve():
            while True:
                peer, data = router.recv_multipart()
                router.send_multipart([peer, answer(data)])

        serve_until_end(serve)

    def measure(self, address, data, in_flight, seconds):
        import zmq

        dealer = zmq.Context().socket(zmq.DEALER)
        dealer.connect(f"ipc://{address}")

        def call():
            for _ in range(in_flight):
                dealer.send(data)
            for _ in range(in_flight):
                dealer.recv()

        return rate(call, seconds, in_flight)


class Raw:
    """A socket, with the length before each message."""

    @staticmethod
    def receive(connection):
        def exactly(length):
            data = bytearray(length)
            view, have = memoryview(data), 0
            while have < length:
                got = connection.recv_into(view[have:])
                if got == 0:
                    raise EOFError
                have += got
            return data

        return bytes(exactly(LENGTH.unpack(exactly(4))[0]))

    @staticmethod
    def send(connection, data):
        connection.sendall(LENGTH.pack(len(data)) + data)

    def serve(self, address):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()

        def serve():
            connection, _ = listener.accept()
            while True:
                self.send(connection, answer(self.receive(connection)))

        serve_until_end(serve)

    def measure(self, address, data, in_flight, seconds):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(address)
            call = lanes(lambda data: self.send(connection, data), lambda: self.receive(connection), data, in_flight)
            return rate(call, seconds, in_flight)


async def rate_of_tasks(request, in_flight, seconds):
    """As `rate`, with a task for each request in flight."""
    loop = asyncio.get_running_loop()
    counting, over, count = False, False, 0

    async def lane():
        nonlocal count
        while not over:
            await request()
            count += counting

    lanes = [asyncio.create_task(lane()) for _ in range(in_flight)]
    await asyncio.sleep(seconds / 5)
    counting, began = True, loop.time()
    await asyncio.sleep(seconds)
    result = count / (loop.time() - began)
    over = True
    await asyncio.gather(*lanes)
    return result


async def end_of_input():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


class Aio:
    def serve(self, address):
        from simple_ipc import aio

        async def serve():
            async with aio.listen_uds_request(address, answer):
                print("ready", flush=True)
                await end_of_input()

        asyncio.run(serve())

    def measure(self, address, data, in_flight, seconds):
        from simple_ipc import aio

        async def measure():
            async with aio.connect(address) as client:
                return await rate_of_tasks(lambda: client.request(data), in_flight, seconds)

        return asyncio.run(measure())


class Streams:
    def serve(self, address):
        async def serve():
            async def connected(reader, writer):
                try:
                    while True:
                        data = await reader.readexactly(LENGTH.unpack(await reader.readexactly(4))[0])
                        data = answer(data)
                        writer.write(LENGTH.pack(len(data)) + data)
                        await writer.drain()
                except asyncio.IncompleteReadError:
                    writer.close()

            async with await asyncio.start_unix_server(connected, address, limit=1 << 22):
                print("ready", flush=True)
                await end_of_input()
                os._exit(0)

        asyncio.run(serve())

    def measure(self, address, data, in_flight, seconds):
        async def measure():
            reader, writer = await asyncio.open_unix_connection(address, limit=1 << 22)
            waiting = asyncio.Queue()

            async def receive():
                while True:
                    reply = await reader.readexactly(LENGTH.unpack(await reader.readexactly(4))[0])
                    waiting.get_nowait().set_result(reply)

            async def request():
                future = asyncio.get_running_loop().create_future()
                waiting.put_nowait(future)
                writer.write(LENGTH.pack(len(data)) + data)
                await writer.drain()
                return await future

            receiver = asyncio.create_task(receive())
            result = await rate_of_tasks(request, in_flight, seconds)
            receiver.cancel()
            return result

        return asyncio.run(measure())


KINDS = {
    "simple-ipc": SimpleIpc, "multiprocessing": Multiprocessing, "pyzmq": Zmq, "socket": Raw, "aio": Aio,
    "streams": Streams,
}


def main():
    role, kind, address, *more = sys.argv[1:]
    if role == "serve":
        KINDS[kind]().serve(address)
    else:
        size, in_flight, seconds = int(more[0]), int(more[1]), float(more[2])
        print(KINDS[kind]().measure(address, b"x" * size, in_flight, seconds))


main()
