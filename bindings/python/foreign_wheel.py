#!/usr/bin/env python3
"""Makes the wheel for another platform out of that of this one: foreign_wheel.py WHEEL LIBRARY TAG FOLDER.

WHEEL is any with the same Python files, as maturin makes it; LIBRARY is the native part, built for the other platform;
TAG is the platform's, for instance musllinux_1_2_x86_64. Prints its path. The same files give the same bytes.
"""

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

# The oldest time that a zip file can have.
TIME = (1980, 1, 1, 0, 0, 0)


def foreign(wheel, library, tag, folder):
    with zipfile.ZipFile(wheel) as packed:
        files = {name: packed.read(name) for name in packed.namelist() if not name.endswith("/")}
    (native,) = (name for name in files if name.endswith(".abi3.so"))
    del files[native]
    if tag.startswith("win"):
        # What Python loads there is a library of another name.
        native = native.removesuffix(".abi3.so") + ".pyd"
    files[native] = library.read_bytes()
    (about,) = (name for name in files if name.endswith(".dist-info/WHEEL"))
    distribution, version, python, abi = wheel.name.split("-")[:4]
    text, count = re.subn(r"^Tag: .*$", f"Tag: {python}-{abi}-{tag}", files[about].decode(), flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"foreign_wheel.py: cannot use {wheel}: it has {count} tags and not one")
    files[about] = text.encode()
    record = about.removesuffix("WHEEL") + "RECORD"
    del files[record]
    lines = []
    for name in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(files[name])}\n")
    lines.append(f"{record},,\n")
    files[record] = "".join(lines).encode()
    made = folder / f"{distribution}-{version}-{python}-{abi}-{tag}.whl"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in [*sorted(set(files) - {record}), record]:
            entry = zipfile.ZipInfo(file, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if file == native else 0o644) << 16
            packed.writestr(entry, files[file])
    return made


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit("foreign_wheel.py: cannot tell what to do: give a wheel, a library, a tag and a folder")
    print(foreign(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
