"""Processes on one machine, in any language, talk by naming a channel.

One side listens, the other posts. A request gets an answer, a broadcast gets none:

>>> import simple_ipc
>>> with simple_ipc.listen_uds_request("example_channel", lambda data: "response-bar"):
...     print(simple_ipc.post_uds_request("example_channel", "request-foo"))
response-bar

A listener publishes, and everybody who subscribes gets each event:

>>> with simple_ipc.listen_uds_publish("clock") as clock, simple_ipc.subscribe_uds("clock") as events:
...     clock.publish({"n": 1})
...     print(next(events).data)
1
{'n': 1}

A request's answer may be a sequence, and so may what its caller sends:

>>> def count(n):
...     yield from range(n)
>>> with simple_ipc.listen_uds_request("count", count):
...     print(*simple_ipc.post_uds_stream("count", 3))
0 1 2

`bytes`, `bytearray` and `memoryview` travel as bytes and arrive as `bytes`; `Attached(value, data)` is a JSON value
with bytes beside it; everything else is JSON. The
functions here block, release the GIL, and end at Ctrl-C; `simple_ipc.aio` has the same for asyncio.
Every failure is an `IpcError`. Options are keyword arguments: see `PostOptions`, `StreamOptions`, `ListenOptions`,
`PublishOptions` and `SubscribeOptions`.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Unpack

# In this order: the first loads the second, or puts something in its place.
from . import _load, _native
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
    NativeLibraryError,
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
from ._listen import listen, publish
from ._methods import Handler
from ._native import Attached, Cancellation, Client, Context, Event, Items, Stream, Subscription, __version__
from ._options import (
    CallOptions,
    ListenOptions,
    PostOptions,
    PublishOptions,
    StreamCallOptions,
    StreamOptions,
    SubscribeOptions,
)
from ._options import CallOptions as RequestOptions
from ._server import Counters, Server

__all__ = [
    "Attached",
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
    "Event",
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
    "Items",
    "ListenOptions",
    "NativeLibraryError",
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
    "PublishOptions",
    "RequestOptions",
    "Server",
    "Stream",
    "StreamCallOptions",
    "StreamOptions",
    "SubscribeOptions",
    "Subscription",
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
    "listen_ip_publish",
    "listen_ip_request",
    "listen_uds_broadcast",
    "listen_uds_publish",
    "listen_uds_request",
    "post_ip_broadcast",
    "post_ip_request",
    "post_ip_stream",
    "post_uds_broadcast",
    "post_uds_request",
    "post_uds_stream",
    "subscribe_ip",
    "subscribe_uds",
    "supported",
]

supported: bool = _load.supported
"""Whether the library can work here. Where it is `False` the package can be imported all the same, and every call
raises `NativeLibraryError`."""


class ChannelInfo(NamedTuple):
    """A channel that somebody listens on."""

    channel: str
    """The name, `:port`, or the full path."""
    address: str
    """The socket's path, or `127.0.0.1:port`."""
    mode: str | None
    """`"request"`, `"broadcast"` or `"publish"`; `None`, as the rest, where its lock file does not say or cannot be
    read."""
    pid: int | None
    """The process that listens."""
    started_ms: int | None
    """When it began to, in milliseconds since the Unix epoch."""
    version: str | None
    """The version of the listener's library."""
    publishes: bool
    """Whether it takes subscribers."""
    subscribers: int | None
    """How many it has, a moment ago; `None` where it takes none."""


def channels(directory: str | os.PathLike[str] | None = None) -> list[ChannelInfo]:
    """The live channels of this library in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`), by name."""
    return [ChannelInfo(*found) for found in _native.channels(directory)]


def connect(channel: str | int, /, **options: Unpack[StreamOptions]) -> Client:
    """Keeps a channel open: a name or a port. For streams of messages, and for any number of threads."""
    return Client(channel, **options)


