"""Where tests run: the event loops that there are, and what a system lacks."""

import asyncio
import ctypes
import os
import sys

import pytest

WINDOWS = sys.platform == "win32"
# uvloop is not made for Windows.
RUNNERS = {"asyncio": asyncio.run}
if not WINDOWS:
    import uvloop

    RUNNERS["uvloop"] = uvloop.run

# The Deno wire ends a message by ending one direction, which the pipes that names are on Windows do not have.
WIRES = ["native"] if WINDOWS else ["native", "deno"]


def descriptors():
    """How many descriptors, or handles, this process has open."""
    if not WINDOWS:
        return len(os.listdir("/proc/self/fd"))
    count = ctypes.c_ulong()
    kernel = ctypes.WinDLL("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    assert kernel.GetProcessHandleCount(ctypes.c_void_p(kernel.GetCurrentProcess()), ctypes.byref(count))
    return count.value


def not_on_windows(reason):
    """Leaves a test out there, and says why."""
    return pytest.mark.skipif(WINDOWS, reason=reason)
