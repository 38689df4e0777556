#!/usr/bin/env python3
"""Runs every test runner of the project and closes with one line: `N passed, N failed, N skipped`.

There are as many runners under way as there are processors, the longest first, and beside them one that mostly waits; what
looks at time or memory runs by itself at the end. The output of each stays together, under a heading, when it has ended;
while it runs it is in a file, which is named.
A runner counts as failed, too, when it ends with an error without naming a failed test, and when it ran nothing at all: a
suite that silently finds no tests is no suite. What was skipped is counted and named above the last line, with its reason.

    tests/run.py                 all runners
    tests/run.py rust c          only those named; of one alone the output is shown as it comes
    tests/run.py --at-once 1     one after the other
    tests/run.py --again         run once more, by itself, what has failed

With `--again` a runner that failed and then passes is not counted as failed, and is named above the last line with what it said
at first: what fails only when the machine is busy is to be found and repaired, and does not hold up everything else. Runners
that look for what happens rarely are never run again: what they find once, they have found.
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
import time
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
    for ran, verdict in re.findall(
        r"^Ran (\d+) tests? in .*\n\s*((?:OK|FAILED|NO TESTS RAN).*)$", output, re.MULTILINE
    ):
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


def count_docs(output):
    """`docs: python`, `docs: left out: …` and `book: 29 pages …`: what tools/docs.sh has built and checked."""
    built = re.findall(r"^docs: (?!left out)|^book: \d+ pages in ", output, re.MULTILINE)
    return Counts(len(built), 0, len(re.findall(r"^docs: left out: ", output, re.MULTILINE)))


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
    said = re.findall(
        r"skipped [\"'](.*)[\"']$|^SKIPPED \[\d+\] [^:]*:(?:\d+: )?(.*)$|^.*?\bleft out: (.*)$", output, re.MULTILINE
    )
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
    #: Whether what it finds depends on what else the machine does: then it runs by itself.
    alone: bool = False
    #: Whether it looks for what happens rarely, so that one failure is a finding.
    searches: bool = False
    #: Whether it waits most of its time, so that it takes no processor from the others.
    waits: bool = False
    #: Whether it can run here; a reason in words if not. Asked when its turn comes, since asking may bring what it needs.
    missing: object = lambda: None


def no_dotnet():
    """That there is no .NET SDK, and none can be brought. Continuous integration leaves nothing out."""
    bring = subprocess.run(["tools/dotnet.sh", "--bring"], stdout=subprocess.DEVNULL, cwd=ROOT)
    return None if bring.returncode == 0 or "CI" in os.environ else "there is no .NET SDK"


def no_cross():
    """That other machines cannot be built for: the source of the standard library is neither here nor a package."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    there = Path(sysroot, "lib/rustlib/src/rust/library").is_dir() or shutil.which("apt-get")
    if (there and sys.platform == "linux") or "CI" in os.environ:
        return None
    return "building for other machines needs Linux and the Rust component rust-src"


def no_target(name):
    """That what is built for a Linux target cannot be run here; asked once more by the verb, which says what it leaves out."""
    def missing():
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "simple-ipc/cross")
        system = {"arm64": "system-arm64-*/complete", "musl": "musl-amd64-*/complete"}[name]
        # Nobody who wants to try the library should have to wait for the systems and runtimes of others.
        if "CI" not in os.environ and not any(cache.glob(system)):
            return f"what it takes, 200 MB, has not been brought; make test-{name} brings it"
        return no_cross()

    return missing


def no_wine():
    """That Wine cannot be had here, or has not been brought; asked once more by the verb, which says what it leaves out."""
    if "CI" in os.environ:
        return None
    if sys.platform != "linux" or os.geteuid() != 0:
        return "Wine runs in a root of its own, which takes Linux and root"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "simple-ipc")
    if not (cache / "wine-root/prefix").exists() or not shutil.which("x86_64-w64-mingw32-gcc"):
        return "Wine and its compiler, 2 GB, have not been brought; make test-windows brings them"
    return no_cross()


