"""Values of Python's as the interop matrix describes them, and what both forms of the Python driver say and hear."""

import asyncio
import json
import sys

import simple_ipc
from spoken import pattern, say


def units(text):
    return text.encode("utf-16-be", "surrogatepass").hex()


def from_units(text):
    return bytes.fromhex(text).decode("utf-16-be", "surrogatepass")


def build(value):
    """A body from `value:DESCRIPTION`, `bytes:LENGTH` or `attached:LENGTH:TEXT`."""
    form, _, rest = value.partition(":")
    if form == "attached":
        length, _, text = rest.partition(":")
        return simple_ipc.Attached(json.loads(text), pattern(int(length)))
    return pattern(int(rest)) if form == "bytes" else from_description(json.loads(rest))


def from_description(value):
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "s":
        return from_units(content)
    if kind == "n":
        return int(content) if content.lstrip("-").isdecimal() else float(content)
    if kind == "a":
        return [from_description(item) for item in content]
    return {from_units(key): from_description(item) for key, item in content}


def describe(value):
    if isinstance(value, bytes):
        return f"bytes:{len(value)}:{'good' if value == pattern(len(value)) else 'bad'}"
    if isinstance(value, simple_ipc.Attached):
        verdict = "good" if value.data == pattern(len(value.data)) else "bad"
        return f"attached:{len(value.data)}:{verdict}:{json.dumps(value.value, separators=(',', ':'))}"
    return "value:" + json.dumps(to_description(value))


def to_description(value):
    if isinstance(value, str):
        return {"s": units(value)}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"n": repr(value)}
    if isinstance(value, list):
        return {"a": [to_description(item) for item in value]}
    if isinstance(value, dict):
        return {"o": [[units(key), to_description(item)] for key, item in value.items()]}
    return value


def say_error(error):
    say("error", error.code, "maybe" if error.may_have_been_handled else "no", str(error))


async def lines():
    """The commands of the runner, without blocking the loop."""
    if sys.platform == "win32":
        # The loop there reads from such pipes only as were made for that.
        while line := await asyncio.to_thread(sys.stdin.readline):
            yield line.rstrip("\n").split("\t")
        return
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().rstrip("\n").split("\t")
