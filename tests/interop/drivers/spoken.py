"""The line protocol of the drivers, for those in Python that handle JSON as text; ../README.md describes it."""

import json
import sys
import threading

PERIOD = bytes(range(251))
_one_writer = threading.Lock()


def say(*fields):
    with _one_writer:
        sys.stdout.write("\t".join(fields) + "\n")
        sys.stdout.flush()


def pattern(length):
    """Bytes that count 0 to 250 over and over."""
    return (PERIOD * (length // len(PERIOD) + 1))[:length]


def build(value):
    """`(kind, body)` from `json:TEXT` or `bytes:LEN`; of `attached:LEN:TEXT` the kind is `attached:TEXT`."""
    form, _, rest = value.partition(":")
    if form == "attached":
        length, _, text = rest.partition(":")
        return f"attached:{text}", pattern(int(length))
    return ("bytes", pattern(int(rest))) if form == "bytes" else ("json", rest.encode())


def describe(kind, body):
    if kind == "bytes":
        return f"bytes:{len(body)}:{'good' if body == pattern(len(body)) else 'bad'}"
    return "json:" + body.decode()


def describe_attached(value, data):
    """JSON with bytes."""
    text = json.dumps(value, separators=(",", ":"))
    return f"attached:{len(data)}:{'good' if data == pattern(len(data)) else 'bad'}:{text}"


def commands():
    """The commands of the runner: their fields."""
    for line in sys.stdin:
        yield line.rstrip("\n").split("\t")


def at_once(count, call):
    """Runs `call(number)` that often at the same time, a thread each; what they returned or raised."""
    results = [None] * count

    def run(number):
        try:
            results[number] = call(number)
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def say_many(results, expected):
    for number, result in enumerate(results):
        if result != expected(number):
            return say("error", "other", "maybe", str(result) if isinstance(result, Exception) else "got another answer")
    return say("ok")
