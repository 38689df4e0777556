#!/bin/sh
# Installs the wheel of $OUT (default: <target>/packages) into an empty environment outside the checkout and runs
# the first example from there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OUT:-${CARGO_TARGET_DIR:-$root/target}/packages}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install -q --disable-pip-version-check --no-index "$out"/simple_ipc-*.whl
mkdir "$scratch/channels"
cd "$scratch"
printed=$(SIMPLE_IPC_DIR=$scratch/channels "$scratch/venv/bin/python" -I -c '
import simple_ipc
with simple_ipc.listen_uds_request("example_channel", lambda data: "response-bar") as server:
    print(simple_ipc.post_uds_request("example_channel", "request-foo"))
')
if [ "$printed" != response-bar ]; then
    echo "check_package.sh: the example printed \"$printed\" and not response-bar" >&2
    exit 1
fi
echo "the installed wheel runs the example"
