#!/usr/bin/env python3
"""Each language's binding beside what its users would otherwise take, and beside C through this library.

Both sides of a measurement are processes of their own, pinned to one processor ("same") or one each ("cross"). In every
round each of them runs in turn, so that whatever else the machine does touches all; a ratio is that of one round, and the
table shows medians over the rounds. Requests are 64 bytes with an answer of as many, or 1 MiB with an answer of 8 bytes; one
is in flight, or 64. Bodies are bytes; in Node strings, which go through JSON. Prints a Markdown table.

A ratio above 1 says that the binding handles more requests in the same time. The goals: ahead of every library (more than 1),
and within 1.5 times the language's own raw socket (at least 0.67).
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

STAGE = Path(os.environ["STAGE"])
SIZES = {64: "64 B", 1 << 20: "1 MiB"}
IN_FLIGHT = (1, 64)


@dataclasses.dataclass
class Kind:
    language: str
    name: str
    command: list
    argument: str
    environment: dict = dataclasses.field(default_factory=dict)
    #: ours, a library, or the language's own socket
    role: str = "library"
    in_flight: tuple = IN_FLIGHT


def there(name, program):
    if program.missing:
        print(f"bench: left out: {name}: {program.missing}", file=sys.stderr, flush=True)
    return not program.missing


def kinds():
    """Ours first in each language."""
    python = languages.python(HERE / "bench.py")
    if there("Python", python):
        command, with_peers = python.command, {"PYTHONPATH": str(ROOT / ".tools" / "peers" / "python")}
        yield Kind("Python", "simple_ipc", command, "simple-ipc", role="ours", in_flight=(1,))
        yield Kind("Python", "multiprocessing", command, "multiprocessing", in_flight=(1,))
        yield Kind("Python", "pyzmq", command, "pyzmq", with_peers, in_flight=(1,))
        yield Kind("Python", "raw socket", command, "socket", role="socket", in_flight=(1,))
        yield Kind("asyncio", "simple_ipc.aio", command, "aio", role="ours")
        yield Kind("asyncio", "multiprocessing", command, "multiprocessing", in_flight=(64,))
        yield Kind("asyncio", "pyzmq", command, "pyzmq", with_peers, in_flight=(64,))
        yield Kind("asyncio", "open_unix_connection", command, "streams", role="socket")
    node = languages.javascript("node", HERE / "bench.mjs")
    if there("Node", node):
        command, environment = node.command, {**node.environment, "PEERS": str(ROOT / ".tools" / "peers" / "js")}
        yield Kind("Node", "simple-ipc", command, "simple-ipc", environment, "ours")
        yield Kind("Node", "node-ipc", command, "node-ipc", environment)
        yield Kind("Node", "node:net, JSON lines", command, "net", environment, "socket")
        yield Kind("Node, bytes", "simple-ipc", command, "simple-ipc-bytes", environment, "ours")
        yield Kind("Node, bytes", "zeromq", command, "zeromq", environment)
        yield Kind("Node, bytes", "node:net, lengths", command, "net-bytes", environment, "socket")
    dotnet = languages.dotnet(HERE / "dotnet" / "Bench.csproj", "LanguageBench")
    if there(".NET", dotnet):
        command, environment = dotnet.command, dotnet.environment
        yield Kind(".NET", "SimpleIpc", command, "simple-ipc", environment, "ours")
        yield Kind(".NET", "raw Socket", command, "socket", environment, "socket")


def measure(kind, size, in_flight, cpus, seconds):
    """Requests a second."""
    with tempfile.TemporaryDirectory(prefix="sipc-bench-") as directory:
        ours = kind.role == "ours"
        address = "bench" if ours else f"{directory}/socket"
        environment = {**os.environ, **kind.environment, "SIMPLE_IPC_DIR": directory}
        command = list(map(str, kind.command))
        server = subprocess.Popen(
            ["taskset", "-c", str(cpus[0]), *command, "serve", kind.argument, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        try:
            if server.stdout.readline().strip() != "ready":
                raise RuntimeError(f"the server of {kind.language}, {kind.name} did not start")
            done = subprocess.run(
                ["taskset", "-c", str(cpus[1]), *command, "measure", kind.argument, address, str(size), str(in_flight),
                 str(seconds)], capture_output=True, text=True, env=environment, timeout=seconds + 60)
            if done.returncode != 0:
                raise RuntimeError(f"{kind.language}, {kind.name}: {done.stderr.strip()[-300:]}")
            return float(done.stdout.split()[-1])
        finally:
            server.stdin.close()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def measure_c(size, in_flight, cpus, seconds):
    """C through this library: what `make bench` measures; it has no 1 MiB with 64 in flight."""
    if size > 64 and in_flight > 1:
        return None
    what = "bulk" if size > 64 else "roundtrip" if in_flight == 1 else "pipeline"
    program = Path(os.environ["RELEASE_DIR"]).parent / "benches" / "library"
    done = subprocess.run([program, what, "--seconds", str(seconds), "--warmup", str(seconds / 5),
                           "--cpus", f"{cpus[0]},{cpus[1]}"], capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        raise RuntimeError(f"C: {done.stderr.strip()}")
    return json.loads(done.stdout)["rate"]


def median_ratio(above, below):
    # A rival may be so slow that it finished nothing.
    return statistics.median(first / second if second else float("inf") for first, second in zip(above, below))


def rows(results, those, placements):
    """One for each language, placement, size and number in flight, and each of its rivals."""
    for ours in [kind for kind in those if kind.role == "ours"]:
        for placement in placements:
            for size in SIZES:
                for in_flight in ours.in_flight:
                    at = (placement, size, in_flight)
                    rates = results[ours.language, ours.name, *at]
                    c = results.get(("C", "", *at))
                    of_c = f"{median_ratio(rates, c):.2f}" if c else "-"
                    for rival in [kind for kind in those if kind.language == ours.language and kind is not ours]:
                        if in_flight not in rival.in_flight:
                            continue
                        theirs = results[rival.language, rival.name, *at]
                        ratio = median_ratio(rates, theirs)
                        goal = 1.0 if rival.role == "library" else 0.67
                        yield [ours.language, placement, SIZES[size], str(in_flight), f"{statistics.median(rates):,.0f}", of_c,
                               rival.name, f"{statistics.median(theirs):,.0f}", f"{ratio:.2f}",
                               f"{'met' if ratio >= goal else 'missed'} ({goal:g})"]


def main():
    parser = argparse.ArgumentParser(description="The bindings beside what their languages' users would otherwise take.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="how long one measurement takes")
    parser.add_argument("--quick", action="store_true", help="one round of short measurements: shows that it works, no more")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the page of documentation, too")
    parser.add_argument("--language", action="append", help="only this one; may be given several times")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.2
    cpus = sorted(os.sched_getaffinity(0))
    placements = {"same": (cpus[0], cpus[0])}
    if len(cpus) > 1:
        placements["cross"] = (cpus[0], cpus[1])
    those = [kind for kind in kinds() if not arguments.language or kind.language in arguments.language]
    if not those:
        sys.exit("bench: no language is there to be measured: run make setup")
    results = {}
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
        for placement, pair in placements.items():
            for size in SIZES:
                for in_flight in IN_FLIGHT:
                    rate = measure_c(size, in_flight, pair, arguments.seconds)
                    if rate is not None:
                        results.setdefault(("C", "", placement, size, in_flight), []).append(rate)
                    for kind in those:
                        if in_flight in kind.in_flight:
                            rate = measure(kind, size, in_flight, pair, arguments.seconds)
                            results.setdefault((kind.language, kind.name, placement, size, in_flight), []).append(rate)
    run = (f"{datetime.date.today()}, {platform.processor() or platform.machine()}, {len(cpus)} processors, Linux "
           f"{platform.release()}, {arguments.rounds} rounds of {arguments.seconds} s; requests a second, medians.")
    header = ["language", "placement", "size", "in flight", "ours", "of C", "beside", "theirs", "ours / theirs", "goal"]
    table = ["| " + " | ".join(header) + " |", "|---|---|" + "---:|" * 4 + "---|" + "---:|" * 2 + "---|"]
    table += ["| " + " | ".join(row) + " |" for row in rows(results, those, placements)]
    print(run, "", *table, sep="\n")
    if arguments.document:
        page = (HERE / "languages.in.md").read_text().replace("@RUN@", run).replace("@TABLE@", "\n".join(table))
        arguments.document.write_text(page)


if __name__ == "__main__":
    main()
