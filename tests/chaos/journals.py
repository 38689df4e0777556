"""Reads what the peers wrote, and compares what was sent with what was handled. README.md has the form of the lines."""

import bisect
import collections
import dataclasses

#: Kinds of messages whose senders wait for a listener to appear.
WAITING = "rtbks"


@dataclasses.dataclass(slots=True)
class Sent:
    """One message, as its sender's journal has it."""

    tried: int
    #: `ok`, `not` (certainly not handled), `may` (it cannot be known), or `none`: the sender was killed before.
    outcome: str = "none"
    ended: int = 0
    text: str = ""


@dataclasses.dataclass
class Findings:
    """What came out. Each list holds lines that name messages, and is empty where all is well."""

    messages: int = 0
    acknowledged: int = 0
    handled: int = 0
    not_sent: int = 0
    unknown: int = 0
    killed_before: int = 0
    by_error: dict = dataclasses.field(default_factory=collections.Counter)
    lost: list = dataclasses.field(default_factory=list)
    doubled: list = dataclasses.field(default_factory=list)
    untrue: list = dataclasses.field(default_factory=list)
    invented: list = dataclasses.field(default_factory=list)
    disordered: list = dataclasses.field(default_factory=list)
    wrong: list = dataclasses.field(default_factory=list)
    impatient: list = dataclasses.field(default_factory=list)
    #: Posts that began while nobody listened and were acknowledged: nanoseconds from the next listener's start.
    waited: list = dataclasses.field(default_factory=list)


def whole_lines(path):
    """The lines of a journal. A kill can cut the last one: its write had not returned."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield line[:-1].split(" ")


def read_sender(lines):
    """The messages of one sender, by kind and number."""
    sent, wrong = {}, []
    for now, verb, *words in lines:
        if verb == "try":
            sent[words[0], int(words[1])] = Sent(int(now))
        elif verb in ("ok", "not", "may"):
            message = sent[words[0], int(words[1])]
            message.outcome, message.ended, message.text = verb, int(now), " ".join(words[2:])
        elif verb in ("flushed", "lost"):
            for number in range(int(words[1]), int(words[2]) + 1):
                message = sent[words[0], number]
                if message.outcome == "none":
                    message.outcome, message.ended = "ok" if verb == "flushed" else "may", int(now)
                    message.text = " ".join(words[3:])
        elif verb == "wrong":
            wrong.append(" ".join(words))
        elif verb != "done":
            raise ValueError(f"a journal has the unknown verb {verb!r}")
    return sent, wrong


def compare(senders, listeners, gaps=()):
    """`senders`: lines by the sender's name; `listeners`: lines of each, in the order in which they lived;
    `gaps`: when nobody listened, (from, to) in nanoseconds, in order."""
    findings = Findings()
    handled = collections.Counter()
    last = {}
    for lines in listeners:
        for _, verb, *words in lines:
            if verb != "handled":
                continue
            kind, name, number = words[0], words[1], int(words[2])
            handled[kind, name, number] += 1
            if kind == "s":
                if number <= last.get(name, 0):
                    findings.disordered.append(f"{name} s {number} was handled after {last[name]}")
                last[name] = number
    findings.handled = sum(handled.values())
    begins = [begin for begin, _ in gaps]
    known = set()
    for name, lines in senders.items():
        sent, wrong = read_sender(lines)
        findings.wrong += [f"{name} {line}" for line in wrong]
        for (kind, number), message in sent.items():
            known.add((kind, name, number))
            judge(findings, f"{name} {kind} {number}", kind, message, handled[kind, name, number])
            gap = bisect.bisect_right(begins, message.tried) - 1
            if message.outcome == "ok" and gap >= 0 and message.tried < gaps[gap][1] and kind in WAITING:
                findings.waited.append(max(0, message.ended - gaps[gap][1]))
    findings.invented = [" ".join(map(str, key)) for key, count in handled.items() if count and key not in known]
    return findings


def judge(findings, what, kind, message, times):
    findings.messages += 1
    if times > 1:
        findings.doubled.append(f"{what} was handled {times} times: {message.outcome} {message.text}")
    if message.outcome == "ok":
        findings.acknowledged += 1
        if times == 0:
            findings.lost.append(f"{what} was acknowledged at {message.ended} and not handled")
    elif message.outcome == "not":
        findings.not_sent += 1
        if times > 0:
            findings.untrue.append(f"{what} was handled, but: {message.text}")
    elif message.outcome == "may":
        findings.unknown += 1
    else:
        findings.killed_before += 1
    if message.outcome in ("not", "may"):
        error = message.text.split(" ")[0] if kind != "s" or message.outcome == "not" else "unconfirmed"
        findings.by_error[error.lower().replace("_", "")] += 1
        if kind in WAITING and error.lower().replace("_", "") == "notlistening":
            findings.impatient.append(f"{what} did not wait: {message.text}")