def no_nats():
    """That there is no NATS server, and none can be brought."""
    bring = subprocess.run(["tools/nats.sh"], stdout=subprocess.DEVNULL, cwd=ROOT)
    return None if bring.returncode == 0 or "CI" in os.environ else "there is no nats-server"


def no_node():
    return None if shutil.which("node") or "CI" in os.environ else "node is not on PATH"


def no_valgrind():
    return None if shutil.which("valgrind") or "CI" in os.environ else "valgrind is not on PATH"


def unittests(folder):
    return [sys.executable, "-m", "unittest", "discover", "--verbose", "-s", folder, "-t", "."]


def runners():
    """All of them, the longest first: what is started last should not be what all wait for."""
    cargo = os.environ.get("CARGO", "cargo")
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    nextest = subprocess.run([cargo, "nextest", "--version"], capture_output=True, cwd=ROOT).returncode == 0
    elsewhere = "macOS and Linux on arm64: compiled and linked; Windows: compiled"
    yield Runner("cross", elsewhere, ["tools/cross.sh"], count_summary_line, missing=no_cross)
    yield Runner("packages", "packages, installed elsewhere", ["tests/packages/run.sh"], count_summary_line)
    if nextest:
        yield Runner("rust", "Rust tests", [cargo, "nextest", "run", "--workspace", "--no-fail-fast"], count_nextest)
    else:
        tests = [cargo, "test", "--workspace", "--all-targets", "--no-fail-fast"]
        yield Runner("rust", "Rust tests (cargo-nextest is not installed)", tests, count_cargo_test)
    carried = "channels between machines, over a NATS server"
    yield Runner("bridge", carried, ["tests/bridge/run.sh"], count_summary_line, missing=no_nats, waits=True)
    yield Runner("c", "C and C++ tests", ["tests/c/run.sh"], count_summary_line)
    # Not beside each other and `cross`: cargo lets builds in one folder wait.
    emulated = ["tests/targets/arm64.sh", "--short"]
    yield Runner("arm64", "Linux on arm64, emulated: a part of the tests", emulated, count_summary_line, missing=no_target("arm64"))
    yield Runner(
        "node",
        "JavaScript tests under Node, Deno and Bun",
        ["bindings/node/test.sh"],
        count_summary_line,
        missing=no_node,
    )
    yield Runner("python", "Python tests", ["bindings/python/test.sh"], count_pytest)
    musl = ["tests/targets/musl.sh", "--short"]
    yield Runner("musl", "Linux with musl: a part of the tests", musl, count_summary_line, missing=no_target("musl"))
    wine = ["tools/as_root.sh", "tools/windows.sh", "--short"]
    yield Runner("windows", "Windows, under Wine 10: a part of the tests", wine, count_summary_line, missing=no_wine)
    yield Runner("faults", "every n-th system call fails", ["tests/faults/run.sh"], count_summary_line, waits=True)
    yield Runner("exits", "exits, forks, signals, loading and unloading", ["tests/exits/run.sh"], count_summary_line)
    orders = ["tests/interleavings/run.sh"]
    yield Runner("interleavings", "two processes want one channel, step by step", orders, count_summary_line)
    yield Runner("cpp", "C++ tests", ["tests/cpp/run.sh"], count_summary_line)
    yield Runner("races", "data races, under ThreadSanitizer", ["tests/races/run.sh"], count_summary_line, searches=True)
    yield Runner("fuzz", "the parsers are fuzzed for a moment", ["fuzz/run.sh", "4"], count_summary_line, searches=True)
    yield Runner("dotnet", ".NET tests", ["bindings/dotnet/test.sh"], count_summary_line, missing=no_dotnet)
    loom = [cargo, "test", "--locked", "--manifest-path", "tests/loom/Cargo.toml", "--lib", "--target-dir", target]
    yield Runner("loom", "threads that share state, step by step", loom, count_cargo_test, searches=True)
    # The README's example among them listens where its reader's would: in a directory of its own here.
    doc = ["tests/in_scratch.sh", cargo, "test", "--workspace", "--doc"]
    yield Runner("doc", "examples in the Rust documentation", doc, count_cargo_test)
    counted = "instructions a message takes, beside the committed ones"
    yield Runner("instructions", counted, ["benches/instructions.sh"], count_summary_line, missing=no_valgrind)
    yield Runner("interop", "every language posts to every language, and subscribes to it", ["tests/interop/run.sh"], count_summary_line)
    yield Runner("readme", "the blocks of the README and of the pages as they are printed", unittests("tests/readme"), count_unittest)
    yield Runner("docs", "the book and the reference of each language, with their links", ["tools/docs.sh"], count_docs)
    yield Runner("examples", "the applications in examples, each language with each", unittests("tests/examples"), count_unittest)
    yield Runner("manifests", "packages' names, addresses and versions", unittests("tests/manifests"), count_unittest)
    yield Runner("security", "two users on one machine", unittests("tests/security"), count_unittest)
    spaces = "network, user, pid and mount namespaces"
    yield Runner("namespaces", spaces, unittests("tests/namespaces"), count_unittest)
    tokio = "a program that only posts does without tokio"
    yield Runner("without_tokio", tokio, ["tests/without_tokio/run.sh"], count_summary_line)
    yield Runner("conformance", "conformance tests in Python", unittests("tests/conformance"), count_unittest)
    chaos = ["tests/chaos/run.sh", "--time", "20"]
    yield Runner("chaos", "killed at any moment", chaos, count_summary_line, alone=True, searches=True)
    heard = "publications between processes: stopped, slow and killed"
    yield Runner("publications", heard, ["tests/publications/run.sh"], count_summary_line, alone=True)
    flowing = "streams between processes: large, left, asleep and killed"
    yield Runner("streams", flowing, ["tests/streams/run.sh"], count_summary_line, alone=True)
    soak = ["tests/soak/run.sh", "--time", "20"]
    yield Runner("soak", "mixed load, measured", soak, count_summary_line, alone=True)


