#!/bin/sh
# Ways to end a process and to unload what uses the library, against the installed library: tests/exits/run.sh [OPTION OF run.py…]
# `make stage` installs the library; STAGE names another place than its own.
set -eu
cd "$(dirname "$0")/../.."
STAGE=$(realpath "${STAGE:-${CARGO_TARGET_DIR:-target}/stage}")
export STAGE
exec python3 tests/exits/run.py "$@"
