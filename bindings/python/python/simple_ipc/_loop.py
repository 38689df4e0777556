"""Calls that ride on an asyncio event loop, by the readiness of one descriptor, or handle, for each loop."""

from __future__ import annotations

import asyncio
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

from . import _native
from ._errors import ForkedError, InvalidArgumentError, NoLoopError

if sys.platform == "win32":
    from ._handles import unwatch as unwatch
    from ._handles import watch as watch
else:

    def watch(loop: asyncio.AbstractEventLoop, number: int, call: Callable[..., object], *args: Any) -> None:
        """Has `call(*args)` called by the loop while the descriptor with this number is readable."""
        loop.add_reader(number, call, *args)

    def unwatch(loop: asyncio.AbstractEventLoop, number: int) -> None:
        """Has nothing called any more for the descriptor with this number."""
        loop.remove_reader(number)


class Calls:
    """The calls under way on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.queue = _native.Queue()
        # The loop holds this object; the other way round neither would ever go.
        self._loop = weakref.ref(loop)
        self.scheduled = False
        watch(loop, self.queue.fileno(), self._process)

    def _process(self) -> None:
        for future, value, error in self.queue.process():
            if future.done():
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def sending(self, loop: asyncio.AbstractEventLoop) -> None:
        """Has what gathers sent together, when the loop has run what is ready."""
        if not self.scheduled and self.queue.has_unsent():
            self.scheduled = True
            loop.call_soon(self._submit)

    def _submit(self) -> None:
        self.scheduled = False
        self.queue.submit()

    async def outcome(self, loop: asyncio.AbstractEventLoop, call: int, future: asyncio.Future[Any]) -> Any:
        """Waits for a call; gives it up if the task is cancelled."""
        self.sending(loop)
        try:
            return await future
        except asyncio.CancelledError:
            self.queue.cancel(call)
            raise


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop that runs in this thread."""
    loop = asyncio._get_running_loop()
    if loop is None:
        raise NoLoopError(
            "no running event loop: simple_ipc.aio works inside asyncio.run(…); elsewhere take the calls of "
            "simple_ipc, in trio by trio.to_thread.run_sync(…)"
        )
    return loop


def check_loop(loop: asyncio.AbstractEventLoop, process: _native.Process, what: str) -> None:
    """Refuses the use of what was made on `loop` in `process` elsewhere."""
    if not process.is_current():
        raise ForkedError(
            f"this {what} was opened before a fork and belongs to the parent; open a new one in the child"
        )
    if running_loop() is not loop:
        raise InvalidArgumentError(f"this {what} belongs to {loop!r}, not to the running loop; open one in each loop")


_calls: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Calls] = weakref.WeakKeyDictionary()


def calls_of(loop: asyncio.AbstractEventLoop) -> Calls:
    """The calls of a running loop."""
    calls = _calls.get(loop)
    if calls is None:
        # A closed loop may be kept alive by what it holds; its descriptors are not needed any more.
        # Other threads do the same for their loops: no step here minds what they change.
        for reference in _calls.keyrefs():
            if (other := reference()) is not None and other.is_closed():
                _calls.pop(other, None)
        calls = _calls[loop] = Calls(loop)
    return calls


# A child has loops of its own, and the queues of its parent's are closed there.
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_calls.clear)
