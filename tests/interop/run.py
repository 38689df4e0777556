#!/usr/bin/env python3
"""Every implementation posts to every implementation, subscribes to it, and opens streams at it; README.md beside this file
describes how.

    run.py                          all of them, over Unix sockets and TCP
    run.py --only 'C' --only 'Rust, async'
    run.py --through C              each with C and with itself, for the sake of time
    run.py --write                  writes docs/interop.md, too

The last line is `N passed, N failed`. STAGE is where the library is installed, RELEASE_DIR where cargo builds;
run.sh sets both.
"""

import argparse
import collections
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import implementations
import publications
import streams
import values
from driving import Driver, Failed, prefix_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CASES = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))
TRANSPORTS = ("Unix socket", "TCP")
HEARD_CORNER = "subscriber \\ publisher"
STREAMED_CORNER = "caller \\ listener"

# How long a call may take unless its case is about that, in milliseconds.
TIMEOUT = 60_000


class Cell:
    """One poster, one listener, one transport."""

    counter = 0

    def __init__(self, poster, listener, transport):
        self.poster, self.listener, self.transport = poster, listener, transport
        prefix = prefix_of(listener.implementation)
        self.requests, self.broadcasts = (
            (f"{prefix}_requests", f"{prefix}_broadcasts") if transport == "Unix socket"
            else tuple(f":{port}" for port in listener.ready))
        self.on_deno = "Deno wire" in (poster.implementation.name, listener.implementation.name)

    def fresh_id(self):
        Cell.counter += 1
        return f"call{Cell.counter}"

    def string(self, text):
        return values.command({"json": json.dumps(text, ensure_ascii=False)}, self.poster.implementation.form)

    def ok(self):
        line = self.poster.next()
        if line[0] != "ok":
            raise Failed(f"the poster said: {' '.join(line)[:300]}")
        return line[1:]

    def error(self, *kinds):
        line = self.poster.next()
        if line[0] != "error" or line[1] not in kinds:
            raise Failed(f"the poster said {' '.join(line)[:300]!r}, not {' or '.join(kinds)}")
        return line

    def value(self, case):
        poster, listener = self.poster.implementation, self.listener.implementation
        self.poster.tell("request", self.requests, str(TIMEOUT), values.command(case, form_of(poster, case)))
        replied = self.ok()
        heard = self.listener.expect("heard")
        # On the wire, at the listener, on the wire again, at the poster.
        sent = poster.writes(values.of_case(case))
        due = listener.reads(sent)
        compare("the listener's handler was handed", heard[0], due)
        back = sent if listener.hands_back_text else listener.writes(due)
        compare("the poster was handed", replied[0], poster.reads(back))

    def handler_error(self):
        text = CASES["error"]["text"]
        self.poster.tell("request", self.requests, str(TIMEOUT), self.string(f"do:fail:{text}"))
        if self.on_deno:
            self.error("no_reply")
            return
        line = self.error("handler_failed")
        if text not in line[3]:
            raise Failed(f"the error does not carry the handler's text: {line[3]!r}")
        if line[2] != "maybe":
            raise Failed("the error says that the message was not handled")

    def abandon(self, verb, timeout, kinds, then=lambda: None):
        id = self.fresh_id()
        self.poster.tell(verb, self.requests, str(timeout), self.string(f"do:wait:{id}"))
        self.same_id(self.listener.expect("started"), id)
        then()
        self.error(*kinds)
        if implementations.why_deaf(self.poster.implementation, self.listener.implementation, self.transport) is None:
            self.same_id(self.listener.expect("cancelled"), id)
        else:
            self.listener.tell("release", id)
            self.same_id(self.listener.expect("released"), id)

    def same_id(self, fields, id):
        if fields != [id]:
            raise Failed(f"the listener spoke of {fields}, not of {id}")

    def timeout(self):
        self.abandon("request", CASES["timeout"]["milliseconds"], ["timed_out"])

    def cancel(self):
        self.abandon("cancel", TIMEOUT, ["cancelled"], lambda: self.poster.tell("now"))

    def many(self):
        count = CASES["many"]["count"]
        self.poster.tell("many", self.requests, str(TIMEOUT), f"do:meet:{count}:", str(count))
        self.ok()

    def broadcast(self):
        for case in CASES["broadcast"]["values"]:
            self.poster.tell("broadcast", self.broadcasts, str(TIMEOUT),
                             values.command(case, self.poster.implementation.form))
            self.ok()
        for case in CASES["broadcast"]["values"]:
            compare("the listener's handler was handed", self.listener.expect("heard")[0], values.of_case(case))

    def cases(self):
        for case in CASES["values"]:
            yield case["name"], lambda case=case: self.value(case)
        yield CASES["error"]["name"], self.handler_error
        yield CASES["timeout"]["name"], self.timeout
        yield CASES["cancel"]["name"], self.cancel
        yield CASES["many"]["name"], self.many
        yield CASES["broadcast"]["name"], self.broadcast


