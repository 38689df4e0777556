#!/usr/bin/env python3
"""Runs each scenario of exits.c, loads.c and unloads.c many times, several at once: no hang, no crash, no stray file.

tests/exits/run.py [--runs 20] [--at-once 4] [SCENARIO…]        STAGE is where the library is installed
"""

import argparse
import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A watchdog; slow is not failed.
HANG_SECONDS = 120
# Each is loaded and unloaded by a thread of its own.
PLUGINS = 3
# What a process that ends with a listener open may leave; the next listener takes both over.
MAY_BE_LEFT = {f".deno.{name}.{kind}" for name in ("exits", "exits_other") for kind in ("socket", "socket.lock")}


def build(scratch):
    stage = Path(os.environ["STAGE"])
    compiler = [
        os.environ.get("CC", "cc"),
        "-std=gnu99",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
        f"-I{stage}/include",
        f"-I{HERE.parent}/c",
    ]
    exits, loads, unloads, plugin = (scratch / name for name in ("exits", "loads", "unloads", "plugin.so"))
    linked = [f"-L{stage}/lib", f"-Wl,-rpath,{stage}/lib", "-lsimpleipc"]
    subprocess.run([*compiler, "-o", exits, HERE / "exits.c", *linked], check=True)
    subprocess.run([*compiler, "-o", loads, HERE / "loads.c", "-ldl"], check=True)
    subprocess.run([*compiler, "-o", unloads, HERE / "unloads.c", "-ldl"], check=True)
    subprocess.run([*compiler, "-shared", "-fPIC", "-o", plugin, HERE / "plugin.c", *linked], check=True)
    plugins = [scratch / f"plugin{number}.so" for number in range(PLUGINS)]
    for place in plugins:
        shutil.copy(plugin, place)
    library, copy = (stage / "lib" / "libsimpleipc.so").resolve(), scratch / "libanother.so"
    shutil.copy(library, copy)

    def names(program):
        return subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()

    scenarios = {name: [exits, name] for name in names(exits)}
    scenarios.update({name: [loads, name, library, copy] for name in names(loads)})
    scenarios.update({f"unloaded_after_{name}": [unloads, name, *plugins] for name in names(unloads)})
    return scenarios, [exits, "--take-over"]


def started(command, directory):
    """How a process ended, if not well, and how long it took."""
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env={**os.environ, "SIMPLE_IPC_DIR": directory},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
        said, _ = process.communicate()
        return f"hung for {HANG_SECONDS} s: {said}", 0
    if process.returncode < 0:
        return f"ended by {signal.Signals(-process.returncode).name}: {said}", 0
    if process.returncode or said:
        return f"ended with {process.returncode}: {said}", 0
    return None, time.monotonic() - began


def once(command, take_over):
    with tempfile.TemporaryDirectory(prefix="sipc-exits-") as directory:
        wrong, took = started(command, directory)
        stray = sorted(set(os.listdir(directory)) - MAY_BE_LEFT)
        if not wrong and stray:
            wrong = f"left behind: {', '.join(stray)}"
        if not wrong:
            wrong, _ = started(take_over, directory)
            wrong = wrong and f"the next listener: {wrong}"
        left = [name for name in os.listdir(directory) if "other" not in name]
        if not wrong and left:
            wrong = f"the next listener left behind: {', '.join(left)}"
    return wrong, took


def main():
    parser = argparse.ArgumentParser(description="Run each way to end a process many times.")
    parser.add_argument("--runs", type=int, default=int(os.environ.get("SIMPLE_IPC_TEST_RUNS", "20")))
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("names", nargs="*", metavar="SCENARIO")
    arguments = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="sipc-exits-") as scratch:
        scenarios, take_over = build(Path(scratch))
        for name in arguments.names or scenarios:
            if name not in scenarios:
                parser.error(f"no scenario is called {name}: they are {', '.join(scenarios)}")
            with concurrent.futures.ThreadPoolExecutor(arguments.at_once) as pool:
                done = list(
                    pool.map(lambda _, command=scenarios[name]: once(command, take_over), range(arguments.runs))
                )
            wrong = [what for what, _ in done if what]
            passed, failed = passed + (not wrong), failed + bool(wrong)
            longest = max(took for _, took in done)
            print(
                f"{'not ok' if wrong else 'ok'} - {name}: {arguments.runs} runs, the longest {longest * 1e3:.0f} ms",
                flush=True,
            )
            for what in wrong[:3]:
                print(f"#   {len(wrong)} runs of {arguments.runs} went wrong; {what.strip()}")
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
