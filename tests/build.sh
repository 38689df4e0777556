#!/bin/sh
# Builds what tests and benchmarks across languages use beside the installed library, where they use it: the Rust driver and
# peer, Node's add-on into its package, Python's package into .venv. Quick when nothing has changed, and several may run at
# once. What cannot be built here is named and left out; what needs it then says so.
set -u
cd "$(dirname "$0")/.." || exit 1
target=${CARGO_TARGET_DIR:-$PWD/target}

left_out() { echo "build.sh: $1 cannot be built here: what uses it is left out" >&2; }

# Together with what `make build` makes, so that each dependency is built with the same features, and therefore once.
"${CARGO:-cargo}" build --quiet --release --locked -p simple-ipc -p simple-ipc-ffi -p simple-ipc-cli \
    -p simple-ipc-interop-driver -p simple-ipc-chaos-peer || exit 1

if command -v node >/dev/null 2>&1; then
    bindings/node/build.sh 2>"$target/node-build.log" || {
        cat "$target/node-build.log" >&2
        left_out "the Node add-on"
    }
fi

if [ -x bindings/python/install.sh ]; then bindings/python/install.sh >&2 || left_out "the Python package"; fi
