"""The streams of the command's driver: a process of the command for each stream that is opened, and for each channel."""

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

from spoken import build, commands, describe, say

COMMAND = os.environ["COMMAND"]
HANDLER = Path(__file__).with_name("command_handler.py")


def item(number, size):
    return f"item:{number}:".ljust(size, "x")


def streams(prefix):
    with tempfile.TemporaryDirectory(prefix="simple-ipc-interop-") as directory:
        cleaned = Path(directory, "cleaned")
        cleaned.touch()
        listeners = [
            subprocess.Popen(
                [COMMAND, "listen", channel, "--lines", "--exec", sys.executable, "-S", "-E", str(HANDLER)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                env=dict(os.environ, CLEANED=str(cleaned)))
            for channel in (f"{prefix}_streams", ":0")]
        ready = [listener.stderr.readline() for listener in listeners]
        for listener in listeners:
            threading.Thread(target=listener.stderr.read, daemon=True).start()
        say("ready", re.search(r"on :(\d+)", ready[1])[1])
        for verb, *_ in commands():
            if verb == "cleaned":
                say("ok", str(cleaned.stat().st_size))
            elif verb == "counters":
                say("ok", "-", "-", "-")
            else:
                raise AssertionError(verb)
        for listener in listeners:
            listener.send_signal(signal.SIGTERM)
        return max(listener.wait() for listener in listeners)


class Stream:
    """A process that has opened a stream. No more is read of its output than is asked for, so that it waits as its user would."""

    def __init__(self, address, opening):
        self.process = subprocess.Popen(
            [COMMAND, "stream", address, opening, "--items", "-", "--json"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.buffer = b""
        self.over = None

    def lines(self):
        """The lines that have been read, and then those that come."""
        while True:
            line, end, rest = self.buffer.partition(b"\n")
            if end:
                self.buffer = rest
                yield line.decode()
                continue
            piece = os.read(self.process.stdout.fileno(), 65536)
            if not piece:
                return
            self.buffer += piece

    def next(self, seconds):
        """A line, None at the end, or TimeoutError."""
        if b"\n" not in self.buffer and not select.select([self.process.stdout], [], [], seconds)[0]:
            raise TimeoutError
        return next(self.lines(), None)

    def say_over(self):
        """How it ended; again what it was, if it is asked again."""
        if self.over is None:
            self.process.stdin.close()
            said = [json.loads(line) for line in self.process.stderr.read().splitlines()]
            self.process.wait()
            self.over = next((record["error"] for record in said if "error" in record), {})
        if self.over:
            maybe = "maybe" if self.over["may_have_been_handled"] else "no"
            say("error", self.over["kind"], maybe, self.over["message"])
        else:
            say("ok", "end")

    def send(self, count, size):
        """How many were written before the process had its end."""
        for number in range(count):
            try:
                self.process.stdin.write(json.dumps(item(number, size)).encode() + b"\n")
            except OSError:
                return number
        return count

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        self.process.wait()


def value_of(line):
    """The text of the body as it stands in the record: no parser of ours goes over its numbers and strings."""
    record = json.loads(line)
    if "bytes" in record:
        return describe("bytes", base64.b64decode(record["bytes"]))
    return "json:" + line.partition('"body":')[2].removesuffix("}")


def take(stream, wanted):
    count, in_order = 0, True
    while count < wanted:
        line = next(stream.lines(), None)
        if line is None:
            break
        in_order &= json.loads(line)["body"].startswith(f"item:{count}:")
        count += 1
    return count, in_order


def stream():
    say("ready")
    opened = None
    for verb, *fields in commands():
        if verb == "open":
            opened = Stream(*fields)
            say("ok")
        elif verb == "close":
            if opened:
                opened.close()
            opened = None
            say("ok")
        elif verb == "next":
            try:
                line = opened.next(int(fields[0]) / 1000)
            except TimeoutError:
                say("error", "timed_out", "no", "no item came in time")
                continue
            if line is None:
                opened.say_over()
            else:
                say("ok", value_of(line))
        elif verb == "take":
            count, in_order = take(opened, int(fields[0]))
            say("ok", str(count), str(int(in_order)))
        elif verb == "send":
            opened.process.stdin.write(build(fields[0])[1] + b"\n")
            say("ok")
        elif verb == "sends":
            say("ok", str(opened.send(*map(int, fields))))
        elif verb == "end":
            opened.process.stdin.close()
            say("ok")
        elif verb == "pump":
            count, size = map(int, fields)

            def send():
                opened.send(count, size)
                opened.process.stdin.close()

            sending = threading.Thread(target=send)
            sending.start()
            count, in_order = take(opened, count)
            sending.join()
            say("ok", str(count), str(int(in_order)))
        elif verb == "cancel":
            time.sleep(0.05)
            opened.process.send_signal(signal.SIGINT)
            opened.process.wait()
            say("error", "cancelled", "maybe", "the process was interrupted")
        elif verb == "leave":
            # As `| head -n 1` does.
            next(opened.lines())
            opened.process.stdout.close()
            opened.process.wait()
            say("ok")
        else:
            raise AssertionError(verb)
