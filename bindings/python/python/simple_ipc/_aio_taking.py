"""What comes to the tasks of an event loop one after another: events, and the items of streams."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import Generic, Protocol, TypeVar

from . import _native
from ._errors import TimedOutError

# After so many in a row that were there already, the loop has its turn: the other side may be faster for as long as it
# likes.
IN_A_ROW = 64


class _Expired:
    """What a wait comes to whose time is over. An exception would keep, by its traceback, the source alive."""


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Source(Protocol[T_co]):
    @property
    def ended(self) -> bool: ...
    def take(self) -> T_co | None: ...


class Taking(Generic[T]):
    """What an event loop takes from a native source, for any number of tasks of that loop: each piece goes to one of
    those that wait, in the order in which they began to wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: _Source[T]) -> None:
        self._loop = loop
        self._source = source
        self._closed = False
        self._row = 0
        # Who waits, and what came to a task that was cancelled in that moment. `None` is the end.
        self._waiting: collections.deque[asyncio.Future[T | _Expired | None]] = collections.deque()
        self._back: collections.deque[T] = collections.deque()

    def _watch(self) -> None:
        """Has `_take` called when something has come. Somebody waits."""
        raise NotImplementedError

    def _given_up(self) -> None:
        """A wait was given up, by its time or with its task."""

    def _nothing_yet(self) -> str:
        """What is told whose time is over."""
        raise NotImplementedError

    def _take(self) -> None:
        """Hands what has come to those who wait."""
        while self._waiting:
            future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            try:
                found = self._source.take()
            except Exception as error:
                future.set_exception(error)
            else:
                if found is None and not self._source.ended:
                    return
                future.set_result(found)
            self._waiting.popleft()

    async def _next(self, timeout: float | None) -> T | None:
        """Waits for what comes next, at most `timeout` seconds; `None` is the end."""
        seconds = None if timeout is None else _native.timeout(timeout)
        if self._row >= IN_A_ROW and seconds != 0:
            self._row = 0
            await asyncio.sleep(0)
        found = self._at_once()
        if found is not None:
            return found
        if not self._waiting and (self._closed or self._source.ended):
            return None
        self._row = 0
        return await self._wait(seconds)

    def _at_once(self) -> T | None:
        """What is there, unless others wait for it."""
        if self._waiting:
            return None
        found = self._back.popleft() if self._back else None if self._closed else self._source.take()
        if found is not None:
            self._row += 1
        return found

    async def _wait(self, seconds: float | None) -> T | None:
        if seconds == 0:
            raise TimedOutError(self._nothing_yet())
        future: asyncio.Future[T | _Expired | None] = self._loop.create_future()
        limit = None if seconds is None else self._loop.call_later(seconds, expire, future)
        self._waiting.append(future)
        self._watch()
        try:
            found = await future
        except asyncio.CancelledError:
            self._given_up()
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back(future.result())
            raise
        finally:
            if limit is not None:
                limit.cancel()
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)
        if isinstance(found, _Expired):
            self._given_up()
            raise TimedOutError(self._nothing_yet())
        return found

    def _give_back(self, found: T | _Expired | None) -> None:
        """Keeps what has come for the next who wants it, unless it is closed."""
        if found is None or isinstance(found, _Expired):
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(found)
                return
        if not self._closed:
            self._back.append(found)

    def _finish_taking(self) -> None:
        """Nothing more is taken: those who wait come to the end."""
        self._closed = True
        self._back.clear()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)


def expire(future: asyncio.Future[T | _Expired | None]) -> None:
    """The time of a wait is over."""
    if not future.done():
        future.set_result(_Expired())
