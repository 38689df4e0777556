#!/usr/bin/env python3
"""Shows processes talking on `example_channel`: a listener in C, and posts from Rust, C, the shell, a client of the
Deno wire and the raw client of the original's README, over a Unix socket and over TCP. Ends with a table, and with an
error if any of them did not get the answer.

It runs in a folder of its own (SIMPLE_IPC_DIR), so it meets no channel of yours. STAGE names where the library is
installed; `make demo` sees to both.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.conformance import clients  # noqa: E402  (needs the path above)

# A watchdog for each step; it is not a limit on how long one may take.
HANG_SECONDS = 120
CHANNEL = "example_channel"
SAID, EXPECTED = "request-foo", "response-bar"


class Listener:
    """The C listener, as a process, and what it prints."""

    def __init__(self, program, channel):
        self.process = subprocess.Popen(
            [program, channel], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.heard = queue.Queue()
        ready = self.process.stderr.readline()
        if not ready.startswith("ready on "):
            raise SystemExit(f"the listener did not start: {ready.strip()}")
        self.address = ready.removeprefix("ready on ").strip()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.heard.put(line.rstrip("\n"))

    def close(self):
        self.process.stdin.close()
        return self.process.wait(HANG_SECONDS)


def run(*command):
    """A posting process: what it printed, and how long its call took, by its own clock if it says so."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS)
    took = (time.perf_counter() - began) * 1e6
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    said = done.stderr.strip().splitlines()
    if said and said[-1].isdigit():
        return done.stdout.strip(), f"{int(said[-1]):,} µs"
    return done.stdout.strip(), f"{took / 1000:,.1f} ms with its process"


def timed(call):
    began = time.perf_counter()
    reply = call()
    return reply, f"{(time.perf_counter() - began) * 1e6:,.0f} µs"


def json_text(reply):
    kind, body = reply
    return body.decode().strip('"') if kind == "json" else repr(body)


def posts(stage, build, channel, address):
    """Who posts, and how."""
    yield "Rust", "native", lambda: run(build / "examples" / "post", channel, SAID)
    yield "C", "native", lambda: run(stage / "demo" / "poster", channel, SAID)

    def shell():
        # The command prints the answer as JSON.
        printed, took = run(stage / "bin" / "simple-ipc", "post", channel, f'"{SAID}"')
        return json.loads(printed), took

    yield "shell", "native", shell
    yield "Deno-wire client", "Deno", lambda: timed(
        lambda: json_text(clients.deno_request(address, f'"{SAID}"'.encode(), "json")))

    def raw():
        replies, took = timed(lambda: clients.readme_raw_client(address, count=3, pause=0.2, show=lambda _: None))
        return (replies[0] if len(set(replies)) == 1 and len(replies) == 3 else repr(replies)), f"{took} for three"

    yield "raw .NET-style client", "text", raw


def main():
    stage = Path(os.environ["STAGE"])
    build = Path(os.environ["RELEASE_DIR"])
    rows, failures = [], 0
    with tempfile.TemporaryDirectory(prefix="simple-ipc-demo-") as directory:
        os.environ["SIMPLE_IPC_DIR"] = directory
        for transport in ("Unix socket", "TCP"):
            listener = Listener(stage / "demo" / "listener", CHANNEL if transport == "Unix socket" else ":0")
            port = listener.address.rpartition(":")[2]
            channel = CHANNEL if transport == "Unix socket" else f":{port}"
            print(f"a listener in C is ready on {listener.address}", flush=True)
            subprocess.run([stage / "bin" / "simple-ipc", "ls"], timeout=HANG_SECONDS, check=False)
            for who, dialect, post in posts(stage, build, channel, listener.address if transport == "Unix socket" else port):
                try:
                    answer, took = post()
                except Exception as error:
                    answer, took = f"failed: {error}", ""
                heard = [listener.heard.get(timeout=HANG_SECONDS) for _ in range(3 if dialect == "text" else 1)] \
                    if not answer.startswith("failed") else []
                good = answer == EXPECTED and all(line == SAID for line in heard)
                failures += not good
                rows.append((transport, who, dialect, " ".join(heard) or "-", answer, took))
            failures += listener.close() != 0
            print(flush=True)
    header = ("over", "who posts", "dialect", "the listener heard", "the answer", "took")
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, tuple("-" * width for width in widths), *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    if failures:
        sys.exit(f"{failures} of the posts did not go as they should")


if __name__ == "__main__":
    main()
