"""Streams on an asyncio event loop: the caller's side, and what a handler reads and sends."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import weakref
from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

from . import _native
from ._aio_taking import IN_A_ROW, Taking, expire
from ._errors import CancelledError, ConnectionLostError, IpcError, TimedOutError
from ._loop import check_loop, running_loop, unwatch, watch


class _ItemsSource(Protocol):
    @property
    def ended(self) -> bool: ...
    def take(self) -> tuple[Any] | None: ...


class _Sink(Protocol):
    def send(self, item: Any, behind: bool, /) -> _native.Unsent | None: ...
    def send_again(self, unsent: _native.Unsent, /) -> bool: ...


class Sending:
    """Items that tasks of one loop send, in the order of their calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sink: _Sink) -> None:
        self._loop = loop
        self._sink = sink
        self._row = 0
        # Who waits for room, and with what.
        self._waiting: collections.deque[tuple[asyncio.Future[Any], _native.Unsent]] = collections.deque()

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    async def send(self, item: Any, seconds: float | None = None, watch: Callable[[], None] | None = None) -> bool:
        """Sends an item, and waits for room, at most so many seconds; `watch` has `push` called when there is some.
        Whether all of it has left: where the time is over before, the rest is still to be sent."""
        if self._row >= IN_A_ROW:
            self._row = 0
            await asyncio.sleep(0)
        unsent = self._sink.send(item, bool(self._waiting))
        if unsent is None:
            self._row += 1
            return True
        self._row = 0
        if seconds == 0:
            if unsent.taken:
                return False
            raise TimedOutError(_NO_ROOM)
        future: asyncio.Future[Any] = self._loop.create_future()
        limit = None if seconds is None else self._loop.call_later(seconds, expire, future)
        place = (future, unsent)
        self._waiting.append(place)
        if watch is not None:
            watch()
        try:
            expired = await future
        finally:
            if limit is not None:
                limit.cancel()
            with contextlib.suppress(ValueError):
                self._waiting.remove(place)
        if expired is not None and not unsent.taken:
            raise TimedOutError(_NO_ROOM)
        return expired is None

    def push(self) -> None:
        """Sends what waits and has room by now."""
        while self._waiting:
            future, unsent = self._waiting[0]
            if not future.done():
                try:
                    if not self._sink.send_again(unsent):
                        return
                except Exception as error:
                    future.set_exception(error)
                else:
                    future.set_result(None)
            self._waiting.popleft()


_NO_ROOM = "there was no room for the item within the timeout, since the other side takes nothing; nothing was sent"


