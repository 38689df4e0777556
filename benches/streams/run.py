#!/usr/bin/env python3
"""Streams in each language beside gRPC over a Unix socket, and beside the language's own socket; README.md tells more.

Both sides of a measurement are processes of their own, free to use all processors. In every round each of them runs in turn,
so that whatever else the machine does touches all; a ratio is that of one round, and the table shows medians over the rounds.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

from tests import languages  # noqa: E402  (needs the path above)

# What is measured: its name for the programs, the size of items, and whether it is done with the language's own socket.
CASES = {
    "items of 64 B a second": ("down", 64, True),
    "items of 64 KiB a second": ("down", 64 << 10, True),
    "first item, us": ("first", 64, False),
    "a request, us": ("request", 64, False),
    "from leaving to the handler's cleanup, us": ("leave", 64, False),
}
SMALL, LARGE, FIRST, REQUEST, LEAVE = CASES
# Of gRPC's items a second, of the language's own socket in large ones, and of a request's time for a first item.
TIMES_GRPC, SHARE_OF_SOCKET, TIMES_REQUEST = 3, 0.8, 1.2


@dataclasses.dataclass
class Kind:
    language: str
    name: str
    command: list
    argument: str
    #: ours, grpc, or the language's own socket
    role: str
    environment: dict = dataclasses.field(default_factory=dict)


def there(name, program):
    if program.missing:
        print(f"bench: left out: {name}: {program.missing}", file=sys.stderr, flush=True)
    return not program.missing


def kinds():
    rust = Path(os.environ["STREAMS_RUST"])
    if rust.exists():
        yield Kind("Rust", "simple_ipc", [rust], "simple-ipc", "ours")
        yield Kind("Rust", "tonic", [rust], "tonic", "grpc")
        yield Kind("Rust, blocking", "simple_ipc::blocking", [rust], "blocking", "ours")
        yield Kind("Rust, blocking", "tonic", [rust], "tonic", "grpc")
    python = languages.python(HERE / "bench.py")
    if there("Python", python):
        peers = {"PYTHONPATH": str(ROOT / ".tools" / "peers-streams" / "python")}
        yield Kind("Python", "simple_ipc", python.command, "simple-ipc", "ours")
        yield Kind("Python", "grpcio", python.command, "grpcio", "grpc", peers)
        yield Kind("Python", "socket", python.command, "socket", "socket")
        yield Kind("asyncio", "simple_ipc.aio", python.command, "aio", "ours")
        yield Kind("asyncio", "grpc.aio", python.command, "grpcio-aio", "grpc", peers)
    node = languages.javascript("node", HERE / "bench.mjs")
    if there("Node", node):
        environment = {**node.environment, "PEERS": str(ROOT / ".tools" / "peers-streams" / "js")}
        yield Kind("Node", "simple-ipc", node.command, "simple-ipc", "ours", environment)
        yield Kind("Node", "@grpc/grpc-js", node.command, "grpc-js", "grpc", environment)
        yield Kind("Node", "node:net", node.command, "net", "socket", environment)
    dotnet = languages.dotnet(HERE / "dotnet" / "Streams.csproj", "StreamsBench")
    if there(".NET", dotnet):
        yield Kind(".NET", "SimpleIpc", dotnet.command, "simple-ipc", "ours", dotnet.environment)
        yield Kind(".NET", "Socket", dotnet.command, "socket", "socket", dotnet.environment)


def measure(kind, what, size, seconds):
    """A rate, or microseconds."""
    with tempfile.TemporaryDirectory(prefix="sipc-bench-") as directory:
        address = "bench" if kind.role == "ours" else f"{directory}/socket"
        environment = {**os.environ, **kind.environment, "SIMPLE_IPC_DIR": directory}
        command = list(map(str, kind.command))
        server = subprocess.Popen([*command, "serve", kind.argument, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, env=environment)
        try:
            if server.stdout.readline().strip() != "ready":
                raise RuntimeError(f"the server of {kind.language}, {kind.name} did not start")
            done = subprocess.run([*command, "measure", kind.argument, address, what, str(size), str(seconds)],
                                  capture_output=True, text=True, env=environment, timeout=seconds + 60)
            if done.returncode != 0:
                raise RuntimeError(f"{kind.language}, {kind.name}, {what}: {done.stderr.strip()[-300:]}")
            result = json.loads(done.stdout)
            return result["rate"] if what == "down" else result["p50_us"]
        finally:
            server.stdin.close()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def ratio(above, below):
    return statistics.median(first / second for first, second in zip(above, below))


def rows(results, those):
    """One for each language and case, and each of its rivals."""
    for ours in [kind for kind in those if kind.role == "ours"]:
        rivals = [kind for kind in those if kind.language == ours.language and kind is not ours]
        for case in CASES:
            own = results[ours.language, ours.name, case]
            figure = f"{statistics.median(own):,.0f}"
            if case == FIRST:
                times = ratio(own, results[ours.language, ours.name, REQUEST])
                yield [ours.language, case, figure, "own request", "", f"{times:.2f}", verdict(times <= TIMES_REQUEST, f"<= {TIMES_REQUEST}")]
            for rival in rivals:
                theirs = results.get((rival.language, rival.name, case))
                if not theirs:
                    continue
                times = ratio(own, theirs)
                goal = ""
                if rival.role == "grpc" and case in (SMALL, LARGE):
                    goal = verdict(times >= TIMES_GRPC, f">= {TIMES_GRPC}")
                elif rival.role == "socket" and case == LARGE:
                    goal = verdict(times >= SHARE_OF_SOCKET, f">= {SHARE_OF_SOCKET}")
                yield [ours.language, case, figure, rival.name, f"{statistics.median(theirs):,.0f}", f"{times:.2f}", goal]


def verdict(is_met, goal):
    return f"{'met' if is_met else 'missed'} ({goal})"


def main():
    parser = argparse.ArgumentParser(description="Streams in each language beside gRPC.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="how long one measurement takes")
    parser.add_argument("--quick", action="store_true", help="one round of short measurements: shows that it works, no more")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the page of documentation, too")
    parser.add_argument("--language", action="append", help="only this one; may be given several times")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.2
    those = [kind for kind in kinds() if not arguments.language or kind.language in arguments.language]
    if not those:
        sys.exit("bench: no language is there to be measured: run make setup")
    results = {}
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        for case, (what, size, with_sockets) in CASES.items():
            for kind in those:
                if kind.role != "socket" or with_sockets:
                    value = measure(kind, what, size, arguments.seconds)
                    results.setdefault((kind.language, kind.name, case), []).append(value)
    run = (f"{datetime.date.today()}, {platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))} processors, "
           f"Linux {platform.release()}, {arguments.rounds} rounds of {arguments.seconds} s; medians.")
    header = ["language", "", "ours", "beside", "theirs", "ours / theirs", "goal"]
    table = ["| " + " | ".join(header) + " |", "|---|---|---:|---|---:|---:|---|"]
    table += ["| " + " | ".join(row) + " |" for row in rows(results, those)]
    print(run, "", *table, sep="\n")
    if arguments.document:
        page = (HERE / "streams.in.md").read_text().replace("@RUN@", run).replace("@TABLE@", "\n".join(table))
        arguments.document.write_text(page)


if __name__ == "__main__":
    main()
