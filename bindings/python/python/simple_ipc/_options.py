"""The keyword arguments of calls and listeners."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, TypedDict


class PostOptions(TypedDict, total=False):
    """Keyword arguments of posts and clients. All are optional."""

    timeout: float | None
    """Seconds that a call may take, to its answer; `None` for no limit. Default: 30."""
    wait: float
    """Seconds to wait for a listener to appear, before the timeout starts. Default: 0."""
    wire: Literal["auto", "native", "deno"]
    """Which dialect to speak. Default: `"auto"`, native where the listener is this library."""
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


class ListenOptions(PostOptions, total=False):
    """Keyword arguments of listeners. All are optional."""

    socket_mode: int
    """Permission bits of the socket's file. Default: 0o600."""
    max_connections: int
    """The most connections at once. Default: 1024."""
    grace: float
    """Seconds that `close` waits for handlers that are running. Default: 5."""
    plain_text: bool
    """Whether plain text is taken. Default: on Unix sockets yes, on TCP no."""
    threads: int
    """The most threads for `def` handlers. Default: 256. Beyond it messages wait for a thread."""
    check_interval: float
    """Every how many seconds to look whether the socket's file still stands. Default: 30."""


class RequestOptions(TypedDict, total=False):
    """Keyword arguments of a client's request."""

    timeout: float | None
    """Seconds that this request may take; `None` for no limit. Default: the client's."""
