#!/usr/bin/env python3
"""Checks that only a few files name an operating system: its types, its calls, its numbers.

    tools/os_names.py         fails where another file does, and names the line
    tools/os_names.py --list  prints the files that may

What else needs something of the operating system asks core's `os`, by names that every system could have. Tests may name one:
they look at what a system shows. So do comments, which give reasons.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Whose sources are looked at, and what of them may name an operating system.
LOOKED_AT = ["core/src", "ffi/src", "cli/src", "bindings/node/src", "bindings/python/src"]
MAY = ["core/src/os/", "cli/src/os/", "bindings/node/src/os/"]

NAMES = re.compile(
    r"\b(?:libc|rustix|nix|windows_sys)\b"  # crates of system calls
    r"|\bstd\s*::\s*os\b|\bcore\s*::\s*ffi\s*::\s*os\b|\bos\s*::\s*(?:fd|unix|linux|windows|raw)\b"
    r"|\btokio\s*::\s*(?:io\s*::\s*unix|net)\b|\bUnix(?:Stream|Listener|Datagram)\b"
    r"|\bAsyncFd\w*|\b(?:Owned|Borrowed|Raw|As|AsRaw)Fd\b|\bPoll(?:Fd|Flags)\b|\bOsStr(?:ing)?Ext\b"
    r"|\b(?:MetadataExt|PermissionsExt|FileTypeExt|CommandExt|ExitStatusExt)\b"
    r"|\bErrno\b|\bfrom_raw_os_error\b|\bE(?:AGAIN|INTR|PIPE|ACCES|PERM|NOENT|MFILE|NFILE|NOMEM|CONN[A-Z]+)\b"
)
TEST_MODULES = re.compile(r"(?:^|/)(?:tests|\w+_tests)(?:/|\.rs$)")


def code_of(source):
    """The lines without comments, texts and what stands behind a file's first module of tests."""
    source = source.split("#[cfg(test)]\nmod tests")[0]
    texts = re.compile(r"//[^\n]*|/\*.*?\*/|\bb?r(#*)\".*?\"\1|\bb?\"(?:\\.|[^\"\\])*\"", re.DOTALL)
    return texts.sub(lambda found: "\n" * found.group().count("\n"), source).splitlines()


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(MAY))
        return 0
    if sys.argv[1:]:
        print(f"os_names: unknown argument {sys.argv[1]}; it takes nothing, or --list", file=sys.stderr)
        return 2
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *LOOKED_AT],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [name for name in listed.stdout.split() if name.endswith(".rs") and (ROOT / name).exists()]
    failures = 0
    for name in files:
        if name.startswith(tuple(MAY)) or TEST_MODULES.search(name):
            continue
        for number, line in enumerate(code_of((ROOT / name).read_text()), 1):
            for found in NAMES.finditer(line):
                print(f"os_names: {name}:{number} names an operating system: {found.group()}; ask core's os for it", file=sys.stderr)
                failures += 1
    if not files:
        print("os_names: no file was looked at: run it in a checkout", file=sys.stderr)
        failures += 1
    for name in MAY:
        if not (ROOT / name).exists():
            print(f"os_names: {name} does not stand any more: remove it", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
