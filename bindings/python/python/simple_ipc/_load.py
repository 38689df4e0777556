"""Loads the native part. Where there is none for this platform, something stands in its place that fails when used."""

from __future__ import annotations

import importlib
import platform
import sys
import types
from collections.abc import Callable
from typing import Any, NoReturn

_NAME = f"{__package__}._native"
_DISTRIBUTION = "libsimpleipc"


class _Missing(type):
    """The class of what stands for a class or function of the native part."""

    refuse: Callable[[], NoReturn]

    def __call__(cls, *_arguments: Any, **_options: Any) -> NoReturn:
        cls.refuse()

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        cls.refuse()


class _Native(types.ModuleType):
    """Stands for the native part."""

    def __init__(self, name: str, refuse: Callable[[], NoReturn]) -> None:
        super().__init__(name)
        self._refuse = refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        missing = _Missing(name, (), {"__module__": _NAME, "refuse": staticmethod(self._refuse)})
        setattr(self, name, missing)
        return missing


def _load() -> bool:
    """Whether the native part is there."""
    try:
        importlib.import_module(_NAME)
    except ModuleNotFoundError as error:
        if error.name != _NAME:
            raise
        _stand_in(f"this package has none for it; run: pip install --no-binary {_DISTRIBUTION} {_DISTRIBUTION}", error)
    except ImportError as error:
        # Of a file that the system's loader refuses the path is known; other refusals are the native part's own words.
        if error.path is None:
            raise
        _stand_in(f"its file is not for this system or is damaged: {error}; install {_DISTRIBUTION} again", error)
    else:
        return True
    return False


def _stand_in(why: str, cause: ImportError) -> None:
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    where = f"{platform.system()} on {platform.machine()}, {interpreter}"
    text = f"cannot load the native part of {_DISTRIBUTION} for {where}: {why}"

    def refuse() -> NoReturn:
        from ._errors import NativeLibraryError

        raise NativeLibraryError(text) from cause

    native = _Native(_NAME, refuse)
    vars(native).update(
        # What is called when the package is imported and when the process ends.
        check_interpreter=lambda: None,
        shut_gate=lambda: None,
        __version__=_version(),
    )
    sys.modules[_NAME] = native
    vars(sys.modules[str(__package__)])["_native"] = native


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


supported: bool = _load()
