#!/usr/bin/env python3
"""The latency of a good client beside 500 that are stuck, for each dialect in which one can be.

    benches/stuck.py COMMAND [--rounds N]     COMMAND is the built simple-ipc

Each round measures 2000 requests on one native session alone, and then beside the stuck ones; medians over the rounds.
"""

import argparse
import os
import resource
import socket
import statistics
import struct
import subprocess
import tempfile
import time

HELLO = bytes.fromhex("f5534950 01 01 0000 00000000 00000004")
STUCK = {
    "native, half a hello": HELLO[:7],
    "native, half a request": HELLO + struct.pack("<IBBHII", 1000, 1, 0, 0, 1, 0) + b"1",
    "Deno wire, half a message": b'\x00"half',
    "plain text, half a character": b"\xc3",
}
COUNT, REQUESTS = 500, 2000


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(path)
    return sock


def read(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise SystemExit("stuck.py: the listener closed the good client's session")
        data += part
    return data


def measure(path):
    """Median and 99th percentile of the round trips of one session, in microseconds."""
    times = []
    with connect(path) as sock:
        sock.sendall(HELLO)
        read(sock, len(HELLO))
        for number in range(1, REQUESTS + 1):
            began = time.perf_counter_ns()
            sock.sendall(struct.pack("<IBBHII", 1, 1, 0, 0, number, 0) + b"1")
            length, kind = struct.unpack("<IB11x", read(sock, 16))
            assert kind == 2 and read(sock, length) == b"1"
            times.append((time.perf_counter_ns() - began) / 1000)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    print(f"{'beside ' + str(COUNT) + ' stuck':30} {'alone, us':>18} {'beside them, us':>18}   ratio of medians")
    for name, sent in STUCK.items():
        rounds = []
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory() as directory:
                listener = subprocess.Popen([arguments.command, "listen", "channel", "--echo", "--quiet", "--dir", directory])
                path = os.path.join(directory, ".deno.channel.socket")
                while not os.path.exists(path):
                    time.sleep(0.005)
                try:
                    measure(path)
                    alone = measure(path)
                    stuck = [connect(path) for _ in range(COUNT)]
                    for sock in stuck:
                        sock.sendall(sent)
                    beside = measure(path)
                    for sock in stuck:
                        sock.close()
                    rounds.append((*alone, *beside))
                finally:
                    listener.terminate()
                    listener.wait()
        a50, a99, b50, b99 = (statistics.median(column) for column in zip(*rounds))
        print(f"{name:30} {f'{a50:.1f}, p99 {a99:.0f}':>18} {f'{b50:.1f}, p99 {b99:.0f}':>18}   {b50 / a50:.2f}")


if __name__ == "__main__":
    main()
