"""The native part of the package `simple_ipc`."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, Unpack, final

from ._options import AioCallOptions, CallOptions, StreamCallOptions, StreamOptions, SubscribeOptions

_Value = TypeVar("_Value")

__all__ = [
    "DEFAULT_GRACE",
    "Attached",
    "Call",
    "Cancellation",
    "Client",
    "Context",
    "Event",
    "Inbox",
    "Items",
    "Listener",
    "LoopItems",
    "LoopStream",
    "LoopSubscription",
    "Process",
    "Publication",
    "Queue",
    "Reply",
    "Stream",
    "Subscription",
    "Unsent",
    "__version__",
    "channels",
    "check_interpreter",
    "decode",
    "encode",
    "error_data",
    "error_kinds",
    "failure_text",
    "post",
    "post_stream",
    "shut_gate",
    "timeout",
    "write_unraisable",
]

__version__: str
DEFAULT_GRACE: float

@final
class Client:
    """A channel kept open, for any number of threads at once.

    Each request in flight has a session of its own; broadcasts share one and keep their order. A session
    that breaks is replaced by the next call. `with` closes it at the end.
    """

    def __new__(cls, channel: str | int, /, **options: Unpack[StreamOptions]) -> Client: ...
    def request(self, data: Any, /, **options: Unpack[CallOptions]) -> Any:
        """Sends a request and returns its answer. `timeout` is in seconds, `None` for no limit; without it
        the client's own holds. `cancellation` gives it up from another thread."""
    def call(self, method: str, /, *params: Any, **named: Any) -> Any:
        """Calls a method of a listener whose handler is a table of functions: `client.call("add", 1, 2)`. Parameters
        are given by position or by name. `request({"method": "add", "params": [1, 2]})` is the same, and takes
        options."""
    def stream(self, data: Any, /, **options: Unpack[StreamCallOptions]) -> Stream:
        """Opens a stream, and waits until the listener has accepted it: iterate over it for the items of its handler,
        and send it items. It has a session of its own, and goes on where the client is closed.

        `timeout` is for the whole stream; without it, and without `idle_timeout`, what the client was given holds."""
    def broadcast(self, data: Any, /) -> None:
        """Sends a message that nobody answers, without waiting for its arrival; `flush` makes sure of it."""
    def flush(self, **options: Unpack[CallOptions]) -> None:
        """Waits until every broadcast before it has been handed to the listener's handler. Options as for `request`."""
    def ping(self, **options: Unpack[CallOptions]) -> float:
        """Asks the listener whether it is there; returns how many seconds the answer took. Options as for `request`."""
    def close(self, **options: Unpack[CallOptions]) -> None:
        """Ends the calls that wait in other threads with `CancelledError`, flushes, and closes. Closing again does
        nothing; other calls then raise `ClosedError`. Options as for `request`, for the flush: when its time is over
        the client is closed all the same, and the error says how many broadcasts were not confirmed."""
    def __enter__(self) -> Client: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Cancellation:
    """Gives calls up that wait in other threads: any number of posts and of a client's calls that were given it as
    `cancellation=`. They raise `CancelledError`, and a handler that has such a request is told."""

    def __new__(cls) -> Cancellation: ...
    def cancel(self) -> None:
        """Ends every call that waits with it, and every later one before anything is sent. Returns at once, from any
        thread and from a signal handler; later calls do nothing."""
    @property
    def cancelled(self) -> bool:
        """Whether it has been cancelled."""

@final
class Context:
    """What a handler may know about the message that it has: who sent it, and whether the answer is
    still wanted. Good for as long as the handler runs."""

    @property
    def pid(self) -> int | None:
        """The sender's process id, where the system tells it."""
    @property
    def uid(self) -> int | None:
        """The sender's user id, where the system tells it."""
    @property
    def gid(self) -> int | None:
        """The sender's group id, where the system tells it."""
    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
    @property
    def items(self) -> Any:
        """The items that the caller sends, where it has opened a stream; of a plain request there are none. To be
        iterated over (in `simple_ipc.aio` with `async for`); each item is given once."""
    @property
    def time_left(self) -> float | None:
        """For how many more seconds the caller waits; `None` where it did not say."""

