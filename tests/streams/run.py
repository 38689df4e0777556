#!/usr/bin/env python3
"""What is promised of streams, between processes: memory stays flat both ways in each language, thousands that are opened and
left leave nothing behind, a reader that sleeps holds up its own stream alone, and kills lose and double nothing. The drivers
are those of the interop matrix.

    run.py                 the short form, for continuous integration
    run.py --full          the long one: 1 GiB each way, 10,000 streams for each language, 1,000 kills
    run.py --only NAME     one of: flat, left, sleeps, kills; or one with a language, `flat Python`

The last line is `N passed, N failed, N skipped`. STAGE is where the library is installed, RELEASE_DIR where cargo builds;
run.sh sets both.
"""

import dataclasses
import json
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "interop"))

import promises  # noqa: E402  (needs the path above)
import values  # noqa: E402
from driving import Failed, ask, prefix_of  # noqa: E402
from measuring import Most, descriptors_and_threads  # noqa: E402
from promises import Driver, finish  # noqa: E402

TIMEOUT = "60000"
ITEM_BYTES = 64 << 10
# What a process may grow by: a window and an item each way, and what its language leaves to collect.
GROWTH_KIB = 48 << 10
# How much garbage the collector of .NET lets stand before it looks.
GARBAGE_KIB = {".NET": 160 << 10}
# How many descriptors and threads may stay: sessions in the pool, and threads that wait for the next stream.
DESCRIPTORS, THREADS = 40, 12
LOOKS, PAUSE = 600, 0.1


@dataclasses.dataclass
class Extent:
    mib: int
    left: int
    seconds: float
    kills: int


SHORT = Extent(mib=48, left=150, seconds=0.5, kills=30)
FULL = Extent(mib=1024, left=10_000, seconds=30, kills=1000)


class Streams:
    """A listener and its address."""

    def __init__(self, one, transport=0):
        self.driver = Driver(one, "streams", prefix_of(one))
        self.address = (f"{prefix_of(one)}_streams", f":{self.driver.ready[0]}")[transport]

    def cleaned(self):
        return int(ask(self.driver, "cleaned")[0])

    def is_cleaned(self, due):
        for _ in range(LOOKS):
            if self.cleaned() == due:
                return
            time.sleep(PAUSE)
        raise Failed(f"{self.cleaned()} handlers have cleaned up, not {due}")


def opened(caller, streams, do, **more):
    ask(caller, "open", streams.address, json.dumps({"do": do, **more}, separators=(",", ":")))


def is_flat(*those):
    """Of an implementation, in its role, the memory."""
    for one, role, memory in those:
        if memory.growth > GROWTH_KIB + GARBAGE_KIB.get(one, 0):
            raise Failed(f"the {role} ({one}) grew by {memory.growth} KiB")


def flat(name):
    """So many items of 64 KiB, from a caller of this language and to it, and from a handler of it and to it."""

    def run(who, extent):
        count, told = (extent.mib << 20) // ITEM_BYTES, []
        for caller_is, listener_is in ((name, "C"), ("C", name)):
            streams, caller = Streams(who[listener_is]), Driver(who[caller_is], "stream")
            # The first items set up what the language needs.
            opened(caller, streams, "count", n=64, size=ITEM_BYTES)
            ask(caller, "take", "65")
            ask(caller, "close")
            with Most(caller.process) as at_caller, Most(streams.driver.process) as at_listener:
                opened(caller, streams, "count", n=count, size=ITEM_BYTES)
                taken, in_order = ask(caller, "take", str(count + 1))
                if int(taken) != count or in_order != "1":
                    raise Failed(f"{taken} of {count} items came, in order: {in_order}")
                ask(caller, "close")
                opened(caller, streams, "total")
                [sent] = ask(caller, "sends", str(count), str(ITEM_BYTES))
                ask(caller, "end")
                [total] = ask(caller, "next", TIMEOUT)
                due = values.from_json(json.dumps({"items": count, "chars": count * ITEM_BYTES, "in_order": True}))
                if int(sent) != count or values.parse(total) != due:
                    raise Failed(f"{sent} of {count} items were sent, and the handler had {values.parse(total)}")
                ask(caller, "close")
            is_flat((caller_is, "caller", at_caller), (listener_is, "listener", at_listener))
            told.append(f"{caller_is} at {listener_is}: {at_caller.growth} and {at_listener.growth} KiB more")
            finish(caller, streams.driver)
        return f"{extent.mib} MiB each way; " + "; ".join(told)

    return run


