#!/bin/sh
# Builds the wheel and installs it into .venv of the checkout, where tests use it. Several at once wait for each other, and
# what is installed already stays untouched, since a test may be using it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
wheels=$target/python-wheels
installed=$root/.venv/simple_ipc.installed

mkdir -p "$target"
exec 9>"$target/python-install.lock"
flock 9
"$here/environment.sh" 9>&-
rm -rf "$wheels"
"$root/.venv/bin/maturin" build -q --locked --release -m "$here/Cargo.toml" -o "$wheels" 9>&-
# The list of the files in a wheel has the checksum of each.
made=$(python3 -c '
import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
print(*(wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/RECORD")))
' "$wheels"/*.whl)
[ ! -e "$installed" ] || [ "$made" != "$(cat "$installed")" ] || exit 0
"$root/.venv/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps --no-index \
    "$wheels"/*.whl 9>&-
printf '%s\n' "$made" >"$installed"
