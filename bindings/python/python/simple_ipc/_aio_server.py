"""Listening with handlers on an asyncio event loop."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from . import _native
from ._errors import IpcError
from ._listen import check_handler
from ._loop import check_loop
from ._server import BaseServer, logger, text_of

# Nothing of these types is awaitable; to find that out otherwise takes longer than the rest of a handler may.
_PLAIN = frozenset({bytes, str, int, float, bool, NoneType, dict, list, tuple})


class Server(BaseServer):
    """A listener whose handler runs on an event loop. `async with` closes it at the end; so does `close`.

    It listens as long as the object lives and is open; keep a reference to it.
    """

    _listener: _native.Inbox

    def __init__(
        self, loop: asyncio.AbstractEventLoop, native: _native.Inbox, handler: Callable[..., Any], context: bool
    ) -> None:
        self._loop = loop
        self._handler = handler
        self._context = context
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._end: asyncio.Future[None] = loop.create_future()
        self._closing = False
        super().__init__(native)
        loop.add_reader(native.fileno(), _take, weakref.ref(self))

    def _take(self) -> None:
        calls, cancelled, closed = self._listener.take()
        for call in calls:
            self._begin(call)
        for number in cancelled:
            if task := self._tasks.get(number):
                task.cancel()
        if closed:
            self._ended()

    def _begin(self, call: _native.Call) -> None:
        try:
            data = call.data()
        except IpcError:
            # Its sender has been told.
            return
        try:
            result = self._handler(data, call.context()) if self._context else self._handler(data)
            if type(result) not in _PLAIN and inspect.isawaitable(result):
                task = self._loop.create_task(self._finish(result, call))
                self._tasks[call.number] = task
                task.add_done_callback(lambda _: self._over(call))
            else:
                call.respond(result)
        except (SystemExit, KeyboardInterrupt) as error:
            call.fail(text_of(error))
            raise
        except BaseException as error:
            logger.exception("a handler failed")
            call.fail(text_of(error))

    async def _finish(self, result: Any, call: _native.Call) -> None:
        try:
            call.respond(await result)
        except asyncio.CancelledError:
            call.fail("the handler was cancelled")
            raise
        except Exception as error:
            logger.exception("a handler failed")
            call.fail(text_of(error))

    def _over(self, call: _native.Call) -> None:
        self._tasks.pop(call.number, None)
        # A task that was cancelled before it began has told nobody.
        call.fail("the handler was cancelled")

    async def wait(self) -> None:
        """Waits until it is closed."""
        check_loop(self._loop, self._process, "listener")
        await asyncio.shield(self._end)

    async def close(self) -> None:
        """Stops taking messages, answers those it has (at most for the grace period), and returns.

        Closing again does nothing.
        """
        check_loop(self._loop, self._process, "listener")
        if not self._closing:
            self._closing = True
            if self._closed or not self._listener.close():
                self._ended()
        await asyncio.shield(self._end)

    def _ended(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._listener.fileno())
            self._listener.abandon()
        if not self._end.done():
            self._end.set_result(None)

    def _abandon(self) -> None:
        if not self._closed and not self._loop.is_closed():
            self._loop.remove_reader(self._listener.fileno())
        super()._abandon()

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _take(server: weakref.ref[Server]) -> None:
    # The loop does not keep a server alive that nobody else holds.
    if alive := server():
        alive._take()


def listen(
    where: str | int, request: bool, handler: Callable[..., Any], context: bool, options: Mapping[str, Any]
) -> Server:
    """Listens on a name or a port, with handlers on the running loop."""
    check_handler(handler)
    loop = asyncio.get_running_loop()
    return Server(loop, _native.Inbox(where, request, dict(options)), handler, context)
