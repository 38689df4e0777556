"""Prints lines as they are collected.

follow.py LEVEL [COUNT]    of one level; ends after COUNT lines, or at Ctrl-C
"""

import itertools
import sys

import simple_ipc

level, *count = sys.argv[1:]
# A follower that is slow loses the oldest lines and is told how many: it must hold up nobody.
with simple_ipc.subscribe_uds("logs", topics=[level], overflow="drop_oldest", wait=60) as lines:
    print("following", flush=True)
    for line in itertools.islice(lines, int(count[0]) if count else None):
        if line.missed:
            print(f"({line.missed} lines were missed)")
        print(f"{line.data['source']}: {line.data['text']}", flush=True)
