#!/usr/bin/env python3
"""Runs every test runner of the project in order and closes with one line: `N passed, N failed, N skipped`.

The runners' own output stays visible, under a heading each. A runner counts as failed, too, when it ends with an error
without naming a failed test, and when it ran nothing at all: a suite that silently finds no tests is no suite. What was
skipped is counted and named above the last line, with its reason.

    tests/run.py                 all runners
    tests/run.py rust c          only those named
"""

import argparse
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A watchdog for a hung runner, far beyond what any runner takes. Slow is not failed.
HANG_SECONDS = 3600


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def count_nextest(output):
    """`Summary [ 1.2s] 12 tests run: 10 passed (1 slow), 1 failed, 1 timed out, 3 skipped`"""
    counts = Counts()
    for line in re.findall(r"^\s*Summary \[.*\] +(.*)$", output, re.MULTILINE):
        for number, what in re.findall(r"(\d+) (passed|failed|timed out|exec failed|skipped)", line):
            if what == "passed":
                counts.passed += int(number)
            elif what == "skipped":
                counts.skipped += int(number)
            else:
                counts.failed += int(number)
    return counts


def count_cargo_test(output):
    """`test result: ok. 3 passed; 0 failed; …`, once a test program."""
    counts = Counts()
    results = re.findall(r"^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored;", output, re.MULTILINE)
    for passed, failed, ignored in results:
        counts.passed += int(passed)
        counts.failed += int(failed)
        counts.skipped += int(ignored)
    return counts


def count_unittest(output):
    """`Ran 12 tests in 0.1s`, then `OK (skipped=1)` or `FAILED (failures=1, errors=2, …)`."""
    counts = Counts()
    for ran, verdict in re.findall(r"^Ran (\d+) tests? in .*\n\s*((?:OK|FAILED|NO TESTS RAN).*)$", output, re.MULTILINE):
        numbers = {name: int(number) for name, number in re.findall(r"([a-z ]+)=(\d+)", verdict.replace(", ", ","))}
        failed = sum(numbers.get(name, 0) for name in ("failures", "errors", "unexpected successes"))
        counts.failed += failed
        counts.skipped += numbers.get("skipped", 0)
        # An error outside a test, in a module's set-up for one, is not among those that ran.
        counts.passed += max(0, int(ran) - failed - numbers.get("skipped", 0))
    return counts


def count_summary_line(output):
    """The last `N passed, N failed`, perhaps with `, N skipped`, that a runner of our own printed."""
    lines = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", output, re.MULTILINE)
    return Counts(*(int(number or 0) for number in lines[-1])) if lines else Counts()