class Stream(Taking[tuple[Any]]):
    """A stream to a listener, of the items that its handler sends and of those that are sent to it: `async for item in
    stream`, `send`, `end`.

    It begins when it is made. `await stream` and `async with` wait until the listener has accepted it; iterating does
    without. For the tasks of one loop; each item goes to one of those that wait. Leaving `async with`, `close`, and
    letting it go cancel it, and its handler is told at once. Made by `post_uds_stream`, `post_ip_stream` and
    `Client.stream`.
    """

    def __init__(
        self, where: str | int, data: Any, options: Mapping[str, Any], call: Mapping[str, Any] | None = None
    ) -> None:
        # A loop first: without one there is nothing to drive it.
        loop = running_loop()
        self._watched = False
        self._where = where
        self._process = _native.Process()
        self._native = _native.LoopStream(where, data, options, call)
        super().__init__(loop, self._native)
        self._sending = Sending(loop, self._native)
        self._accepting: list[asyncio.Future[None]] = []
        # Whether a part of what was sent has not left, and nobody waits for that.
        self._leaves = False

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            watch(self._loop, self._native.fileno(), _readable, weakref.ref(self))

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            unwatch(self._loop, self._native.fileno())

    def _ready(self) -> None:
        """Does for those who wait what there is to do."""
        if self._accepting:
            self._look_whether_accepted()
        if self._leaves:
            # Before those who wait for room, who have to be the last to have asked.
            self._look_whether_it_has_left()
        self._take()
        self._sending.push()
        if not (self._waiting or self._sending or self._accepting or self._leaves):
            # Nobody waits: what comes stays where it is until somebody does.
            self._unwatch()

    def _look_whether_accepted(self) -> None:
        failed: Exception | None = None
        try:
            if not self._native.is_accepted():
                return
        except Exception as error:
            failed = error
        for future in self._accepting:
            if not future.done():
                if failed is None:
                    future.set_result(None)
                else:
                    future.set_exception(failed)
        self._accepting.clear()

    def _look_whether_it_has_left(self) -> None:
        # Where that fails, who waits for an item hears of it.
        with contextlib.suppress(IpcError):
            self._leaves = not self._native.is_flushed()
            return
        self._leaves = False

    def _given_up(self) -> None:
        self._native.forget_waits()
        # Those who still wait ask again.
        self._ready()

    async def _accepted(self) -> Stream:
        check_loop(self._loop, self._process, "stream")
        try:
            if not self._native.is_accepted():
                future: asyncio.Future[None] = self._loop.create_future()
                self._accepting.append(future)
                self._watch()
                await future
        except BaseException:
            self._end()
            raise
        return self

    def __await__(self) -> Generator[Any, None, Stream]:
        return self._accepted().__await__()

    async def send(self, item: Any, /, *, timeout: float | None = None) -> None:
        """Sends an item, and waits for room, at most `timeout` seconds, `None` for no limit.

        Items arrive in the order of the calls. `TimedOutError` of this timeout: nothing was sent, and the stream is as
        it was. `ClosedError`: the listener has ended the stream, or `end` or `close` was called; what the listener has
        sent can still be read. A task that is cancelled while it waits has sent nothing, but where the item was just on
        its way.
        """
        seconds = None if timeout is None else _native.timeout(timeout)
        check_loop(self._loop, self._process, "stream")
        try:
            if not await self._sending.send(item, seconds, self._watch):
                self._let_leave()
        except (TimedOutError, asyncio.CancelledError):
            self._let_leave()
            self._given_up()
            raise

    def _let_leave(self) -> None:
        """Sends on by itself what has not left."""
        if not self._closed:
            self._leaves = True
            self._watch()

    async def end(self) -> None:
        """No more items are sent from here; the handler's go on. Waits for nothing; ending again does nothing."""
        check_loop(self._loop, self._process, "stream")
        self._native.end()
        self._let_leave()
        self._ready()

    async def next(self, timeout: float | None = None) -> Any:
        """Waits for the next item, at most `timeout` seconds, `None` for no limit, and returns it; raises
        `StopAsyncIteration` at the end.

        `TimedOutError` of this timeout: nothing has come, call again. A timeout of 0 looks without waiting. Every other
        error is the end, and is raised again, but `InvalidBodyError`: the value of an item cannot be read. A task that
        is cancelled while it waits takes no item with it.
        """
        check_loop(self._loop, self._process, "stream")
        found = await self._next(timeout)
        if found is None:
            raise StopAsyncIteration
        return found[0]

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        # As `next`, without one more coroutine for each item that is there.
        if self._row < IN_A_ROW:
            check_loop(self._loop, self._process, "stream")
            if (found := self._at_once()) is not None:
                return found[0]
        return await self.next()

    def _nothing_yet(self) -> str:
        return f"{self._channel()}: no item came within the timeout; ask again, or allow more time"

    def _channel(self) -> str:
        return f'channel "{self._where}"' if isinstance(self._where, str) else f'channel ":{self._where}"'

    async def close(self) -> None:
        """Ends it, both ways: where the handler still runs it is told at once. Tasks that wait for an item come to the
        end of their loops. It waits for nothing and never fails; closing again does nothing."""
        check_loop(self._loop, self._process, "stream")
        self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._leaves = False
        self._native.close()
        self._finish_taking()
        # Those who wait for room, or to be accepted, hear that it is closed.
        self._ready()
        self._unwatch()

    async def __aenter__(self) -> Stream:
        return await self._accepted()

    async def __aexit__(self, *_: object) -> None:
        if self._process.is_current():
            await self.close()

    def __repr__(self) -> str:
        return f"<Stream to {self._channel()}{', closed' if self._closed else ''}>"

    def __del__(self) -> None:
        if getattr(self, "_watched", False) and self._process.is_current() and not self._loop.is_closed():
            self._unwatch()


