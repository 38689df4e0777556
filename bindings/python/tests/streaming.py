"""What the tests of streams have in common."""

import threading
import time

import simple_ipc

# What may be on its way, in bytes, of one direction, and what an item costs besides its own bytes.
WINDOW = 256 << 10
COST = 16


def until(condition):
    """Asks until it is so; the watchdog is far away."""
    while not condition():
        time.sleep(0)


class Watched:
    """A handler that sends items without end, and knows how many it has given and whether its cleanup has run."""

    def __init__(self, item=b""):
        self.item = item
        self.given = 0
        self.thread = None
        self.cleaned = threading.Event()

    def __call__(self, _):
        self.thread = threading.get_ident()
        try:
            while True:
                self.given += 1
                yield self.item
        finally:
            assert self.thread == threading.get_ident()
            self.cleaned.set()


def send_until_full(stream, item):
    """Sends until there is no room; how many items were sent."""
    sent = 0
    try:
        while True:
            stream.send(item, timeout=0.01)
            sent += 1
    except simple_ipc.TimedOutError:
        return sent


def send_for_ever(stream):
    while True:
        stream.send(1)


def count(n):
    yield from range(n)


def echo(_, context):
    yield from context.items


def total(_, context):
    return sum(context.items)
