"""One exception class for each error kind of the library, under `IpcError`."""

from __future__ import annotations

import contextlib
import errno as _errno
from typing import Any, ClassVar

from . import _native

# Python hands a subinterpreter the native part without asking it.
_native.check_interpreter()


class IpcError(OSError):
    """What every call of this package raises when it fails.

    Each kind of error is a class of its own, which is also the built-in exception that fits it
    (`TimeoutError`, `ConnectionRefusedError`, `ValueError`, …). The text is one line that says what to do.
    """

    code: ClassVar[str] = ""
    """The kind's name, the same in every language: `"timed_out"`, `"not_listening"`, …"""

    may_have_been_handled: bool
    """Whether the message can have been handled all the same. `False` is certain: sending again is safe."""

    def __init__(self, message: str = "", *, may_have_been_handled: bool = False, errno: int | None = None) -> None:
        super().__init__(message)
        self.may_have_been_handled = may_have_been_handled
        if errno is not None:
            self.errno = errno

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuilt, (type(self), str(self), self.may_have_been_handled, self.errno), self.__dict__)


def _rebuilt(cls: type[IpcError], message: str, may_have_been_handled: bool, errno: int | None) -> IpcError:
    return cls(message, may_have_been_handled=may_have_been_handled, errno=errno)


class InvalidArgumentError(IpcError, ValueError):
    """An argument or option does not make sense; the message says which."""

    code = "invalid_argument"


class NoLoopError(InvalidArgumentError, RuntimeError):
    """A call of `simple_ipc.aio` was made where no asyncio event loop runs."""


class InvalidNameError(IpcError, ValueError):
    """A channel name is not 1 to 85 characters of `A-Z a-z 0-9 _`."""

    code = "invalid_name"


class InvalidPortError(IpcError, ValueError):
    """A port is outside 1 to 65535 (0 is allowed to listen only)."""

    code = "invalid_port"


class PathTooLongError(IpcError, ValueError):
    """The socket's whole path does not fit a Unix socket address."""

    code = "path_too_long"


class InvalidJsonError(IpcError, ValueError, TypeError):
    """The value that was given to be sent cannot become JSON."""

    code = "invalid_json"


class ClosedError(IpcError, ValueError):
    """The listener or client was closed before this call."""

    code = "closed"


class ForkedError(IpcError, RuntimeError):
    """The listener or client was made before a `fork` and is used in the child."""

    code = "forked"


class NotListeningError(IpcError, ConnectionRefusedError):
    """Nobody listens on the channel."""

    code = "not_listening"


class InUseError(IpcError):
    """Another process, or another listener of this one, already listens on the channel."""

    code = "in_use"


class PermissionDeniedError(IpcError, PermissionError):
    """The operating system does not permit the access."""

    code = "permission_denied"


class PathOccupiedError(IpcError, FileExistsError):
    """Something that is not a socket or lock file of this library stands at the path; it was left alone."""

    code = "path_occupied"


class NoDirectoryError(IpcError, FileNotFoundError):
    """The directory of the socket does not exist."""

    code = "no_directory"


class PeerNotAllowedError(IpcError, PermissionError):
    """The process at the other end belongs to a user that is not trusted here."""

    code = "peer_not_allowed"


class WrongModeError(IpcError, ValueError):
    """A request was sent to a broadcast listener, or a broadcast to a request listener."""

    code = "wrong_mode"


class TooManyConnectionsError(IpcError, ConnectionRefusedError):
    """The listener takes no more connections or messages just now."""

    code = "too_many_connections"


class TimedOutError(IpcError, TimeoutError):
    """No answer within the timeout; the message may have been handled."""

    code = "timed_out"


class CancelledError(IpcError):
    """The call was cancelled. Not `asyncio.CancelledError`, which a cancelled task gets."""

    code = "cancelled"


class ConnectionLostError(IpcError, ConnectionResetError):
    """The connection broke before the answer came."""

    code = "connection_lost"


