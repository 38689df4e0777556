"""The keyword arguments of calls and listeners."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from ._native import Cancellation


class CommonOptions(TypedDict, total=False):
    """Keyword arguments of posts, clients and listeners."""

    directory: str | os.PathLike[str]
    """Where sockets and lock files are, instead of `SIMPLE_IPC_DIR` or `/tmp`."""
    path: str | os.PathLike[str]
    """The socket's full path, instead of one made from directory and name."""
    path_style: Literal["v0.0.1", "v0.0.3", "v0.0.5", "v0.0.14"]
    """How the socket's file is called: as this version of the Deno original did. Default: `"v0.0.1"`."""
    max_message: int
    """The largest body in bytes, either way. Default: 64 MiB."""
    peers: Literal["same_user", "anyone"] | Iterable[int]
    """Which users may be at the other end; a list of user ids, besides root. Default: `"same_user"`."""
    spin: float
    """For how many seconds a waiting thread polls before it blocks, where that pays; 0 never. Default: 0.0001."""
    shared_memory: int
    """How many bytes of memory a listener shares with its clients, all together, and whether a client asks for any: not
    where it is 0. On Linux, between processes of one user. Default: what `SIMPLE_IPC_SHARED_MEMORY` says, else 0."""


class AioPostOptions(CommonOptions, total=False):
    """Keyword arguments of posts and clients of `simple_ipc.aio`. All are optional."""

    timeout: float | None
    """Seconds that a call may take, to its answer; `None` for no limit. Default: 30."""
    wait: float | None
    """Seconds to wait for a listener to appear, before the timeout starts; `None` for no limit. Default: 0."""
    wire: Literal["auto", "native", "deno"]
    """Which dialect to speak. Default: `"auto"`, native where the listener is this library."""


class PostOptions(AioPostOptions, total=False):
    """Keyword arguments of posts and clients. All are optional."""

    cancellation: Cancellation | None
    """What gives the post up, or the client while it connects, from another thread. Default: nothing."""


class AioStreamOptions(AioPostOptions, total=False):
    """Keyword arguments of streams, and of clients, which open streams, of `simple_ipc.aio`. All are optional. Of a
    stream `timeout` is the whole stream, from being posted to its end, and there is none unless it is given."""

    idle_timeout: float | None
    """Seconds that a stream may wait for the listener to accept it (default: 30), for the next item and for room to
    send one (default: no limit). Once it is given it holds for all three; `None` for no limit."""


class StreamOptions(AioStreamOptions, total=False):
    """Keyword arguments of streams, and of clients, which open streams. All are optional. Of a stream `timeout` is the
    whole stream, from being posted to its end, and there is none unless it is given."""

    cancellation: Cancellation | None
    """What gives the stream up from another thread until it is accepted, or the client while it connects; later `close`
    does. Default: nothing."""


class AioSubscribeOptions(AioPostOptions, total=False):
    """Keyword arguments of subscriptions of `simple_ipc.aio`. All are optional; `timeout` and `wait` are for the time
    until it is subscribed."""

    topics: Iterable[str]
    """The topics of the events to get, each exactly as it is published; `""` is what is published on none.
    Default: all events."""
    overflow: Literal["fail", "drop_oldest", "block"]
    """What happens where more than `queue` waits: the subscription fails with `TooSlowError`, the oldest events are
    dropped and counted in `missed`, or the publisher waits for its `patience`. Default: `"fail"`."""
    queue: int
    """How many bytes may wait at the publisher for this subscriber to take them; at most the publisher's
    `max_session_waiting`. Default: 4 MiB."""
    reconnect: float | None
    """For how many seconds to look for the publisher again after it is gone; `None` for no limit, 0 not at all.
    Default: no limit."""


class SubscribeOptions(AioSubscribeOptions, total=False):
    """Keyword arguments of subscriptions. All are optional; `timeout` and `wait` are for the time until it is
    subscribed."""

    cancellation: Cancellation | None
    """What gives the subscription up from another thread, until it is subscribed. Default: nothing."""


class PublishOptions(CommonOptions, total=False):
    """Keyword arguments of listeners that only publish. All are optional."""

    socket_mode: int
    """Permission bits of the socket's file. Default: 0o600."""
    max_connections: int
    """The most connections at once. Default: 1024."""
    max_session_waiting: int
    """The most bytes of one client that wait for handlers, or for it to read its answers or its events.
    Default: 4 MiB."""
    max_waiting: int
    """The same, of all clients together; and the most bytes that `retain` keeps. Default: 256 MiB."""
    hello_timeout: float
    """Seconds that a new connection may take to its first byte, and to the end of its hello. Default: 10."""
    stall_timeout: float
    """Seconds that a sender may be silent inside a message. Default: 30."""
    grace: float
    """Seconds that `close` waits for handlers that are running, and for subscribers to take what was published.
    Default: 5."""
    check_interval: float
    """Every how many seconds to look whether the socket's file still stands. Default: 30."""
    retain: bool
    """Whether the last event of each topic is kept for subscribers that come later. Default: no."""
    patience: float
    """Seconds that a publish may wait for subscribers with `overflow="block"`, whose queue is full; who is still
    behind then is cut off. Default: 0: no such subscribers are taken."""


class ListenOptions(PublishOptions, total=False):
    """Keyword arguments of listeners. All are optional."""

    max_session_in_flight: int
    """The most requests of one client in flight, and broadcasts that wait; then it is not read. Default: 1024."""
    max_in_flight: int
    """The most messages in flight, of all clients together; then nobody is read. Default: 16384."""
    plain_text: bool
    """Whether plain text is taken. Default: on Unix sockets yes, on TCP no."""
    threads: int
    """The most threads for `def` handlers. Default: 256. Beyond it messages wait for a thread."""
    publish: bool
    """Whether it takes subscribers, too, and `publish` reaches them. Default: no."""
    tap: bool
    """Whether processes of the same user, and root, may see what passes, with `simple-ipc tap`: messages, answers and
    items. Default: no."""


class AioCallOptions(TypedDict, total=False):
    """Keyword arguments of the calls of a client of `simple_ipc.aio`. All are optional."""

    timeout: float | None
    """Seconds that this call may take; `None` for no limit. Default: the client's."""


class CallOptions(AioCallOptions, total=False):
    """Keyword arguments of the calls of a client. All are optional."""

    cancellation: Cancellation | None
    """What gives this call up from another thread. Default: nothing."""


class AioStreamCallOptions(AioCallOptions, total=False):
    """Keyword arguments of a stream of a client of `simple_ipc.aio`. All are optional; `timeout` is the whole stream,
    and without it the client's own holds, where that was given."""

    idle_timeout: float | None
    """As for a stream that is posted. Default: the client's."""


class StreamCallOptions(AioStreamCallOptions, total=False):
    """Keyword arguments of a stream of a client. All are optional."""

    cancellation: Cancellation | None
    """What gives the stream up from another thread until it is accepted; later `close` does. Default: nothing."""
