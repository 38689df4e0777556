#!/usr/bin/env python3
"""What is promised of publications, between processes: nothing is missed after a subscribe, every loss is told, memory stays
flat, and kills double nothing. The drivers are those of the interop matrix.

    run.py                 the short form, for continuous integration
    run.py --full          the long one: 10,000 subscribes, 60 s stopped, 1 GiB for each language, 1,000 kills of each
    run.py --only NAME     one of: subscribes, stopped, slow, kills

The last line is `N passed, N failed, N skipped`. STAGE is where the library is installed, RELEASE_DIR where cargo builds;
run.sh sets both.
"""

import dataclasses
import random
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

import promises  # noqa: E402  (needs the path above)
import values  # noqa: E402
from driving import Failed, ask, ok, prefix_of  # noqa: E402
from measuring import Most  # noqa: E402
from promises import Driver, finish  # noqa: E402

TIMEOUT = "60000"
# Of events at which something is killed: enough that a subscriber which is stopped for a moment misses some.
PADDING, SMALL_QUEUE = "x" * 4000, "4096"
# What a subscriber may take besides its programs' own memory: a window, an event, and what its language leaves to collect.
GROWTH_KIB = 48 << 10
# A publisher keeps as much as the largest queue, and an event.
PUBLISHER_GROWTH_KIB = 24 << 10


@dataclasses.dataclass
class Extent:
    subscribes: int
    stopped_seconds: float
    slow_mib: int
    slow_pause_us: int
    kills: int


SHORT = Extent(subscribes=1000, stopped_seconds=3, slow_mib=128, slow_pause_us=10_000, kills=60)
FULL = Extent(subscribes=10_000, stopped_seconds=60, slow_mib=1024, slow_pause_us=100_000, kills=1000)


def publisher_of(one):
    driver = Driver(one, "publish", prefix_of(one))
    return driver, (f"{prefix_of(one)}_publications", f":{driver.ready[0]}")


def text(driver, what):
    return values.command({"json": f'"{what}"'}, driver.implementation.form)


def subscribed(driver, address, overflow="fail", queue="-"):
    """Subscribes, and takes what was retained."""
    ask(driver, "subscribe", address, TIMEOUT, overflow, queue, "*")


def subscribes(who, extent):
    """Whatever is published after a subscribe has returned comes: subscribe in one process, publish at once in another."""
    c = who["C"]
    publisher, addresses = publisher_of(c)
    subscriber = Driver(c, "subscribe")
    for number in range(extent.subscribes):
        # A topic of its own for each, so that nothing is retained for it.
        topic = f"t{number}"
        ask(subscriber, "subscribe", addresses[number % 2], TIMEOUT, "fail", "-", topic)
        [queued] = ask(publisher, "publish", addresses[number % 2], topic, text(publisher, number))
        event = ask(subscriber, "next", TIMEOUT)
        if queued != "1" or event[:3] != ["0", "0", topic]:
            raise Failed(f"subscribe {number}: the event was queued for {queued}, and what came is {event}")
        ask(subscriber, "close")
        # Its own topic is forgotten again.
        ask(publisher, "publish", addresses[number % 2], topic, "bytes:0")
    finish(publisher, subscriber)
    return f"{extent.subscribes} subscribes, none missed what was published right after it"


def stopped(who, extent):
    """One of eight subscribers is stopped under a flood: it delays nobody, costs its queue, and is told what it missed."""
    c = who["C"]
    publisher, (address, _) = publisher_of(c)
    drivers = [Driver(c, "subscribe") for _ in range(8)]
    policies = ["drop_oldest", "fail"]
    for number, driver in enumerate(drivers):
        subscribed(driver, address, policies[number] if number < 2 else "drop_oldest")
    for driver in drivers[:2]:
        driver.process.send_signal(signal.SIGSTOP)
    count, size, floods = 20_000, 200, 0
    until = time.monotonic() + extent.stopped_seconds
    with Most(publisher.process) as memory:
        while floods == 0 or time.monotonic() < until:
            publisher.tell("flood", address, str(count), str(size))
            for driver in drivers[2:]:
                driver.tell("take", str(count), "0")
            ok(publisher)
            for driver in drivers[2:]:
                delivered, missed, in_order = ok(driver)
                if int(delivered) + int(missed) != count or (in_order != "1"):
                    raise Failed(f"of {count}, {delivered} were delivered and {missed} missed, in order: {in_order}")
            floods += 1
    for driver in drivers[:2]:
        driver.process.send_signal(signal.SIGCONT)
    total = floods * count
    drivers[0].tell("take", str(total), "0")
    delivered, missed, _ = ok(drivers[0])
    if int(delivered) + int(missed) != total:
        raise Failed(f"the stopped subscriber was told of {delivered} and {missed}, of {total}")
    drivers[1].tell("take", str(total), "0")
    line = drivers[1].next()
    if line[:2] != ["error", "too_slow"]:
        raise Failed(f"the stopped subscriber with `fail` said {' '.join(line)[:200]}")
    if memory.growth > PUBLISHER_GROWTH_KIB:
        raise Failed(f"the publisher grew by {memory.growth} KiB")
    finish(publisher, *drivers)
    return f"{total} events; publisher's memory grew by {memory.growth} KiB; stopped: {delivered} delivered, {missed} missed"


