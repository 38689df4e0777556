#!/usr/bin/env python3
"""Mixed load from every language that is built, with what each process uses measured. README.md says more.

tests/soak/run.py [--time 600] [--plot FILE.svg]
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "chaos"))

from figures import WARM_UP, growth, plot, sample, verdicts  # noqa: E402
from peers import present, seconds  # noqa: E402

# A watchdog; slow is not failed.
HANG_SECONDS = 180
#: How a short run differs from a long one: it proves that the measuring works, and no more.
SHORT_SECONDS = 120


class Load:
    """A listener, and two senders of each language, without any trouble."""

    def __init__(self, scratch, peers):
        self.scratch, self.stop = Path(scratch), Path(scratch) / "stop"
        self.processes, self.collected, self.journals = {}, {}, {}
        listening = next(peer for peer in peers if peer.listens)
        listener = self.start(
            listening, "listener", "listen", os.devnull, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if not listener.stdout.readline().startswith(b"ready"):
            raise SystemExit("the listener did not begin to listen")
        for peer in peers:
            # One of the two is asked afterwards what it has done, and works more slowly: its journal grows.
            self.journals[peer.name] = self.scratch / f"sender-{peer.name}"
            self.start(peer, peer.name, "post", self.journals[peer.name], peer.name, self.stop, pause_ms=10)
            self.start(peer, f"{peer.name} 2", "post", os.devnull, f"{peer.name}-2", self.stop)

    def start(self, peer, name, *arguments, pause_ms=0, **how):
        environment = {**os.environ, **peer.environment, "SIMPLE_IPC_DIR": str(self.scratch), "PAUSE_MS": str(pause_ms)}
        self.processes[name] = subprocess.Popen([*peer.command, *map(str, arguments)], env=environment, **how)
        self.collected[name] = peer.collected
        return self.processes[name]

    def end(self):
        """What went wrong at the end."""
        self.stop.touch()
        listener = self.processes["listener"]
        for name, process in [
            *((n, p) for n, p in self.processes.items() if p is not listener),
            ("listener", listener),
        ]:
            if process is listener:
                listener.stdin.close()
            try:
                status = process.wait(HANG_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)
                process.wait()
                yield f"{name} did not end within {HANG_SECONDS} s"
            else:
                if status != 0:
                    yield f"{name} ended with {status}"


def messages_of(journal):
    """How many messages a sender sent, and its errors other than a request's own short time."""
    tried, errors = 0, []
    with open(journal, encoding="utf-8") as file:
        for line in file:
            _, verb, *words = line.split(" ", 4)
            tried += verb == "try"
            if verb in ("lost", "wrong") or (verb in ("not", "may") and words[0] != "t"):
                errors.append(line.strip())
    return tried, errors


def measure(load, how_long, interval):
    """Samples by process, until the time is over or a process has ended."""
    samples = {name: [] for name in load.processes}
    began = time.monotonic()
    while (now := time.monotonic() - began) < how_long:
        for name, process in load.processes.items():
            if process.poll() is not None:
                return samples, [f"{name} ended by itself with {process.returncode}"]
            samples[name].append(sample(process.pid, now))
        time.sleep(interval)
    return samples, []


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, complaints):
        """Passes if there is nothing to complain of."""
        self.passed, self.failed = self.passed + (not complaints), self.failed + bool(complaints)
        print(f"{'not ok' if complaints else 'ok'} - {what}")
        for complaint in complaints[:20]:
            print(f"#   {complaint}")


def report(samples, collected):
    print(f"\nmedians of both halves after the warm-up (the first {WARM_UP:.0%})")
    print(f"{'process':<12}{'memory, MiB':>20}{'descriptors':>16}{'threads':>12}  verdict")
    flat = True
    for name, those in samples.items():
        memory, descriptors, threads = (
            growth([getattr(s, what) for s in those]) for what in ("memory", "descriptors", "threads")
        )
        grown = list(verdicts(those, collected[name]))
        flat = flat and not grown
        print(
            f"{name:<12}{f'{memory[0] / 1024:.1f} → {memory[1] / 1024:.1f}':>20}"
            f"{f'{descriptors[0]} → {descriptors[1]}':>16}{f'{threads[0]} → {threads[1]}':>12}"
            f"  {'; '.join(grown) or 'flat'}"
        )
    print(f"\nverdict: {'flat after warm-up' if flat else 'NOT flat after warm-up'}\n")
    return flat


def main():
    parser = argparse.ArgumentParser(description="Mixed load from every language, measured.")
    parser.add_argument("--time", type=seconds, default=600, help="such as 600, 90s, 10m; default 10m")
    parser.add_argument("--plot", type=Path, help="where the picture goes, as SVG")
    arguments = parser.parse_args()
    checks = Checks()
    suite = unittest.defaultTestLoader.discover(str(HERE), "test_*.py")
    own = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    checks.check(f"{own.testsRun} tests of the figures", [str(case) for case, _ in own.failures + own.errors])

    with tempfile.TemporaryDirectory(prefix="sipc-soak-") as scratch:
        peers = present(scratch)
        load = Load(scratch, peers)
        samples, ended = measure(load, arguments.time, max(0.2, arguments.time / 400))
        wrong = ended + list(load.end())
        sent = {name: messages_of(journal) for name, journal in load.journals.items()}
        left = [path.name for path in Path(scratch).glob(".*")]

    checks.check("every process worked to the end", wrong)
    if ended:
        print(f"{checks.passed} passed, {checks.failed} failed")
        return 1
    total = sum(tried for tried, _ in sent.values())
    print(
        f"\n{total} messages of {', '.join(f'{name} {tried}' for name, (tried, _) in sent.items())}; "
        f"those of the second sender of each are not counted"
    )
    flat = report(samples, load.collected)
    checks.check(
        "every language sent messages", [f"{name} sent {tried}" for name, (tried, _) in sent.items() if tried < 100]
    )
    checks.check("no call failed", [f"{name}: {error}" for name, (_, errors) in sent.items() for error in errors])
    checks.check("the listener left no file behind", left)
    if arguments.time >= SHORT_SECONDS:
        checks.check("flat after warm-up", [] if flat else ["see the table"])
    else:
        print(f"# a run below {SHORT_SECONDS} s shows that the measuring works; its verdict on growth does not count")
    picture = plot(samples, f"{len(samples)} processes, {total} messages counted, {arguments.time:.0f} s")
    if arguments.plot:
        arguments.plot.write_text(picture, encoding="utf-8")
        print(f"the plot is {arguments.plot}")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return checks.failed != 0


if __name__ == "__main__":
    sys.exit(main())
