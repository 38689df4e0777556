#!/usr/bin/env python3
"""Kills, stops and continues peers at random moments, then compares their journals. README.md says more.

tests/chaos/run.py [--time 60] [--seed N]
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest
from pathlib import Path

from journals import compare, whole_lines
from peers import present, seconds

# A watchdog for what should end by itself; slow is not failed.
HANG_SECONDS = 180
# A restarted listener takes a few milliseconds on an idle machine.
TAKE_OVER_SECONDS = 30
# A run that is longer than this is at a slower pace, or its journals would fill disk and memory.
FULL_SPEED_SECONDS = 120


class Slot:
    """A place in which a process of some peer lives, dies and is replaced; a thread of its own brings the trouble."""

    def __init__(self, run, name, pace):
        self.run, self.name, self.pace = run, name, pace
        self.random = random.Random(f"{run.seed} {name}")
        self.lives, self.kills, self.stops = 0, 0, 0
        self.process = None
        self.thread = threading.Thread(target=self.live)

    def spawn(self, peer, *arguments, **how):
        environment = {**os.environ, **peer.environment, **self.run.environment}
        self.lives += 1
        self.process = subprocess.Popen([*peer.command, *map(str, arguments)], env=environment, **how)

    def live(self):
        try:
            self.start()
            while not self.run.over.wait(self.random.uniform(*self.pace)):
                if self.process.poll() is not None:
                    self.run.complain(f"{self.name}, life {self.lives}, ended by itself with {self.process.returncode}")
                    self.start()
                self.trouble()
            self.finish()
        except Exception:
            self.run.complain(f"{self.name}: {traceback.format_exc()}")

    def stop_for_a_while(self):
        self.stops += 1
        self.process.send_signal(signal.SIGSTOP)
        self.run.over.wait(self.random.uniform(0.01, 0.4))
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.kills += 1
        self.process.kill()
        self.process.wait()

    def end(self):
        """Waits for a process that has been told to end."""
        try:
            status = self.process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.run.complain(f"{self.name}, life {self.lives}, did not end within {HANG_SECONDS} s")
        else:
            if status != 0:
                self.run.complain(f"{self.name}, life {self.lives}, ended with {status}")


class Sender(Slot):
    def __init__(self, run, peer):
        # One that takes long to start is left alone for longer, but not for a whole short run.
        super().__init__(run, peer.name, (1.0, min(6.0, run.how_long / 2)) if peer.collected else (0.3, 2.5))
        self.peer = peer

    def start(self):
        name = f"{self.name}-{self.lives + 1}"
        self.spawn(self.peer, "post", self.run.scratch / f"sender-{name}", name, self.run.stop)

    def trouble(self):
        if self.random.random() < 0.5:
            self.stop_for_a_while()
        else:
            self.kill()
            self.start()

    def finish(self):
        self.run.stop.touch()
        self.end()


class Listener(Slot):
    """Its languages take turns at random, so that each takes over from each."""

    def __init__(self, run, peers):
        super().__init__(run, "listener", (0.2, 1.6))
        self.peers, self.closes = peers, 0
        self.gaps, self.take_overs = [], []
        self.first = threading.Event()

    def start(self):
        peer = self.random.choice(self.peers)
        self.spawn(
            peer,
            "listen",
            self.run.scratch / f"listener-{self.lives + 1:06}",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        watchdog = threading.Timer(HANG_SECONDS, self.process.kill)
        watchdog.start()
        ready, _, ports = self.process.stdout.readline().decode().strip().partition(" ")
        if ready != "ready":
            self.run.complain(f"{self.name}, life {self.lives}, a {peer.name} one, did not begin to listen")
        elif "PORTS" in self.run.environment:
            # The next one listens on the same ports.
            self.run.environment["PORTS"] = ports
        watchdog.cancel()
        self.first.set()

    def trouble(self):
        # The first trouble is one that every run is to have: killed, and nobody there for a while.
        first = not self.kills
        what = 1 if first else self.random.random()
        if what < 0.3:
            return self.stop_for_a_while()
        gone = time.monotonic_ns()
        if what < 0.45:
            self.closes += 1
            self.close()
        else:
            self.kill()
        # Half the time nobody listens for a while.
        self.run.over.wait(0.2 if first else self.random.choice([0, self.random.uniform(0, 0.3)]))
        restarted = time.monotonic_ns()
        self.start()
        ready = time.monotonic_ns()
        self.gaps.append((gone, ready))
        self.take_overs.append((ready - restarted) / 1e9)

    def close(self):
        self.process.stdin.close()
        self.end()

    def finish(self):
        for sender in self.run.senders:
            sender.thread.join()
        self.close()


class Run:
    def __init__(self, scratch, seed, peers, how_long, tcp):
        self.scratch, self.seed, self.how_long = Path(scratch), seed, how_long
        pause_ms = 10 if how_long > FULL_SPEED_SECONDS else 0
        self.environment = {"SIMPLE_IPC_DIR": str(scratch), "PAUSE_MS": str(pause_ms)}
        if tcp:
            self.environment["PORTS"] = "0,0"
            peers = [peer for peer in peers if peer.listens]
        self.stop = self.scratch / "stop"
        self.over = threading.Event()
        self.complaints = []
        self.senders = [Sender(self, peer) for peer in peers]
        self.listener = Listener(self, [peer for peer in peers if peer.listens])

    def complain(self, what):
        print(f"# {what}", flush=True)
        self.complaints.append(what)

    def go(self):
        slots = [self.listener, *self.senders]
        self.listener.thread.start()
        self.listener.first.wait()
        for sender in self.senders:
            sender.thread.start()
        self.over.wait(self.how_long)
        self.over.set()
        for slot in slots:
            slot.thread.join()

    def read(self):
        def lines(path):
            return map(list, whole_lines(path))

        senders = {path.name.removeprefix("sender-"): lines(path) for path in self.scratch.glob("sender-*")}
        return compare(senders, [lines(path) for path in sorted(self.scratch.glob("listener-*"))], self.listener.gaps)


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, complaints):
        """Passes if there is nothing to complain of."""
        good = not complaints
        self.passed, self.failed = self.passed + good, self.failed + (not good)
        print(f"{'ok' if good else 'not ok'} - {what}")
        for complaint in complaints[:20]:
            print(f"#   {complaint}")
        if len(complaints) > 20:
            print(f"#   … {len(complaints)} in all")


def own_tests(checks):
    """The comparison's own tests: a comparison that finds nothing wrong in anything proves nothing."""
    suite = unittest.defaultTestLoader.discover(str(Path(__file__).parent), "test_*.py")
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    checks.check(
        f"{result.testsRun} tests of the comparison", [str(case) for case, _ in result.failures + result.errors]
    )


