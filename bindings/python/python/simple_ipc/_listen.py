"""Listening with a handler on threads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from . import _native
from ._errors import InvalidArgumentError
from ._failures import Failures
from ._methods import Handler, Methods, handler_of
from ._server import Server, adapted, send_all


def _is(handler: Callable[..., Any], kind: Callable[[object], bool]) -> bool:
    """Whether a function, or the call of an object, is of this kind, as far as can be seen before."""
    return kind(handler) or kind(getattr(handler, "__call__", None))  # noqa: B004


def _functions(handler: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The functions of which one is called for each message."""
    return handler.functions() if isinstance(handler, Methods) else [handler]


def check_handler(handler: Callable[..., Any], request: bool) -> None:
    """Refuses what would do nothing when it is called."""
    functions = _functions(handler)
    if not request and any(
        _is(f, inspect.isgeneratorfunction) or _is(f, inspect.isasyncgenfunction) for f in functions
    ):
        raise InvalidArgumentError(
            "a handler of broadcasts with yield never runs, since nobody iterates over it; take the yield out, or "
            "listen for requests"
        )


def publish(where: str | int, options: Mapping[str, Any]) -> Server:
    """Listens on a name or a port for subscribers only."""
    native = _native.Listener.publisher(where, dict(options))
    return Server(native, Failures(native.port or where, None, False))


def listen(where: str | int, request: bool, given: Handler, context: bool, options: Mapping[str, Any]) -> Server:
    """Listens on a name or a port."""
    handler = handler_of(given)
    check_handler(handler, request)
    functions = _functions(handler)
    if any(_is(f, inspect.iscoroutinefunction) or _is(f, inspect.isasyncgenfunction) for f in functions):
        raise InvalidArgumentError(
            "an async def handler needs an event loop: listen with simple_ipc.aio, or give a def handler"
        )
    failures = Failures(where, handler, request)
    callbacks = (adapted(handler), send_all, failures.failed, failures.unheard)
    native = _native.Listener(where, request, callbacks, context, dict(options))
    if where == 0:
        failures.on(native.port or 0)
    return Server(native, failures)
