#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets, from the golden vectors of tests/vectors, into a folder: TARGET/NAME.

    fuzz/seeds.py FOLDER
"""

import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def cases(name):
    file = json.loads((ROOT / f"tests/vectors/{name}.json").read_text())
    return [case for part in ("valid", "malformed") for case in file[part]]


def stream(case):
    parts = case["hex"] if isinstance(case["hex"], list) else [case["hex"]]
    return bytes.fromhex("".join(parts))


def seeds():
    """Pairs of target and input; the first bytes are the parameters that core/src/fuzzing.rs reads."""
    hello = {sender: bytes.fromhex(f"f5534950 01 {role} 0000 00000000 00000004")
             for sender, role in (("client", "01"), ("listener", "11"))}
    for case in cases("hello"):
        yield "session", bytes([case["sender"] == "listener", 64, 4]) + stream(case)
    for case in cases("frames"):
        listener = case["sender"] == "listener"
        yield "session", bytes([listener, min(case["max_message"] // 16, 255), 6]) + hello[case["sender"]] + stream(case)
    for case in cases("listener_sessions"):
        yield "session", bytes([1, 64, 6]) + stream(case)
    for case in cases("native_sessions"):
        yield "connection", bytes([128, 15]) + stream(case)
    for case in cases("subscriptions"):
        if case["sender"] == "listener":
            flags = (0 if case["all"] else 1) | (2 if "seen" in case else 0)
            yield "subscription", bytes([flags, min(case["max_message"] // 16, 255), 6]) + stream(case)
    for case in cases("streams"):
        if case["sender"] == "listener":
            yield "stream", bytes([min(case["max_message"] // 16, 255), 6]) + stream(case)
        else:
            yield "connection", bytes([128, 15]) + stream(case)
    for topics in ([], ["a", "", "é"], ["x" * 255]):
        asked = {"topics": topics, "overflow": "drop_oldest", "queue": 4194304, "epoch": "0123456789abcdef", "after": 123}
        yield "subscribe", json.dumps(asked).encode()
    for case in cases("frames"):
        if case.get("flags", 0) & 0x40 and not case["flags"] & 0x08:
            yield "attached", bytes.fromhex(case["body_hex"])
    for body in ("", "000000", "ffffffff6e756c6c", "05000000315d"):
        yield "attached", bytes.fromhex(body)
    for case in cases("deno"):
        yield "connection", bytes([1, 3]) + stream(case)
    for case in cases("text"):
        yield "connection", bytes([min(case["max_message"], 127) * 2 + 1, 2]) + stream(case)
        yield "text", bytes([min(case["max_message"], 255), 2]) + stream(case)
    for case in cases("lock"):
        yield "lock_file", stream(case)
    for name in ("example_channel", "a", "x" * 85, "x" * 86, "", ":1", ":65535", ":65536", "/tmp/a.sock", "./a", "é", "a-b"):
        yield "channel", name.encode()
    for number in range(8):
        yield "c_arguments", hashlib.sha512(bytes([number])).digest()


def main():
    (folder,) = map(Path, sys.argv[1:])
    for target, data in seeds():
        # Small, so that libFuzzer is quick: it makes long inputs itself.
        if len(data) <= 4096:
            (folder / target).mkdir(parents=True, exist_ok=True)
            (folder / target / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()
