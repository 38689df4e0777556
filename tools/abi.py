#!/usr/bin/env python3
"""Compares the C interface with the last released one: whether a program that was linked with that still runs with this.

    tools/abi.py [--against TAG] [--library FILE]

What is compared is include/simple_ipc.h here with that of the tag (the newest `vX.Y.Z` before this commit unless given). Functions,
constants and the fields of structures may be added, fields only at the end and where the older header says that there may be
more; nothing may be changed or go away unless ffi/abi_version has grown. FILE, the built library, must export every function of
both headers. Without a tag there is nothing to compare with, which is said.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "include/simple_ipc.h"
ABI = "ffi/abi_version"
#: What the comment of a structure says that programs do not copy, or that holds its own size.
MAY_GROW = "Later versions may have more fields at the end"
#: These tell a version, and change with each.
VERSIONS = {"SIPC_VERSION", "SIPC_ABI_VERSION"}


class Interface:
    """What a header declares: functions and types by name, with what they are in words that white space does not change."""

    def __init__(self, header):
        self.functions, self.constants, self.types, self.structures, self.growing = {}, {}, {}, {}, set()
        for name, value in re.findall(r"^#define (SIPC_\w+) +(.+)$", header, re.MULTILINE):
            if name not in VERSIONS:
                self.constants[name] = " ".join(re.sub(r"/\*.*?\*/|//.*", "", value).split())
        comments = []

        def kept(found):
            comments.append(" ".join(re.sub(r"(?m)^\s*\*", "", found[1]).split()))
            return f"\0{len(comments) - 1}\0"

        text = re.sub(r"/\*(.*?)\*/", kept, header, flags=re.DOTALL)
        text = re.sub(r"^[ \t]*#(.*\\\n)*.*$", "", text, flags=re.MULTILINE).replace('extern "C" {', "")
        for before, fields, after in re.findall(r"([^;{}]+)(\{[^{}]*\})?([^;{}]*);", text):
            # The comment of a declaration is the last before it.
            told = [comments[int(number)] for number in re.findall(r"\0(\d+)\0", before)]
            before, fields = (re.sub(r"\0\d+\0", "", part) for part in (before, fields))
            self._declare(" ".join(before.split()), fields, after, told[-1] if told else "")

    def _declare(self, words, fields, after, comment):
        if fields:
            name = after.strip() or words.split()[-1]
            self.structures[name] = [" ".join(field.split()) for field in fields.strip("{}").split(";") if field.strip()]
            if MAY_GROW in comment:
                self.growing.add(name)
        elif words.startswith("typedef"):
            name = re.search(r"\(\*(\w+)\)", words) or re.search(r"(\w+)$", words)
            self.types[name[1]] = words
        elif found := re.match(r"(?:.*[ *])(sipc_\w+)\(", words):
            self.functions[found[1]] = words


def differences(old, new):
    """What a program that knows `old` would miss in `new`, and what is only in `new`, in lines."""
    broken, added = [], []
    for what in ("functions", "constants", "types"):
        before, now = getattr(old, what), getattr(new, what)
        for name in sorted(before):
            if name not in now:
                broken.append(f"{name} has gone")
            elif before[name] != now[name]:
                broken.append(f"{name} was `{before[name]}` and is `{now[name]}`")
        added += sorted(set(now) - set(before))
    for name, fields in sorted(old.structures.items()):
        now = new.structures.get(name)
        if now is None:
            broken.append(f"{name} has gone")
        elif now[:len(fields)] != fields:
            broken.append(f"{name} has other fields where {'; '.join(fields)} were")
        elif len(now) > len(fields):
            if name in old.growing:
                added += [f"{name}: {field}" for field in now[len(fields):]]
            else:
                broken.append(f"{name} has grown, and its comment did not say that it may")
    return broken, added + sorted(set(new.structures) - set(old.structures))


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)


def last_tag():
    """The newest version tag that this commit comes after; a tag of this commit itself is what is to be released."""
    listed = git("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*.[0-9]*.[0-9]*", "HEAD^")
    return listed.stdout.strip() or None


def exported(library):
    done = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"abi.py: cannot look into {library}: {done.stderr.strip()}")
    return {line.split()[-1].split("@")[0] for line in done.stdout.splitlines()}


def main():
    parser = argparse.ArgumentParser(description="Compare the C interface with the last released one.")
    parser.add_argument("--against", metavar="TAG", help="a tag or commit (default: the last version's tag)")
    parser.add_argument("--library", type=Path, help="the built shared library, whose symbols are compared, too")
    arguments = parser.parse_args()

    new = Interface((ROOT / HEADER).read_text())
    if not new.functions or not new.structures:
        raise SystemExit(f"abi.py: cannot read {HEADER}: it declares no function or no structure")
    tag = arguments.against or last_tag()
    broken, added, old = [], [], Interface("")
    before = now = (ROOT / ABI).read_text().strip()
    if tag is None:
        print("abi.py: no tag vX.Y.Z to compare with: nothing was released before this commit")
    else:
        shown = git("show", f"{tag}:{HEADER}")
        if shown.returncode != 0:
            raise SystemExit(f"abi.py: cannot compare with {tag}: {shown.stderr.strip()}")
        old = Interface(shown.stdout)
        before = git("show", f"{tag}:{ABI}").stdout.strip() or before
        broken, added = differences(old, new)
    missing = []
    if arguments.library:
        symbols = exported(arguments.library)
        due = set(new.functions) | (set(old.functions) if before == now else set())
        missing = [f"{arguments.library.name} does not export {name}" for name in sorted(due - symbols)]
        print(f"abi.py: {len(set(new.functions) & symbols)} of {len(new.functions)} functions are exported")

    for line in broken + missing:
        print(f"abi.py: {line}")
    if missing or (broken and int(now) <= int(before)):
        print(
            f"abi.py: a program that was linked with {tag or 'this header'} would not run with this library; "
            f"take it back, or let {ABI} grow",
            file=sys.stderr,
        )
        return 1
    if tag is not None:
        print(f"abi.py: against {tag}: {len(broken)} changed, {len(added)} added, ABI number {before} -> {now}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
