"""The calls of `simple_ipc` for asyncio, under the same names.

```python
from simple_ipc import aio

async def main():
    async with aio.listen_uds_request("example_channel", handler):   # handler may be async
        reply = await aio.post_uds_request("example_channel", {"n": 1}, timeout=2.0)
    async with aio.subscribe_uds("clock") as events:
        async for event in events:
            print(event.data)
    async for number in aio.post_uds_stream("count", 3):                 # its handler may be async def with yield
        print(number)
```

Calls ride on the running event loop by the readiness of a descriptor; no thread is started for them. Cancelling
a task that waits in one gives the call up, and its handler is told. Loops need `add_reader`: asyncio's on Unix
and uvloop have it. On Windows it takes asyncio's `ProactorEventLoop`, which is the one that `asyncio.run` makes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Mapping
from typing import Any, Unpack

from . import ChannelInfo, Context, Counters, Event, _name, _native, _port, channels
from ._aio_server import Server, listen, publish
from ._aio_stream import Items, Stream
from ._aio_subscription import Subscribing, Subscription
from ._errors import ClosedError
from ._loop import calls_of, check_loop, running_loop
from ._methods import Handler, call_of
from ._options import (
    AioCallOptions,
    AioPostOptions,
    AioStreamCallOptions,
    AioStreamOptions,
    AioSubscribeOptions,
    ListenOptions,
    PublishOptions,
)

__all__ = [
    "ChannelInfo",
    "Client",
    "Context",
    "Counters",
    "Event",
    "Items",
    "Server",
    "Stream",
    "Subscription",
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
]


async def _post(where: str | int, request: bool, data: Any, options: Mapping[str, Any]) -> Any:
    loop = running_loop()
    calls = calls_of(loop)
    future = loop.create_future()
    call = calls.queue.post(where, request, data, dict(options), future)
    return await calls.outcome(loop, call, future)


async def post_uds_request(channel: str, data: Any, /, **options: Unpack[AioPostOptions]) -> Any:
    """Posts a request to a Unix-socket channel and returns its answer."""
    return await _post(_name(channel), True, data, options)


async def post_uds_broadcast(channel: str, data: Any, /, **options: Unpack[AioPostOptions]) -> None:
    """Posts a broadcast to a Unix-socket channel; returns when the handler has it."""
    await _post(_name(channel), False, data, options)


async def post_ip_request(port: int, data: Any, /, **options: Unpack[AioPostOptions]) -> Any:
    """Posts a request to a port of 127.0.0.1 and returns its answer."""
    return await _post(_port(port), True, data, options)


async def post_ip_broadcast(port: int, data: Any, /, **options: Unpack[AioPostOptions]) -> None:
    """Posts a broadcast to a port of 127.0.0.1; returns when the handler has it."""
    await _post(_port(port), False, data, options)


def post_uds_stream(channel: str, data: Any, /, **options: Unpack[AioStreamOptions]) -> Stream:
    """Posts a request to a Unix-socket channel whose answer is a sequence: `async for item in post_uds_stream(…)`.

    `async with post_uds_stream(…) as stream`, or `stream = await post_uds_stream(…)`, waits until the listener has
    accepted it; `await stream.send(item)` and `await stream.end()` send it items. A handler that answers with one value
    makes a stream of one item. Leaving the loop, when nothing else holds the stream, cancels it, and its handler is
    told at once.
    """
    return Stream(_name(channel), data, options)


def post_ip_stream(port: int, data: Any, /, **options: Unpack[AioStreamOptions]) -> Stream:
    """Posts a request whose answer is a sequence to a port of 127.0.0.1; as `post_uds_stream`."""
    return Stream(_port(port), data, options)


def listen_uds_request(
    channel: str, handler: Handler, /, *, context: bool = False, **options: Unpack[ListenOptions]
) -> Server:
    """Answers requests on a Unix-socket channel with what `handler(data)` returns; needs a running loop.

    The handler runs on this loop, any number at once if it is `async def`; a `def` handler must not block.
    What it raises is the caller's `HandlerFailedError`, and is logged. When the caller gives up, the handler's
    task is cancelled. With `context=True` it is called with a `Context` as its second argument.

    An async generator, or another iterator, is a sequence for callers of `post_uds_stream`; `context.items` are the
    items that such a caller sends. It is closed in the handler's task, at once when the caller leaves.
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
    """Publishes on a Unix-socket channel; needs a running loop. What is given to the server's `publish` reaches
    everybody who subscribes.

    A listener of requests or broadcasts publishes, too, with `publish=True`. With `retain=True` those who subscribe
    later get the last event of each topic first.
    """
    return publish(_name(channel), options)


def listen_ip_publish(port: int, /, **options: Unpack[PublishOptions]) -> Server:
    """Publishes on a port of 127.0.0.1; 0 picks a free one. As `listen_uds_publish`."""
    return publish(_port(port), options)


def subscribe_uds(channel: str, /, **options: Unpack[AioSubscribeOptions]) -> Subscribing:
    """Subscribes to a Unix-socket channel: `async with subscribe_uds(…) as events`, or `events = await
    subscribe_uds(…)`; then `async for event in events`.

    Everything that is published after it has subscribed arrives, or is counted: an event's `missed` is how many were
    lost right before it. A publisher that goes away is looked for again; see `reconnect`.
    """
    return Subscribing(_name(channel), options)


