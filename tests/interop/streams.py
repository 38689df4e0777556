"""Every implementation opens streams at every implementation that listens: the cases of one such pair.

What an implementation cannot do in its driver is said in `implementations.py`, and the case is then not counted.
"""

import json
import time

import values

# Far more than the window of a stream holds, in bytes.
MANY_ITEMS, LARGE_ITEMS, LARGE_BYTES = 5000, 20, 100_000
UP_ITEMS, UP_BYTES = 2000, 400
ECHOED, ECHOED_BYTES = 1000, 300
# So many that a caller cannot have sent them before it hears that nobody reads any more.
TOO_MANY, TOO_MANY_BYTES = 30_000, 1000
TIMEOUT = "60000"
# How often something is looked for that comes in its own time, and what passes in between.
LOOKS, PAUSE = 600, 0.1

CASES = (
    "down", "down, nothing", "down, many small", "down, large", "down, the handler fails after three", "up", "up, nothing",
    "up, the handler ends early", "both ways", "both ways, in turn", "the caller leaves its loop", "cancelled between two items",
    "a handler that ignores its end", "unknown to the handler", "bytes both ways", "one after another",
)
KILLS = ("the caller is killed", "the handler's process is killed")


class Pair:
    """One caller, one listener, one transport."""

    def __init__(self, failed, caller, listener, transport):
        self.failed = failed
        self.caller, self.listener, self.transport = caller, listener, transport
        self.address = f"{listener.prefix}_streams" if transport == "Unix socket" else f":{listener.ready[0]}"

    def answer(self, driver=None):
        driver = driver or self.caller
        line = driver.next()
        if line[0] != "ok":
            raise self.failed(f"{driver.implementation.name} said: {' '.join(line)[:300]}")
        return line[1:]

    def ask(self, *command, driver=None):
        (driver or self.caller).tell(*command)
        return self.answer(driver)

    def error(self, *kinds):
        line = self.caller.next()
        if line[0] != "error" or line[1] not in kinds:
            raise self.failed(f"the caller said {' '.join(line)[:300]!r}, not {' or '.join(kinds)}")
        return line

    def open(self, what, **more):
        self.ask("open", self.address, json.dumps({"do": what, **more}, separators=(",", ":")))

    def next(self):
        [value] = self.ask("next", TIMEOUT)
        return "end" if value == "end" else values.parse(value)

    def due(self, value):
        if (got := self.next()) != value:
            raise self.failed(f"the caller was handed {str(got)[:200]}, not {str(value)[:200]}")

    def close(self):
        self.ask("close")

    def take(self, wanted, due):
        count, in_order = self.ask("take", str(wanted))
        if int(count) != due or in_order != "1":
            raise self.failed(f"{count} items came, in order: {in_order}; {due} were due")

    def cleaned(self):
        [count] = self.ask("cleaned", driver=self.listener)
        return int(count)

    def is_cleaned(self, before):
        for _ in range(LOOKS):
            if (now := self.cleaned()) == before + 1:
                return
            time.sleep(PAUSE)
        raise self.failed(f"the caller has left, and {now - before} handlers have cleaned up since")

    def down(self, count, size):
        self.open("count", n=count, size=size)
        self.take(count + 1, count)
        self.due("end")
        self.close()

    def down_one_by_one(self):
        self.open("count", n=3, size=0)
        for number in range(3):
            self.due(("string", f"item:{number}:"))
        self.due("end")
        self.due("end")
        self.close()

    def fails(self):
        self.open("fail", n=3)
        self.take(10, 3)
        for _ in range(2):
            self.caller.tell("next", TIMEOUT)
            line = self.error("handler_failed")
            if "on purpose" not in line[3]:
                raise self.failed(f"the error does not carry the handler's text: {line[3]!r}")
        self.close()

    def up(self, count, size):
        self.open("total")
        [sent] = self.ask("sends", str(count), str(size))
        if int(sent) != count:
            raise self.failed(f"{sent} of {count} items were sent")
        self.ask("end")
        chars = sum(max(size, len(f"item:{number}:")) for number in range(count))
        self.due(values.from_json(json.dumps({"items": count, "chars": chars, "in_order": True})))
        self.due("end")
        self.close()

    def ends_early(self):
        self.open("first", n=3)
        [sent] = self.ask("sends", str(TOO_MANY), str(TOO_MANY_BYTES))
        if int(sent) >= TOO_MANY:
            raise self.failed("all items were sent to a handler that read three")
        self.due(("number", "3"))
        self.due("end")
        self.close()

    def both_ways(self):
        before = self.cleaned()
        self.open("echo")
        count, in_order = self.ask("pump", str(ECHOED), str(ECHOED_BYTES))
        if int(count) != ECHOED or in_order != "1":
            raise self.failed(f"{count} of {ECHOED} items came back, in order: {in_order}")
        self.due("end")
        self.close()
        self.is_cleaned(before)

    def in_turn(self):
        form = self.caller.implementation.form
        before = self.cleaned()
        self.open("echo")
        for text in ("", "é\u0000😀", "item"):
            self.ask("send", values.command({"json": json.dumps(text, ensure_ascii=False)}, form))
            self.due(("string", text))
        self.close()
        self.is_cleaned(before)

    def bytes_both_ways(self):
        before = self.cleaned()
        self.open("echo")
        for length in (0, 1, 100_000):
            self.ask("send", values.command({"bytes": length}, self.caller.implementation.form))
            self.due(("bytes", length, "good"))
        attached = {"bytes": 100_000, "json": '{"shape":[2,3]}'}
        self.ask("send", values.command(attached, self.caller.implementation.form))
        self.due(values.of_case(attached))
        self.ask("end")
        self.due("end")
        self.close()
        self.is_cleaned(before)

    def leaves(self):
        before = self.cleaned()
        self.open("forever", size=1000)
        self.take(5, 5)
        self.ask("leave")
        self.is_cleaned(before)
        self.close()

    def cancels(self):
        before = self.cleaned()
        self.open("silent")
        self.caller.tell("cancel")
        line = self.caller.next()
        if line[:2] not in (["error", "cancelled"], ["ok", "end"]):
            raise self.failed(f"the caller said {' '.join(line)[:300]!r}, not that it was cancelled")
        self.is_cleaned(before)
        self.close()

    def stubborn(self):
        self.open("stubborn")
        self.take(1, 1)
        self.close()
        # The same caller goes on, though that handler has not noticed.
        self.down(10, 0)
        self.ask("release", driver=self.listener)
        for _ in range(LOOKS):
            counters = self.ask("counters", self.address, driver=self.listener)
            if counters[:2] in (["0", "0"], ["-", "-"]):
                return
            time.sleep(PAUSE)
        raise self.failed(f"the handler has ended and is still counted: {counters}")

    def unknown(self):
        self.caller.tell("open", self.address, '{"do":"sing"}')
        line = self.caller.next()
        if line[0] == "ok":
            self.caller.tell("next", TIMEOUT)
            self.error("handler_failed")
        elif line[:2] != ["error", "handler_failed"]:
            raise self.failed(f"the caller said {' '.join(line)[:300]!r}, not handler_failed")
        self.close()

    def one_after_another(self):
        for count in range(20):
            self.down(count, 0)

    def cases(self):
        yield from zip(CASES, (
            self.down_one_by_one,
            lambda: self.down(0, 0),
            lambda: self.down(MANY_ITEMS, 0),
            lambda: self.down(LARGE_ITEMS, LARGE_BYTES),
            self.fails,
            lambda: self.up(UP_ITEMS, UP_BYTES),
            lambda: self.up(0, 0),
            self.ends_early,
            self.both_ways,
            self.in_turn,
            self.leaves,
            self.cancels,
            self.stubborn,
            self.unknown,
            self.bytes_both_ways,
            self.one_after_another,
        ))

    def caller_is_killed(self):
        before = self.cleaned()
        self.open("forever", size=100)
        self.take(5, 5)
        self.caller.kill()
        self.is_cleaned(before)

    def listener_is_killed(self):
        self.open("forever", size=100)
        self.take(5, 5)
        self.listener.kill()
        # What had arrived may still come, and then the loss.
        self.caller.tell("take", str(10**9))
        self.caller.next()
        self.caller.tell("next", TIMEOUT)
        line = self.error("connection_lost")
        if line[2] != "maybe":
            raise self.failed("the error says that the request was not handled")
        self.close()

    def kills(self):
        """Each ends a driver of its own, which its caller starts."""
        yield KILLS[0], self.caller_is_killed
        yield KILLS[1], self.listener_is_killed


def why_not(caller, listener, case):
    """Why a case of a pair cannot exist; None where it can."""
    for one, role in ((caller, "caller"), (listener, "listener")):
        if one.streams is not True and (reason := one.streams(role, case)):
            return f"{one.name} as a {role}: {reason}"
    return None
