#!/usr/bin/env python3
"""Runs a program in a terminal of its own, types Ctrl-C when it says what is waited for, and tells how it ended.

    typed.py FILE WAITED_FOR PROGRAM...

Its standard error goes to FILE, which is read for WAITED_FOR. Prints `ended with N`, N its status or less than zero the signal that ended it.
"""

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

# Far beyond what any of it takes: what still runs then hangs.
HANG_SECONDS = 120


def main():
    file, waited_for, *program = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
        os.execvp(program[0], program)
    limit = time.monotonic() + HANG_SECONDS
    typed = False
    while time.monotonic() < limit:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                os.read(terminal, 4096)
            except OSError:
                pass  # The program has closed its side.
        if not typed and Path(file).exists() and waited_for.encode() in Path(file).read_bytes():
            os.write(terminal, b"\x03")
            typed = True
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            print(f"ended with {os.waitstatus_to_exitcode(status)}")
            return 0
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    print("did not end")
    return 1


if __name__ == "__main__":
    sys.exit(main())
