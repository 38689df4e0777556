#!/usr/bin/env python3
"""Runs a program under Wine on a terminal of its own, and presses Ctrl-C there: interrupted.py WORD PROGRAM...

Ctrl-C is pressed when the program has printed WORD. What it prints is printed, without what moves the cursor, and then
`ended with N`, N its status or less than zero the signal that ended it; the status of this is 0 if the program has ended within the
time, whatever its own status. `become`, which starts it, is a function of tests/windows/wine.sh.
"""

import os
import pty
import re
import select
import signal
import sys
import time

SECONDS = 240


def main():
    word, *program = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("bash", ["bash", "-c", 'become "$@"', "become", *program])
    said, pressed, until = "", False, time.monotonic() + SECONDS
    ended = False
    while not ended and time.monotonic() < until:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            # The terminal's other side is closed.
            data = b""
        ended = not data
        said += data.decode(errors="replace")
        if not pressed and word in said:
            pressed = True
            os.write(terminal, b"\x03")
    if not ended:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    said = re.sub(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07)", "", said).replace("\r", "")
    print(said, end="" if said.endswith("\n") else "\n")
    print(f"ended with {os.waitstatus_to_exitcode(status)}")
    return 0 if ended and pressed else 1


if __name__ == "__main__":
    sys.exit(main())