@final
class Listener:
    def __new__(
        cls,
        where_: str | int,
        request: bool,
        callbacks: tuple[Callable[..., Any], Callable[..., None], Callable[..., None], Callable[[str], None]],
        context: bool,
        keywords: dict[str, Any],
        /,
    ) -> Listener: ...
    @staticmethod
    def publisher(where_: str | int, keywords: dict[str, Any], /) -> Listener: ...
    def publish(self, topic: str, data: Any, /) -> int: ...
    @property
    def address(self) -> str: ...
    @property
    def path(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    def counters(self) -> list[int]: ...
    def is_within(self) -> bool: ...
    def close_begin(self) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...

@final
class Process:
    def __new__(cls) -> Process: ...
    def is_current(self) -> bool: ...

@final
class Inbox:
    def __new__(cls, where_: str | int, request: bool, keywords: dict[str, Any], /) -> Inbox: ...
    @staticmethod
    def publisher(where_: str | int, keywords: dict[str, Any], /) -> Inbox: ...
    def publish(self, topic: str, data: Any, behind: bool, /) -> int | Publication: ...
    @property
    def address(self) -> str: ...
    @property
    def path(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    def fileno(self) -> int: ...
    def second_fileno(self) -> int | None: ...
    def counters(self) -> list[int]: ...
    def take(
        self, begin: Callable[[Call, Any], None], /
    ) -> tuple[
        list[Call],
        list[int],
        list[int],
        list[str],
        list[tuple[int, int | None, BaseException | None]],
        bool,
        BaseException | None,
    ]: ...
    def close(self) -> bool: ...
    def abandon(self) -> None: ...

@final
class Call:
    @property
    def number(self) -> int: ...
    @property
    def is_stream(self) -> bool: ...
    def data(self) -> Any: ...
    def is_unwanted(self) -> bool: ...
    def watch(self) -> None: ...
    def context(self, items: Any, /) -> Context: ...
    def items(self) -> LoopItems: ...
    def is_cancelled(self) -> bool: ...
    def begin_items(self) -> bool: ...
    def send(self, item: Any, behind: bool, /) -> Unsent | None: ...
    def send_again(self, unsent: Unsent, /) -> bool: ...
    def end_items(self) -> None: ...
    def respond(self, reply: Any, /) -> None: ...
    def raised(self, error: BaseException, /) -> bool: ...
    def cancelled(self) -> None: ...

@final
class Publication:
    def start(self) -> int: ...
    def cancel(self) -> None: ...

@final
class Attached(Generic[_Value]):
    """A JSON value with bytes beside it, in one body: an array with its shape, a picture with its name.

    `value` is what becomes JSON. `data` is bytes, or anything whose memory Python shows as bytes and that lies in one
    piece: a `bytearray`, a `memoryview`, an `array.array`, a numpy array; `None` is no bytes. What arrives has `bytes`.
    It is sent where any other value is; inside lists and dictionaries it is refused, as bytes are.

    Raises `InvalidArgumentError` where `data` shows no bytes. Listeners of version 0.1.0 and the Deno wire take none:
    `UnsupportedVersionError`, before anything is sent."""

    __match_args__: tuple[str, str]
    def __new__(cls, value: _Value, data: Any = None) -> Attached[_Value]: ...
    @property
    def value(self) -> _Value:
        """The JSON value."""
    @property
    def data(self) -> Any:
        """The bytes: what was given, or `bytes` where it arrived."""
    @classmethod
    def __class_getitem__(cls, _of: Any) -> type: ...
    def __eq__(self, value: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]

@final
class Event:
    """What a publisher has published, as it comes to one of its subscribers."""

    __match_args__: tuple[str, str, str, str]
    @property
    def data(self) -> Any:
        """The value that was published."""
    @property
    def topic(self) -> str:
        """Its topic; empty where it has none."""
    @property
    def missed(self) -> int:
        """How many events that were due to this subscriber were lost right before this one; -1 where nobody knows,
        since the publisher was replaced."""
    @property
    def retained(self) -> bool:
        """Whether it is the topic's last event of before this subscriber came."""

@final
class Subscription:
    """The events of one publisher, in the order in which it published them. Iterating waits for the next one; each
    event goes to one of the threads that do. Leaving `with`, and `close`, ends it, and so does letting it go."""

    def __new__(cls, channel: str | int, /, **options: Unpack[SubscribeOptions]) -> Subscription: ...
    def next(self, timeout: float | None = None) -> Event | None:
        """Waits for the next event, at most `timeout` seconds, `None` for no limit, and returns it; `None` where no
        more will come: it was closed, or its publisher ended in order and is not to be looked for again
        (`reconnect=0`).

        `TimedOutError`: nothing has come, call again. A timeout of 0 looks without waiting. `InvalidBodyError`: the
        value of an event cannot be read; the next one may. Every other error is the end, and is raised again."""
    def close(self) -> None:
        """Ends it, from any thread: who waits for an event comes to the end of the loop. Closing again does nothing."""
    def __iter__(self) -> Subscription: ...
    def __next__(self) -> Event: ...
    def __enter__(self) -> Subscription: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class LoopSubscription:
    def __new__(cls, where_: str | int, keywords: dict[str, Any], /) -> LoopSubscription: ...
    def fileno(self) -> int: ...
    def is_subscribed(self) -> bool: ...
    def take(self) -> Event | None: ...
    @property
    def ended(self) -> bool: ...
    def close(self) -> None: ...

@final
class Stream:
    """A stream to a listener: an iterator over the items that its handler sends, and a way to send it items. Made by
    `post_uds_stream`, `post_ip_stream` and `Client.stream`.

    Threads may share it: one sends while another iterates. Leaving `with`, `close`, and letting it go cancel it, and
    its handler is told at once."""

    def send(self, item: Any, /, *, timeout: float | None = None) -> None:
        """Sends an item, and waits for room, at most `timeout` seconds, `None` for no limit.

        Items arrive in the order of the calls. `TimedOutError` of this timeout: nothing was sent, and the stream is as
        it was. `ClosedError`: the listener has ended the stream, or `end` or `close` was called; what the listener has
        sent can still be read."""
    def end(self) -> None:
        """No more items are sent from here; the handler's go on. Waits for nothing; ending again does nothing."""
    def next(self, timeout: float | None = None) -> Any:
        """Waits for the next item, at most `timeout` seconds, `None` for no limit, and returns it; raises
        `StopIteration` at the end.

        `TimedOutError` of this timeout: nothing has come, call again. A timeout of 0 looks without waiting. Every other
        error is the end, and is raised again, but `InvalidBodyError`: the value of an item cannot be read."""
    def close(self) -> None:
        """Ends it, both ways, from any thread: where the handler still runs it is told at once. Who waits for an item
        comes to the end of the loop. It waits for nothing and never fails; closing again does nothing."""
    def __iter__(self) -> Stream: ...
    def __next__(self) -> Any: ...
    def __enter__(self) -> Stream: ...
    def __exit__(self, *_exception: object) -> None: ...

@final
class Items:
    """The items that the caller of a stream sends, as its handler reads them: an iterator, which waits for the next
    one. It ends when the caller has ended them; of a plain request there are none.

    When the caller leaves, `CancelledError` or `ConnectionLostError` is raised, in a thread that waits, too."""

    def next(self, timeout: float | None = None) -> Any:
        """Waits for the next item, at most `timeout` seconds, `None` for no limit, and returns it; raises
        `StopIteration` at the end. `TimedOutError`: nothing has come, call again. A timeout of 0 looks without
        waiting."""
    def __iter__(self) -> Items: ...
    def __next__(self) -> Any: ...

@final
class Reply:
    def send(self, item: Any, /) -> bool: ...

@final
class Unsent:
    @property
    def taken(self) -> bool: ...

@final
class LoopStream:
    def __new__(
        cls, where_: str | int, data: Any, keywords: Mapping[str, Any], call: Mapping[str, Any] | None = None, /
    ) -> LoopStream: ...
    def fileno(self) -> int: ...
    def is_accepted(self) -> bool: ...
    def take(self) -> tuple[Any] | None: ...
    @property
    def ended(self) -> bool: ...
    def send(self, item: Any, behind: bool, /) -> Unsent | None: ...
    def send_again(self, unsent: Unsent, /) -> bool: ...
    def is_flushed(self) -> bool: ...
    def forget_waits(self) -> None: ...
    def end(self) -> None: ...
    def close(self) -> None: ...

@final
class LoopItems:
    def take(self) -> tuple[Any] | None: ...
    @property
    def ended(self) -> bool: ...

@final
class Queue:
    def __new__(cls) -> Queue: ...
    def fileno(self) -> int: ...
    def post(self, where_: str | int, request: bool, data: Any, keywords: dict[str, Any], future: Any, /) -> int: ...
    def connect(self, where_: str | int, keywords: dict[str, Any], future: Any, /) -> tuple[int, int]: ...
    def request(self, client: int, data: Any, keywords: AioCallOptions, future: Any, /) -> int: ...
    def broadcast(self, client: int, data: Any, future: Any, /) -> int | None: ...
    def flush(self, client: int, keywords: AioCallOptions, future: Any, /) -> int: ...
    def ping(self, client: int, keywords: AioCallOptions, future: Any, /) -> int: ...
    def close(self, client: int, keywords: AioCallOptions, future: Any, /) -> int: ...
    def abandon(self, client: int, /) -> None: ...
    def cancel(self, call: int, /) -> None: ...
    def has_unsent(self) -> bool: ...
    def submit(self) -> None: ...
    def process(self) -> list[tuple[Any, Any, BaseException | None]]: ...

def post(where_: str | int, request: bool, data: Any, keywords: Any, /) -> Any: ...
def post_stream(where_: str | int, data: Any, keywords: Any, /) -> Stream: ...
def channels(
    directory: str | os.PathLike[str] | None = None, /
) -> list[tuple[str, str, str | None, int | None, int | None, str | None, bool, int | None]]: ...
def error_kinds() -> list[tuple[int, str]]: ...
def encode(data: Any, /) -> bytes: ...
def decode(text: str, /) -> Any: ...
def error_data(data: Any, /) -> str: ...
def failure_text(error: BaseException, /) -> str: ...
def timeout(seconds: float | None, /) -> float | None: ...
def write_unraisable(error: BaseException, origin: Any, /) -> None: ...
def check_interpreter() -> None: ...
def shut_gate() -> None: ...
