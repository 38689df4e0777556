"""Who takes part in the matrix, how each is started, and what cannot exist.

`STAGE` is where the library is installed, `RELEASE_DIR` where cargo's programs are, `BUILT` where run.py puts the
drivers that it compiles.
"""

import dataclasses
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DRIVERS = HERE / "drivers"
sys.path.insert(0, str(HERE.parent.parent))

from tests import languages  # noqa: E402  (needs the path above)


@dataclasses.dataclass
class Implementation:
    name: str
    command: list
    #: What its users are handed: a `value` of the language, or `json` text.
    form: str = "value"
    listens: bool = True
    #: Speaks its dialect without this library: a connection for each message.
    raw: bool = False
    #: Whether each whole number is itself; in a language that has only doubles, 2^53 + 1 is 2^53.
    exact: bool = True
    #: The number that it writes for minus zero, and the texts that it reads as minus zero.
    writes_minus_zero: str = "-0.0"
    reads_minus_zero: tuple = ("-0.0", "-0")
    #: Its listener hands back the text that came, not the value that it read from it.
    hands_back_text: bool = False
    #: Whether its listener on TCP can be told to take plain text, and if not, why.
    text_on_tcp: object = True
    #: Whether a call under way can be cancelled, and if not, why.
    cancels: object = True
    #: Whether a lone surrogate can be held, and if not, why.
    lone_surrogates: object = True
    #: Whether a handler hears that nobody waits any more, and if not, why.
    hears: object = True
    #: Whether 100 handlers wait for each other, and if not, why. Echoing 100 at once is due all the same.
    meets: object = True
    #: Whether its driver publishes everything, and if not, why; None where it does not publish or subscribe at all.
    publishes: object = True
    #: Whether its driver does everything with streams, and if not, a function of role and case that says why one cannot exist;
    #: None where it has none at all.
    streams: object = True
    environment: dict = dataclasses.field(default_factory=dict)
    #: Why it cannot take part on this machine, if it cannot.
    missing: str = ""

    def reads(self, value):
        """What its user is handed for a value that is on the wire; minus zero as text, `-0` or `-0.0`."""
        kind, *content = value
        if kind == "number":
            if content[0] in ("-0", "-0.0"):
                return ("number", "-0" if content[0] in self.reads_minus_zero else "0")
            return ("number", content[0] if self.exact else _double(content[0]))
        return value

    def writes(self, value):
        """What it puts on the wire for a value that its user gives."""
        if value[0] == "number":
            if value[1] == "-0":
                return ("number", self.writes_minus_zero)
            return ("number", value[1] if self.exact else _double(value[1]))
        return value


def _double(text):
    return text if "." in text else str(int(float(text)))


def started(name, program, **more):
    """An implementation by the program that drives it."""
    return Implementation(name, program.command, environment=program.environment, missing=program.missing, **more)


def compiled(name, source):
    """A driver in C or C++, against the installed library."""
    return languages.compiled(Path(os.environ["BUILT"]) / name, DRIVERS / source)


def javascript():
    """The runtimes that bindings/node/setup.sh has brought, with the add-on of the checkout."""
    for name in ("Node", "Deno", "Bun"):
        program = languages.javascript(name.lower(), DRIVERS / "driver.mjs")
        yield started(name, program, **TRAITS[name])


def python(name, how):
    return started(name, languages.python(DRIVERS / "python_driver.py", how), **TRAITS[name])


def cpp():
    if not (Path(os.environ["STAGE"]) / "include" / "simple_ipc.hpp").exists():
        return Implementation("C++", [], missing="its header is not installed")
    return Implementation("C++", [compiled("driver_cpp", "driver.cpp")], form="json")


def dotnet():
    program = languages.dotnet(DRIVERS / "dotnet" / "Driver.csproj", "InteropDriver")
    return started(".NET", program, **TRAITS[".NET"])


def why_the_command_does_not(role, case):
    """Why a case of streams cannot exist with the command, in one of its roles."""
    if case == "bytes both ways":
        return "items are lines of JSON, or all of them bytes"
    if case == "a handler that ignores its end" and role == "listener":
        return "a command that does not end is killed after five seconds"
    if case == "cancelled between two items" and role == "listener":
        return "its command is ended before it has begun, and has nothing to clean up"
    return None


