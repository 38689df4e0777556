"""Listening with a handler on threads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from . import _native
from ._errors import InvalidArgumentError
from ._server import Server, adapted


def is_async(handler: Callable[..., Any]) -> bool:
    """Whether calling it makes a coroutine, as far as can be seen before."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def check_callable(handler: Callable[..., Any]) -> None:
    """Refuses what cannot be called."""
    if not callable(handler):
        raise TypeError(f"a handler is a function, not {type(handler).__name__}")


def listen(
    where: str | int, request: bool, handler: Callable[..., Any], context: bool, options: Mapping[str, Any]
) -> Server:
    """Listens on a name or a port."""
    check_callable(handler)
    if is_async(handler):
        raise InvalidArgumentError(
            "an async def handler needs an event loop: listen with simple_ipc.aio, or give a def handler"
        )
    return Server(_native.Listener(where, request, adapted(handler, context), dict(options)))
