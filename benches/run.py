#!/usr/bin/env python3
"""Runs the library beside bare system calls and prints what the library costs.

In every round each exchange runs in turn as bare C that polls before it blocks ("spin"), as bare C that blocks, and
through the library, so that whatever else the machine does touches all three. A ratio is that of one round; the table
shows the median over the rounds. `make bench` builds the programs and calls this.

Placement: "same" pins both processes to one processor, "cross" to two. Waking an idle processor costs far more than a
message, so "same" shows what the library adds and "cross" shows how well it waits.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

WHATS = ["roundtrip", "pipeline", "oneway", "bulk"]
TITLES = {
    "roundtrip": "64 B there and back, one in flight: median in µs (less is better)",
    "pipeline": "64 B there and back, 64 in flight: thousand requests/s (more is better)",
    "oneway": "64 B one way: thousand messages/s at the receiver (more is better)",
    "bulk": "1 MiB there, 8 B back, one in flight: GB/s (more is better)",
}
BULK_BYTES = 1 << 20


class Failed(Exception):
    pass


def measure(program, what, wait, cpus, seconds, warmup):
    command = [str(program), what, "--wait", wait, "--seconds", str(seconds), "--warmup", str(warmup)]
    if cpus:
        command += ["--cpus", f"{cpus[0]},{cpus[1]}"]
    try:
        # The programs have a watchdog of their own; this one is for a program that lost it.
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + warmup + 120)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{' '.join(command)} hung and was ended") from late
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def figure(what, result):
    """The number the table shows, in the unit of the table's title."""
    if what == "roundtrip":
        return result["p50_us"]
    if what == "bulk":
        return result["rate"] * BULK_BYTES / 1e9
    return result["rate"] / 1e3


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}..{max(values):.2f})"


def table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])])


def report(what, rounds, placements, columns):
    print(f"\n{TITLES[what]}")
    head = ["placement"] + [name for name, _, _ in columns]
    with_library = any(name == "library" for name, _, _ in columns)
    if with_library:
        head += ["library/spin", "library/block"]
    if what == "roundtrip":
        head += [f"p99 {name}" for name, _, _ in columns]
    head += [f"CPU s/M {name}" for name, _, _ in columns]
    rows = [head]
    for placement in placements:
        results = {name: [a_round[what, placement, name] for a_round in rounds] for name, _, _ in columns}
        figures = {name: [figure(what, result) for result in results[name]] for name in results}
        row = [placement] + [f"{statistics.median(figures[name]):.2f}" for name in figures]
        if with_library:
            for bare in ("spin", "block"):
                row.append(spread([ours / theirs for ours, theirs in zip(figures["library"], figures[bare])]))
        if what == "roundtrip":
            row += [f"{statistics.median(result['p99_us'] for result in results[name]):.1f}" for name in results]
        row += [f"{statistics.median(result['cpu_s_per_million'] for result in results[name]):.3f}" for name in results]
        rows.append(row)
    for line in table(rows):
        print(line)


def main():
    parser = argparse.ArgumentParser(description="Measure the library beside bare system calls.")
    parser.add_argument("--programs", type=Path, required=True, help="the folder benches/build.sh built into")
    parser.add_argument("--quick", action="store_true", help="two short rounds instead of five")
    parser.add_argument("--rounds", type=int, help="how many rounds")
    parser.add_argument("--only", choices=WHATS, action="append", help="only this exchange; may be repeated")
    parser.add_argument("--bare", action="store_true", help="leave the library out")
    parser.add_argument("--json", type=Path, help="also write every single result to this file, one a line")
    arguments = parser.parse_args()

    count = arguments.rounds or (2 if arguments.quick else 5)
    seconds, warmup = (0.4, 0.2) if arguments.quick else (1.0, 0.3)
    whats = arguments.only or WHATS
    cpus = sorted(os.sched_getaffinity(0))
    placements = {"same": (cpus[0], cpus[0])}
    if len(cpus) > 1:
        placements["cross"] = (cpus[0], cpus[1])
    else:
        print("bench: one processor only, so the placement \"cross\" is left out")
    columns = [("spin", "bare", "spin"), ("block", "bare", "block")]
    if not arguments.bare:
        columns.append(("library", "library", "library"))

    total = count * len(whats) * len(placements) * len(columns) * (seconds + warmup)
    print(f"bench: {count} rounds, about {total:.0f} s; {os.cpu_count()} processors, Linux {platform.release()}")
    print("bench: columns are bare C that polls and then blocks (spin), bare C that blocks (block)"
          + ("" if arguments.bare else ", the library"), flush=True)

    rounds = []
    for number in range(count):
        results = {}
        for what in whats:
            for placement, pair in placements.items():
                for name, program, wait in columns:
                    result = measure(arguments.programs / program, what, wait, pair, seconds, warmup)
                    results[what, placement, name] = result
                    if arguments.json:
                        with arguments.json.open("a") as out:
                            out.write(json.dumps({"round": number, **result}) + "\n")
        rounds.append(results)
        print(f"bench: round {number + 1} of {count} done", flush=True)

    for what in whats:
        report(what, rounds, placements, columns)
    print("\nlibrary/…: ratio within a round, median (least..most). "
          "CPU s/M: processor seconds of both processes a million messages.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"bench: {failure}")
