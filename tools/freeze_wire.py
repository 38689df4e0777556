#!/usr/bin/env python3
"""What a version says on its wires, for every later one to understand: tests/vectors/frozen/versions.json.

    tools/freeze_wire.py --check     every frozen case is still a golden vector, with the bytes that it had
    tools/freeze_wire.py --write     freezes what the present version says; what other versions say stays
    tools/freeze_wire.py --release   as --check; and all that the present version says is frozen

Each version's entry has, for each file of vectors, its valid cases by name with the beginning of a checksum of their bytes. The vectors
themselves are run by the library's tests and by the independent decoder, so that a case that stands is one that is understood.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests/vectors"
FROZEN = VECTORS / "frozen/versions.json"
ABOUT = "the valid vectors of each version, by file and name, with the first 16 digits of the SHA-256 of their bytes; tools/freeze_wire.py"


def digest(case):
    """Of the bytes, and of where a stream may pause: its parts, if it is written in parts."""
    parts = case["hex"] if isinstance(case["hex"], list) else [case["hex"]]
    return hashlib.sha256("|".join(re.sub(r"\s", "", part) for part in parts).encode()).hexdigest()[:16]


def present():
    """The valid cases that stand in the files of vectors now."""
    found = {}
    for path in sorted(VECTORS.glob("*.json")):
        found[path.stem] = {case["name"]: digest(case) for case in json.loads(path.read_text())["valid"]}
    return found


def main():
    frozen = json.loads(FROZEN.read_text())["versions"] if FROZEN.exists() else {}
    now = present()
    version = subprocess.run([ROOT / "tools/version.sh"], capture_output=True, text=True, check=True).stdout.strip()
    if sys.argv[1:] == ["--write"]:
        frozen[version] = now
        FROZEN.write_text(json.dumps({"about": ABOUT, "versions": frozen}, indent=1) + "\n")
        print(f"freeze_wire.py: {version}: {sum(map(len, now.values()))} cases")
        return 0
    if sys.argv[1:] not in (["--check"], ["--release"]):
        print("freeze_wire.py: cannot tell what to do: say --check, --write or --release", file=sys.stderr)
        return 2
    wrong = 0
    if sys.argv[1] == "--release" and frozen.get(version) != now:
        print(f"freeze_wire.py: cannot release {version}: what it says on the wire is not frozen; run tools/freeze_wire.py --write",
              file=sys.stderr)
        wrong += 1
    for then, files in frozen.items():
        for file, cases in files.items():
            for name, bytes_then in cases.items():
                bytes_now = now.get(file, {}).get(name)
                if bytes_now != bytes_then:
                    how = "is gone" if bytes_now is None else "has other bytes"
                    print(f"freeze_wire.py: cannot speak with {then} any more: {name} of {file}.json {how}; "
                          "put it back, and give what is new a name of its own", file=sys.stderr)
                    wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
