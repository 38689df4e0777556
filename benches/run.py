#!/usr/bin/env python3
"""Runs the library beside bare system calls and prints what was reached beside each goal.

Columns: bare C that polls before it blocks ("spin"), bare C that blocks ("block"), the library through its C interface; and by
memory that both processes share, bare C ("ring") and the library ("memory").
Placement: "same" pins both processes to one processor, "cross" to two. Waking an idle processor costs far more than a
message, so "same" shows what the library adds and "cross" shows how well it waits. `make bench` builds the programs and
calls this.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import goals
import harness
from harness import Failed, run_program

# How much memory the library may share in its column "memory".
SHARED = {"SIMPLE_IPC_SHARED_MEMORY": str(64 << 20)}
# Sizes of a body for the plot of throughput against size.
SWEEP = [1, 16, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, (64 << 20) - 64]


class Bench:
    def __init__(self, arguments):
        self.programs = arguments.programs.resolve()
        self.seconds = 0.1 if arguments.quick else 0.4
        self.warmup = 0.05 if arguments.quick else 0.15
        self.idle_seconds = 2 if arguments.quick else 10
        self.starts = 10 if arguments.quick else 40
        self.only = arguments.only
        self.placements = harness.placements()
        self.rounds = harness.Rounds()

    def wanted(self, group):
        return not self.only or group in self.only

    def exchange(self, case, what, placement, column, *more):
        """One run of `bare` or `library`; both take the same words."""
        program = "library" if column in ("library", "memory") else "bare"
        wait = [] if program == "library" else ["--wait", column]
        pair = self.placements[placement]
        result = run_program([
            self.programs / program, what, *wait, "--seconds", self.seconds, "--warmup", self.warmup,
            "--cpus", f"{pair[0]},{pair[1]}", *more,
        ], SHARED if column == "memory" else None)
        self.rounds.keep(case, placement, column, result)

    def one_round(self, first):
        for placement in self.placements:
            if self.wanted("roundtrip"):
                for column in ("spin", "block", "library"):
                    self.exchange("roundtrip", "roundtrip", placement, column)
            if self.wanted("post"):
                if not self.wanted("roundtrip"):
                    for column in ("spin", "block"):
                        self.exchange("roundtrip", "roundtrip", placement, column)
                self.exchange("post", "post", placement, "library")
            if self.wanted("tcp"):
                for column in ("spin", "library"):
                    self.exchange("roundtrip_tcp", "roundtrip", placement, column, "--net", "tcp")
            for what in ("pipeline", "oneway"):
                if self.wanted(what):
                    for column in ("spin", "library"):
                        self.exchange(what, what, placement, column)
            if self.wanted("bulk"):
                for name, size in goals.BULK_SIZES.items():
                    for column in ("spin", "library"):
                        self.exchange(f"bulk_{name}", "bulk", placement, column, "--bytes", size)
            if self.wanted("memory"):
                for column in ("ring", "memory"):
                    for what in ("roundtrip", "pipeline", "oneway"):
                        self.exchange(f"memory_{what}", what, placement, column)
                    for name, size in goals.BULK_SIZES.items():
                        self.exchange(f"memory_bulk_{name}", "bulk", placement, column, "--bytes", size)
            if self.wanted("deno"):
                self.exchange("oneshot", "oneshot", placement, "block")
                self.exchange("deno", "deno", placement, "library")
            if self.wanted("busy"):
                self.among_busy_processes(placement)
        if self.wanted("clients"):
            for number in goals.CLIENT_COUNTS:
                for column, program in (("loop", "clients-bare"), ("library", "clients")):
                    result = run_program([self.programs / program, number, self.seconds])
                    self.rounds.keep(f"clients_{number}", "default", column, result)
        if self.wanted("first"):
            result = run_program([self.programs / "first", self.programs / "empty", self.starts])
            self.rounds.keep("first", "default", "library", result)
        if self.wanted("idle") and first:
            result = run_program([self.programs / "idle", 1000, self.idle_seconds])
            self.rounds.keep("idle", "default", "library", result)

    def among_busy_processes(self, placement):
        busy = []
        try:
            for cpu in set(sum(self.placements.values(), ())):
                busy.append(subprocess.Popen([str(self.programs / "busy"), str(cpu), "300"]))
            for column in ("block", "library"):
                self.exchange("busy", "roundtrip", placement, column)
        finally:
            for process in busy:
                process.kill()
                process.wait()

    def sweep(self):
        """One round of bodies of every size, back and forth for the rate, on different cores if there are any."""
        placement = "cross" if "cross" in self.placements else "same"
        for size in SWEEP:
            for column in ("spin", "block", "library"):
                self.exchange(f"size_{size}", "bulk", placement, column, "--bytes", size)


GROUPS = ["roundtrip", "busy", "tcp", "pipeline", "oneway", "bulk", "memory", "post", "deno", "clients", "first", "idle"]


def main():
    parser = argparse.ArgumentParser(description="Measure the library beside bare system calls.")
    parser.add_argument("--programs", type=Path, required=True, help="the folder benches/build.sh built into")
    parser.add_argument("--quick", action="store_true", help="two very short rounds, to see that everything runs")
    parser.add_argument("--rounds", type=int, help="how many rounds (5)")
    parser.add_argument("--only", choices=GROUPS, action="append", help="only this group; may be repeated")
    parser.add_argument("--sweep", action="store_true", help="also bodies of 1 B to 64 MiB, for the plots")
    parser.add_argument("--json", type=Path, help="also write every single result to this file")
    arguments = parser.parse_args()

    bench = Bench(arguments)
    count = arguments.rounds or (2 if arguments.quick else 5)
    machine = harness.machine()
    print(f"bench: {count} rounds; {machine['processors']} processors ({machine['processor']}), {machine['kernel']}, "
          f"load {machine['load_before']:.1f}", flush=True)
    if "cross" not in bench.placements:
        print("bench: one processor only, so different cores are left out")
    if machine["load_before"] > 0.5:
        print("bench: the machine is busy with something else: the figures will be worse than they should be")
    for number in range(count):
        bench.rounds.begin()
        bench.one_round(number == 0)
        if arguments.sweep:
            bench.sweep()
        print(f"bench: round {number + 1} of {count} done", flush=True)

    rows = goals.rows(bench.rounds)
    print()
    for line in harness.table([[row[0], row[1], row[3], row[2]] for row in rows]):
        print(line)
    print("\nratios are those within a round; every figure is the median over the rounds (least..most)")
    if arguments.json:
        extra = {"goals": [dict(zip(rows[0], row)) for row in rows[1:]]}
        harness.write_json(arguments.json, bench.rounds, {"Simple IPC": harness.library_version()}, extra)
        print(f"bench: every single result is in {arguments.json}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"bench: {failure}")
