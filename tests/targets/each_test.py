#!/usr/bin/env python3
"""Runs programs of Rust tests that were built for another target, each test in a process of its own as cargo-nextest does.

    tests/targets/each_test.py --left-out FILE --folder FOLDER [--only BEGINNING]... PROGRAM...

FOLDER is where the tests start, their crate's. A line of FILE is the name of a test and, after white space, the reason for which it
is left out here; a name that ends with `*` stands for all that begin so. With --only, tests whose names do not begin so are not
run, and not counted. The last line is `N passed, N failed, N skipped`.
"""

import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
from pathlib import Path

# Far beyond what any test takes under an emulator on a busy machine: what still runs then hangs.
HANG_SECONDS = 600


def read_left_out(path):
    lines = [line.split(None, 1) for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return {name: reason for name, reason in lines}


def tests_of(program):
    """The names of a program's tests, without those that are ignored everywhere."""
    def listed(*more):
        printed = subprocess.run([program, "--list", "--format", "terse", *more], capture_output=True, text=True, check=True)
        return [line.removesuffix(": test") for line in printed.stdout.splitlines() if line.endswith(": test")]

    ignored = set(listed("--ignored"))
    return [name for name in listed() if name not in ignored]


def fits(pattern, name):
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def run(program, name, folder):
    """What a failed test said; None of one that passed."""
    command = [program, "--exact", name, "--nocapture"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=HANG_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"still ran after {HANG_SECONDS} s"
    if done.returncode == 0 and b"1 passed" in done.stdout:
        return None
    said = (done.stdout + done.stderr).decode(errors="replace")
    return f"ended with {done.returncode}\n{said}"


def main():
    parser = argparse.ArgumentParser(description="Run programs of Rust tests, each test in a process of its own.")
    parser.add_argument("--left-out", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[], metavar="BEGINNING")
    parser.add_argument("programs", nargs="+", metavar="PROGRAM")
    arguments = parser.parse_args()
    left_out = read_left_out(arguments.left_out)
    # cargo sets it for what it runs.
    os.environ["CARGO_MANIFEST_DIR"] = str(arguments.folder.resolve())
    # Under an emulator the names in one trace take seconds, in which what a test waits for runs out.
    os.environ["RUST_BACKTRACE"] = "0"
    # A run in the background is started with some signals ignored, which its programs would inherit, while tests send them. A signal
    # that is caught here is as by default in what is started, and ends this no more than an ignored one.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)

    passed = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        running = {}
        for program in arguments.programs:
            for name in tests_of(program):
                if arguments.only and not name.startswith(tuple(arguments.only)):
                    continue
                pattern = next((pattern for pattern in left_out if fits(pattern, name)), None)
                if pattern is None:
                    running[pool.submit(run, program, name, arguments.folder)] = name
                    continue
                skipped += 1
                print(f"# left out: {name}: {left_out[pattern]}", flush=True)
        for ended in concurrent.futures.as_completed(running):
            said = ended.result()
            if said is None:
                passed += 1
                continue
            failed += 1
            print(f"not ok - {running[ended]}")
            print("\n".join(f"# {line}" for line in said.splitlines()[-40:]), flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
