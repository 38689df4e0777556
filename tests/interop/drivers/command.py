#!/usr/bin/env python3
"""The driver of the command `simple-ipc`: a process of it for each post, and for each channel that is listened on.

    command.py listen PREFIX      HANDLER in the environment names the program for --exec (driver.c's `handle`)
    command.py post

COMMAND names the command.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from spoken import at_once, build, commands, describe, say, say_many

COMMAND = os.environ["COMMAND"]


def listen(prefix):
    with tempfile.TemporaryDirectory(prefix="simple-ipc-interop-") as directory:
        fifo = Path(directory, "events")
        os.mkfifo(fifo)
        # Open for writing as well: it does not end when one handler does.
        events = os.fdopen(os.open(fifo, os.O_RDWR), "r", encoding="utf-8")

        waiting = {}

        def pass_on():
            for line in events:
                event, *fields = line.rstrip("\n").split("\t")
                if event == "waiting":
                    waiting[fields[0]] = int(fields[1])
                else:
                    say(event, *fields)

        threading.Thread(target=pass_on, daemon=True).start()
        handler = [os.environ["HANDLER"], "handle"]
        listeners = [
            subprocess.Popen(
                [COMMAND, "listen", channel, *mode, "--exec", *handler],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env=dict(os.environ, EVENTS=str(fifo)),
            )
            for channel, mode in (
                (f"{prefix}_requests", []), (f"{prefix}_broadcasts", ["--broadcast"]), (":0", []), (":0", ["--broadcast"]))
        ]
        ports = [re.search(r"on :(\d+)", listener.stderr.readline()) for listener in listeners]
        for listener in listeners:
            threading.Thread(target=listener.stderr.read, daemon=True).start()
        say("ready", ports[2][1], ports[3][1])
        for verb, id in commands():
            assert verb == "release", verb
            os.kill(waiting.pop(id), signal.SIGUSR1)
        for listener in listeners:
            listener.send_signal(signal.SIGTERM)
        return max(listener.wait() for listener in listeners)


def start(verb, address, timeout, kind, more=()):
    mode = ["--broadcast"] if verb == "broadcast" else []
    as_bytes = ["--bytes"] if kind == "bytes" else []
    return subprocess.Popen(
        [COMMAND, "post", address, "-", "--timeout", f"{timeout}ms", *mode, *as_bytes, *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def post():
    say("ready")
    for verb, address, timeout, value, *count in commands():
        if verb == "many":
            texts = [f"{value}{number}" for number in range(int(count[0]))]

            def one(number):
                out, err = start("request", address, timeout, "json").communicate(json.dumps(texts[number]).encode())
                return json.loads(out) if out else err.decode()

            say_many(at_once(len(texts), one), lambda number: texts[number])
            continue
        kind, body = build(value)
        process = start(verb, address, timeout, kind, () if kind == "bytes" else ("--json",))
        if verb == "cancel":
            process.stdin.write(body)
            process.stdin.close()
            sys.stdin.readline()
            process.terminate()
            process.wait()
            say("error", "cancelled", "maybe", "the process was ended")
            continue
        out, err = process.communicate(body)
        if process.returncode:
            try:
                error = json.loads(err)
                error = error.get("error", error)
                maybe = "maybe" if error.get("may_have_been_handled") else "no"
                say("error", error.get("kind") or error.get("name"), maybe, error["message"])
            except (ValueError, KeyError, AttributeError):
                say("error", "other", "maybe", " ".join(err.decode().split()))
        elif verb == "broadcast":
            say("ok")
        elif kind == "bytes":
            say("ok", describe("bytes", out))
        else:
            # The text of the body as it stands in the record: no parser of ours goes over its numbers and strings.
            text = out.decode().rstrip("\n")
            say("ok", "json:" + text.partition('"body":')[2].removesuffix("}"))


if __name__ == "__main__":
    sys.exit(listen(sys.argv[2]) if sys.argv[1] == "listen" else post())
