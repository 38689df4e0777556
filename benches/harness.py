"""Runs measuring programs in rounds and keeps what they print.

Every program prints one line of JSON. In a round each case runs once in every column (bare C that polls, bare C that
blocks, the library, a peer), one right after the other, so that whatever else the machine does touches all of them; a
ratio is that of one round, and what is reported is the median over the rounds.
"""

import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

# Far beyond what any program takes; each has a watchdog of its own. This one is for a program that lost it.
HANG_SECONDS = 180


class Failed(Exception):
    pass


def run_program(command, environment=None):
    """Runs one program to its end and returns the object it printed."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=HANG_SECONDS, stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{shlex.join(words)} hung and was ended") from late
    except OSError as error:
        raise Failed(f"cannot run {shlex.join(words)}: {error}") from error
    if done.returncode != 0:
        raise Failed(f"{shlex.join(words)} ended with status {done.returncode}: {done.stderr.strip()[-600:]}")
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise Failed(f"{shlex.join(words)} printed no result: {done.stdout.strip()[:200]!r}") from error


def placements():
    """Which processors the server and the client get. `same`: one for both. `cross`: one each."""
    cpus = sorted(os.sched_getaffinity(0))
    found = {"same": (cpus[0], cpus[0])}
    if len(cpus) > 1:
        found["cross"] = (cpus[0], cpus[1])
    return found


class Rounds:
    """What was measured: for each round the result of each key (case, placement, column)."""

    def __init__(self):
        self.rounds = []

    def begin(self):
        self.rounds.append({})

    def keep(self, case, placement, column, result):
        self.rounds[-1][case, placement, column] = result

    def values(self, case, placement, column, figure):
        """One number a round; `figure` is a field's name or a function of the result."""
        get = figure if callable(figure) else lambda result: result[figure]
        key = (case, placement, column)
        return [get(a_round[key]) for a_round in self.rounds if key in a_round]

    def has(self, case, placement, column):
        return any((case, placement, column) in a_round for a_round in self.rounds)

    def median(self, case, placement, column, figure):
        return statistics.median(self.values(case, placement, column, figure))

    def ratios(self, ours, theirs, figure):
        """ours / theirs round by round; each is a key (case, placement, column)."""
        get = figure if callable(figure) else lambda result: result[figure]
        return [get(a_round[ours]) / get(a_round[theirs]) for a_round in self.rounds if ours in a_round and theirs in a_round]

    def as_json(self):
        return [
            [{"case": case, "placement": placement, "column": column, **result}
             for (case, placement, column), result in a_round.items()]
            for a_round in self.rounds
        ]


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        return done.stdout.strip() if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        return None


def machine():
    """What the figures depend on, as far as the system tells."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    compiler = output_of(os.environ.get("CC", "cc"), "--version")
    hypervisor = any("hypervisor" in line for line in cpuinfo.read_text().splitlines()) if cpuinfo.exists() else False
    return {
        "processor": model,
        "processors": os.cpu_count(),
        "virtual": hypervisor,
        "memory_gib": round(memory, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": compiler.splitlines()[0] if compiler else None,
        "rustc": output_of("rustc", "--version"),
        "load_before": os.getloadavg()[0],
    }


def write_json(path, rounds, versions, extra=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "command": os.environ.get("BENCH_COMMAND", shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])),
        "machine": machine(),
        "versions": versions,
        "rounds": rounds.as_json(),
        **(extra or {}),
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def library_version():
    return output_of(str(Path(__file__).resolve().parent.parent / "tools/version.sh")) or "unknown"


def table(rows):
    """Lines of a table whose columns stand under each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        yield "  ".join(cells).rstrip()


def markdown(rows):
    yield "| " + " | ".join(rows[0]) + " |"
    yield "|" + "---|" * len(rows[0])
    for row in rows[1:]:
        yield "| " + " | ".join(row) + " |"


def spread(values, digits=2):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}..{max(values):.{digits}f})"
