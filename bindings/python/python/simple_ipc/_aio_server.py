"""Listening with handlers on an asyncio event loop."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import itertools
import weakref
from collections.abc import Callable, Coroutine, Mapping
from types import NoneType
from typing import Any

from . import _native
from ._aio_stream import Exchange, close_sequence, is_sequence, no_items
from ._errors import ClosedError, InvalidArgumentError, IpcError, TimedOutError
from ._failures import Failures
from ._listen import check_handler
from ._loop import check_loop, running_loop, unwatch, watch
from ._methods import Handler, handler_of
from ._server import BaseServer

# Nothing of these types is awaitable; to find that out otherwise takes longer than the rest of a handler may.
_PLAIN = frozenset({bytes, str, int, float, bool, NoneType, dict, list, tuple})

# Seconds that handlers may take to end which were cancelled after the grace period.
_LAST_MOMENT = 1.0

# Of which call of which server the running code is part. What a handler starts has it from the handler.
_within: contextvars.ContextVar[tuple[int, int]] = contextvars.ContextVar("simple_ipc_handler", default=(0, 0))
_numbers = itertools.count(1)


class Server(BaseServer):
    """A listener whose handler runs on an event loop, or one that only publishes. `async with` closes it at the end;
    so does `close`.

    It listens as long as the object lives and is open; keep a reference to it.
    """

    _listener: _native.Inbox

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        native: _native.Inbox,
        handler: Callable[..., Any],
        context: bool,
        failures: Failures,
        grace: float,
    ) -> None:
        self._loop = loop
        self._handler = handler
        self._context = context
        self._grace = grace
        self._number = next(_numbers)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        # Requests whose handlers run as tasks that have not made their first step.
        self._unwatched: list[tuple[int, _native.Call]] = []
        # The streams whose handlers run.
        self._exchanges: dict[int, Exchange] = {}
        self._no_items = no_items(loop)
        # The call whose task is being made: with an eager task factory its handler runs meanwhile.
        self._starting = 0
        self._end: asyncio.Future[None] = loop.create_future()
        self._closing = False
        self._cut: asyncio.TimerHandle | None = None
        # Publications that wait for subscribers: one after another, so that events have the order of the calls.
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._publications: dict[int, asyncio.Future[int]] = {}
        super().__init__(native, failures)
        self._watched = [number for number in (native.fileno(), native.second_fileno()) if number is not None]
        for number in self._watched:
            watch(loop, number, _take, weakref.ref(self))

    def _take(self) -> None:
        # Requests are begun there; what comes besides is told.
        calls, cancelled, changed, unheard, published, closed, raised = self._listener.take(self._handle)
        if self._unwatched:
            # When the tasks that they have begun have made their first step.
            self._loop.call_soon(self._watch)
        # Whatever one of them raises, the others have their turn; then the loop hears of the first. sys.exit() in a
        # handler and Ctrl-C, which end the loop, come this far, and a logging handler that raises.
        for call in calls:
            try:
                self._begin(call)
            except BaseException as error:
                raised = error if raised is None else raised
        for number in changed:
            try:
                self._changed(number)
            except BaseException as error:
                raised = error if raised is None else raised
        for number in cancelled:
            try:
                self._cancel(number)
            except BaseException as error:
                raised = error if raised is None else raised
        for text in unheard:
            try:
                self._failures.unheard(text)
            except BaseException as error:
                raised = error if raised is None else raised
        for number, queued, failed in published:
            future = self._publications.get(number)
            if future is None or future.done():
                continue
            if failed is None:
                future.set_result(queued or 0)
            else:
                future.set_exception(failed)
        if closed:
            self._ended()
        if raised is not None:
            raise raised

    def _cancel(self, number: int) -> None:
        """Cancels a handler, unless the end of the grace period has."""
        if (task := self._tasks.get(number)) and not task.cancelling():
            task.cancel()

    def _changed(self, number: int) -> None:
        """Looks at a stream about which something has changed."""
        if (exchange := self._exchanges.get(number)) and exchange.changed():
            self._cancel(number)

    def _watch(self) -> None:
        """Has the loop told when the caller of a request leaves, where a task is still at it."""
        numbers, self._unwatched = self._unwatched, []
        for number, call in numbers:
            if (task := self._tasks.get(number)) and not task.done():
                call.watch()

    def _begin(self, call: _native.Call) -> None:
        try:
            data = call.data()
        except IpcError:
            # Its sender has been told.
            return
        self._handle(call, data, Exchange(self._loop, call) if call.is_stream else None)

    def _handle(self, call: _native.Call, data: Any, exchange: Exchange | None = None) -> None:
        token = _within.set((self._number, call.number))
        try:
            if self._context:
                result = self._handler(data, call.context(self._no_items if exchange is None else exchange.items))
            else:
                result = self._handler(data)
            if type(result) not in _PLAIN and (inspect.isawaitable(result) or is_sequence(result)):
                self._start(result, call, exchange)
            else:
                call.respond(result)
        except (SystemExit, KeyboardInterrupt) as error:
            self._failed(call, error)
            raise
        except BaseException as error:
            self._failed(call, error)
        finally:
            _within.reset(token)

    def _failed(self, call: _native.Call, error: BaseException) -> None:
        # The caller first: what logs may raise, too.
        if call.raised(error):
            try:
                self._failures.failed(error)
            except Exception as broken:
                about = {"message": "the failure of a handler could not be logged", "exception": broken}
                self._loop.call_exception_handler(about)

    def _start(self, result: Any, call: _native.Call, exchange: Exchange | None) -> None:
        self._starting = call.number
        if exchange is not None:
            self._exchanges[call.number] = exchange
        handling = self._finish(result, call, exchange)
        try:
            task = self._loop.create_task(handling)
        except BaseException:
            self._exchanges.pop(call.number, None)
            handling.close()
            _let_go(result)
            raise
        finally:
            self._starting = 0
        self._tasks[call.number] = task
        task.add_done_callback(lambda task: self._over(task, result, call))
        if exchange is None:
            self._unwatched.append((call.number, call))
            if call.is_unwanted():
                # Before it begins.
                self._cancel(call.number)

    async def _finish(self, result: Any, call: _native.Call, exchange: Exchange | None) -> None:
        if exchange is not None and exchange.begin():
            # After its first step.
            self._loop.call_soon(self._changed, call.number)
        try:
            answer = await result if inspect.isawaitable(result) else result
            if type(answer) in _PLAIN or not is_sequence(answer):
                call.respond(answer)
            elif call.begin_items() and exchange is not None:
                await exchange.send_all(answer)
                call.end_items()
            else:
                # Who asked for one answer has been told, and who has left needs none.
                await close_sequence(answer)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                call.cancelled()
                raise
            # Nobody has cancelled it: it is what the handler has come to.
            self._failed(call, error)
        except (SystemExit, KeyboardInterrupt) as error:
            self._failed(call, error)
            raise
        except GeneratorExit as error:
            if not self._loop.is_running():
                # The loop has ended before its tasks, and Python does away with them.
                call.cancelled()
                raise
            self._failed(call, error)
        except BaseException as error:
            self._failed(call, error)

    def _over(self, task: asyncio.Task[None], result: Any, call: _native.Call) -> None:
        self._tasks.pop(call.number, None)
        self._exchanges.pop(call.number, None)
        if task.cancelled():
            # It may have been cancelled before it began: then it has told nobody, and awaited nothing.
            call.cancelled()
            _let_go(result)
        else:
            # What is left there ends the loop, or comes from the log; asyncio need not say so once more.
            task.exception()

    def _is_within(self) -> bool:
        """Whether the running code is part of one of this server's handlers, and that handler still runs."""
        server, call = _within.get()
        return server == self._number and (call in self._tasks or call == self._starting)

    async def publish(self, data: Any, /, *, topic: str = "") -> int:
        """Publishes to all who subscribe now, and to this topic; returns for how many of them it was queued.

        For a listener of `listen_…_publish`, or one with `publish=True`; else it is `WrongModeError`. Events arrive in
        the order of the calls. It waits only for subscribers with `overflow="block"`, and at most for the listener's
        `patience`; a task that is cancelled while it waits has published nothing, but where the event was just on its
        way. With `retain=True` empty `bytes` are an event as any other, and forget the one that is kept of this topic.
        """
        check_loop(self._loop, self._process, "listener")
        attempt = self._listener.publish(topic, data, self._waiting > 0)
        if isinstance(attempt, int):
            return attempt
        self._waiting += 1
        try:
            async with self._turn:
                return await self._published(attempt)
        finally:
            self._waiting -= 1

    async def _published(self, publication: _native.Publication) -> int:
        if self._closed:
            raise ClosedError("cannot publish: the listener is closed; listen again for a new one")
        future: asyncio.Future[int] = self._loop.create_future()
        number = publication.start()
        self._publications[number] = future
        try:
            return await future
        finally:
            del self._publications[number]
            publication.cancel()

    async def wait(self) -> None:
        """Waits until it is closed. In its own handler that is `InvalidArgumentError`."""
        check_loop(self._loop, self._process, "listener")
        if self._is_within():
            raise InvalidArgumentError(
                "cannot wait in a handler for its own listener to close, which waits for the handler; "
                "call close() and return"
            )
        await asyncio.shield(self._end)

    async def close(self) -> None:
        """Stops taking messages, answers those it has, delivers what was published (at most for the grace period), and
        returns.

        Handlers that still run then are cancelled; where one does not end, it raises `TimedOutError`. Closing
        again does nothing. In one of its own handlers, and in what that has started while the handler runs, it
        begins to close and returns at once: the handler's answer still goes out, and `wait` elsewhere returns
        when all is done.
        """
        check_loop(self._loop, self._process, "listener")
        if not self._closing:
            self._closing = True
            self._cut = self._loop.call_later(self._grace, self._cut_off)
            if self._closed or not self._listener.close():
                self._ended()
        if self._is_within():
            return
        await asyncio.shield(self._end)
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=_LAST_MOMENT)
        if self._tasks:
            raise TimedOutError(
                f"the listener on {self._address} is closed, but {len(self._tasks)} of its handlers still run, which "
                "were cancelled after the grace period; let CancelledError pass in handlers",
                may_have_been_handled=True,
            )

    def _cut_off(self) -> None:
        # One that was cancelled before is not disturbed in what it does about it.
        for task in list(self._tasks.values()):
            if not task.cancelling():
                task.cancel()

    def _ended(self) -> None:
        if not self._closed:
            self._closed = True
            self._unwatch()
            self._listener.abandon()
        if self._cut is not None:
            self._cut.cancel()
        # Their callers have been let go, and nothing tells them so any more.
        self._cut_off()
        for future in self._publications.values():
            if not future.done():
                future.set_exception(ClosedError("the listener was closed while the event waited to be published"))
        if not self._end.done():
            self._end.set_result(None)

    def _unwatch(self) -> None:
        for number in self._watched:
            unwatch(self._loop, number)

    def _abandon(self) -> None:
        if not self._closed and not self._loop.is_closed():
            self._unwatch()
        super()._abandon()

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(self, _: object, raised: BaseException | None, __: object) -> None:
        if self._is_forked():
            return
        try:
            await self.close()
        except TimedOutError as error:
            if raised is None:
                raise
            self._failures.unheard(f"has not ended: {error}")


