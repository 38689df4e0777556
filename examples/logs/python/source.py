"""A program that says what it does: so many lines, every tenth of them an error.

source.py NAME COUNT
"""

import sys

import simple_ipc

name, count = sys.argv[1], int(sys.argv[2])
with simple_ipc.connect("logs", wait=60) as logs:
    for number in range(1, count + 1):
        level = "error" if number % 10 == 0 else "info"
        # Returns at once, unless the collector is far behind.
        logs.broadcast({"source": name, "level": level, "text": f"line {number}"})
    # All lines are in the collector's file when this returns; else it says how many may not be.
    logs.flush()
