#!/usr/bin/env python3
"""Looks into the libraries of packages for macOS, wherever they were made: mach_o.py TARGET FOLDER.

TARGET is Rust's name. Each library in FOLDER has to be of its processor, to load on the oldest system that is promised, to need the
system's own libraries alone, and to be signed as the loader of arm64 demands: with the right hash of each page.
"""

import hashlib
import struct
import sys
from pathlib import Path

#: For each target: the number of the processor, and the oldest macOS.
TARGETS = {"aarch64-apple-darwin": (0x0100000C, (11, 0)), "x86_64-apple-darwin": (0x01000007, (10, 12))}
MAGIC = 0xFEEDFACF
LIBRARY, BUNDLE = 6, 8
LOAD_LIBRARY, SIGNATURE, OLDEST, BUILT_FOR = 0xC, 0x1D, 0x24, 0x32
SIGNATURES, DIRECTORY = 0xFADE0CC0, 0xFADE0C02
SHA256 = 2


class Wrong(Exception):
    """What a loader would refuse, in words."""


def commands_of(data):
    """The load commands of a file: each one's number, and its bytes."""
    (count,) = struct.unpack_from("<I", data, 16)
    at = 32
    for _ in range(count):
        number, size = struct.unpack_from("<II", data, at)
        yield number & 0x7FFFFFFF, data[at : at + size]
        at += size


def check_signature(data, at, size):
    """That the hash of every page before the signature is the one in its directory of code."""
    magic, _, count = struct.unpack_from(">III", data, at)
    if magic != SIGNATURES or size < 12:
        raise Wrong("its signature has no directory")
    parts = [at + struct.unpack_from(">II", data, at + 12 + 8 * index)[1] for index in range(count)]
    directories = [part for part in parts if struct.unpack_from(">I", data, part)[0] == DIRECTORY]
    if not directories:
        raise Wrong("its signature has no directory of code")
    for start in directories:
        hashes, _, _, pages, end = struct.unpack_from(">IIIII", data, start + 16)
        hash_size, kind, _, page_bits = struct.unpack_from("4B", data, start + 36)
        if kind != SHA256 or hash_size != 32:
            raise Wrong(f"its hashes are of kind {kind}, with {hash_size} bytes")
        page = 1 << page_bits
        if end != at or pages != -(-end // page):
            raise Wrong("its signature does not reach from its beginning to the signature")
        for index in range(pages):
            found = data[start + hashes + 32 * index :][:32]
            if hashlib.sha256(data[page * index : min(page * (index + 1), end)]).digest() != found:
                raise Wrong(f"page {index} was changed after it was signed")


def check(data, target):
    processor, oldest = TARGETS[target]
    magic, of, _, kind = struct.unpack_from("<IIII", data)
    if magic != MAGIC or of != processor or kind not in (LIBRARY, BUNDLE):
        raise Wrong(f"it is no library for {target}: magic {magic:#x}, processor {of:#x}, kind {kind}")
    system = None
    signed = False
    for number, command in commands_of(data):
        if number in (OLDEST, BUILT_FOR):
            (needs,) = struct.unpack_from("<I", command, 8 if number == OLDEST else 12)
            system = (needs >> 16, needs >> 8 & 0xFF)
        elif number == LOAD_LIBRARY:
            name = command[struct.unpack_from("<I", command, 8)[0] :].split(b"\0")[0].decode()
            if not name.startswith(("/usr/lib/", "/System/Library/")):
                raise Wrong(f"it needs {name}, which is no library of the system's")
        elif number == SIGNATURE:
            check_signature(data, *struct.unpack_from("<II", command, 8))
            signed = True
    if system is None or system > oldest:
        raise Wrong(f"it needs macOS {system}, newer than {oldest}")
    if not signed and target.startswith("aarch64"):
        raise Wrong("it is not signed")


def main():
    target, folder = sys.argv[1], Path(sys.argv[2])
    found = [path for path in folder.rglob("*") if path.suffix in (".so", ".dylib", ".node") and path.is_file()]
    wrong = 0
    for path in found:
        try:
            check(path.read_bytes(), target)
            print(f"{path.name} loads on macOS {'.'.join(map(str, TARGETS[target][1]))}")
        except (Wrong, struct.error) as reason:
            wrong += 1
            print(f"mach_o.py: cannot be loaded: {path}: {reason}", file=sys.stderr)
    if not found:
        print(f"mach_o.py: cannot look at anything: {folder} has no library", file=sys.stderr)
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