def left(name):
    """Opened, looked into, and left: descriptors, threads and handlers are where they were."""

    def run(who, extent):
        told = []
        for caller_is, listener_is in ((name, "C"), ("C", name)):
            streams, caller = Streams(who[listener_is]), Driver(who[caller_is], "stream")
            has_cleanup = "command" not in (caller_is, listener_is)
            count = extent.left if has_cleanup else max(20, extent.left // 20)

            def some(number):
                for one in range(number):
                    opened(caller, streams, "forever", size=(0, 1000, ITEM_BYTES)[one % 3])
                    if one % 2:
                        ask(caller, "take", "2")
                    ask(caller, "close")

            before = streams.cleaned()
            some(20)
            # The command is given up before its handler has begun where nothing was taken.
            if has_cleanup:
                streams.is_cleaned(before + 20)
            at_first = [descriptors_and_threads(driver.process) for driver in (caller, streams.driver)]
            some(count)
            if has_cleanup:
                streams.is_cleaned(before + 20 + count)
            for driver, (descriptors, threads) in zip((caller, streams.driver), at_first):
                for _ in range(LOOKS):
                    more, threads_more = descriptors_and_threads(driver.process)
                    if more <= descriptors + DESCRIPTORS and threads_more <= threads + THREADS:
                        break
                    time.sleep(PAUSE)
                else:
                    raise Failed(f"{driver.implementation.name} has {more} descriptors and {threads_more} threads, and had "
                                 f"{descriptors} and {threads}")
            told.append(f"{caller_is} at {listener_is}: {count}")
            finish(caller, streams.driver)
        return "opened and left: " + "; ".join(told)

    return run


def sleeps(name):
    """A caller that takes nothing costs its window, and delays no other stream of the same listener."""

    def run(who, extent):
        streams = Streams(who[name])
        sleeper, other = Driver(who[name], "stream"), Driver(who["C"], "stream")
        with Most(sleeper.process) as at_caller, Most(streams.driver.process) as at_listener:
            opened(sleeper, streams, "forever", size=1000)
            ask(sleeper, "take", "1")
            until, others = time.monotonic() + extent.seconds, 0
            while others == 0 or time.monotonic() < until:
                opened(other, streams, "count", n=500, size=1000)
                taken, in_order = ask(other, "take", "501")
                if (taken, in_order) != ("500", "1"):
                    raise Failed(f"beside the sleeper {taken} of 500 items came, in order: {in_order}")
                ask(other, "close")
                others += 1
            # What has waited is all there.
            ask(sleeper, "close")
        is_flat((name, "caller", at_caller), (name, "listener", at_listener))
        finish(sleeper, other, streams.driver)
        return (f"{others} streams beside it; memory grew by {at_caller.growth} KiB, the listener's by {at_listener.growth} KiB")

    return run


def kills(who, extent):
    """Callers and listeners are killed under streams both ways: what came is in order, has one ending, and no handler stays."""
    chance = random.Random(1)
    names = [name for name in who if name not in ("command",)] if extent is FULL else ["C", "Rust, async", "Python"]
    streams, killed, items = {name: Streams(who[name]) for name in names}, {"caller": 0, "listener": 0}, 0
    callers = {name: Driver(who[name], "stream") for name in names}
    for number in range(extent.kills):
        caller_is, listener_is = chance.choice(names), chance.choice(names)
        caller, at = callers[caller_is], streams[listener_is]
        before = at.cleaned()
        opened(caller, at, "echo")
        caller.tell("pump", str(1_000_000), "100")
        time.sleep(chance.uniform(0, 0.03))
        if number % 2:
            caller.kill()
            killed["caller"] += 1
            at.is_cleaned(before + 1)
            callers[caller_is] = Driver(who[caller_is], "stream")
        else:
            at.driver.kill()
            killed["listener"] += 1
            line = caller.next()
            # Or that it could not send any more.
            if line[:3] != ["error", "connection_lost", "maybe"]:
                said, count, in_order = line
                items += int(count)
                if (said, in_order) != ("ok", "1"):
                    raise Failed(f"{count} items came from {listener_is} to {caller_is}, and not in order")
            for _ in range(2):
                caller.tell("next", TIMEOUT)
                line = caller.next()
                if line[:3] != ["error", "connection_lost", "maybe"]:
                    raise Failed(f"{caller_is} said {' '.join(line)[:200]!r}, not connection_lost")
            ask(caller, "close")
            streams[listener_is] = Streams(who[listener_is])
    finish(*callers.values(), *(one.driver for one in streams.values()))
    return f"{killed['caller']} callers and {killed['listener']} listeners killed; {items} items came before a listener's end, all in order"


def cases(who):
    yield "kills", (None, kills)
    for what, of in (("flat", flat), ("left", left), ("sleeps", sleeps)):
        for name in who:
            if (what, name) != ("sleeps", "command"):
                yield f"{what} {name}", (name, of(name))


if __name__ == "__main__":
    only = "one of flat, left, sleeps, kills, or `flat NAME`"
    sys.exit(promises.run("streams", only, lambda one: one.streams is not None, lambda who: dict(cases(who)), SHORT, FULL))
