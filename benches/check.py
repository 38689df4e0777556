#!/usr/bin/env python3
"""Counts the instructions that a message takes on each side, and fails where they have grown.

Seconds depend on the machine and on what else it does; instructions hardly do. Each exchange runs twice under callgrind
on each side, with few messages and with many, and the difference divided by that of the numbers is what one message
takes: starting and closing drop out. Polling is off. `--renew` writes the committed figures anew.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FIGURES = Path(__file__).resolve().parent / "instructions.json"
ALLOWED_GROWTH = 0.05
# How many of a queue's 64 requests one read brings the listener is up to the scheduler, and with it the share of a read
# in each; over seven runs on a busy machine it moved by 25 %, all others by 4 %.
ALLOWED_GROWTH_OF = {"queue, listener": 0.3}
FEW, MANY = 2048, 6144
EXCHANGES = {"blocking": "request", "queue": "request", "oneway": "broadcast"}
HANG_SECONDS = 600
RENEW = "benches/check.py --renew, through: make bench-check RENEW=1"


class Failed(Exception):
    pass


def under_callgrind(program, log, arguments):
    return ["valgrind", "--tool=callgrind", f"--log-file={log}", "--callgrind-out-file=/dev/null", str(program),
            *map(str, arguments)]


def instructions(log):
    found = re.search(r"Collected : (\d+)", log.read_text())
    if not found:
        raise Failed(f"callgrind told no count: {log.read_text().strip()[-400:]}")
    return int(found.group(1))


def count(program, exchange, messages, side):
    """The instructions of one side; the other runs at full speed."""
    with tempfile.TemporaryDirectory(prefix="simple-ipc-check-") as scratch:
        environment = {**os.environ, "SIMPLE_IPC_DIR": scratch}
        log = Path(scratch) / "callgrind.log"
        listen, post = [program, "listen", EXCHANGES[exchange]], [program, exchange, str(messages)]
        if side == "listener":
            listen = under_callgrind(listen[0], log, listen[1:])
        else:
            post = under_callgrind(post[0], log, post[1:])
        listener = subprocess.Popen(listen, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if listener.stdout.read(1) != b"\0":
                raise Failed(f"the listener ended with status {listener.wait(timeout=60)}")
            done = subprocess.run(post, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS)
            if done.returncode != 0:
                raise Failed(f"{' '.join(map(str, post))} ended with status {done.returncode}: {done.stderr.strip()}")
            listener.stdin.close()
            if listener.wait(timeout=HANG_SECONDS) != 0:
                raise Failed(f"the listener ended with status {listener.returncode}")
        finally:
            if listener.poll() is None:
                listener.kill()
                listener.wait()
            listener.stdout.close()
        return instructions(log)


def measure(program):
    """The middle one of three."""
    figures = {}
    for exchange in EXCHANGES:
        for side in ("client", "listener"):
            counts = [(count(program, exchange, MANY, side) - count(program, exchange, FEW, side)) / (MANY - FEW)
                      for _ in range(3)]
            figures[f"{exchange}, {side}"] = round(sorted(counts)[1], 1)
    return figures


def compare(figures, committed):
    """Prints the table and `N passed, N failed`; true if nothing grew too much."""
    failed = 0
    for name, figure in figures.items():
        before = committed.get(name)
        if before is None:
            verdict = f"NO figure is committed for it; {RENEW}"
            failed += 1
        else:
            growth = figure / before - 1
            verdict = f"{before:8.1f} committed, {growth:+.1%}"
            allowed = ALLOWED_GROWTH_OF.get(name, ALLOWED_GROWTH)
            if growth > allowed:
                verdict += f"  FAILED: more than {allowed:.0%} more"
                failed += 1
        print(f"{name:20} {figure:8.1f} instructions a message; {verdict}")
    for name in committed.keys() - figures.keys():
        print(f"{name}: committed, but no longer measured; {RENEW}")
        failed += 1
    if failed:
        print(f"bench-check: if the growth is meant, renew the figures and commit them with the change: {RENEW}")
    print(f"{len(figures) - min(failed, len(figures))} passed, {failed} failed")
    return failed == 0


def main():
    parser = argparse.ArgumentParser(description="Count instructions a message and compare with the committed figures.")
    parser.add_argument("--programs", type=Path, required=True, help="the folder benches/build.sh built into")
    parser.add_argument("--renew", action="store_true", help=f"write {FIGURES.name} instead of comparing with it")
    parser.add_argument("--print", action="store_true", help="only print what is counted, as JSON")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        raise Failed("valgrind is missing; make setup brings it")
    figures = measure(arguments.programs.resolve() / "loop")
    if arguments.print:
        print(json.dumps(figures))
        return 0
    # Another processor family has another instruction set: its figures stand beside these.
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    machine = platform.machine()
    if arguments.renew:
        known[machine] = figures
        FIGURES.write_text(json.dumps(known, indent=2) + "\n")
        print(f"bench-check: wrote the figures for {machine} to {FIGURES}")
        return 0
    if machine not in known:
        raise Failed(f"no figures are committed for {machine}; {RENEW}")
    return 0 if compare(figures, known[machine]) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, subprocess.TimeoutExpired) as failure:
        sys.exit(f"bench-check: {failure}")