class HandlerFailedError(IpcError, RuntimeError):
    """The handler failed; the type and the text of what it raised are in the message."""

    code = "handler_failed"

    handler_code: str | None = None
    """The `code` of the `HandlerError` that the handler raised (in its language's manner), if it gave one."""

    handler_data: Any = None
    """Its `data`, a JSON value, if it gave any."""


class TooLargeError(IpcError, ValueError):
    """The message is larger than one of the two sides takes."""

    code = "too_large"


class NoReplyError(IpcError, ConnectionAbortedError):
    """The listener closed the connection without an answer (Deno wire)."""

    code = "no_reply"


class ClosingError(IpcError, ConnectionRefusedError):
    """The listener is closing and did not take the message."""

    code = "closing"


class TooSlowError(IpcError, ConnectionAbortedError):
    """A subscriber did not take what was published fast enough, and was cut off."""

    code = "too_slow"


class ProtocolError(IpcError):
    """The peer broke the protocol."""

    code = "protocol"


class UnsupportedVersionError(IpcError):
    """The peer speaks another version of the protocol."""

    code = "unsupported_version"


class InvalidBodyError(IpcError, ValueError):
    """A body that arrived cannot be read."""

    code = "invalid_body"


class OsError(IpcError):
    """The operating system reported an error that fits no other kind; `error.errno` has its number."""

    code = "os"


class OutOfResourcesError(IpcError):
    """Out of file descriptors, memory, disk or threads."""

    code = "out_of_resources"


class InternalError(IpcError, RuntimeError):
    """A defect of this library; please report it."""

    code = "internal"


CLASSES: dict[str, type[IpcError]] = {cls.code: cls for cls in IpcError.__subclasses__()}


class NativeLibraryError(IpcError, NotImplementedError):
    """The package has no native part for this platform, or it cannot be loaded: `simple_ipc.supported` is `False`.

    It is not among the kinds of the library, which is not there.
    """

    code = "native_library"


# The number that Python's own sockets would give, where the library tells none.
_NUMBERS = {
    "not_listening": _errno.ECONNREFUSED,
    "in_use": _errno.EADDRINUSE,
    "permission_denied": _errno.EACCES,
    "path_occupied": _errno.EEXIST,
    "no_directory": _errno.ENOENT,
    "peer_not_allowed": _errno.EACCES,
    "timed_out": _errno.ETIMEDOUT,
    "connection_lost": _errno.ECONNRESET,
    "path_too_long": _errno.ENAMETOOLONG,
}


def make(
    code: str, message: str, may_have_been_handled: bool, errno: int | None, handler: tuple[str | None, str | None]
) -> IpcError:
    """The exception for an error of the library. A kind that this version has no class for is a plain `IpcError`.

    `handler` is the code that a handler has failed with, and its data as JSON.
    """
    number = _NUMBERS.get(code) if errno is None else errno
    error = CLASSES.get(code, IpcError)(message, may_have_been_handled=may_have_been_handled, errno=number)
    if isinstance(error, HandlerFailedError):
        error.handler_code, data = handler
        if data is not None:
            # Data that Python cannot hold (an integer of 5000 digits) is not worth the error that it comes with.
            with contextlib.suppress(IpcError):
                error.handler_data = _native.decode(data)
    return error


class HandlerError(Exception):
    """What a handler raises to fail on purpose, with what its caller's program can act on.

    The caller's `HandlerFailedError` has `message` as its text, `code` as `handler_code`, and `data`, any JSON
    value, as `handler_data`. Nothing is logged where the caller hears of it. The message arrives as one line. Where
    all of it is larger than the caller takes, the data is left out first, then the code. Code and data reach callers
    that speak the native wire only.
    """

    message: str
    code: str | None
    data: Any

    def __init__(self, message: str, code: str | None = None, data: Any = None) -> None:
        for name, text in (("message", message), ("code", "" if code is None else code)):
            if not isinstance(text, str):
                raise TypeError(f"the {name} of a HandlerError is a str, not {type(text).__name__}")
        super().__init__(message)
        self.message = message
        self.code = code
        self.data = data
        self._json = None if data is None else _native.error_data(data)