def listen_uds_request(
    channel: str, handler: Handler, /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Answers requests on a Unix-socket channel with what `handler(data)` returns.

    The handler runs on threads of the library, any number of times at once, and may block. What it raises
    is the caller's `HandlerFailedError`, and is logged. With `context=True` it is called with a `Context`
    as its second argument. An `async def` handler is refused: it belongs to `simple_ipc.aio`.

    A mapping of names to functions is a handler, too: the message `{"method": "add", "params": [1, 2]}` calls its
    `"add"` with 1 and 2, params that are an object by name. With `context=True` the functions get `context` by name. A
    method that is not in it, wrong params, and any other message fail with the codes `method_not_found`,
    `invalid_params` and `invalid_request`.

    A handler with `yield`, or one that returns another iterator, answers with a sequence, for callers of
    `post_uds_stream`; `context.items` are the items that such a caller sends. The iterator is closed in its thread once
    its caller has left.
    """
    return listen(_name(channel), True, handler, context, options)


def listen_uds_broadcast(
    channel: str, handler: Handler, /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Calls `handler(data)` for each message that is posted to a Unix-socket channel; as `listen_uds_request`.

    Messages of one sender are handled one after another, in the order sent.
    """
    return listen(_name(channel), False, handler, context, options)


def listen_ip_request(
    port: int, handler: Handler, /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Answers requests on a port of 127.0.0.1; 0 picks a free one. As `listen_uds_request`."""
    return listen(_port(port), True, handler, context, options)


def listen_ip_broadcast(
    port: int, handler: Handler, /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Takes broadcasts on a port of 127.0.0.1; 0 picks a free one. As `listen_uds_broadcast`."""
    return listen(_port(port), False, handler, context, options)


def listen_uds_publish(channel: str, /, **options: Unpack[PublishOptions]) -> Server:
    """Publishes on a Unix-socket channel: what is given to the server's `publish` reaches everybody who subscribes.

    A listener of requests or broadcasts publishes, too, with `publish=True`. With `retain=True` those who subscribe
    later get the last event of each topic first.
    """
    return publish(_name(channel), options)


def listen_ip_publish(port: int, /, **options: Unpack[PublishOptions]) -> Server:
    """Publishes on a port of 127.0.0.1; 0 picks a free one. As `listen_uds_publish`."""
    return publish(_port(port), options)


def subscribe_uds(channel: str, /, **options: Unpack[SubscribeOptions]) -> Subscription:
    """Subscribes to a Unix-socket channel; iterate over it for its events.

    Everything that is published after it has returned arrives, or is counted: an event's `missed` is how many were lost
    right before it. A publisher that goes away is looked for again; see `reconnect`.
    """
    return Subscription(_name(channel), **options)


def subscribe_ip(port: int, /, **options: Unpack[SubscribeOptions]) -> Subscription:
    """Subscribes to a port of 127.0.0.1; as `subscribe_uds`."""
    return Subscription(_port(port), **options)


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


def post_uds_stream(channel: str, data: Any, /, **options: Unpack[StreamOptions]) -> Stream:
    """Posts a request to a Unix-socket channel whose answer is a sequence, and returns when the listener has accepted
    it; iterate over it for the items of its handler.

    `send` and `end` send items to the handler. A handler that answers with one value makes a stream of one item.
    Leaving `with`, or the loop when nothing else holds the stream, cancels it, and its handler is told at once.
    """
    return _native.post_stream(_name(channel), data, options)


def post_ip_stream(port: int, data: Any, /, **options: Unpack[StreamOptions]) -> Stream:
    """Posts a request whose answer is a sequence to a port of 127.0.0.1; as `post_uds_stream`."""
    return _native.post_stream(_port(port), data, options)


def _name(channel: str) -> str:
    if not isinstance(channel, str):
        raise TypeError(f"a channel's name is a str, not {type(channel).__name__}")
    return channel


def _port(port: int) -> int:
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"a port is an int, not {type(port).__name__}")
    return port
