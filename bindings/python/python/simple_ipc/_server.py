"""Listeners, as far as threads and asyncio have them in common."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import warnings
import weakref
from collections.abc import Callable
from types import CoroutineType
from typing import Any, NamedTuple, Protocol

from . import _native

logger = logging.getLogger("simple_ipc")


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


class _Native(Protocol):
    @property
    def address(self) -> str: ...
    @property
    def path(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    def counters(self) -> tuple[int, int, int, int, int, int, int]: ...
    def abandon(self) -> None: ...


class BaseServer:
    """What a listener for threads and one for asyncio have in common."""

    def __init__(self, native: _Native) -> None:
        self._listener = native
        self._closed = False
        self._process = os.getpid()
        _open[id(self)] = self

    @property
    def address(self) -> str:
        """The socket's path, or `127.0.0.1:port`."""
        return self._listener.address

    @property
    def path(self) -> str | None:
        """The socket's path; `None` on a port."""
        return self._listener.path

    @property
    def port(self) -> int | None:
        """The port; `None` on a name. For port 0 the one that the system picked."""
        return self._listener.port

    @property
    def counters(self) -> Counters:
        """What it has seen so far."""
        return Counters(*self._listener.counters())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.address}{', closed' if self._closed else ''}>"

    def _abandon(self) -> None:
        self._closed = True
        self._listener.abandon()

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or self._process != os.getpid():
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


def text_of(error: BaseException) -> str:
    """What the caller is told of a handler's exception."""
    return str(error) or type(error).__name__


def adapted(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler as the native part calls it: with its failures logged."""

    def run(*arguments: Any) -> Any:
        try:
            result = handler(*arguments)
            if isinstance(result, CoroutineType):
                # What nobody awaits is closed, or Python warns of it somewhere else later.
                result.close()
                raise TypeError(
                    "the handler returned a coroutine, which nobody awaits here: listen with simple_ipc.aio and give "
                    "the async def function itself, or return a value"
                )
            return result
        except BaseException:
            logger.exception("a handler failed")
            raise

    return run


class Server(BaseServer):
    """A listener whose handler runs on threads. `with` closes it at the end; so does `close`.

    It listens as long as the object lives and is open; keep a reference to it.
    """

    _listener: _native.Listener

    def __init__(self, native: _native.Listener) -> None:
        self._end = threading.Event()
        super().__init__(native)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is closed, at most `timeout` seconds; says whether it is. Ctrl-C ends the wait."""
        return self._end.wait(timeout)

    def close(self) -> None:
        """Stops taking messages, answers those it has (at most for the grace period), and returns.

        Closing again does nothing.
        """
        try:
            self._listener.close()
        finally:
            self._closed = True
            self._end.set()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _abandon(self) -> None:
        super()._abandon()
        self._end.set()
