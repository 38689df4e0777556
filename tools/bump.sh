#!/bin/sh
# Gives the project another version, in every place that holds it: manifests, lock files, the C header, and CHANGELOG.md, whose
# unreleased changes become those of the version.
#
#   tools/bump.sh X.Y.Z
#
# What it changes is named; nothing is committed. The ABI number, ffi/abi_version, has its own life.
set -eu
cd "$(dirname "$0")/.."

new=${1:-}
if ! printf '%s\n' "$new" | grep -Eqx '(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)'; then
    echo "bump.sh: cannot give the version \"$new\": give three numbers, such as 1.2.3" >&2
    exit 2
fi
old=$(tools/version.sh)
if [ "$old" = "$new" ] || [ "$(printf '%s\n' "$old" "$new" | sort -V | tail -n 1)" != "$new" ]; then
    echo "bump.sh: cannot give the version $new: it has to be later than $old" >&2
    exit 1
fi

python3 - "$old" "$new" "$(date -u +%F)" <<'END'
import re
import sys
from pathlib import Path

old, new, today = sys.argv[1:]
changes = {}


def change(name, pattern, replacement, times):
    """Replaces what fits `pattern` in the file `name`; it has to fit exactly `times` times, or at least once where that is None."""
    path = Path(name)
    text, count = re.subn(pattern, replacement, changes.get(path, path.read_text()), flags=re.MULTILINE)
    if count != times if times is not None else count == 0:
        sys.exit(f"bump.sh: cannot change the version in {name}: {pattern} fits {count} times; nothing was changed")
    changes[path] = text


quoted = re.escape(old)
for manifest in ("Cargo.toml", "bridge/Cargo.toml"):
    change(manifest, rf'^version = "{quoted}"$', f'version = "{new}"', 1)
    change(manifest, rf'^(simple-ipc = \{{ path = "[^"]*", version = )"{quoted}"', rf'\g<1>"{new}"', 1)
# The crates of this project in the lock files: they come from no registry.
for lock in ("Cargo.lock", "bridge/Cargo.lock", "fuzz/Cargo.lock"):
    change(lock, rf'^(name = "simple-ipc(?:-[a-z-]*)?"\nversion = )"{quoted}"$(?!\nsource)', rf'\g<1>"{new}"', None)
change("bindings/node/package.json", rf'^  "version": "{quoted}",$', f'  "version": "{new}",', 1)
change("bindings/node/package-lock.json", rf'^(  "name": "simple-ipc",\n  "version": )"{quoted}",$', rf'\g<1>"{new}",', 1)
change("bindings/node/package-lock.json", rf'^(      "name": "simple-ipc",\n      "version": )"{quoted}",$', rf'\g<1>"{new}",', 1)
change("include/simple_ipc.h", rf'^(#define SIPC_VERSION )"{quoted}"$', rf'\g<1>"{new}"', 1)
change("CHANGELOG.md", r"^## \[Unreleased\]$", f"## [Unreleased]\n\n## [{new}] - {today}", 1)

for path, text in changes.items():
    path.write_text(text)
    print(f"bump.sh: {path}: {new}")
END
