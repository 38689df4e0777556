#!/bin/sh
# Builds what the soak needs beside the installed library, and runs it: tests/soak/run.sh [OPTION OF run.py…]
# `make stage` installs the library; STAGE and RELEASE_DIR name other places than its own.
set -eu
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
RELEASE_DIR=$(realpath "${RELEASE_DIR:-$target/release}")
STAGE=$(realpath "${STAGE:-$target/stage}")
export RELEASE_DIR STAGE
# Byte code goes to the build folder, never beside the sources.
PYTHONPYCACHEPREFIX=$target/pycache
export PYTHONPYCACHEPREFIX
"${CARGO:-cargo}" build --quiet --release --locked -p simple-ipc-chaos-peer
tests/interop/build_bindings.sh
exec python3 tests/soak/run.py "$@"
