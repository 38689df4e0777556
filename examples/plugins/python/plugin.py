"""A plug-in: changes texts in one way.

plugin.py upper|reversed|broken|slow|picky CHANNEL
"""

import os
import sys
import threading

import simple_ipc

kind, channel = sys.argv[1:]


def change(text):
    match kind:
        case "upper":
            return text.upper()
        case "reversed":
            return text[::-1]
        case "broken":
            os._exit(70)
        case "slow":
            threading.Event().wait(60)
            return text
        case _:
            raise simple_ipc.HandlerError("I do not like this text", code="disliked")


def describe():
    return f"{kind} (Python)"


# A handler that still runs does not hold up the end.
with simple_ipc.listen_uds_request(channel, {"describe": describe, "change": change}, grace=0) as plugin:
    sys.stdin.read()
    if kind == "slow":
        os._exit(0)