NO_HANDLE = "a blocking call is ended by its timeout"
JAVASCRIPT = {"exact": False, "writes_minus_zero": "0"}
#: What is particular to an implementation wherever it runs.
TRAITS = {
    "C": {"form": "json"},
    "Python": {"reads_minus_zero": ("-0.0",), "cancels": f"{NO_HANDLE} or by Ctrl-C"},
    "asyncio": {"reads_minus_zero": ("-0.0",)},
    "Node": JAVASCRIPT,
    "Deno": JAVASCRIPT,
    "Bun": JAVASCRIPT,
    ".NET": {
        "writes_minus_zero": "-0", "hands_back_text": True,
        "lone_surrogates": "System.Text.Json refuses half a surrogate pair: such a request is sent as JSON text"},
    "command": {
        "form": "json",
        "text_on_tcp": "it takes plain text on Unix sockets only", "meets": "each handler is a process of its own",
        "publishes": "one process of it publishes lines of JSON on one topic, and counts nothing",
        "streams": why_the_command_does_not},
}


def why_the_command_does_not_under_wine(role, case):
    if case == "cancelled between two items" and role == "caller":
        return "it is interrupted before Wine has let it begin"
    return why_the_command_does_not(role, case)


def under_wine(folder):
    """The drivers that are programs for Windows: a file of the folder, with the name of its implementation, starts one there."""
    for name, traits in TRAITS.items():
        program = folder / name
        if not program.exists():
            continue
        if name == "command":
            # What its handlers and its driver tell each other goes by signals.
            traits = {**traits, "streams": why_the_command_does_not_under_wine}
            yield Implementation(name, [sys.executable, DRIVERS / "command.py"], listens=False,
                                 environment={"COMMAND": str(program)}, **traits)
        else:
            yield Implementation(name, [program], **traits)


def all_of_them():
    if "UNDER_WINE" in os.environ:
        yield from under_wine(Path(os.environ["UNDER_WINE"]))
        return
    release, stage = Path(os.environ["RELEASE_DIR"]), Path(os.environ["STAGE"])
    rust = release / "simple-ipc-interop-driver"
    no_half = "a Rust string is UTF-8: such a request is sent as JSON text"
    yield Implementation("Rust, blocking", [rust, "blocking"], cancels=NO_HANDLE, lone_surrogates=no_half)
    yield Implementation("Rust, async", [rust, "async"], lone_surrogates=no_half)
    c = compiled("driver", "driver.c")
    yield Implementation("C", [c], **TRAITS["C"])
    yield cpp()
    yield python("Python", "sync")
    yield python("asyncio", "asyncio")
    yield from javascript()
    yield dotnet()
    yield Implementation(
        "command", [sys.executable, DRIVERS / "command.py"],
        environment={"COMMAND": str(stage / "bin" / "simple-ipc"), "HANDLER": str(c)}, **TRAITS["command"])
    yield Implementation("Deno wire", [sys.executable, DRIVERS / "deno_wire.py"], form="json",
                         raw=True, hears="its handler is not told", publishes=None, streams=None)
    yield Implementation("plain text", [sys.executable, DRIVERS / "plain_text.py"], form="json",
                         raw=True, listens=False, publishes=None, streams=None)


#: The cases of JSON with bytes.
ATTACHED = ("JSON with no bytes", "JSON with bytes")
HALF_CLOSED = "a client that has closed looks like one that has ended its sending"


def why_deaf(poster, listener, transport):
    """Why a handler does not hear that its caller has gone; None where it does."""
    if listener.hears is not True:
        return listener.hears
    return HALF_CLOSED if poster.raw and transport == "TCP" else None


def why_not(poster, listener, transport, case):
    """Why a case of a cell cannot exist; None where it can."""
    text = poster.name == "plain text"
    if text and listener.name == "Deno wire":
        return "the Deno wire has no plain text"
    if text and transport == "TCP" and listener.text_on_tcp is not True:
        return f"{listener.name} as a listener: {listener.text_on_tcp}"
    if text and case not in ("string, empty", "string, Unicode", "string, embedded NUL", "timeout", "cancelled call",
                             "100 at once", "broadcasts"):
        if case == "handler error":
            return "plain text: a handler that fails is not answered"
        if case == "string, lone surrogate":
            return "plain text is UTF-8, which has no lone surrogate"
        return "plain text carries strings only"
    if case in ATTACHED:
        for raw in (poster, listener):
            if raw.raw:
                return f"{raw.name} has no JSON with bytes"
        if listener.name == "command":
            return "what a command prints is JSON or bytes"
    if case == "bytes, 64 MiB" and "C" not in (poster.name, listener.name):
        # Everybody sends and takes them; every pair of languages would need minutes for what the core does in each.
        if transport == "TCP" or poster.name != listener.name:
            return "64 MiB goes to and from C, and over Unix sockets to oneself, for the sake of time"
    if case == "cancelled call" and poster.cancels is not True:
        return f"{poster.name} as a poster: {poster.cancels}"
    return None
