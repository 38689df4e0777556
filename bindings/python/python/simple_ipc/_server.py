"""Listeners, as far as threads and asyncio have them in common."""

from __future__ import annotations

import atexit
import contextlib
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import AsyncGeneratorType, CoroutineType
from typing import Any, NamedTuple, Protocol

from . import _native
from ._errors import ForkedError, InvalidArgumentError, IpcError, TimedOutError
from ._failures import Failures


class Counters(NamedTuple):
    """What a listener has seen since it started."""

    connections: int
    """Connections accepted."""
    open: int
    """Connections open now."""
    messages: int
    """Messages handed to the handler."""
    failed: int
    """Messages whose handler failed."""
    malformed: int
    """Connections closed because what they sent follows no dialect."""
    refused: int
    """Connections refused because of who was at the other end."""
    incomplete: int
    """Connections that ended before a whole message had come."""
    in_flight: int
    """Messages in hand now: taken and not yet answered."""
    abandoned: int
    """Calls that nobody waits for any more and whose handler still runs."""
    subscribers: int
    """Subscribers that it has now."""
    published: int
    """Events published."""
    dropped: int
    """Events that were dropped, one for each subscriber that did not get it and was told so."""
    too_slow: int
    """Subscriptions that were ended because their subscriber did not take its events."""
    streams: int
    """Streams that are open now."""


class _Native(Protocol):
    @property
    def address(self) -> str: ...
    @property
    def path(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    def counters(self) -> list[int]: ...
    def abandon(self) -> None: ...


class BaseServer:
    """What a listener for threads and one for asyncio have in common.

    In a forked child it belongs to the parent: all but its `repr`, and leaving `with`, is `ForkedError` there.
    """

    def __init__(self, native: _Native, failures: Failures) -> None:
        self._listener = native
        self._failures = failures
        self._closed = False
        self._address = native.address
        self._process = _native.Process()
        _open[id(self)] = self

    def _is_forked(self) -> bool:
        return not self._process.is_current()

    def _own(self) -> _Native:
        """The native part, unless it is the parent's."""
        if self._is_forked():
            raise ForkedError(
                f"the listener on {self._address} was opened before a fork and belongs to the parent; "
                "listen in the child, or after the fork"
            )
        return self._listener

    @property
    def address(self) -> str:
        """The socket's path, or `127.0.0.1:port`."""
        return self._own().address

    @property
    def path(self) -> str | None:
        """The socket's path; `None` on a port."""
        return self._own().path

    @property
    def port(self) -> int | None:
        """The port; `None` on a name. For port 0 the one that the system picked."""
        return self._own().port

    @property
    def counters(self) -> Counters:
        """What it has seen so far."""
        return Counters(*self._own().counters())

    def __repr__(self) -> str:
        state = ", of the parent process" if self._is_forked() else ", closed" if self._closed else ""
        return f"<{type(self).__name__} on {self._address}{state}>"

    def _abandon(self) -> None:
        self._closed = True
        self._listener.abandon()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or self._is_forked():
            return
        warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
        self._abandon()


_open: weakref.WeakValueDictionary[int, BaseServer] = weakref.WeakValueDictionary()


def _at_exit() -> None:
    # Handlers begin no more; then the channels' files are removed.
    _native.shut_gate()
    for reference in _open.valuerefs():
        if server := reference():
            server._abandon()


atexit.register(_at_exit)


def adapted(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler as the native part calls it: what it returns needs no event loop."""

    def run(*arguments: Any) -> Any:
        result = handler(*arguments)
        if isinstance(result, CoroutineType):
            # What nobody awaits is closed, or Python warns of it somewhere else later.
            result.close()
            raise TypeError(
                "the handler returned a coroutine, which nobody awaits here: listen with simple_ipc.aio and give "
                "the async def function itself, or return a value"
            )
        if isinstance(result, AsyncGeneratorType):
            raise TypeError(
                "the handler returned an async generator, which nobody iterates over here: listen with simple_ipc.aio, "
                "or give a def function with yield"
            )
        return result

    return run


def send_all(items: Iterator[Any], reply: _native.Reply) -> None:
    """Sends what a handler's iterator gives until it ends, or its caller has left; it is closed in either case, in this
    thread."""
    try:
        for item in items:
            if not reply.send(item):
                break
    finally:
        if close := getattr(items, "close", None):
            close()


class Server(BaseServer):
    """A listener whose handler runs on threads, or one that only publishes. `with` closes it at the end; so does
    `close`.

    It listens as long as the object lives and is open; keep a reference to it.
    """

    _listener: _native.Listener

    def __init__(self, native: _native.Listener, failures: Failures) -> None:
        self._end = threading.Event()
        super().__init__(native, failures)

    def publish(self, data: Any, /, *, topic: str = "") -> int:
        """Publishes to all who subscribe now, and to this topic; returns for how many of them it was queued.

        For a listener of `listen_…_publish`, or one with `publish=True`; else it is `WrongModeError`. It may be called
        from any thread and in handlers. Events arrive in the order of the calls. It waits only for subscribers with
        `overflow="block"`, and at most for the listener's `patience`. With `retain=True` empty `bytes` are an event as
        any other, and forget the one that is kept of this topic.
        """
        self._own()
        return self._listener.publish(topic, data)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is closed, at most `timeout` seconds; says whether it is. Ctrl-C ends the wait.

        In its own handler, which closing would wait for, it is `InvalidArgumentError`.
        """
        self._own()
        if self._listener.is_within():
            raise InvalidArgumentError(
                "cannot wait in a handler for its own listener to close, which waits for the handler; "
                "call close() and return"
            )
        seconds = _native.timeout(timeout)
        return self._end.wait(None if seconds is None else min(seconds, threading.TIMEOUT_MAX))

    def close(self) -> None:
        """Stops taking messages, answers those it has, delivers what was published (at most for the grace period), and
        returns.

        Where a handler still runs then, it raises `TimedOutError`: the listener is closed, and the handler goes on.
        Closing again does nothing. In one of its own handlers it begins to close and returns at once: the handler's
        answer still goes out, and `wait` elsewhere returns when all is done.
        """
        if self._listener.is_within():
            self._listener.close_begin()
            # Somebody has to notice the end; the interpreter's own end waits for this thread.
            with contextlib.suppress(RuntimeError):
                threading.Thread(target=self._see_the_end, name="simple_ipc close").start()
                return
            # No thread is to be had, at the interpreter's end: nobody is left who would wait.
            self._has_ended()
            return
        try:
            self._listener.close()
        finally:
            self._has_ended()

    def _see_the_end(self) -> None:
        try:
            self._listener.close()
        except IpcError as error:
            self._failures.unheard(f"has not ended: {error}")
        finally:
            self._has_ended()

    def _has_ended(self) -> None:
        self._closed = True
        self._end.set()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, _: object, raised: BaseException | None, __: object) -> None:
        if self._is_forked():
            return
        try:
            self.close()
        except TimedOutError as error:
            if raised is None:
                raise
            # What went wrong inside is worth more than this.
            self._failures.unheard(f"has not ended: {error}")

    def _abandon(self) -> None:
        super()._abandon()
        self._end.set()