def _take(server: weakref.ref[Server]) -> None:
    # The loop does not keep a server alive that nobody else holds.
    if alive := server():
        alive._take()


def _let_go(result: Any) -> None:
    """Ends what nobody awaits any more: a coroutine that was never begun, or something that runs by itself."""
    if isinstance(result, Coroutine):
        result.close()
    elif isinstance(result, asyncio.Future):
        result.cancel()


def publish(where: str | int, options: Mapping[str, Any]) -> Server:
    """Listens on a name or a port for subscribers only, on the running loop."""
    loop = running_loop()
    native = _native.Inbox.publisher(where, dict(options))
    failures = Failures(native.port or where, None, False)
    return Server(loop, native, _no_handler, False, failures, options.get("grace", _native.DEFAULT_GRACE))


def _no_handler(_: Any) -> None:
    """What only publishes hands no messages on."""


def listen(where: str | int, request: bool, given: Handler, context: bool, options: Mapping[str, Any]) -> Server:
    """Listens on a name or a port, with handlers on the running loop."""
    handler = handler_of(given)
    check_handler(handler, request)
    loop = running_loop()
    native = _native.Inbox(where, request, dict(options))
    failures = Failures(native.port or where, handler, request)
    return Server(loop, native, handler, context, failures, options.get("grace", _native.DEFAULT_GRACE))
