#!/usr/bin/env python3
"""Puts together one release from what `make package` has made on each platform.

    tools/assemble.py OUT FOLDER...

Each FOLDER is a `target/packages` of one machine; OUT is to be absent or empty. What is the same everywhere (npm's main package, the
source distribution, the wheel without a native part) has to be the same bytes; each platform of bindings/node/lib/platforms.json
has to be there; the NuGet packages become one, with every platform's library. OUT/SHA256SUMS lists what is there.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: For each target of Rust's: .NET's name of the platform, which the C archive has as well, and what its wheels are tagged with.
WORDS = {
    "x86_64-unknown-linux-gnu": ("linux-x64", r"manylinux_2_28_x86_64|manylinux_2_\d+_x86_64\..*"),
    "aarch64-unknown-linux-gnu": ("linux-arm64", r"manylinux_2_28_aarch64|manylinux_2_\d+_aarch64\..*"),
    "x86_64-unknown-linux-musl": ("linux-musl-x64", r"musllinux_1_2_x86_64"),
    "aarch64-unknown-linux-musl": ("linux-musl-arm64", r"musllinux_1_2_aarch64"),
    "x86_64-apple-darwin": ("osx-x64", r"macosx_\d+_\d+_x86_64"),
    "aarch64-apple-darwin": ("osx-arm64", r"macosx_\d+_\d+_arm64"),
    "x86_64-pc-windows-gnu": ("win-x64", r"win_amd64"),
}
#: .NET's names of the platforms for which there is an archive of the C library: `make install` knows no other yet.
ARCHIVES = ("linux-x64", "linux-arm64", "linux-musl-x64", "linux-musl-arm64", "win-x64")


class Refused(Exception):
    """Why no release can be made of this."""


def contents(path):
    """What is in a package, by name; without the times and users of the machine on which it was made."""
    if path.suffix in (".whl", ".nupkg"):
        with zipfile.ZipFile(path) as packed:
            return {name: packed.read(name) for name in packed.namelist() if not name.endswith("/")}
    if path.suffix in (".gz", ".tgz"):
        with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as packed:
            return {entry.name: packed.extractfile(entry).read() for entry in packed if entry.isfile()}
    return {"": path.read_bytes()}


def merged_nuget(packages, out):
    """One package of all: the same assembly, and each one's folders under `runtimes`."""
    files = {}
    # What NuGet makes anew for each package: a number of its own, of which the first one's is taken, and the extensions that are in it.
    of_one = re.compile(r"^(_rels/|package/|\[Content_Types\]\.xml$)")
    types = {}
    for package in packages:
        for name, data in contents(package).items():
            if package is not packages[0] and of_one.match(name) and name != "[Content_Types].xml":
                continue
            if name == "[Content_Types].xml":
                for line in re.findall(rb"<Default [^>]*/>", data):
                    types[re.search(rb'Extension="([^"]*)"', line)[1]] = line
            if name in files and files[name] != data and not of_one.match(name):
                raise Refused(f"{name} in {package} is not what it is in the others; build all of them from one commit with one SDK")
            files.setdefault(name, data)
    about = files["[Content_Types].xml"]
    files["[Content_Types].xml"] = re.sub(rb"(<Default [^>]*/>\s*)+", b"".join(types[key] for key in sorted(types)), about, count=1)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, files[name])
    return {name.split("/")[1] for name in files if re.match(r"runtimes/[^/]+/native/.", name)}


def assemble(out, folders, version, targets):
    if out.exists() and any(out.iterdir()):
        raise Refused(f"{out} is not empty; name a new folder")
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if version not in path.name:
                raise Refused(f"{path} is not of version {version}; remove it, or build it again")
            if path.suffix == ".nupkg":
                found.setdefault(path.name, []).append(path)
            elif path.name in found and contents(path) != contents(found[path.name][0]):
                raise Refused(f"{path} is not what {found[path.name][0]} is; build both from one commit")
            else:
                found.setdefault(path.name, [path])
    for name, paths in found.items():
        if not name.endswith(".nupkg"):
            shutil.copyfile(paths[0], out / name)

    missing = []
    nuget = found.get(f"SimpleIpc.{version}.nupkg", [])
    runtimes = merged_nuget(nuget, out / f"SimpleIpc.{version}.nupkg") if nuget else set()
    due = {f"simple-ipc-{version}.tgz", f"libsimpleipc-{version}.tar.gz", f"libsimpleipc-{version}-py3-none-any.whl"}
    for platform in targets:
        runtime, wheel = WORDS[platform["target"]]
        due.add(f"simple-ipc-{platform['name']}-{version}.tgz")
        if runtime in ARCHIVES:
            due.add(f"simple-ipc-c-{version}-{runtime}.tar.gz")
        if runtime not in runtimes:
            missing.append(f"the library for {runtime} in the NuGet package")
        if not any(re.fullmatch(rf"libsimpleipc-{re.escape(version)}-cp\d+-abi3-({wheel})\.whl", name) for name in found):
            missing.append(f"a wheel for {platform['target']}")
    missing += sorted(due - set(found))
    if missing:
        raise Refused(f"the packages lack {', '.join(missing)}; run `make package` on each platform")
    # Last, so that an unfinished folder has none.
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(out.iterdir())]
    (out / "SHA256SUMS").write_text("".join(sums))


def main():
    if len(sys.argv) < 3:
        print("assemble.py: cannot tell what to do: give a folder to make, and the folders of packages", file=sys.stderr)
        return 2
    version = subprocess.run([ROOT / "tools/version.sh"], capture_output=True, text=True, check=True).stdout.strip()
    targets = json.loads((ROOT / "bindings/node/lib/platforms.json").read_text())
    out = Path(sys.argv[1])
    try:
        assemble(out, [Path(folder) for folder in sys.argv[2:]], version, targets)
    except (Refused, OSError) as error:
        print(f"assemble.py: cannot make a release in {out}: {error}", file=sys.stderr)
        return 1
    print(f"assemble.py: {len(list(out.iterdir()))} files in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