def _readable(stream: weakref.ref[Stream]) -> None:
    # The loop does not keep a stream alive that nobody else holds.
    if alive := stream():
        alive._ready()


class Leaving:
    """Whether a handler's task has heard that its caller has left, which it hears once: by an error, or by being
    cancelled. Else the latter would come in the middle of the cleanup that the former has brought about."""

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.is_told = False

    def was_raised(self) -> None:
        """The running task has an error that says so."""
        if self.task is asyncio.current_task():
            self.is_told = True


_LEFT = (CancelledError, ConnectionLostError)


class Items(Taking[tuple[Any]]):
    """The items that the caller of a stream sends, as its handler reads them: `async for item in context.items`. The
    loop ends when the caller has ended them; of a plain request there are none.

    When the caller leaves, the handler's task is cancelled, or has `CancelledError` or `ConnectionLostError` raised.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, source: _ItemsSource, leaving: Leaving) -> None:
        super().__init__(loop, source)
        self._leaving = leaving

    def _watch(self) -> None:
        """The listener's inbox tells of each change."""

    def _at_once(self) -> tuple[Any] | None:
        try:
            return super()._at_once()
        except _LEFT:
            self._leaving.was_raised()
            raise

    async def _wait(self, seconds: float | None) -> tuple[Any] | None:
        try:
            return await super()._wait(seconds)
        except _LEFT:
            self._leaving.was_raised()
            raise

    def _nothing_yet(self) -> str:
        return "the caller has sent no item within the timeout; ask again, or allow more time"

    async def next(self, timeout: float | None = None) -> Any:
        """Waits for the next item, at most `timeout` seconds, `None` for no limit, and returns it; raises
        `StopAsyncIteration` at the end. `TimedOutError`: nothing has come, call again."""
        found = await self._next(timeout)
        if found is None:
            raise StopAsyncIteration
        return found[0]

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> Any:
        if self._row < IN_A_ROW and (found := self._at_once()) is not None:
            return found[0]
        return await self.next()


class _NoSource:
    """What a plain request has of items."""

    ended = True

    def take(self) -> None:
        """There are none."""


def no_items(loop: asyncio.AbstractEventLoop) -> Items:
    """The items of a plain request."""
    return Items(loop, _NoSource(), Leaving())


class Exchange:
    """A stream as the listener's loop has it: the items of its caller, and those of its handler."""

    def __init__(self, loop: asyncio.AbstractEventLoop, call: _native.Call) -> None:
        self._call = call
        self._leaving = Leaving()
        self.items = Items(loop, call.items(), self._leaving)
        self._sending = Sending(loop, call)

    def begin(self) -> bool:
        """The running task is the handler's: whether its caller has left already."""
        self._leaving.task = asyncio.current_task()
        return self._call.is_cancelled()

    def changed(self) -> bool:
        """Something has come, or there is room, or the caller has left: whether the handler is to be cancelled. One
        that has not begun is not: it was accepted, and is to begin."""
        self.items._take()
        self._sending.push()
        if self._leaving.task is None or self._leaving.is_told or not self._call.is_cancelled():
            return False
        self._leaving.is_told = True
        return True

    async def send_all(self, sequence: Any) -> None:
        """Sends what a handler's iterator gives, and ends; it is closed whatever happens."""
        try:
            if hasattr(type(sequence), "__aiter__"):
                async for item in sequence:
                    await self._sending.send(item)
            else:
                for item in sequence:
                    await self._sending.send(item)
        except _LEFT:
            # Of whatever it is: what is left to be done is the cleanup.
            self._leaving.was_raised()
            raise
        finally:
            await close_sequence(sequence)


async def close_sequence(sequence: Any) -> None:
    """Runs what a generator has to do at its end, in this task."""
    if close := getattr(sequence, "aclose", None):
        await close()
    elif close := getattr(sequence, "close", None):
        close()


def is_sequence(value: Any) -> bool:
    """Whether a handler's answer is a sequence of items: an iterator, or something that is iterated over with
    `async for`. Lists and tuples are values."""
    kind = type(value)
    return hasattr(kind, "__aiter__") or hasattr(kind, "__next__")
