#!/bin/sh
# Builds the bindings and brings gRPC, in pinned versions, into .tools; then runs run.py with what is given.
# `make bench-streams` installs the library before (STAGE) and calls this.
set -eu
cd "$(dirname "$0")/../.."
here=$PWD/benches/streams
tools=$PWD/.tools/peers-streams
target=${CARGO_TARGET_DIR:-$PWD/target}/bench-streams

tests/build.sh
mkdir -p "$tools"
if command -v npm >/dev/null 2>&1 && ! cmp -s "$here/package-lock.json" "$tools/js/installed"; then
    rm -rf "$tools/js"
    mkdir -p "$tools/js"
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$tools/js/"
    (cd "$tools/js" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefer-offline) >/dev/null
    cp "$here/package-lock.json" "$tools/js/installed"
fi
if [ -x .venv/bin/python ] && ! cmp -s "$here/requirements.txt" "$tools/python.installed"; then
    .venv/bin/python -m pip install -q --disable-pip-version-check --target "$tools/python" -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$tools/python.installed"
fi
CARGO_TARGET_DIR=$target "${CARGO:-cargo}" build --release --locked --quiet --manifest-path "$here/rust/Cargo.toml"
STREAMS_RUST=$target/release/simple-ipc-bench-streams exec python3 "$here/run.py" "$@"
