"""tests/packages/mach_o.py finds what macOS's loader would refuse, in libraries that are made here byte by byte."""

import hashlib
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARM64, X64 = "aarch64-apple-darwin", "x86_64-apple-darwin"
PROCESSORS = {ARM64: 0x0100000C, X64: 0x01000007}
PAGE = 4096


def padded(data, to):
    return data + bytes(-len(data) % to)


def library(target=ARM64, system=(11, 0), needs="/usr/lib/libSystem.B.dylib", signed=True):
    """A library of two pages and a half that has the load commands which count, and after them what is signed."""
    end = PAGE * 5 // 2
    named = padded(needs.encode() + b"\0", 8)
    commands = [
        struct.pack("<6I", 0x32, 24, 1, system[0] << 16 | system[1] << 8, 0, 0),
        struct.pack("<6I", 0xC, 24 + len(named), 24, 0, 0, 0) + named,
    ]
    pages = -(-end // PAGE)
    directory_size = 44 + 32 * pages
    if signed:
        commands.append(struct.pack("<4I", 0x1D, 16, end, 20 + directory_size))
    body = b"".join(commands)
    data = struct.pack("<8I", 0xFEEDFACF, PROCESSORS[target], 0, 6, len(commands), len(body), 0, 0) + body
    data += b"\x5a" * (end - len(data))
    if signed:
        hashes = b"".join(hashlib.sha256(data[PAGE * page : PAGE * (page + 1)]).digest() for page in range(pages))
        directory = struct.pack(">9I4BI", 0xFADE0C02, directory_size, 0x20001, 2, 44, 0, 0, pages, end, 32, 2, 0, 12, 0) + hashes
        data += struct.pack(">5I", 0xFADE0CC0, 20 + directory_size, 1, 0, 20) + directory
    return data


class MachO(unittest.TestCase):
    def look(self, data, target=ARM64):
        with tempfile.TemporaryDirectory() as folder:
            if data is not None:
                Path(folder, "simple-ipc.node").write_bytes(data)
            return subprocess.run(
                [ROOT / "tests/packages/mach_o.py", target, folder], capture_output=True, text=True
            )

    def refused(self, reason, data, target=ARM64):
        done = self.look(data, target)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn(reason, done.stderr)

    def test_a_library_that_loads_is_taken(self):
        for target, data in [(ARM64, library()), (X64, library(X64, (10, 12))), (X64, library(X64, (10, 12), signed=False))]:
            done = self.look(data, target)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_was_changed_after_it_was_signed_is_refused(self):
        data = bytearray(library())
        data[PAGE + 7] ^= 1
        self.refused("page 1 was changed", bytes(data))

    def test_arm64_takes_a_signature(self):
        self.refused("is not signed", library(signed=False))

    def test_a_newer_system_than_promised_is_refused(self):
        self.refused("needs macOS (15, 0)", library(system=(15, 0)))
        self.refused("needs macOS (11, 0)", library(X64), X64)

    def test_another_processor_and_another_kind_of_file_are_refused(self):
        self.refused("is no library for", library(X64))
        self.refused("is no library for", b"\x7fELF" + bytes(100))
        self.refused("cannot be loaded", b"")

    def test_a_library_of_nobody_knows_whom_is_refused(self):
        self.refused("/opt/libother.dylib", library(needs="/opt/libother.dylib"))

    def test_a_folder_without_a_library_is_no_success(self):
        self.refused("has no library", None)


class PackageAll(unittest.TestCase):
    def test_what_is_not_known_is_refused_in_a_line(self):
        for arguments in ([], ["sparc"], ["package", "sparc"]):
            done = subprocess.run([ROOT / "tools/package_all.sh", *arguments], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), arguments)
            self.assertIn("cannot", done.stderr)


if __name__ == "__main__":
    unittest.main()
