#!/bin/sh
# Makes the virtual environment .venv of the checkout with what requirements.txt names. Quick when it is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=$(cd "$here/../.." && pwd)/.venv

if [ -f "$venv/requirements.done" ] && cmp -s "$here/requirements.txt" "$venv/requirements.done"; then
    exit 0
fi
printf 'setup: installing Python tools into %s\n' "$venv"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: cannot build the Python package: Python 3.11 or newer is needed" >&2
    exit 1
}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps -r "$here/requirements.txt"
broken=$("$venv/bin/python" -m pip check --disable-pip-version-check) || {
    printf 'setup: requirements.txt lacks something: %s\n' "$broken" >&2
    exit 1
}
cp "$here/requirements.txt" "$venv/requirements.done"