def stop(process, fired):
    fired.set()
    os.killpg(process.pid, signal.SIGKILL)


@dataclasses.dataclass
class Result:
    runner: Runner
    counts: Counts
    #: In what way it went wrong beyond its failed tests, if it did.
    wrong: object = None
    #: The reasons of what it skipped.
    skipped: tuple = ()
    #: The end of what it said of failures.
    said: str = ""
    seconds: float = 0.0
    #: Processor seconds of it and of all that it waited for.
    busy: float = 0.0
    #: Where its whole output is.
    log: object = None
    #: What a run before this one failed with, if this is the second.
    before: object = None


class Processes:
    """The runners' processes that live; ended together when this one is interrupted."""

    def __init__(self):
        self.lock = threading.Lock()
        self.groups = set()

    def end(self):
        with self.lock:
            for group in self.groups:
                os.killpg(group, signal.SIGKILL)


def run(runner, processes, live):
    """Runs one runner, its output into a file, and shown as it comes where it is to be `live`."""
    folder = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "tests"
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{runner.name}.log"
    log.write_bytes(b"")
    if reason := runner.missing():
        return Result(runner, Counts(skipped=1), skipped=[f"the whole runner: {reason}"], log=log)
    began = time.monotonic()
    try:
        # A group of its own, so that the watchdog ends what the runner started as well.
        with processes.lock:
            process = subprocess.Popen(
                runner.command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            processes.groups.add(process.pid)
    except OSError as error:
        return Result(runner, Counts(0, 1), f"cannot be started: {error}", log=log)

    fired = threading.Event()
    watchdog = threading.Timer(HANG_SECONDS, stop, (process, fired))
    watchdog.start()
    with log.open("wb", buffering=0) as file:
        while chunk := process.stdout.read1(65536):
            file.write(chunk)
            if live:
                sys.stdout.buffer.write(chunk)
                sys.stdout.flush()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    watchdog.cancel()
    with processes.lock:
        processes.groups.discard(process.pid)

    # Colour codes would stand between the words that are looked for.
    output = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    counts = runner.count(output)
    wrong = wrong_with(counts, process.returncode, fired)
    skipped = reasons(output) if counts.skipped else []
    seconds, busy = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    return Result(runner, counts, wrong, skipped, said_of_failures(output), seconds, busy, log)


def run_all(chosen, at_once):
    """The results in the order in which the runners end; each is shown then."""
    processes = Processes()
    live = len(chosen) == 1
    waiting = sorted(chosen, key=lambda runner: runner.alone)
    running, results = {}, []
    ended = threading.Condition()

    def one(runner):
        result = run(runner, processes, live)
        with ended:
            results.append(result)
            ended.notify()

    def fits(runner):
        if at_once == 1 or runner.alone or any(other.alone for other in running.values()):
            return not running
        alike = [other for other in running.values() if other.waits == runner.waits]
        return len(alike) < (1 if runner.waits else at_once)

    try:
        shown = 0
        while waiting or running:
            for runner in [runner for runner in waiting if not runner.alone] or waiting[:1]:
                if fits(runner):
                    waiting.remove(runner)
                    running[runner.name] = runner
                    print(
                        f"\n== {runner.title}: {' '.join(runner.command)}"
                        if live
                        else f".. {runner.name} begins: "
                        f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/tests/{runner.name}.log",
                        flush=True,
                    )
                    threading.Thread(target=one, args=(runner,), daemon=True).start()
            with ended:
                ended.wait_for(lambda: len(results) > shown)
            for result in results[shown:]:
                shown += 1
                del running[result.runner.name]
                show(result, live)
    except BaseException:
        processes.end()
        raise
    return results


def run_again(results):
    """The same results, but of those that failed and may be run again the second ones."""
    processes = Processes()
    try:
        for at, result in enumerate(results):
            runner = result.runner
            if result.counts.failed and not runner.searches:
                print(f"\n.. {runner.name} failed, and is run again by itself", flush=True)
                shutil.copyfile(result.log, result.log.with_name(f"{runner.name}.first.log"))
                results[at] = dataclasses.replace(run(runner, processes, False), before=result)
                show(results[at], False)
    except BaseException:
        processes.end()
        raise
    return results


def took(result):
    return f"{result.seconds:.0f} s, {result.busy:.0f} s of a processor"


def show(result, live):
    if not live:
        print(f"\n== {result.runner.title}: {' '.join(result.runner.command)}", flush=True)
        with result.log.open("rb") as log:
            shutil.copyfileobj(log, sys.stdout.buffer)
        sys.stdout.flush()
        print(f".. {result.runner.name} ends: {took(result)}", flush=True)
    elif result.skipped:
        print(f"left out: {result.skipped[0]}", flush=True)


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
    parser.add_argument(
        "names", nargs="*", metavar="RUNNER", help=f"of: {', '.join(r.name for r in known)}; default all"
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="how many runners may be under way together (default: as many as there are processors); one that mostly waits is "
        "not counted, where it is more than one",
    )
    parser.add_argument(
        "--again", action="store_true", help="run once more, by itself, each that failed, and name those that then pass"
    )
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in [runner.name for runner in known]:
            parser.error(f"no runner is called {name!r}")

    began = time.monotonic()
    chosen = [runner for runner in known if not arguments.names or runner.name in arguments.names]
    results = run_all(chosen, max(1, arguments.at_once))
    if arguments.again:
        results = run_again(results)

    print("\n== summary", flush=True)
    width = max(len(result.runner.name) for result in results)
    for result in results:
        counts = result.counts
        print(
            f"{result.runner.name:<{width}}  {counts.passed:>5} passed, {counts.failed:>3} failed, {counts.skipped:>3} skipped"
            f"  {took(result)}" + (f"   ({result.wrong})" if result.wrong else "")
        )
    busy = sum(result.busy for result in results)
    print(f"{time.monotonic() - began:.0f} s, {busy:.0f} s of a processor")
    for result in results:
        if result.counts.failed:
            print(f"-- {result.runner.name} said:\n{result.said}")
    for result in results:
        if result.before and not result.counts.failed:
            first = result.before
            print(f"unsteady in {result.runner.name}: {first.counts.failed} failed at first, none when run again by itself; it said:")
            print(first.said)
    for result in results:
        for reason in result.skipped:
            print(f"skipped in {result.runner.name}: {reason}")
    total = [sum(getattr(result.counts, what) for result in results) for what in ("passed", "failed", "skipped")]
    print("{} passed, {} failed, {} skipped".format(*total), flush=True)
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