def count_pytest(output):
    """`2 failed, 11 passed, 1 error in 0.1s`; `-q` leaves out the frame of equal signs."""
    counts = Counts()
    for line in re.findall(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in [\d.:]+s.*$", output, re.MULTILINE):
        for number, what in re.findall(r"(\d+) (passed|failed|errors?|skipped)", line):
            if what == "passed":
                counts.passed += int(number)
            elif what == "skipped":
                counts.skipped += int(number)
            else:
                counts.failed += int(number)
    return counts


def reasons(output):
    """Why tests were skipped, as unittest (verbose), pytest (`-rs`) and our own runners say it, each reason once."""
    said = re.findall(r"skipped [\"'](.*)[\"']$|^SKIPPED \[\d+\] [^:]*:(?:\d+: )?(.*)$|^.*?\bleft out: (.*)$", output, re.MULTILINE)
    return list(dict.fromkeys(next(filter(None, groups)).removeprefix("left out: ") for groups in said))


def said_of_failures(output):
    """The lines of a runner's output that name what failed, or else its last ones: for the end of the whole output."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    naming = [line for line in lines if re.search(r"\bFAIL(ED)?\b|^not ok|^ *# |\bpanicked\b|^\w*Error\b|✗|✘", line)]
    return "\n".join(line[:300] for line in (naming[-8:] + lines[-4:]))


@dataclasses.dataclass
class Runner:
    name: str
    title: str
    command: list
    count: object
    #: Whether it can run here; a reason in words if not. Asked when its turn comes, since asking may bring what it needs.
    missing: object = lambda: None


def no_dotnet():
    """That there is no .NET SDK, and none can be brought. Continuous integration leaves nothing out."""
    bring = subprocess.run(["tools/dotnet.sh", "--bring"], stdout=subprocess.DEVNULL, cwd=ROOT)
    return None if bring.returncode == 0 or "CI" in os.environ else "there is no .NET SDK"


def no_node():
    return None if shutil.which("node") or "CI" in os.environ else "node is not on PATH"


def unittests(folder):
    return [sys.executable, "-m", "unittest", "discover", "--verbose", "-s", folder, "-t", "."]


def runners():
    cargo = os.environ.get("CARGO", "cargo")
    nextest = subprocess.run([cargo, "nextest", "--version"], capture_output=True, cwd=ROOT).returncode == 0
    if nextest:
        yield Runner("rust", "Rust tests", [cargo, "nextest", "run", "--workspace", "--no-fail-fast"], count_nextest)
    else:
        tests = [cargo, "test", "--workspace", "--all-targets", "--no-fail-fast"]
        yield Runner("rust", "Rust tests (cargo-nextest is not installed)", tests, count_cargo_test)
    # The README's example among them listens where its reader's would: in a directory of its own here.
    doc = ["tests/in_scratch.sh", cargo, "test", "--workspace", "--doc"]
    yield Runner("doc", "examples in the Rust documentation", doc, count_cargo_test)
    yield Runner("conformance", "conformance tests in Python", unittests("tests/conformance"), count_unittest)
    yield Runner("c", "C and C++ tests", ["tests/c/run.sh"], count_summary_line)
    yield Runner("cpp", "C++ tests", ["tests/cpp/run.sh"], count_summary_line)
    yield Runner("security", "two users on one machine", unittests("tests/security"), count_unittest)
    spaces = "network, user, pid and mount namespaces"
    yield Runner("namespaces", spaces, unittests("tests/namespaces"), count_unittest)
    exits = "exits, forks, signals, loading and unloading, 100 times each"
    yield Runner("exits", exits, ["tests/exits/run.sh"], count_summary_line)
    yield Runner("faults", "every n-th system call fails", ["tests/faults/run.sh"], count_summary_line)
    orders = ["tests/interleavings/run.sh"]
    yield Runner("interleavings", "two processes want one channel, step by step", orders, count_summary_line)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    loom = [cargo, "test", "--locked", "--manifest-path", "tests/loom/Cargo.toml", "--lib", "--target-dir", target]
    yield Runner("loom", "threads that share state, step by step", loom, count_cargo_test)
    yield Runner("races", "data races, under ThreadSanitizer", ["tests/races/run.sh"], count_summary_line)
    yield Runner("fuzz", "the parsers are fuzzed for a moment", ["fuzz/run.sh", "4"], count_summary_line)
    yield Runner("dotnet", ".NET tests", ["bindings/dotnet/test.sh"], count_summary_line, no_dotnet)
    yield Runner("packages", "packages, installed elsewhere", ["tests/packages/run.sh"], count_summary_line)
    yield Runner("python", "Python tests", ["bindings/python/test.sh"], count_pytest)
    yield Runner("interop", "every language posts to every language", ["tests/interop/run.sh"], count_summary_line)
    yield Runner("readme", "the README's blocks as they are printed", unittests("tests/readme"), count_unittest)
    yield Runner("chaos", "killed at any moment", ["tests/chaos/run.sh", "--time", "20"], count_summary_line)
    yield Runner("soak", "mixed load, measured", ["tests/soak/run.sh", "--time", "20"], count_summary_line)
    javascript = ["bindings/node/test.sh"]
    yield Runner("node", "JavaScript tests under Node, Deno and Bun", javascript, count_summary_line, no_node)


def stop(process, fired):
    fired.set()
    os.killpg(process.pid, signal.SIGKILL)


def run(runner):
    """Runs one runner, showing its output as it comes: its counts, in what way it went wrong if so, what it skipped, and
    the end of what it said."""
    if reason := runner.missing():
        print(f"\n== {runner.title}: left out: {reason}", flush=True)
        return Counts(skipped=1), None, [f"the whole runner: {reason}"], ""
    print(f"\n== {runner.title}: {' '.join(runner.command)}", flush=True)
    try:
        # A group of its own, so that the watchdog ends what the runner started as well.
        process = subprocess.Popen(
            runner.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Counts(0, 1), f"cannot be started: {error}", [], ""

    fired = threading.Event()
    watchdog = threading.Timer(HANG_SECONDS, stop, (process, fired))
    watchdog.start()
    chunks = []
    try:
        while chunk := process.stdout.read1(65536):
            chunks.append(chunk)
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        watchdog.cancel()

    # Colour codes would stand between the words that are looked for.
    output = re.sub(r"\x1b\[[0-9;]*m", "", b"".join(chunks).decode(errors="replace"))
    counts = runner.count(output)
    return counts, wrong_with(counts, status, fired), reasons(output) if counts.skipped else [], said_of_failures(output)


def wrong_with(counts, status, fired):
    """In what way a runner went wrong beyond its failed tests, which is counted as one more; `None` if it did not."""
    if fired.is_set():
        counts.failed += 1
        return f"was ended after {HANG_SECONDS} s"
    if status != 0 and counts.failed == 0:
        counts.failed = 1
        return f"ended with status {status} and named no failed test"
    if counts.passed + counts.failed + counts.skipped == 0:
        counts.failed = 1
        return "ran no tests"
    return None


def main():
    # Started in the background by a shell, it has SIGINT ignored, and so would have every test that is ended by one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    known = list(runners())
    parser = argparse.ArgumentParser(description="Run the project's tests and add up their counts.")
    parser.add_argument("names", nargs="*", metavar="RUNNER", help=f"of: {', '.join(r.name for r in known)}; default all")
    names = parser.parse_args().names
    for name in names:
        if name not in [runner.name for runner in known]:
            parser.error(f"no runner is called {name!r}")

    results = [(runner, *run(runner)) for runner in known if not names or runner.name in names]

    print("\n== summary", flush=True)
    width = max(len(runner.name) for runner, *_ in results)
    for runner, counts, wrong, skipped, _ in results:
        note = f"   ({wrong})" if wrong else ""
        print(f"{runner.name:<{width}}  {counts.passed:>5} passed, {counts.failed:>3} failed, {counts.skipped:>3} skipped{note}")
        for reason in skipped:
            print(f"{'':<{width}}    skipped: {reason}")
    for runner, counts, _, _, said in results:
        if counts.failed:
            print(f"-- {runner.name} said:\n{said}")
    total = [sum(getattr(counts, what) for _, counts, *_ in results) for what in ("passed", "failed", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*total), flush=True)
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