def subscribe_ip(port: int, /, **options: Unpack[AioSubscribeOptions]) -> Subscribing:
    """Subscribes to a port of 127.0.0.1; as `subscribe_uds`."""
    return Subscribing(_port(port), options)


class Client:
    """A channel kept open: one session for any number of tasks of one event loop.

    Made by `connect`. A session that breaks is replaced by the next call. `async with` closes it at the end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, number: int, where: str | int, options: dict[str, Any]) -> None:
        self._loop = loop
        # For its streams.
        self._where = where
        self._options = options
        self._process = _native.Process()
        self._calls = calls_of(loop)
        self._number: int | None = number

    def _open(self) -> int:
        if self._number is None:
            raise ClosedError("the client is closed; connect again for a new one")
        check_loop(self._loop, self._process, "client")
        return self._number

    async def _outcome(self, call: int, future: asyncio.Future[Any]) -> Any:
        return await self._calls.outcome(self._loop, call, future)

    async def request(self, data: Any, /, **options: Unpack[AioCallOptions]) -> Any:
        """Sends a request and returns its answer. `timeout` is in seconds, `None` for no limit; without it
        the client's own holds. Cancelling the task cancels the request, and its handler is told."""
        number, loop, calls = self._number, self._loop, self._calls
        if number is None or asyncio._get_running_loop() is not loop:
            number = self._open()
        future = loop.create_future()
        call = calls.queue.request(number, data, options, future)
        if not calls.scheduled:
            calls.sending(loop)
        # As `Calls.outcome`, without one more coroutine for each request.
        try:
            return await future
        except asyncio.CancelledError:
            calls.queue.cancel(call)
            raise

    async def call(self, method: str, /, *params: Any, **named: Any) -> Any:
        """Calls a method of a listener whose handler is a table of functions: `await client.call("add", 1, 2)`.
        Parameters are given by position or by name. `request({"method": "add", "params": [1, 2]})` is the same, and
        takes options."""
        return await self.request(call_of(method, params, named))

    def stream(self, data: Any, /, **options: Unpack[AioStreamCallOptions]) -> Stream:
        """Opens a stream, as `post_uds_stream` does, on a session of its own. It goes on where the client is closed.

        `timeout` is for the whole stream; without it, and without `idle_timeout`, what the client was given holds.
        """
        self._open()
        return Stream(self._where, data, self._options, options)

    async def broadcast(self, data: Any, /) -> None:
        """Sends a message that nobody answers; waits only while too much waits to be sent. `flush` makes sure of it."""
        number, future = self._open(), self._loop.create_future()
        call = self._calls.queue.broadcast(number, data, future)
        if call is None:
            self._calls.sending(self._loop)
        else:
            await self._outcome(call, future)

    async def flush(self, **options: Unpack[AioCallOptions]) -> None:
        """Waits until every broadcast before it has been handed to the listener's handler. Options as for `request`."""
        number, future = self._open(), self._loop.create_future()
        await self._outcome(self._calls.queue.flush(number, options, future), future)

    async def ping(self, **options: Unpack[AioCallOptions]) -> float:
        """Asks the listener whether it is there; returns how many seconds the answer took. Options as for `request`."""
        number, future = self._open(), self._loop.create_future()
        began = time.perf_counter()
        await self._outcome(self._calls.queue.ping(number, options, future), future)
        return time.perf_counter() - began

    async def close(self, **options: Unpack[AioCallOptions]) -> None:
        """Ends the requests and pings that wait with `CancelledError`, flushes, and closes. Closing again does nothing;
        other calls then raise `ClosedError`. `timeout` as for `request`, for the flush: when it is over the client is
        closed all the same."""
        if self._number is None:
            return
        number, future = self._open(), self._loop.create_future()
        call = self._calls.queue.close(number, options, future)
        self._number = None
        await self._outcome(call, future)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.is_current():
            await self.close()

    def __del__(self) -> None:
        if getattr(self, "_number", None) is not None and not self._loop.is_closed():
            self._calls.queue.abandon(self._number)  # type: ignore[arg-type]


class _Connecting:
    """What `connect` returns: to be awaited, or to be used in `async with`."""

    def __init__(self, where: str | int, options: Mapping[str, Any]) -> None:
        self._where = where
        self._options = dict(options)
        self._client: Client | None = None

    async def _connect(self) -> Client:
        loop = running_loop()
        calls = calls_of(loop)
        future = loop.create_future()
        number, call = calls.queue.connect(self._where, self._options, future)
        client = Client(loop, number, self._where, self._options)
        await calls.outcome(loop, call, future)
        return client

    def __await__(self) -> Generator[Any, None, Client]:
        return self._connect().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._connect()
        return self._client

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.__aexit__()


def connect(channel: str | int, /, **options: Unpack[AioStreamOptions]) -> _Connecting:
    """Keeps a channel open, a name or a port: `client = await connect(…)`, or `async with connect(…) as client`."""
    return _Connecting(channel, options)
