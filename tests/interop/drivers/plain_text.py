#!/usr/bin/env python3
"""The driver of plain text: what `nc -U` does, a line on a connection and the line that comes back. It only posts."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from spoken import at_once, build, commands, say, say_many  # noqa: E402  (needs the path above)

from tests.conformance import clients  # noqa: E402


def path_of(address):
    return address if address.startswith(":") else f"{os.environ['SIMPLE_IPC_DIR']}/.deno.{address}.socket"


def exchange(address, text, timeout, half_close=False):
    with clients.Connection(path_of(address), timeout) as connection:
        connection.send(text.encode() + b"\n")
        if half_close:
            connection.end_of_sending()
        reply = b""
        while not reply.endswith(b"\n") and (piece := connection.receive()):
            reply += piece
    if not reply and not half_close:
        raise clients.ClientError("no_reply", "closed without an answer")
    return reply.decode().removesuffix("\n")


def post():
    say("ready")
    for verb, address, timeout, value, *count in commands():
        seconds = int(timeout) / 1000
        try:
            if verb == "many":
                texts = [f"{value}{number}" for number in range(int(count[0]))]
                results = at_once(len(texts), lambda number: exchange(address, texts[number], seconds))
                say_many(results, lambda number: texts[number])
                continue
            text = json.loads(build(value)[1])
            if verb == "cancel":
                with clients.Connection(path_of(address), 60) as connection:
                    connection.send(text.encode() + b"\n")
                    sys.stdin.readline()
                say("error", "cancelled", "maybe", "the client left")
            elif verb == "broadcast":
                exchange(address, text, seconds, half_close=True)
                say("ok")
            else:
                say("ok", "json:" + json.dumps(exchange(address, text, seconds)))
        except clients.ClientError as error:
            say("error", error.code, "maybe", str(error))


if __name__ == "__main__":
    sys.exit(post())
