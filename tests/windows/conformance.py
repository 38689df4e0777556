#!/usr/bin/env python3
"""The independent decoder and its raw clients, on this side, against listeners of the command under Wine, on TCP.

    conformance.py REQUESTS BROADCASTS SMALL_REQUESTS SMALL_BROADCASTS

The arguments are the ports of `listen --echo` and of `listen --broadcast`, and of both with `--max-message 1024`.
Every session of the golden vectors that breaks the protocol is played whole and in pieces: the listener says which rule was broken,
ends the session, and goes on serving. The last line is `N passed, N failed, N skipped`.
"""

import functools
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.conformance import clients, decoder  # noqa: E402  (needs the path above)

#: Far beyond what any exchange takes: only a hang meets it.
HANG_SECONDS = 120.0
#: The largest message of the listeners that the sessions are played to.
SMALL = 1024
BODIES = [("json", b'{"a":[1,2.5,null]}'), ("json", '"\u3042\U0001f600"'.encode()), ("bytes", b""), ("bytes", bytes(range(256)) * 4000)]


def vectors():
    sessions = json.loads((ROOT / "tests" / "vectors" / "native_sessions.json").read_text())
    return sessions["malformed"]


def parts(case):
    return [bytes.fromhex(part) for part in case["hex"]]


def why_not(case):
    """Why a session cannot be played to these listeners."""
    if case.get("at_end"):
        return "it is cut short, which is answered by nothing"
    if case["max_message"] != SMALL:
        return "it is about a listener with another largest message"
    if case.get("answered") or "in_flight" in case["name"]:
        return "it depends on when its requests are answered"
    if case.get("check_json"):
        return "it is about a listener that reads JSON before its handler does"
    return None


def check(what, got, due):
    if got != due:
        raise AssertionError(f"{what}: {got!r:.200} instead of {due!r:.200}")


def request(call, port, kind, body):
    check("the answer", call(port, body, kind, timeout=HANG_SECONDS), (kind, body))


def broadcast(call, port, kind, body):
    call(port, body, kind, timeout=HANG_SECONDS)


def play(case, port, piece):
    """Plays a session that breaks a rule; the frames that come back end with one that names it."""
    with clients.Connection(port, HANG_SECONDS) as connection:
        data = b"".join(parts(case))
        try:
            for at in range(0, len(data), piece):
                connection.send(data[at : at + piece])
        except clients.ClientError as error:
            # It may have ended the session before all of it was sent.
            check("the error of a send", error.code, "connection_lost")
        received = b""
        try:
            while more := connection.receive():
                received += more
        except clients.ClientError as error:
            check("the error of a receive", error.code, "connection_lost")
    decoder.decode_hello(received[: decoder.HELLO.size], "listener")
    reader = decoder.FrameReader("listener")
    reader.feed(received[decoder.HELLO.size :])
    check("a broken frame", reader.violation, None)
    last = reader.events[-1]
    check("the last frame", (last.kind, last.id), ("error", case["answer_id"]))
    check("its code", decoder.decode_error_body(last.body)[0], case["error"])


def cases(requests, broadcasts, small_requests, small_broadcasts):
    for kind, body in BODIES:
        for name, call, port, how in (
            ("native request", clients.native_request, requests, request),
            ("Deno request", clients.deno_request, requests, request),
            ("native broadcast", clients.native_broadcast, broadcasts, broadcast),
            ("Deno broadcast", clients.deno_broadcast, broadcasts, broadcast),
        ):
            yield f"{name}, {len(body)} bytes as {kind}", functools.partial(how, call, port, kind, body)
    for case in vectors():
        if why_not(case) is None:
            port = small_broadcasts if case["listener"] == "broadcast" else small_requests
            for piece in (1 << 20, 16, 1):
                yield f"{case['name']}, {piece} bytes at once", functools.partial(play, case, port, piece)
    yield "requests are served as before", functools.partial(request, clients.native_request, small_requests, "json", b"1")
    yield "broadcasts are served as before", functools.partial(broadcast, clients.native_broadcast, small_broadcasts, "json", b"1")


def main():
    passed = failed = 0
    for name, case in cases(*map(int, sys.argv[1:])):
        try:
            case()
            passed += 1
        except (AssertionError, clients.ClientError, decoder.Violation, IndexError, OSError) as error:
            failed += 1
            print(f"not ok - {name}: {error}", flush=True)
    left_out = [case for case in vectors() if why_not(case)]
    for case in left_out:
        print(f"# left out: {case['name']}: {why_not(case)}")
    print(f"{passed} passed, {failed} failed, {len(left_out)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