def slow(one):
    """A subscriber that takes few events under a flood of large ones keeps its memory, in its own language."""

    def run(who, extent):
        publisher, (address, _) = publisher_of(who["C"])
        subscriber = Driver(who[one], "subscribe")
        size = 64 << 10
        count = (extent.slow_mib << 20) // size
        subscribed(subscriber, address, "drop_oldest")
        # The first events set up what the language needs.
        publisher.tell("flood", address, "64", str(size))
        ask(subscriber, "take", "64", "0")
        ok(publisher)
        with Most(subscriber.process) as memory, Most(publisher.process) as publisher_memory:
            publisher.tell("flood", address, str(count), str(size))
            delivered, missed, in_order = ask(subscriber, "take", str(count), str(extent.slow_pause_us))
            ok(publisher)
        if int(delivered) + int(missed) != count or in_order != "1":
            raise Failed(f"of {count}, {delivered} were delivered and {missed} missed, in order: {in_order}")
        for name, grown, most in (("subscriber", memory.growth, GROWTH_KIB),
                                  ("publisher", publisher_memory.growth, PUBLISHER_GROWTH_KIB)):
            if grown > most:
                raise Failed(f"the {name}'s memory grew by {grown} KiB")
        finish(publisher, subscriber)
        return (f"{extent.slow_mib} MiB; {delivered} delivered; memory grew by {memory.growth} KiB, "
                f"the publisher's by {publisher_memory.growth} KiB")

    return run


class Journal:
    """What a subscriber was told, event by event: `K:I` of publisher K, number I."""

    def __init__(self):
        self.publisher, self.number, self.events, self.replaced, self.missed = None, None, 0, 0, 0

    def take(self, event, form):
        missed, retained, _, value = event
        missed, content = int(missed), values.parse(value)[1]
        publisher, number = map(int, content.split(":")[:2])
        self.events += 1
        if publisher == self.publisher:
            if missed < 0:
                # The same publisher, which has not been replaced: its numbers tell.
                raise Failed(f"missed {missed} between {self.number} and {number} of one publisher")
            if number != self.number + 1 + missed:
                raise Failed(f"{number} came after {self.number} with {missed} missed")
            self.missed += missed
        elif self.publisher is not None:
            if publisher < self.publisher:
                raise Failed(f"an event of publisher {publisher} came after one of {self.publisher}")
            if missed != -1:
                raise Failed(f"the first event of another publisher has missed {missed}")
            self.replaced += 1
        self.publisher, self.number = publisher, number


def kills(who, extent):
    """Publisher and subscribers are killed in turn: nothing is doubled, every loss is told, a replaced publisher is seen once."""
    chance = random.Random(1)
    c = who["C"]
    survivor, address = Driver(c, "subscribe"), f"{prefix_of(c)}_publications"
    number_of_publisher, journal, subscribers_killed = 0, Journal(), 0
    publisher, _ = publisher_of(c)
    subscribed(survivor, address, "drop_oldest", SMALL_QUEUE)
    stop = threading.Event()
    trouble = []

    def listen():
        try:
            while not stop.is_set():
                survivor.tell("next", "200")
                line = survivor.next()
                if line[0] == "ok" and len(line) == 5:
                    journal.take(line[1:], c.form)
                elif line[:2] != ["error", "timed_out"]:
                    raise Failed(f"the subscriber said {' '.join(line)[:200]}")
        except Failed as failure:
            trouble.append(failure)

    listening = threading.Thread(target=listen)
    listening.start()
    try:
        for number_of_publisher in range(1, extent.kills + 1):
            victim = Driver(c, "subscribe")
            victim.tell("subscribe", address, TIMEOUT, "fail", "-", "*")
            # Of what comes while it is stopped it misses some, which is to be told.
            is_stopped = chance.random() < 0.3
            if is_stopped:
                survivor.process.send_signal(signal.SIGSTOP)
            until = time.monotonic() + chance.uniform(0.001, 0.03)
            sent = 0
            while sent < 3 or time.monotonic() < until:
                publisher.tell("publish", address, "-", text(publisher, f"{number_of_publisher}:{sent}:{PADDING}"))
                sent += 1
            if is_stopped:
                survivor.process.send_signal(signal.SIGCONT)
            victim.process.kill()
            victim.process.wait()
            subscribers_killed += 1
            publisher.tell("publish", address, "-", text(publisher, f"{number_of_publisher}:{sent}:{PADDING}"))
            if trouble:
                raise trouble[0]
            # The survivor has to have heard of it before the next one, so that it is seen to be replaced.
            waited = time.monotonic() + 60
            while journal.publisher != number_of_publisher and not trouble and time.monotonic() < waited:
                time.sleep(0.001)
            if journal.publisher != number_of_publisher:
                raise trouble[0] if trouble else Failed(f"nothing came from publisher {number_of_publisher}")
            publisher.process.kill()
            publisher.process.wait()
            publisher, _ = publisher_of(c)
    finally:
        stop.set()
        listening.join()
    if trouble:
        raise trouble[0]
    if journal.replaced != number_of_publisher - 1:
        raise Failed(f"{number_of_publisher - 1} publishers were replaced, and {journal.replaced} of them seen")
    finish(publisher, survivor)
    return (f"{number_of_publisher} publishers and {subscribers_killed} subscribers killed; {journal.events} events, "
            f"none doubled, {journal.missed} told as missed, {journal.replaced} replacements seen")


def cases(who):
    yield from {"subscribes": (None, subscribes), "stopped": (None, stopped), "kills": (None, kills)}.items()
    for name in who:
        yield f"slow {name}", (name, slow(name))


if __name__ == "__main__":
    only = "one of subscribes, stopped, slow, kills, or `slow NAME`"
    sys.exit(promises.run("publications", only, lambda one: one.publishes is not None, lambda who: dict(cases(who)), SHORT, FULL))