def form_of(poster, case):
    """A value that the language cannot hold is sent as JSON text."""
    lone = "lone surrogate" in case.get("name", "")
    return "json" if lone and poster.lone_surrogates is not True else poster.form


def compare(who, field, due):
    got = values.parse(field)
    if got != due:
        raise Failed(f"{who} {str(got)[:200]}, not {str(due)[:200]}")


class Results:
    def __init__(self):
        self.passed = collections.Counter()
        self.impossible = collections.defaultdict(list)
        self.failed = collections.defaultdict(list)
        self.seconds = collections.Counter()

    def run(self, cell):
        poster, listener, transport = cell.poster.implementation, cell.listener.implementation, cell.transport
        self.run_cases(cell.cases(), cell.poster, cell.listener, transport,
                       lambda case: implementations.why_not(poster, listener, transport, case))

    def run_pair(self, pair):
        publisher, subscriber = pair.publisher.implementation, pair.subscriber.implementation
        self.run_cases(pair.cases(), pair.subscriber, pair.publisher, pair.transport,
                       lambda case: publications.why_not(publisher, subscriber, case))

    def run_streams(self, cases, pair):
        caller, listener = pair.caller.implementation, pair.listener.implementation
        self.run_cases(cases, pair.caller, pair.listener, pair.transport, lambda case: streams.why_not(caller, listener, case))

    def run_cases(self, cases, one, other, transport, why_not):
        names = one.implementation.name, other.implementation.name, transport
        for case, check in cases:
            reason = why_not(case)
            if reason:
                self.impossible[names].append((case, reason))
                continue
            began = time.monotonic()
            try:
                check()
                self.passed[names] += 1
            except Failed as failure:
                self.failed[names].append((case, str(failure)))
                print(f"not ok - {names[0]} to {names[1]}, {names[2]}, {case}: {failure}", flush=True)
                if one.has_ended() or other.has_ended():
                    return
                one.drain()
                other.drain()
            self.seconds[case] += time.monotonic() - began

    def fail(self, what):
        self.failed[("", "", "")].append(("", what))
        print(f"not ok - {what}", flush=True)

    def cell(self, names):
        if self.failed[names]:
            return f"{len(self.failed[names])} failed"
        return str(self.passed[names]) if self.passed[names] else "-"


def table(results, posters, listeners, transport, corner="poster \\ listener"):
    rows = [[corner, *(listener.name for listener in listeners)]]
    for poster in posters:
        rows.append([poster.name, *(results.cell((poster.name, listener.name, transport)) for listener in listeners)])
    return rows


