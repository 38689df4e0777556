"""Subscriptions on an asyncio event loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Generator, Mapping
from typing import Any

from . import _native
from ._aio_taking import IN_A_ROW, Taking
from ._loop import check_loop, running_loop, unwatch, watch
from ._native import Event


class Subscription(Taking[Event]):
    """The events of one publisher, in the order in which it published them: `async for event in events`.

    For the tasks of one loop; each event goes to one of those that wait. Leaving `async with`, and `close`, ends it,
    and so does letting it go. Made by `subscribe_uds` and `subscribe_ip`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, native: _native.LoopSubscription, where: str | int) -> None:
        super().__init__(loop, native)
        self._process = _native.Process()
        self._native = native
        self._where = where
        self._watched = False

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            watch(self._loop, self._native.fileno(), _readable, weakref.ref(self))

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            unwatch(self._loop, self._native.fileno())

    async def _subscribed(self) -> None:
        """Waits until it is subscribed; where that fails, or the task is cancelled, it is closed."""
        try:
            while not self._native.is_subscribed():
                ready: asyncio.Future[None] = self._loop.create_future()
                watch(self._loop, self._native.fileno(), _wake, ready)
                try:
                    await ready
                finally:
                    unwatch(self._loop, self._native.fileno())
        except BaseException:
            self._end()
            raise

    def _take(self) -> None:
        super()._take()
        if not self._waiting:
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
        check_loop(self._loop, self._process, "subscription")
        return await self._next(timeout)

    def _nothing_yet(self) -> str:
        return f"{self._channel()}: nothing was published within the timeout; ask again, or allow more time"

    def _channel(self) -> str:
        return f'channel "{self._where}"' if isinstance(self._where, str) else f'channel ":{self._where}"'

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        # As `next`, without one more coroutine for each event that is there.
        if self._row < IN_A_ROW:
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
        self._unwatch()
        self._native.close()
        self._finish_taking()

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
