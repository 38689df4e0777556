#!/usr/bin/env python3
"""Shows processes talking on `example_channel`: a listener in each language in turn, and posts to it from each, from the
command, from a client of the Deno wire and from the raw client of the original's README, over a Unix socket and over TCP.
Then a clock that all of them subscribe to. Ends with a table of each, and with an error if any of them did not get the
answer, or did not hear the clock.

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

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

from tests import languages as installed  # noqa: E402  (needs the path above)
from tests.conformance import clients  # noqa: E402

# A watchdog for each step; it is not a limit on how long one may take.
HANG_SECONDS = 120
CHANNEL, CLOCK = "example_channel", "clock"
TICKS = 3
SAID, EXPECTED = "request-foo", "response-bar"


class Listener:
    """A listener, as a process, and what it prints."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment})
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


def run(command, environment):
    """A posting process: what it printed, and how long its call took by its own clock, in microseconds."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS, env={**os.environ, **environment})
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    said = done.stderr.strip().splitlines()
    return done.stdout.strip(), int(said[-1]) if said and said[-1].isdigit() else None


def json_text(reply):
    kind, body = reply
    return body.decode().strip('"') if kind == "json" else repr(body)


def languages(stage, build):
    """Each language's listener, poster and environment, and its subscriber."""
    examples = build / "examples"
    yield "C", [stage / "demo" / "listener"], [stage / "demo" / "poster"], {}, [stage / "demo" / "subscriber"]
    yield "Rust", [examples / "listen"], [examples / "post"], {}, [examples / "subscribe"]

    def all_of(name, program):
        return (name, [*program.command, "listen"], [*program.command, "post"], program.environment,
                [*program.command, "subscribe"])

    yield all_of("C++", installed.Program([stage / "demo" / "example_cpp"]))
    others = {"Python": installed.python(HERE / "example.py")}
    others |= {name.capitalize(): installed.javascript(name, HERE / "example.mjs") for name in ("node", "deno", "bun")}
    others[".NET"] = installed.dotnet(HERE / "dotnet" / "Example.csproj", "DemoExample")
    for name, program in others.items():
        if program.missing:
            print(f"demo: left out: {name}: {program.missing}", file=sys.stderr, flush=True)
        else:
            yield all_of(name, program)


def posts(those, stage, channel, address):
    """Who posts, and how: each gives the answer, the microseconds if it knows them, and how many messages it sent."""
    for name, _, poster, environment, _ in those:
        yield name, lambda poster=poster, environment=environment: (*run([*poster, channel, SAID], environment), 1)

    def shell():
        # The command prints the answer as JSON.
        printed, took = run([stage / "bin" / "simple-ipc", "post", channel, f'"{SAID}"'], {})
        return json.loads(printed), took, 1

    yield "command", shell

    def deno():
        began = time.perf_counter()
        reply = json_text(clients.deno_request(address, f'"{SAID}"'.encode(), "json"))
        return reply, round((time.perf_counter() - began) * 1e6), 1

    yield "Deno wire", deno

    def raw():
        replies = clients.readme_raw_client(address, count=3, pause=0.2, show=lambda _: None)
        return (replies[0] if set(replies) == {EXPECTED} else repr(replies)), None, len(replies)

    yield "raw .NET-style text", raw


def meet(listener, those, stage, channel, address, cells, name):
    """Everybody posts to one listener; how many went wrong."""
    failures = 0
    for who, post in posts(those, stage, channel, address):
        try:
            answer, took, sent = post()
            heard = [listener.heard.get(timeout=HANG_SECONDS) for _ in range(sent)]
            good = answer == EXPECTED and all(line == SAID for line in heard)
            what = ("ok" if took is None else str(took)) if good else f"heard {heard}, answered {answer!r}"
        except Exception as error:
            good, what = False, f"failed: {error}"
        if not good:
            failures += 1
            print(f"{who} to {name}: {what}", file=sys.stderr)
        cells.setdefault(who, {}).setdefault(name, []).append(what if good else "failed")
    return failures


def print_table(rows):
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                        for column, (cell, width) in enumerate(zip(row, widths))).rstrip())


def clock(those, stage):
    """The command publishes, and everybody hears it; how many did not."""
    print(f"\n`simple-ipc publish {CLOCK}`, and a subscriber to it in each language:\n", flush=True)
    subscribers = {
        name: subprocess.Popen([*subscriber, CLOCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, **environment})
        for name, _, _, environment, subscriber in those}
    command = [stage / "bin" / "simple-ipc", "subscribe", CLOCK, "--quiet", "--wait", "60s", "--reconnect", "0s"]
    subscribers["command"] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    publisher = subprocess.Popen(
        [stage / "bin" / "simple-ipc", "publish", CLOCK, "--wait-for", str(len(subscribers)), "--text", "--quiet"],
        stdin=subprocess.PIPE, text=True)
    # It begins to read when all have subscribed.
    published = [f"tick {number}" for number in range(1, TICKS + 1)]
    publisher.communicate("\n".join(published) + "\n", timeout=HANG_SECONDS)
    rows, failures = [["", "heard"]], 0
    for name, subscriber in subscribers.items():
        output, errors = subscriber.communicate(timeout=HANG_SECONDS)
        heard = [line.strip('"') for line in output.splitlines()]
        failures += heard != published
        rows.append([name, ", ".join(heard) if heard == published else f"{heard}, {errors.strip()}"])
    print_table(rows)
    return failures


def main():
    stage = Path(os.environ["STAGE"])
    build = Path(os.environ["RELEASE_DIR"])
    cells, failures = {}, 0
    with tempfile.TemporaryDirectory(prefix="simple-ipc-demo-") as directory:
        os.environ["SIMPLE_IPC_DIR"] = directory
        those = list(languages(stage, build))
        for name, command, _, environment, _ in those:
            for channel in (CHANNEL, ":0"):
                listener = Listener([*command, channel], environment)
                print(f"a listener in {name} is ready on {listener.address}", flush=True)
                port = listener.address.rpartition(":")[2]
                where = (channel, f"{directory}/.deno.{CHANNEL}.socket") if channel == CHANNEL else (f":{port}", port)
                subprocess.run([stage / "bin" / "simple-ipc", "ls"], timeout=HANG_SECONDS, check=False)
                failures += meet(listener, those, stage, *where, cells, name)
                failures += listener.close() != 0
        unheard = clock(those, stage)
    print(f"\nEach posts {SAID!r} and gets {EXPECTED!r}; the time of its one call in microseconds, Unix socket / TCP.")
    print("Rows post, columns listen. A call's first costs are in it: the connection, and code that is compiled as it runs.\n")
    header = ["", *(name for name, *_ in those)]
    rows = [header, *([who, *(" / ".join(of[name]) for name in header[1:])] for who, of in cells.items())]
    print_table(rows)
    if failures:
        sys.exit(f"{failures} of the posts did not go as they should")
    if unheard:
        sys.exit(f"{unheard} of the subscribers did not hear the clock")


if __name__ == "__main__":
    main()
