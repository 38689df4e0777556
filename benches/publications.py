#!/usr/bin/env python3
"""Runs a publisher and its subscribers beside plain system calls, and beside other libraries where their programs are there.

Only events that were delivered count: libzmq and nng drop what a subscriber's queue has no room for. Each program is run
once in a round, one right after the other; what is printed is the median over the rounds, ratios within a round.
`make bench` and `make bench-peers` build the programs and call this.
"""

import argparse
import statistics
import sys
from pathlib import Path

import harness
from harness import Failed, run_program

SUBSCRIBERS = [1, 8, 32]
SIZES = {"64 B": 64, "64 KiB": 64 << 10}
PROGRAMS = {"bare C, batched": "fanout-bare", "Simple IPC": "fanout-library", "libzmq": "fanout-zmq", "nng": "fanout-nng"}
OURS, BARE = "Simple IPC", "bare C, batched"
# Of raw batched sends, at eight subscribers.
SHARE_OF_BARE = 0.5
# One event: this many times half a round trip, and so many microseconds.
TIMES_HALF, MORE_US = 1.3, 5.0


def measure(rounds, programs, library, seconds, placements):
    for name, program in programs.items():
        for size, number in SIZES.items():
            for subscribers in SUBSCRIBERS:
                command = [program, "events", "--subscribers", subscribers, "--bytes", number, *seconds]
                rounds.keep(f"events_{subscribers}_{size}", "default", name, run_program(command))
        for placement, pair in placements.items():
            command = [program, "latency", "--cpus", f"{pair[0]},{pair[1]}", *seconds]
            rounds.keep("latency", placement, name, run_program(command))
    for placement, pair in placements.items():
        command = [library, "roundtrip", "--cpus", f"{pair[0]},{pair[1]}", *seconds]
        rounds.keep("roundtrip", placement, OURS, run_program(command))


def rate(rounds, case, name):
    """Thousands of delivered events a second, and how many times as many as of plain system calls in the same round."""
    value = rounds.median(case, "default", name, "rate") / 1e3
    ratio = statistics.median(rounds.ratios((case, "default", name), (case, "default", BARE), "rate"))
    return f"{value:.0f} ({ratio:.2f})"


def tables(rounds, names, placements):
    for size in SIZES:
        rows = [["", *(f"{number} subscriber{'s' if number > 1 else ''}" for number in SUBSCRIBERS)]]
        rows += [[name, *(rate(rounds, f"events_{number}_{size}", name) for number in SUBSCRIBERS)] for name in names]
        yield f"{size}: thousand delivered events a second to all together (x bare C)", rows
    rows = [["", *placements]]
    rows += [[name, *(latency(rounds, "latency", placement, name) for placement in placements)] for name in names]
    rows.append([f"half a round trip of {OURS}", *(half_a_round_trip(rounds, placement) for placement in placements)])
    yield "one event of 64 B, half of there and back: p50 / p99 in us", rows


def latency(rounds, case, placement, name):
    return " / ".join(f"{rounds.median(case, placement, name, figure):.1f}" for figure in ("p50_us", "p99_us"))


def half_a_round_trip(rounds, placement):
    return f"{rounds.median('roundtrip', placement, OURS, 'p50_us') / 2:.1f}"


def goals(rounds, names, placements):
    for size in SIZES:
        for number in SUBSCRIBERS:
            case = f"events_{number}_{size}"
            for other in names:
                if other == OURS or (other == BARE and number != 8):
                    continue
                ratios = rounds.ratios((case, "default", OURS), (case, "default", other), "rate")
                least = SHARE_OF_BARE if other == BARE else 1
                yield f"{size}, {number} subscribers", f">= {least} x {other}", harness.spread(ratios), statistics.median(ratios) >= least
    for placement in placements:
        values = rounds.values("latency", placement, OURS, "p50_us")
        halves = rounds.values("roundtrip", placement, OURS, lambda result: result["p50_us"] / 2)
        beyond = [value - (TIMES_HALF * half + MORE_US) for value, half in zip(values, halves)]
        yield (f"one event, {placement}", f"<= {TIMES_HALF} x half a round trip + {MORE_US:.0f} us",
               f"{statistics.median(values):.1f}; half a round trip {statistics.median(halves):.1f}", statistics.median(beyond) <= 0)


ABOUT = """# What a publication costs

Written by `make bench-publications`. One publisher and its subscribers are a process each. Only events that were delivered
count: libzmq and nng drop what a subscriber's queue has no room for, Simple IPC's publisher waits here (`overflow` block).
The plain C program gathers up to 32 events of 64 B, or four of 64 KiB, for one `send` to each subscriber. Every figure is the
median over the rounds; ratios are within a round.""".splitlines()


def about_the_run(count):
    machine = harness.machine()
    virtual = ", a virtual machine" if machine["virtual"] else ""
    versions = ", ".join(f"{name} {harness.output_of(*query) or 'absent'}" for name, query in (
        ("libzmq", ("pkg-config", "--modversion", "libzmq")), ("nng", ("dpkg-query", "-W", "-f=${Version}", "libnng-dev"))))
    return (f"{count} rounds on {machine['processors']} processors ({machine['processor']}{virtual}), {machine['kernel']}, "
            f"load before {machine['load_before']:.1f}; {versions}.")


def main():
    parser = argparse.ArgumentParser(description="Measure publications.")
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one very short round, to see that everything runs")
    parser.add_argument("--rounds", type=int, help="how many rounds (5)")
    parser.add_argument("--peers", action="store_true", help="libzmq and nng, too")
    parser.add_argument("--json", type=Path, help="also write every single result to this file")
    parser.add_argument("--document", type=Path, help="also write the page of these figures")
    arguments = parser.parse_args()
    directory = arguments.programs.resolve()
    programs = {name: directory / program for name, program in PROGRAMS.items()
                if arguments.peers or name in (OURS, BARE)}
    for name, program in list(programs.items()):
        if not program.exists():
            print(f"bench: left out: {name}, whose program was not built", file=sys.stderr)
            del programs[name]
    placements = harness.placements()
    seconds = ["--seconds", 0.1, "--warmup", 0.05] if arguments.quick else ["--seconds", 0.4, "--warmup", 0.2]
    count = arguments.rounds or (1 if arguments.quick else 5)
    rounds = harness.Rounds()
    for number in range(count):
        rounds.begin()
        measure(rounds, programs, directory / "library", seconds, placements)
        print(f"bench: publications, round {number + 1} of {count} done", flush=True)

    text = []
    for title, rows in tables(rounds, list(programs), placements):
        print(f"\n{title}")
        print("\n".join(harness.table(rows)))
        text += ["", f"**{title}**", "", *harness.markdown(rows)]
    rows = [["what", "goal", "met", "reached"]]
    for what, goal, reached, met in goals(rounds, list(programs), placements):
        rows.append([what, goal, "yes" if met else "NO", reached])
    print()
    print("\n".join(harness.table(rows)))
    if arguments.json:
        harness.write_json(arguments.json, rounds, {"Simple IPC": harness.library_version()})
    if arguments.document:
        arguments.document.write_text("\n".join([*ABOUT, "", about_the_run(count), *text, "", "**Goals**", "",
                                                 *harness.markdown(rows)]) + "\n")
        print(f"bench: wrote {arguments.document}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        sys.exit(f"bench: {failure}")
