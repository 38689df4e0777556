#!/usr/bin/env python3
"""Counts the instructions that a message takes on each side, and fails where they have grown.

Seconds depend on the machine and on what else it does; instructions hardly do. Each exchange runs twice under callgrind
on each side, with few messages and with many, and the difference divided by that of the numbers is what one message
takes: starting and closing drop out. Counted is the thread of a side that does most, which is the one that messages go
through: what the library's other threads do goes by time. Polling is off, and the clock goes as much slower as the
program does (measure/slow_clock.c). The C library uses what every processor has. `--renew` writes the committed figures anew.

Another compiler or another C library makes other instructions of the same sources. Where one of them is not the one that the
committed figures are from, that is said, and more growth is allowed.
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
ALLOWED_GROWTH = 0.03
ALLOWED_GROWTH_ELSEWHERE = 0.1
# In how many pieces 64 answers come to a queue is up to the scheduler, and with it the share of a read in each: on a busy machine
# the least of three runs moved by 6 %, all others by 2 %.
ALLOWED_GROWTH_OF = {"queue, client": 0.1}
# What the C library copies with would else depend on the processor: without these it takes SSE2, or what another machine has.
SAME_EVERYWHERE = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-ERMS,-FSRM"
FEW, MANY = 2048, 6144
EXCHANGES = {"blocking": "request", "post": "request", "queue": "request", "oneway": "broadcast"}
HANG_SECONDS = 600
RENEW = "benches/check.py --renew, through: make bench-check RENEW=1"


class Failed(Exception):
    pass


def under_callgrind(program, scratch, arguments):
    return ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--log-file={scratch}/callgrind.log",
            f"--callgrind-out-file={scratch}/callgrind.out", str(program), *map(str, arguments)]


def instructions(scratch):
    """Those of the thread that has executed most of them."""
    outputs = [output.read_text() for output in scratch.glob("callgrind.out*")]
    counts = [int(count) for output in outputs for count in re.findall(r"^totals: (\d+)", output, re.MULTILINE)]
    if not counts:
        raise Failed(f"callgrind told no count: {(scratch / 'callgrind.log').read_text().strip()[-400:]}")
    return max(counts)


def toolchain():
    """What makes the instructions, besides the sources."""
    rustc = subprocess.run([os.environ.get("RUSTC", "rustc"), "--version"], capture_output=True, text=True).stdout.split()
    return {"rustc": rustc[1] if len(rustc) > 1 else "unknown", "libc": " ".join(platform.libc_ver())}


def count(program, exchange, messages, side):
    """The instructions of one side; the other runs at full speed."""
    with tempfile.TemporaryDirectory(prefix="simple-ipc-check-") as scratch:
        plain = {**os.environ, "SIMPLE_IPC_DIR": scratch}
        counted = {**plain, "GLIBC_TUNABLES": SAME_EVERYWHERE, "LD_PRELOAD": str(program.parent / "slow_clock.so")}
        environment = {"listener": plain, "client": plain, side: counted}
        listen, post = [program, "listen", EXCHANGES[exchange]], [program, exchange, str(messages)]
        if side == "listener":
            listen = under_callgrind(listen[0], scratch, listen[1:])
        else:
            post = under_callgrind(post[0], scratch, post[1:])
        listener = subprocess.Popen(listen, env=environment["listener"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if listener.stdout.read(1) != b"\0":
                raise Failed(f"the listener ended with status {listener.wait(timeout=60)}")
            done = subprocess.run(post, env=environment["client"], capture_output=True, text=True, timeout=HANG_SECONDS)
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
        return instructions(Path(scratch))


def measure(program):
    """The least of three: what disturbs a run only adds to it."""
    figures = {}
    for exchange in EXCHANGES:
        for side in ("client", "listener"):
            counts = [(count(program, exchange, MANY, side) - count(program, exchange, FEW, side)) / (MANY - FEW)
                      for _ in range(3)]
            figures[f"{exchange}, {side}"] = round(min(counts), 1)
    return figures


def compare(figures, known):
    """Prints the table and `N passed, N failed`; true if nothing grew too much."""
    failed = 0
    committed, allowed = known["instructions"], ALLOWED_GROWTH
    if known["by"] != toolchain():
        allowed = ALLOWED_GROWTH_ELSEWHERE
        print(f"bench-check: the committed figures are by {known['by']}, these by {toolchain()}: "
              f"{allowed:.0%} more is allowed instead of {ALLOWED_GROWTH:.0%}")
    for name, figure in figures.items():
        before = committed.get(name)
        if before is None:
            verdict = f"NO figure is committed for it; {RENEW}"
            failed += 1
        else:
            growth = figure / before - 1
            verdict = f"{before:8.1f} committed, {growth:+.1%}"
            most = max(allowed, ALLOWED_GROWTH_OF.get(name, 0))
            if growth > most:
                verdict += f"  FAILED: more than {most:.0%} more"
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
        known[machine] = {"by": toolchain(), "instructions": figures}
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
