"""Processes on one machine, in any language, talk by naming a channel.

One side listens, the other posts. A request gets an answer, a broadcast gets none:

>>> import simple_ipc
>>> with simple_ipc.listen_uds_request("example_channel", lambda data: "response-bar"):
...     print(simple_ipc.post_uds_request("example_channel", "request-foo"))
response-bar

`bytes`, `bytearray` and `memoryview` travel as bytes and arrive as `bytes`; everything else is JSON. The
functions here block, release the GIL, and end at Ctrl-C; `simple_ipc.aio` has the same for asyncio.
Every failure is an `IpcError`. Options are keyword arguments: see `PostOptions` and `ListenOptions`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, Unpack

from . import _native
from ._errors import (
    CancelledError,
    ClosedError,
    ClosingError,
    ConnectionLostError,
    ForkedError,
    HandlerError,
    HandlerFailedError,
    InternalError,
    InUseError,
    InvalidArgumentError,
    InvalidBodyError,
    InvalidJsonError,
    InvalidNameError,
    InvalidPortError,
    IpcError,
    NoDirectoryError,
    NoReplyError,
    NotListeningError,
    OsError,
    OutOfResourcesError,
    PathOccupiedError,
    PathTooLongError,
    PeerNotAllowedError,
    PermissionDeniedError,
    ProtocolError,
    TimedOutError,
    TooLargeError,
    TooManyConnectionsError,
    TooSlowError,
    UnsupportedVersionError,
    WrongModeError,
)
from ._listen import listen
from ._native import Cancellation, Client, Context, __version__
from ._options import CallOptions, ListenOptions, PostOptions
from ._options import CallOptions as RequestOptions
from ._server import Counters, Server

__all__ = [
    "CallOptions",
    "Cancellation",
    "CancelledError",
    "ChannelInfo",
    "Client",
    "ClosedError",
    "ClosingError",
    "ConnectionLostError",
    "Context",
    "Counters",
    "ForkedError",
    "HandlerError",
    "HandlerFailedError",
    "InUseError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidBodyError",
    "InvalidJsonError",
    "InvalidNameError",
    "InvalidPortError",
    "IpcError",
    "ListenOptions",
    "NoDirectoryError",
    "NoReplyError",
    "NotListeningError",
    "OsError",
    "OutOfResourcesError",
    "PathOccupiedError",
    "PathTooLongError",
    "PeerNotAllowedError",
    "PermissionDeniedError",
    "PostOptions",
    "ProtocolError",
    "RequestOptions",
    "Server",
    "TimedOutError",
    "TooLargeError",
    "TooManyConnectionsError",
    "TooSlowError",
    "UnsupportedVersionError",
    "WrongModeError",
    "__version__",
    "channels",
    "connect",
    "listen_ip_broadcast",
    "listen_ip_request",
    "listen_uds_broadcast",
    "listen_uds_request",
    "post_ip_broadcast",
    "post_ip_request",
    "post_uds_broadcast",
    "post_uds_request",
]


class ChannelInfo(NamedTuple):
    """A channel that somebody listens on."""

    channel: str
    """The name, `:port`, or the full path."""
    address: str
    """The socket's path, or `127.0.0.1:port`."""
    mode: str | None
    """`"request"` or `"broadcast"`; `None`, as the rest, where its lock file does not say or cannot be read."""
    pid: int | None
    """The process that listens."""
    started_ms: int | None
    """When it began to, in milliseconds since the Unix epoch."""
    version: str | None
    """The version of the listener's library."""


def channels(directory: str | os.PathLike[str] | None = None) -> list[ChannelInfo]:
    """The live channels of this library in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`), by name."""
    return [ChannelInfo(*found) for found in _native.channels(directory)]


def connect(channel: str | int, /, **options: Unpack[PostOptions]) -> Client:
    """Keeps a channel open: a name or a port. For streams of messages, and for any number of threads."""
    return Client(channel, **options)


def listen_uds_request(
    channel: str, handler: Callable[..., Any], /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Answers requests on a Unix-socket channel with what `handler(data)` returns.

    The handler runs on threads of the library, any number of times at once, and may block. What it raises
    is the caller's `HandlerFailedError`, and is logged. With `context=True` it is called with a `Context`
    as its second argument. An `async def` handler is refused: it belongs to `simple_ipc.aio`.
    """
    return listen(_name(channel), True, handler, context, options)


def listen_uds_broadcast(
    channel: str, handler: Callable[..., Any], /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Calls `handler(data)` for each message that is posted to a Unix-socket channel; as `listen_uds_request`.

    Messages of one sender are handled one after another, in the order sent.
    """
    return listen(_name(channel), False, handler, context, options)


def listen_ip_request(
    port: int, handler: Callable[..., Any], /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Answers requests on a port of 127.0.0.1; 0 picks a free one. As `listen_uds_request`."""
    return listen(_port(port), True, handler, context, options)


def listen_ip_broadcast(
    port: int, handler: Callable[..., Any], /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Takes broadcasts on a port of 127.0.0.1; 0 picks a free one. As `listen_uds_broadcast`."""
    return listen(_port(port), False, handler, context, options)


def post_uds_request(channel: str, data: Any, /, **options: Unpack[PostOptions]) -> Any:
    """Posts a request to a Unix-socket channel and returns its answer."""
    return _native.post(_name(channel), True, data, options)


def post_uds_broadcast(channel: str, data: Any, /, **options: Unpack[PostOptions]) -> None:
    """Posts a broadcast to a Unix-socket channel; returns when the handler has it."""
    _native.post(_name(channel), False, data, options)


def post_ip_request(port: int, data: Any, /, **options: Unpack[PostOptions]) -> Any:
    """Posts a request to a port of 127.0.0.1 and returns its answer."""
    return _native.post(_port(port), True, data, options)


def post_ip_broadcast(port: int, data: Any, /, **options: Unpack[PostOptions]) -> None:
    """Posts a broadcast to a port of 127.0.0.1; returns when the handler has it."""
    _native.post(_port(port), False, data, options)


def _name(channel: str) -> str:
    if not isinstance(channel, str):
        raise TypeError(f"a channel's name is a str, not {type(channel).__name__}")
    return channel


def _port(port: int) -> int:
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"a port is an int, not {type(port).__name__}")
    return port
