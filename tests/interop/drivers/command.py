#!/usr/bin/env python3
"""The driver of the command `simple-ipc`: a process of it for each post, and for each channel that is listened on.

    command.py listen PREFIX      HANDLER in the environment names the program for --exec (driver.c's `handle`)
    command.py post
    command.py publish PREFIX
    command.py subscribe
    command.py streams PREFIX
    command.py stream

COMMAND names the command.
"""

import base64
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from command_streams import stream, streams
from spoken import at_once, build, commands, describe, describe_attached, say, say_many

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


def say_error(text):
    """What the command said on standard error with --json."""
    try:
        error = json.loads(text)
        error = error.get("error", error)
        maybe = "maybe" if error.get("may_have_been_handled") else "no"
        say("error", error.get("kind") or error.get("name"), maybe, error["message"])
    except (ValueError, KeyError, AttributeError):
        say("error", "other", "maybe", " ".join(text.decode().split()))


def start(verb, address, timeout, kind, more=()):
    mode = ["--broadcast"] if verb == "broadcast" else []
    as_bytes = ["--bytes"] if kind == "bytes" else []
    text = kind.removeprefix("attached:") if kind.startswith("attached:") else None
    data = ["-"] if text is None else [text, "--attach", "-"]
    return subprocess.Popen(
        [COMMAND, "post", address, *data, "--timeout", f"{timeout}ms", *mode, *as_bytes, *more],
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
            say_error(err)
        elif verb == "broadcast":
            say("ok")
        elif kind == "bytes":
            say("ok", describe("bytes", out))
        elif kind.startswith("attached:"):
            record = json.loads(out)
            data = base64.b64decode(record["bytes"])
            assert (record["kind"], record["size"]) == ("attached", len(data)), record
            say("ok", describe_attached(record["body"], data))
        else:
            # The text of the body as it stands in the record: no parser of ours goes over its numbers and strings.
            text = out.decode().rstrip("\n")
            say("ok", "json:" + text.partition('"body":')[2].removesuffix("}"))


def publish(prefix):
    name = f"{prefix}_publications"
    publishers = {
        channel: subprocess.Popen(
            [COMMAND, "publish", channel, "--retain", "--patience", "20s"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        for channel in (name, ":0")}
    ready = {channel: publisher.stderr.readline() for channel, publisher in publishers.items()}
    for publisher in publishers.values():
        threading.Thread(target=publisher.stderr.read, daemon=True).start()
    say("ready", re.search(r"on :(\d+)", ready[":0"])[1])
    for verb, address, *more in commands():
        lines = publishers[name if address == name else ":0"].stdin
        if verb == "publish":
            lines.write(build(more[1])[1].decode() + "\n")
        else:
            count, size = map(int, more)
            lines.writelines(json.dumps(f"flood:{number}:".ljust(size, "x")) + "\n" for number in range(count))
        lines.flush()
        # How many it was queued for is not told.
        say("ok", *(["-"] if verb == "publish" else []))
    for publisher in publishers.values():
        publisher.stdin.close()
    return max(publisher.wait() for publisher in publishers.values())


class Events:
    """A process that subscribes. No more is read of its output than is asked for, so that it waits as its user would."""

    def __init__(self, address, timeout, overflow, queue, topics):
        more = [] if queue == "-" else ["--queue", queue]
        more += [] if topics == "*" else [word for topic in topics.split(",") for word in ("--topic", topic)]
        self.process = subprocess.Popen(
            [COMMAND, "subscribe", address, "--json", "--timeout", f"{timeout}ms", "--overflow", overflow, *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.first = self.process.stderr.readline()
        self.has_subscribed = self.first.startswith(b"subscribed to ")
        self.buffer = b""

    def say_error(self):
        said = b"" if self.has_subscribed else self.first
        self.process.wait()
        say_error(said + self.process.stderr.read())

    def next(self, seconds):
        """A record, None at the end, or TimeoutError."""
        until = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError
            piece = os.read(self.process.stdout.fileno(), 4096)
            if not piece:
                return None
            self.buffer += piece
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode()

    def close(self):
        self.process.terminate()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()


def subscribe():
    say("ready")
    events = None
    for verb, *fields in commands():
        if verb == "subscribe":
            events = Events(*fields)
            if events.has_subscribed:
                say("ok")
            else:
                events.say_error()
        elif verb == "close":
            events.close()
            say("ok")
        elif verb == "next":
            try:
                line = events.next(int(fields[0]) / 1000)
            except TimeoutError:
                say("error", "timed_out", "no", "no event came in time")
                continue
            if line is None:
                events.say_error() if events.process.wait() else say("ok", "end")
                continue
            record = json.loads(line)
            # The text of the data as it stands in the record: no parser of ours goes over its numbers and strings.
            text = line.removeprefix('{"data":').rpartition(',"topic":')[0]
            data = base64.b64decode(record.get("bytes", ""))
            if "bytes" in record and "data" in record:
                value = describe_attached(record["data"], data)
            else:
                value = describe("bytes", data) if "bytes" in record else "json:" + text
            say("ok", str(record["missed"]), str(int(record["retained"])), record["topic"] or "-", value)
        elif verb == "take":
            total, pause = int(fields[0]), int(fields[1]) / 1e6
            delivered = missed = last = 0
            in_order = True
            while delivered + missed < total:
                line = events.next(3600)
                if line is None:
                    events.say_error()
                    break
                record = json.loads(line)
                number = int(record["data"].split(":")[1])
                in_order &= number == last + record["missed"]
                last = number + 1
                delivered, missed = delivered + 1, missed + record["missed"]
                time.sleep(pause)
            else:
                say("ok", str(delivered), str(missed), str(int(in_order)))


if __name__ == "__main__":
    roles = {"listen": listen, "post": post, "publish": publish, "subscribe": subscribe, "streams": streams, "stream": stream}
    sys.exit(roles[sys.argv[1]](*sys.argv[2:]))
