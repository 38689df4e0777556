#!/usr/bin/env python3
"""What the command runs for each stream (`--lines --exec`): items are lines of JSON, and the opening is in the environment.

CLEANED names a file that grows by a byte for each handler that has cleaned up.
"""

import json
import os
import signal
import sys


def items():
    for line in sys.stdin:
        yield json.loads(line)


def send(item):
    sys.stdout.write(json.dumps(item) + "\n")
    sys.stdout.flush()


def item(number, size):
    return f"item:{number}:".ljust(size, "x")


class Cleanup:
    """Says once that its handler has cleaned up, also where the signal that ends it comes in the middle of that."""

    def __init__(self, do):
        self.is_due = do in ("echo", "forever", "silent")

    def __call__(self):
        if self.is_due:
            self.is_due = False
            with open(os.environ["CLEANED"], "ab") as cleaned:
                cleaned.write(b".")

    def leave(self, *_):
        if self.is_due:
            self()
            raise SystemExit(143)


def main():
    opening = json.loads(os.environ["SIMPLE_IPC_MESSAGE"])
    do, count, size = opening.get("do"), opening.get("n", 0), opening.get("size", 0)
    clean_up = Cleanup(do)
    signal.signal(signal.SIGTERM, clean_up.leave)
    try:
        if do == "count":
            sys.stdout.writelines(json.dumps(item(number, size)) + "\n" for number in range(count))
        elif do == "fail":
            for number in range(count):
                send(item(number, 0))
            sys.exit("on purpose")
        elif do == "total":
            got = [text for text in items()]
            in_order = all(text.startswith(f"item:{number}:") for number, text in enumerate(got))
            send({"items": len(got), "chars": sum(map(len, got)), "in_order": in_order})
        elif do == "first":
            mine = items()
            for _ in range(count):
                next(mine)
            send(count)
        elif do == "echo":
            for text in items():
                send(text)
        elif do == "forever":
            number = 0
            while True:
                send(item(number, size))
                number += 1
        elif do == "silent":
            for _ in items():
                pass
        else:
            sys.exit("unknown")
    finally:
        clean_up()


if __name__ == "__main__":
    main()
