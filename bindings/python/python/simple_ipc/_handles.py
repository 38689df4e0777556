"""Watching a handle of Windows on asyncio's Proactor loop, as `add_reader` watches a descriptor elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import sys
import weakref
from collections.abc import Callable
from typing import Any

from ._errors import NoLoopError

# What the standard library itself calls the system by; nothing here is called elsewhere.
_winapi: Any = importlib.import_module("_winapi") if sys.platform == "win32" else None


class _Watch:
    """Calls a function on a loop again and again while an event is set: each wait of the system's ends once."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, proactor: Any, number: int, call: Callable[..., object], args: Any
    ):
        self._handle = 0
        self._loop = loop
        self._proactor = proactor
        self._call = call
        self._args = args
        self._context = contextvars.copy_context()
        # A handle of its own to the same event: who owns the event may go while the system still waits for it.
        process = _winapi.GetCurrentProcess()
        same = _winapi.DUPLICATE_SAME_ACCESS
        self._handle = _winapi.DuplicateHandle(process, number, process, 0, False, same)
        self._stopped = False
        # An object that nobody else holds takes its watch with it: its event would never be set again.
        self._ends = [weakref.finalize(arg(), self._gone) for arg in args if isinstance(arg, weakref.ref)]
        for end in self._ends:
            end.atexit = False
        self._wait()

    def _wait(self) -> None:
        self._future = self._proactor.wait_for_handle(self._handle)
        self._future.add_done_callback(self._signalled, context=self._context)

    def _signalled(self, future: asyncio.Future[bool]) -> None:
        if self._stopped or future.cancelled():
            self._close_after(future)
            return
        try:
            future.exception()
            self._call(*self._args)
        finally:
            if self._stopped:
                self._close_after(future)
            elif not self._loop.is_closed():
                self._wait()

    def stop(self) -> None:
        """Calls nothing any more."""
        if not self._stopped:
            self._stopped = True
            self._call, self._args = _nothing, ()
            for end in self._ends:
                end.detach()
            self._future.cancel()

    def _gone(self) -> None:
        # In whichever thread the object was let go of.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.stop)

    def _close_after(self, future: asyncio.Future[bool]) -> None:
        # The system gives up a wait in a thread of its own, and asyncio has a future for the end of that.
        given_up = getattr(future, "_event_fut", None)
        if given_up is None:
            self._close()
        else:
            given_up.add_done_callback(lambda _: self._close())

    def __del__(self) -> None:
        # A loop that was closed runs nothing any more, and has ended its waits.
        self._close()

    def _close(self) -> None:
        if self._handle:
            _winapi.CloseHandle(self._handle)
            self._handle = 0


def _nothing() -> None:
    pass


def _watches(loop: asyncio.AbstractEventLoop) -> dict[int, _Watch]:
    """A loop's watches, by the numbers of their handles. The loop holds them, as what `add_reader` is given."""
    watches: dict[int, _Watch] = vars(loop).setdefault("_simple_ipc_watches", {})
    return watches


def watch(loop: asyncio.AbstractEventLoop, number: int, call: Callable[..., object], *args: Any) -> None:
    """Has `call(*args)` called by the loop while the event with this number is set; what was called before is not."""
    proactor = getattr(loop, "_proactor", None)
    if proactor is None:
        raise NoLoopError(
            f"{type(loop).__name__} cannot wait for handles of Windows, on which simple_ipc.aio stands; take "
            "asyncio.ProactorEventLoop, which asyncio.run() makes unless it is told otherwise"
        )
    watches = _watches(loop)
    if before := watches.pop(number, None):
        before.stop()
    watches[number] = _Watch(loop, proactor, number, call, args)


def unwatch(loop: asyncio.AbstractEventLoop, number: int) -> None:
    """Has nothing called any more for the event with this number."""
    if watched := _watches(loop).pop(number, None):
        watched.stop()