def plain(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        yield "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                        for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)


def markdown(rows):
    for number, row in enumerate(rows):
        yield "| " + " | ".join(row) + " |"
        if number == 0:
            yield "|---|" + "---:|" * (len(row) - 1)


def notes(results, everyone):
    """Each reason once, with the cases that it stands for."""
    cases = collections.defaultdict(list)
    for impossible in results.impossible.values():
        for case, reason in impossible:
            if case not in cases[reason]:
                cases[reason].append(case)
    for reason, names in cases.items():
        yield reason if len(names) > 15 or reason.endswith("only") else f"{reason}: {'; '.join(names)}"
    yield "to and from the Deno wire a handler's error carries no text: the caller gets `no_reply`"
    for one in everyone:
        if one.hears is not True:
            yield f"{one.name} as a listener: {one.hears} that its caller has gone"
        if one.raw:
            yield f"{one.name} over TCP: {implementations.HALF_CLOSED}, so its handler does not hear that it has left"
        if one.lone_surrogates is not True:
            yield f"{one.name}: {one.lone_surrogates}"
        if not one.exact:
            yield f"{one.name}: numbers are doubles, so 2^53 + 1 is 2^53"
        if "-0" not in one.reads_minus_zero:
            yield f"{one.name}: the JSON text -0 is read as the whole number 0, -0.0 as minus zero"
        if one.writes_minus_zero == "0":
            yield f"{one.name}: JSON.stringify writes -0 as 0"


def notes_of(heard):
    """Each reason once, with the cases that it stands for."""
    cases = collections.defaultdict(list)
    for impossible in heard.impossible.values():
        for case, reason in impossible:
            if case not in cases[reason]:
                cases[reason].append(case)
    for reason, names in cases.items():
        yield f"{reason}: {'; '.join(names)}"


def document(results, posters, listeners, heard, subscribers, publishers, streamed, callers, answerers):
    everyone = posters
    yield "# Who can talk to whom"
    yield ""
    yield "Written by `tests/interop/run.py --write`. Each number says how many cases passed between that poster and that"
    yield "listener; a case that cannot exist is not counted and stands in the notes. `-` is none."
    for transport in TRANSPORTS:
        yield ""
        yield f"## {transport}"
        yield ""
        yield from markdown(table(results, posters, listeners, transport))
    for transport in TRANSPORTS:
        yield ""
        yield f"## Publications, {transport}"
        yield ""
        yield from markdown(table(heard, subscribers, publishers, transport, HEARD_CORNER))
    for transport in TRANSPORTS:
        yield ""
        yield f"## Streams, {transport}"
        yield ""
        yield from markdown(table(streamed, callers, answerers, transport, STREAMED_CORNER))
    yield ""
    yield "## Cases"
    yield ""
    names = [case["name"] for case in CASES["values"]]
    names += [CASES[key]["name"] for key in ("error", "timeout", "cancel", "many", "broadcast")]
    yield f"{len(names)}: {'; '.join(names)}."
    yield ""
    yield "A value goes to the handler, which hands it back: what the handler was handed and what the poster was handed are"
    yield "both compared with what is due. A timeout and a cancelled call are seen by the handler, too. The hundred requests"
    yield "at once are answered when all of them have arrived. Broadcasts arrive in their order."
    yield ""
    yield f"Of publications: {'; '.join([*publications.PUBLISHED, *publications.OTHERS])}."
    yield f"A flood is {publications.FLOOD_EVENTS} events; in each, delivered and missed are together what was published."
    yield ""
    yield f"Of streams: {'; '.join(streams.CASES)}; and of each implementation with itself: {'; '.join(streams.KILLS)}."
    yield ""
    yield "## Notes"
    yield ""
    for note in [*notes(results, everyone), *notes_of(heard), *notes_of(streamed)]:
        yield f"- {note}"


def main():
    parser = argparse.ArgumentParser(description="Every implementation posts to every implementation.")
    parser.add_argument("--only", action="append", help="the name of an implementation; may be given several times")
    parser.add_argument("--poster", help="only this poster")
    parser.add_argument("--listener", help="only this listener")
    parser.add_argument("--through", help="only pairs of which one is this implementation, and each with itself")
    parser.add_argument("--write", action="store_true", help="write docs/interop.md")
    parser.add_argument("--times", action="store_true", help="print how long each case took in all")
    arguments = parser.parse_args()
    results, heard, streamed = Results(), Results(), Results()

    def pairs(ones, others):
        """Each of the first drivers with each of the others, and with either transport."""
        for one, other in itertools.product(ones, others):
            names = one.implementation.name, other.implementation.name
            if arguments.through in (None, *names) or names[0] == names[1]:
                yield from ((one, other, transport) for transport in TRANSPORTS)

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="simple-ipc-interop-") as directory:
        os.environ["SIMPLE_IPC_DIR"] = directory
        os.environ["BUILT"] = str(Path(os.environ["STAGE"]) / "interop")
        Path(os.environ["BUILT"]).mkdir(parents=True, exist_ok=True)
        everyone = []
        for one in implementations.all_of_them():
            if arguments.only and one.name not in arguments.only:
                continue
            if one.missing and os.environ.get("CI"):
                results.fail(f"{one.name} is missing: {one.missing}")
            elif one.missing:
                print(f"interop: {one.name} is left out: {one.missing}", flush=True)
            else:
                everyone.append(one)
        posters = [one for one in everyone if arguments.poster in (None, one.name)]
        listeners = [one for one in everyone if one.listens and arguments.listener in (None, one.name)]
        posting, listening = start(results, posters, ["post"]), start(results, listeners, ["listen"])
        for listener, poster, transport in pairs(listening, posting):
            if poster.has_ended() or listener.has_ended():
                results.fail(f"{poster.implementation.name} to {listener.implementation.name}: not run")
            else:
                results.run(Cell(poster, listener, transport))
        publishing = start(heard, [one for one in listeners if one.publishes is not None], ["publish"])
        subscribing = start(heard, [one for one in posters if one.publishes is not None], ["subscribe"])
        for publisher, subscriber, transport in pairs(publishing, subscribing):
            if publisher.has_ended() or subscriber.has_ended():
                heard.fail(f"{subscriber.implementation.name} from {publisher.implementation.name}: not run")
            else:
                heard.run_pair(publications.Pair(Failed, publisher, subscriber, transport, CASES))
        answerers = [one for one in listeners if one.streams is not None]
        callers = [one for one in posters if one.streams is not None]
        answering, calling = start(streamed, answerers, ["streams"]), start(streamed, callers, ["stream"])
        for listener, caller, transport in pairs(answering, calling):
            if caller.has_ended() or listener.has_ended():
                streamed.fail(f"{caller.implementation.name} at {listener.implementation.name}: not run")
            else:
                pair = streams.Pair(Failed, caller, listener, transport)
                streamed.run_streams(pair.cases(), pair)
        for driver in posting + listening + subscribing + publishing + calling + answering:
            if not driver.close():
                results.fail(f"{driver.implementation.name} did not end in order: {driver.last_words()}")
        kill_each(streamed, [one for one in callers if one in answerers])
    for transport in TRANSPORTS:
        print(f"\n{transport}: cases passed")
        print("\n".join(plain(table(results, posters, listeners, transport))))
    subscribers, publishers = ([one for one in some if one.publishes is not None] for some in (posters, listeners))
    for transport in TRANSPORTS:
        print(f"\n{transport}: publications, cases passed")
        print("\n".join(plain(table(heard, subscribers, publishers, transport, HEARD_CORNER))))
    for transport in TRANSPORTS:
        print(f"\n{transport}: streams, cases passed")
        print("\n".join(plain(table(streamed, callers, answerers, transport, STREAMED_CORNER))))
    print()
    print("\n".join(f"- {note}" for note in [*notes(results, everyone), *notes_of(heard), *notes_of(streamed)]))
    if arguments.times:
        times = results.seconds + heard.seconds + streamed.seconds
        print("\n".join(f"{seconds:8.2f} s  {case}" for case, seconds in times.most_common()))
    print(f"\n{time.monotonic() - began:.0f} s")
    if arguments.write:
        page = "\n".join(document(results, posters, listeners, heard, subscribers, publishers, streamed, callers, answerers)) + "\n"
        (ROOT / "docs" / "interop.md").write_text(page, encoding="utf-8")
    passed = sum(sum(some.passed.values()) for some in (results, heard, streamed))
    failed = sum(sum(map(len, some.failed.values())) for some in (results, heard, streamed))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def kill_each(streamed, some):
    """The cases in which a process is killed, for each implementation with itself: drivers of their own for each."""
    for one in some:
        for number in range(len(streams.KILLS)):
            drivers = [*start(streamed, [one], ["streams"]), *start(streamed, [one], ["stream"])]
            if len(drivers) == 2:
                pair = streams.Pair(Failed, drivers[1], drivers[0], "Unix socket")
                streamed.run_streams([list(pair.kills())[number]], pair)
            for driver in drivers:
                driver.end()


def start(results, some, role):
    drivers = []
    for one in some:
        try:
            drivers.append(Driver(one, *role, *([prefix_of(one)] if role in (["listen"], ["publish"], ["streams"]) else [])))
        except (Failed, OSError) as error:
            results.fail(f"{one.name} cannot start: {error}")
    return drivers


if __name__ == "__main__":
    sys.exit(main())
