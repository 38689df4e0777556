"""What a listener logs: what nobody else would hear of, each once, to the logger `simple_ipc`."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

from . import _native
from ._errors import HandlerError

logger = logging.getLogger("simple_ipc")


def name_of(handler: Callable[..., Any]) -> str:
    """How a handler is called in its source. No attribute of the user's can make it raise."""
    try:
        while isinstance(handler, functools.partial):
            handler = handler.func
        name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
        module = getattr(handler, "__module__", None)
        return f"{module}.{name}" if isinstance(module, str) else f"{name}"
    except Exception:
        return "handler"


class Failures:
    """The failures of one listener's handler."""

    def __init__(self, channel: str | int, handler: Callable[..., Any] | None, request: bool) -> None:
        self._name = "publisher" if handler is None else f"handler {name_of(handler)}"
        self._request = request
        self.on(channel)

    def on(self, channel: str | int) -> None:
        """Where it listens, once the system has picked a port."""
        where = f"port {channel}" if isinstance(channel, int) else f'"{channel}"'
        self._who = f"{self._name} of channel {where}"

    def failed(self, error: BaseException, untold: str | None = None) -> None:
        """The handler has raised this; `untold` is why its caller could not be told, where there is one to tell.

        What is raised on purpose is logged only where its caller does not hear of it.
        """
        # The type by itself: what an exception says of its class is the user's code.
        if untold is None and self._request and issubclass(type(error), HandlerError):
            return
        unheard = f" (its caller could not be told: {untold})" if untold else ""
        text = f"{self._who} failed: {_native.failure_text(error)}{unheard}"
        try:
            logger.error("%s", text, exc_info=(type(error), error, error.__traceback__))
        except Exception:
            # Showing a traceback runs the exception's own code.
            logger.error("%s (its traceback cannot be shown)", text)

    def unheard(self, text: str) -> None:
        """What has happened to an answer that was on its way: `has answered, and the answer could not be sent: …`."""
        logger.warning("%s %s", self._who, text)
