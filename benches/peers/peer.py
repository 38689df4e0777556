#!/usr/bin/env python3
"""Drives Python's own ways as benches/bare drives the socket, and prints the same line of JSON:

    peer.py pyzmq|multiprocessing WHAT --cpus SERVER,CLIENT --warmup SECONDS --seconds SECONDS [--bytes N]
"""

import argparse
import ctypes
import json
import os
import signal
import sys
import tempfile
import time

IN_FLIGHT = 64


class Pyzmq:
    """REQ/REP for one in flight, DEALER/ROUTER for 64, PUSH/PULL for one-way."""

    def __init__(self, what, folder):
        import zmq
        self.zmq, self.what, self.folder = zmq, what, folder
        self.kinds = {"pipeline": (zmq.ROUTER, zmq.DEALER), "oneway": (zmq.PULL, zmq.PUSH)}.get(what, (zmq.REP, zmq.REQ))

    def opened(self, kind, name, binds):
        socket = self.zmq.Context.instance().socket(kind)
        socket.linger = 0
        (socket.bind if binds else socket.connect)(f"ipc://{self.folder}/{name}")
        return socket

    def serve(self, reply):
        socket = self.opened(self.kinds[0], "requests", True)
        acks = self.opened(self.zmq.PUSH, "acks", False) if self.what == "oneway" else None
        while True:
            if self.what == "oneway":
                if socket.recv()[0] == 1:
                    acks.send(b"ack")
            elif self.what == "pipeline":
                socket.send_multipart(socket.recv_multipart())
            else:
                body = socket.recv()
                socket.send(body if reply is None else reply)

    def connect(self):
        self.socket = self.opened(self.kinds[1], "requests", False)
        self.send, self.receive = self.socket.send, self.socket.recv
        if self.what == "oneway":
            self.receive = self.opened(self.zmq.PULL, "acks", True).recv


class Multiprocessing:
    """multiprocessing.connection with bytes, its quickest. It has no batching."""

    def __init__(self, what, folder):
        from multiprocessing import connection
        self.connection, self.what, self.path = connection, what, f"{folder}/socket"

    def serve(self, reply):
        connected = self.connection.Listener(self.path, "AF_UNIX").accept()
        while True:
            body = connected.recv_bytes()
            if self.what != "oneway":
                connected.send_bytes(body if reply is None else reply)
            elif body[0] == 1:
                connected.send_bytes(b"ack")

    def connect(self):
        while True:
            try:
                connected = self.connection.Client(self.path, "AF_UNIX")
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.01)  # the server is still starting
        self.send, self.receive = connected.send_bytes, connected.recv_bytes


def drive(peer, what, body, seconds):
    """For so long; returns how many there were and, where only one is in flight, the time of each in ns."""
    clock, send, receive = time.perf_counter_ns, peer.send, peer.receive
    samples, count, before = [], 0, clock()
    stop = before + int(seconds * 1e9)
    if what == "oneway":
        while count % 64 or clock() < stop:
            send(body)
            count += 1
        send(b"\1" + body[1:])
        receive()
        return count + 1, samples
    if what == "pipeline":
        for _ in range(IN_FLIGHT):
            send(body)
        while clock() < stop:
            receive()
            send(body)
            count += 1
        for _ in range(IN_FLIGHT):
            receive()
        return count + IN_FLIGHT, samples
    while before < stop:
        send(body)
        receive()
        after = clock()
        samples.append(after - before)
        before = after
    return len(samples), samples


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=["pyzmq", "multiprocessing"])
    parser.add_argument("what", choices=["roundtrip", "pipeline", "oneway", "bulk"])
    parser.add_argument("--cpus", required=True)
    parser.add_argument("--warmup", type=float, default=0.3)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--bytes", type=int)
    arguments = parser.parse_args()
    what = arguments.what
    size = arguments.bytes or (1 << 20 if what == "bulk" else 64)
    server_cpu, client_cpu = map(int, arguments.cpus.split(","))
    signal.alarm(60 + int(arguments.warmup + arguments.seconds))
    with tempfile.TemporaryDirectory(prefix="simple-ipc-bench-") as folder:
        peer = {"pyzmq": Pyzmq, "multiprocessing": Multiprocessing}[arguments.peer](what, folder)
        server = os.fork()
        if server == 0:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            signal.alarm(60 + int(arguments.warmup + arguments.seconds))
            os.sched_setaffinity(0, {server_cpu})
            peer.serve(bytes(8) if what == "bulk" else None)
        try:
            os.sched_setaffinity(0, {client_cpu})
            peer.connect()
            body = bytes(size)
            drive(peer, what, body, arguments.warmup)
            clock = (~server << 3) | 2  # the processor time of that process: clock_getcpuclockid(3)
            cpu = time.clock_gettime(clock) + time.process_time()
            started = time.perf_counter()
            count, samples = drive(peer, what, body, arguments.seconds)
            took = time.perf_counter() - started
            cpu = time.clock_gettime(clock) + time.process_time() - cpu
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
    result = {"what": what, "bytes": size, "count": count, "seconds": round(took, 3), "p50_us": None, "p99_us": None,
              "rate": round(count / took), "cpu_s_per_million": round(cpu / count * 1e6, 3)}
    if samples:
        samples.sort()
        shares = [0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99]
        result["percentiles"] = {str(share): samples[int(len(samples) * share / 100)] / 1e3 for share in shares}
        result["p50_us"], result["p99_us"] = result["percentiles"]["50"], result["percentiles"]["99"]
    print(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # without waiting for anybody's threads


if __name__ == "__main__":
    main()