def report(run, found, how_long, checks):
    listener, senders = run.listener, run.senders
    kills, stops = sum(s.kills for s in senders), sum(s.stops for s in senders)
    took = sorted(listener.take_overs) or [0]
    waited = sorted(found.waited) or [0]
    print(f"\nseconds                          {how_long:.0f}")
    print(f"senders                          {', '.join(s.name for s in senders)}")
    print(f"senders killed, stopped          {kills}, {stops}")
    print(f"listeners killed, closed, stopped {listener.kills}, {listener.closes}, {listener.stops}")
    print(f"messages                         {found.messages}")
    print(f"  acknowledged                   {found.acknowledged}")
    print(f"  error: certainly not handled   {found.not_sent}")
    print(f"  error: may have been handled   {found.unknown}")
    print(f"  sender killed before it knew   {found.killed_before}")
    print(f"handled                          {found.handled}")
    print(f"lost                             {len(found.lost)}")
    print(f"doubled                          {len(found.doubled)}")
    print(f"handled although 'not handled'   {len(found.untrue)}")
    print(f"out of order                     {len(found.disordered)}")
    median = statistics.median(took) * 1e3
    print(f"take-over, ms: median, longest   {median:.0f}, {took[-1] * 1e3:.0f} ({len(took)} times)")
    print(
        f"posts that waited for a listener {len(found.waited)}; answered after its start, ms: "
        f"median {statistics.median(waited) / 1e6:.0f}, longest {waited[-1] / 1e6:.0f}"
    )
    print("errors: " + ", ".join(f"{name} {count}" for name, count in found.by_error.most_common()) + "\n")

    checks.check("every acknowledged message was handled", found.lost)
    checks.check("no message was handled twice", found.doubled)
    checks.check("no message that an error calls not sent was handled", found.untrue)
    checks.check("nothing was handled that nobody sent", found.invented)
    checks.check("one-way messages of a session were handled in order", found.disordered)
    checks.check("every answer belongs to its request", found.wrong)
    checks.check("no post that waits for a listener gave up before its time", found.impatient)
    checks.check("posts waited for a listener and went through", [] if found.waited else ["no post ever waited"])
    checks.check(
        f"every restarted listener took over within {TAKE_OVER_SECONDS} s",
        [f"{time} s" for time in took if time > TAKE_OVER_SECONDS],
    )
    idle = [s.name for s in senders if not s.kills + s.stops]
    checks.check(
        "every sender met with trouble, and so did the listener",
        [f"{name} was left in peace" for name in idle] + (["no listener was killed"] if not listener.kills else []),
    )
    checks.check("nothing ended by itself, failed or hung", run.complaints)


def try_out(how_long, seed, tcp, checks, keep):
    """One run: on Unix sockets with everybody, or on TCP between those that listen."""
    scratch = tempfile.mkdtemp(prefix="sipc-chaos-")
    run = Run(scratch, seed, present(scratch), how_long, tcp)
    began, failed = time.monotonic(), checks.failed
    run.go()
    elapsed = time.monotonic() - began
    report(run, run.read(), elapsed, checks)
    checks.check("the last listener left no file behind", [path.name for path in Path(scratch).glob(".*")])
    if keep or checks.failed > failed:
        print(f"the journals are in {scratch}; the same troubles again: --seed {seed}")
    else:
        shutil.rmtree(scratch)


def main():
    parser = argparse.ArgumentParser(description="Kill peers at random moments and compare their journals.")
    parser.add_argument("--time", type=seconds, default=60, help="such as 60, 90s, 10m; default 60")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"), help="default: a new one")
    parser.add_argument("--keep", action="store_true", help="keep the journals")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    checks = Checks()
    own_tests(checks)
    print("\non Unix sockets", flush=True)
    try_out(arguments.time, arguments.seed, False, checks, arguments.keep)
    print("\non TCP", flush=True)
    try_out(arguments.time / 4, arguments.seed, True, checks, arguments.keep)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return checks.failed != 0


if __name__ == "__main__":
    sys.exit(main())
