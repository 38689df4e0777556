#!/usr/bin/env python3
"""Every language posts, subscribes and opens streams through a bridge, and listens and publishes behind one: two directories stand for two machines, with a NATS server
between them. The cases, the drivers and what is compared are those of tests/interop.

    languages.py                       all of them
    languages.py --only C --only Node  some, by their names there

Each implementation posts to the one that is called HUB and is posted to by it. The last line is
`N passed, N failed, N skipped`. STAGE is where the library is installed, RELEASE_DIR where cargo builds; run.sh sets both.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/interop"))

import implementations  # noqa: E402  (needs the path above)
import publications  # noqa: E402
import run as interop  # noqa: E402
import streams  # noqa: E402
from driving import Driver, Failed, prefix_of  # noqa: E402

#: Whom all others talk to.
HUB = "Rust, async"
#: The largest message that the server takes; what is larger is refused, which the crate's own tests show.
MAX_PAYLOAD = 2 << 20
TOO_LARGE = ("64 MiB",)
HANG_SECONDS = 120


@contextlib.contextmanager
def running(command, **more):
    process = subprocess.Popen([*map(str, command)], stdin=subprocess.DEVNULL, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(HANG_SECONDS)


def until(what, look):
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + HANG_SECONDS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise SystemExit(f"languages.py: waited {HANG_SECONDS} s in vain for {what}")


@contextlib.contextmanager
def server(folder):
    """A NATS server on a port that the system picks; its URL."""
    configuration = Path(folder, "nats.conf")
    configuration.write_text(f"max_payload: {MAX_PAYLOAD}\n")
    command = ["nats-server", "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", folder, "-c", configuration]
    with running([*command, "-l", f"{folder}/nats.log"]) as process:
        ports = Path(folder, f"nats-server_{process.pid}.ports")

        def port():
            with contextlib.suppress(OSError, ValueError, KeyError):
                return json.loads(ports.read_text())["nats"][0].rsplit(":", 1)[1]

        yield f"nats://127.0.0.1:{until('the NATS server', port)}"


def driver(implementation, directory, *arguments):
    """A driver whose channels are in the directory."""
    os.environ["SIMPLE_IPC_DIR"] = directory
    return Driver(implementation, *arguments)


class Results(interop.Results):
    """What is carried: values up to the server's limit, whatever a handler makes of them, over Unix sockets."""

    def run(self, cell):
        cases = [(case, check) for case, check in cell.cases() if not any(size in case for size in TOO_LARGE)]
        cell.cases = lambda: cases
        super().run(cell)


class Published(publications.Pair):
    """Values and topics, once the bridge has subscribed, which keeps for later subscribers what the publisher keeps."""

    def topic(self):
        self.subscribe(topics="a b,c")
        self.publish({"json": "1"}, "other")
        self.due(self.publish({"json": "2"}, "a b"), "a b")
        self.close()

    def cases(self):
        yield from ((case["name"], lambda case=case: self.value(case)) for case in self.values)
        yield "topics", self.topic


def pairs(everyone):
    hub = next(one for one in everyone if one.name == HUB)
    for one in everyone:
        yield one, hub
        # An original has no lock file by which an export would know its mode.
        if one is not hub and one.listens and not one.raw:
            yield hub, one


def carry(bridge, url, results, poster, listener, folder):
    here, there = tempfile.mkdtemp(dir=folder), tempfile.mkdtemp(dir=folder)
    prefix = prefix_of(listener)
    channels = [f"{prefix}_requests", f"{prefix}_broadcasts"]
    listening = [driver(listener, here, "listen", prefix)]
    if poster.publishes is not None and listener.publishes is not None:
        channels.append(f"{prefix}_publications")
        listening.append(driver(listener, here, "publish", prefix))
    publishes = len(listening) > 1
    streaming = driver(listener, here, "streams", prefix) if poster.streams is not None and listener.streams is not None else None
    if streaming:
        channels.append(f"{prefix}_streams")
    errors = open(Path(folder, "bridges.log"), "ab")
    options = [f"--{{}}={channel}" for channel in channels]
    say = lambda what: [option.format(what) for option in options]  # noqa: E731
    with errors, running([bridge, url, "--dir", here, *say("export")], stderr=errors), running(
        [bridge, url, "--dir", there, *say("import")], stderr=errors
    ):
        for channel in channels:
            until(f"the import of {channel}", lambda: Path(there, f".deno.{channel}.socket").exists())
        posting = [driver(poster, there, "post")]
        results.run(interop.Cell(posting[0], listening[0], "Unix socket"))
        if publishes:
            lock = Path(here, f".deno.{prefix}_publications.socket.lock")
            until("the bridge's subscription", lambda: json.loads(lock.read_text())["subscribers"] == 1)
            posting.append(driver(poster, there, "subscribe"))
            results.run_pair(Published(Failed, listening[1], posting[1], "Unix socket", interop.CASES))
        if streaming:
            # Its last case kills the listener, so that it is the last of all.
            caller = driver(poster, there, "stream")
            pair = streams.Pair(Failed, caller, streaming, "Unix socket")
            results.run_streams([*pair.cases(), *list(pair.kills())[1:]], pair)
            posting.append(caller)
            listening.append(streaming)
        for one in posting + listening:
            if not one.has_ended() and not one.close():
                results.fail(f"{one.implementation.name} did not end well")


def main():
    parser = argparse.ArgumentParser(description="Have every language talk through a bridge.")
    parser.add_argument("--only", action="append", metavar="NAME", help="this implementation, and the one that it talks to")
    chosen = parser.parse_args().only
    bridge = ROOT / "bridge/target/debug/simple-ipc-bridge"
    os.environ["BUILT"] = str(Path(os.environ["STAGE"]) / "interop")
    Path(os.environ["BUILT"]).mkdir(parents=True, exist_ok=True)
    everyone = list(implementations.all_of_them())
    results, left_out = Results(), [one for one in everyone if one.missing]
    for one in left_out:
        print(f"left out: {one.name}: {one.missing}")
        if "CI" in os.environ:
            results.fail(f"{one.name} is not here: {one.missing}")
    everyone = [one for one in everyone if not one.missing]
    with tempfile.TemporaryDirectory(prefix="bridge_") as folder, server(folder) as url:
        for poster, listener in pairs(everyone):
            if chosen and poster.name not in chosen and listener.name not in chosen:
                continue
            began = time.monotonic()
            carry(bridge, url, results, poster, listener, folder)
            names = poster.name, listener.name, "Unix socket"
            took = time.monotonic() - began
            print(f"{poster.name} through a bridge to {listener.name}: {results.cell(names)} in {took:.1f} s", flush=True)
    failed = sum(map(len, results.failed.values()))
    print(f"{sum(results.passed.values())} passed, {failed} failed, {len(left_out)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
