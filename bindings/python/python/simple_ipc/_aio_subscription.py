"""Subscriptions on an asyncio event loop."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import weakref
from collections.abc import Generator, Mapping
from typing import Any

from . import _native
from ._errors import TimedOutError
from ._loop import check_loop, running_loop
from ._native import Event

# After so many events in a row that were there already, the loop has its turn: a publisher may be faster than its
# subscriber for as long as it likes.
_IN_A_ROW = 64


class _Expired:
    """What a wait comes to whose time is over. An exception would keep, by its traceback, the subscription alive."""


# What a wait comes to; `None` is the end.
_Found = Event | _Expired | None


class Subscription:
    """The events of one publisher, in the order in which it published them: `async for event in events`.

    For the tasks of one loop; each event goes to one of those that wait. Leaving `async with`, and `close`, ends it,
    and so does letting it go. Made by `subscribe_uds` and `subscribe_ip`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, native: _native.LoopSubscription, where: str | int) -> None:
        self._loop = loop
        self._process = _native.Process()
        self._native = native
        self._where = where
        self._closed = False
        self._watched = False
        self._row = 0
        # Who waits for an event, and events that came to a task which was cancelled in that moment.
        self._waiting: collections.deque[asyncio.Future[_Found]] = collections.deque()
        self._back: collections.deque[Event] = collections.deque()

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._loop.add_reader(self._native.fileno(), _readable, weakref.ref(self))

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._native.fileno())

    async def _subscribed(self) -> None:
        """Waits until it is subscribed; where that fails, or the task is cancelled, it is closed."""
        try:
            while not self._native.is_subscribed():
                ready: asyncio.Future[None] = self._loop.create_future()
                self._loop.add_reader(self._native.fileno(), _wake, ready)
                try:
                    await ready
                finally:
                    self._loop.remove_reader(self._native.fileno())
        except BaseException:
            self._end()
            raise

    def _take(self) -> None:
        """Hands what has come to those who wait."""
        while self._waiting:
            future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            try:
                event = self._native.take()
            except Exception as error:
                future.set_exception(error)
            else:
                if event is None and not self._native.ended:
                    return
                future.set_result(event)
            self._waiting.popleft()
        # Nobody waits: what comes stays where it is until somebody does.
        self._unwatch()

    async def next(self, timeout: float | None = None) -> Event | None:
        """Waits for the next event, at most `timeout` seconds, `None` for no limit, and returns it; `None` where no
        more will come: it was closed, or its publisher ended in order and is not to be looked for again
        (`reconnect=0`).

        `TimedOutError`: nothing has come, call again. A timeout of 0 looks without waiting. `InvalidBodyError`: the
        value of an event cannot be read; the next one may. Every other error is the end, and is raised again. A task
        that is cancelled while it waits takes no event with it.
        """
        seconds = None if timeout is None else _native.timeout(timeout)
        check_loop(self._loop, self._process, "subscription")
        if self._row >= _IN_A_ROW and seconds != 0:
            self._row = 0
            await asyncio.sleep(0)
        event = self._at_once()
        if event is not None:
            return event
        if not self._waiting and (self._closed or self._native.ended):
            return None
        self._row = 0
        return await self._wait(seconds)

    def _at_once(self) -> Event | None:
        """An event that is there, unless others wait for it."""
        if self._waiting:
            return None
        event = self._back.popleft() if self._back else None if self._closed else self._native.take()
        if event is not None:
            self._row += 1
        return event

    async def _wait(self, seconds: float | None) -> Event | None:
        if seconds == 0:
            raise self._timed_out()
        future: asyncio.Future[_Found] = self._loop.create_future()
        limit = None if seconds is None else self._loop.call_later(seconds, self._expire, future)
        self._waiting.append(future)
        self._watch()
        try:
            found = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back(future.result())
            raise
        finally:
            if limit is not None:
                limit.cancel()
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)
        if isinstance(found, _Expired):
            raise self._timed_out()
        return found

    def _give_back(self, event: _Found) -> None:
        """Keeps an event for the next who wants one, unless it is closed."""
        if not isinstance(event, Event):
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(event)
                return
        if not self._closed:
            self._back.append(event)

    @staticmethod
    def _expire(future: asyncio.Future[_Found]) -> None:
        if not future.done():
            future.set_result(_Expired())

    def _timed_out(self) -> TimedOutError:
        text = "nothing was published within the timeout; ask again, or allow more time"
        return TimedOutError(f"{self._channel()}: {text}")

    def _channel(self) -> str:
        return f'channel "{self._where}"' if isinstance(self._where, str) else f'channel ":{self._where}"'

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        # As `next`, without one more coroutine for each event that is there.
        if self._row < _IN_A_ROW:
            check_loop(self._loop, self._process, "subscription")
            if (event := self._at_once()) is not None:
                return event
        event = await self.next()
        if event is None:
            raise StopAsyncIteration
        return event

    async def close(self) -> None:
        """Ends it: tasks that wait for an event come to the end of their loops. Closing again does nothing."""
        check_loop(self._loop, self._process, "subscription")
        self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._back.clear()
        self._unwatch()
        self._native.close()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.is_current():
            await self.close()

    def __repr__(self) -> str:
        return f"<Subscription to {self._channel()}{', closed' if self._closed else ''}>"

    def __del__(self) -> None:
        if getattr(self, "_watched", False) and self._process.is_current() and not self._loop.is_closed():
            self._unwatch()


def _readable(subscription: weakref.ref[Subscription]) -> None:
    # The loop does not keep a subscription alive that nobody else holds.
    if alive := subscription():
        alive._take()


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


class Subscribing:
    """What `subscribe_uds` and `subscribe_ip` return: to be awaited, or to be used in `async with`."""

    def __init__(self, where: str | int, options: Mapping[str, Any]) -> None:
        self._where = where
        self._options = dict(options)
        self._subscription: Subscription | None = None

    async def _subscribe(self) -> Subscription:
        loop = running_loop()
        native = _native.LoopSubscription(self._where, self._options)
        subscription = Subscription(loop, native, self._where)
        await subscription._subscribed()
        return subscription

    def __await__(self) -> Generator[Any, None, Subscription]:
        return self._subscribe().__await__()

    async def __aenter__(self) -> Subscription:
        self._subscription = await self._subscribe()
        return self._subscription

    async def __aexit__(self, *_: object) -> None:
        if self._subscription is not None:
            await self._subscription.__aexit__()
