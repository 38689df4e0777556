"""Handlers by name: a table of functions that is one listener's handler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ._errors import HandlerError, InvalidArgumentError

Handler = Callable[..., Any] | Mapping[str, Callable[..., Any]]
"""What a listener takes: a function of each message, or a table of functions by the names of methods."""


class Methods:
    """Calls the function that a message `{"method": …, "params": …}` names, with its parameters.

    Where it cannot it fails with one of the codes `invalid_request`, `method_not_found` and `invalid_params`.
    """

    def __init__(self, table: Mapping[str, Callable[..., Any]]) -> None:
        for name, function in table.items():
            if not isinstance(name, str):
                raise TypeError(f"the name of a method is a str, not {type(name).__name__}")
            if not callable(function):
                raise TypeError(f"the method {name!r} is a function, not {type(function).__name__}")
        # A copy: what the caller does with the table later has no part in the listener.
        self._functions = {name: (function, _signature(function)) for name, function in table.items()}

    def functions(self) -> list[Callable[..., Any]]:
        return [function for function, _ in self._functions.values()]

    def __call__(self, message: Any, context: Any = None) -> Any:
        if not isinstance(message, dict) or not isinstance(name := message.get("method"), str):
            text = 'a call is an object with the name of a method: {"method": "name", "params": [...]}'
            raise HandlerError(text, code="invalid_request")
        found = self._functions.get(name)
        if found is None:
            raise HandlerError(f"there is no method {name!r}", code="method_not_found", data={"method": name})
        function, signature = found
        params = message.get("params", [])
        arguments: list[Any] = []
        named: dict[str, Any] = {}
        if isinstance(params, dict):
            named = params
        elif isinstance(params, list):
            arguments = params
        else:
            text = f"the params of method {name!r} are neither a list nor an object"
            raise HandlerError(text, code="invalid_request", data={"method": name})
        if context is not None:
            if "context" in named:
                text = f"method {name!r} takes no parameter 'context' from a caller"
                raise HandlerError(text, code="invalid_params", data={"method": name})
            named = {**named, "context": context}
        if signature is not None:
            try:
                signature.bind(*arguments, **named)
            except TypeError as error:
                text = f"method {name!r}: {error}"
                raise HandlerError(text, code="invalid_params", data={"method": name}) from None
        return function(*arguments, **named)


def handler_of(handler: Handler) -> Callable[..., Any]:
    """The function that a listener calls."""
    if callable(handler):
        return handler
    if isinstance(handler, Mapping):
        if not handler:
            raise InvalidArgumentError("the table of methods is empty: give at least one name and its function")
        return Methods(handler)
    raise TypeError(f"a handler is a function or a mapping of names to functions, not {type(handler).__name__}")


def call_of(method: str, params: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The message that calls a method; without parameters it has no `params`."""
    if not isinstance(method, str):
        raise TypeError(f"the name of a method is a str, not {type(method).__name__}")
    if params and named:
        raise TypeError("a method is called with parameters by position or by name, not with both")
    if not params and not named:
        return {"method": method}
    return {"method": method, "params": named or list(params)}


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """What a function takes; `None` of functions of other languages that do not say it."""
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None
