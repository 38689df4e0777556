#!/usr/bin/env python3
"""Where the project lives stands once, as `repository` in Cargo.toml; this carries it to the manifests and pages that must spell it out.

    tools/addresses.py --check      nothing differs from Cargo.toml
    tools/addresses.py --write      writes what differs
    tools/addresses.py --release    as --check, and the address is not the placeholder

pkg-config's file and the NuGet package read Cargo.toml when they are made, and crates of the workspace inherit it.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def replaced(text, pattern, address):
    """`text` with the one place of `pattern`, whose group 1 comes before the address and group 2 after it, set to `address`."""
    changed, count = re.subn(pattern, lambda found: found[1] + address + found[2], text, flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"addresses.py: cannot place the address: {pattern} fits {count} times and not once; correct one of them")
    return changed


def cargo(text, repository):
    return replaced(text, r'^(repository = ")[^"]*(")$', repository)


def python(text, repository):
    for name, address in [
        ("Homepage", repository),
        ("Documentation", f"{repository}#readme"),
        ("Issues", f"{repository}/issues"),
    ]:
        text = replaced(text, rf'^({name} = ")[^"]*(")$', address)
    return text


def npm(text, repository):
    manifest = json.loads(text)
    manifest["homepage"] = f"{repository}#readme"
    manifest["repository"] = {"type": "git", "url": f"git+{repository}.git"}
    manifest["bugs"] = {"url": f"{repository}/issues"}
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def security(text, repository):
    return replaced(text, r"(<)https://\S+(/security/advisories/new>)", repository)


#: Each file that has the address, and what makes it right.
COPIES = {
    "bridge/Cargo.toml": cargo,
    "bindings/python/pyproject.toml": python,
    "bindings/node/package.json": npm,
    "SECURITY.md": security,
}


def main():
    verb = sys.argv[1] if len(sys.argv) == 2 else ""
    if verb not in ("--check", "--write", "--release"):
        print("addresses.py: cannot tell what to do: give --check, --write or --release", file=sys.stderr)
        return 2
    repository = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["repository"]
    if not re.fullmatch(r"https://[^\s\"<>]*[^\s\"<>/]", repository) or repository.endswith(".git"):
        print(f'addresses.py: cannot use "{repository}" of Cargo.toml: give https://… without a slash or .git at its end', file=sys.stderr)
        return 1
    failed = False
    for name, made in COPIES.items():
        path = ROOT / name
        text = path.read_text()
        right = made(text, repository)
        if text == right:
            continue
        if verb == "--write":
            path.write_text(right)
            print(f"addresses.py: wrote {name}")
        else:
            print(f"{name} has another address than Cargo.toml: run tools/addresses.py --write", file=sys.stderr)
            failed = True
    if verb == "--release" and re.match(r"https://[^/]*\.invalid(/|$)", repository):
        print(f"cannot release: {repository} in Cargo.toml is a placeholder; write where the project lives, and run tools/addresses.py --write",
              file=sys.stderr)
        failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
