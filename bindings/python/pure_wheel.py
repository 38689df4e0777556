#!/usr/bin/env python3
"""Makes the wheel for every platform out of that of one: pure_wheel.py WHEEL FOLDER. Prints its path.

It has the Python files and no native part, so that a program can import the package anywhere and ask
`simple_ipc.supported`. pip prefers the wheel of a platform where there is one. The same wheel gives the same bytes.
"""

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

# The oldest time that a zip file can have.
TIME = (1980, 1, 1, 0, 0, 0)


def pure(wheel, folder):
    with zipfile.ZipFile(wheel) as packed:
        files = {name: packed.read(name) for name in packed.namelist() if not name.endswith("/")}
    # What is compiled into the native part is of no concern without it.
    files = {name: data for name, data in files.items() if not re.search(r"\.(so|pyd)$|\.dist-info/sboms/", name)}
    (about,) = (name for name in files if name.endswith(".dist-info/WHEEL"))
    text = files[about].decode()
    text = re.sub(r"^Root-Is-Purelib: .*$", "Root-Is-Purelib: true", text, flags=re.MULTILINE)
    text = re.sub(r"^Tag: .*\n?", "", text, flags=re.MULTILINE).rstrip("\n") + "\nTag: py3-none-any\n"
    files[about] = text.encode()
    record = about.removesuffix("WHEEL") + "RECORD"
    del files[record]
    lines = []
    for name in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(files[name])}\n")
    lines.append(f"{record},,\n")
    files[record] = "".join(lines).encode()
    name = "-".join(wheel.name.split("-")[:2]) + "-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in [*sorted(set(files) - {record}), record]:
            entry = zipfile.ZipInfo(file, TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, files[file])
    return folder / name


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("pure_wheel.py: cannot tell what to do: give a wheel and a folder")
    print(pure(Path(sys.argv[1]), Path(sys.argv[2])))
