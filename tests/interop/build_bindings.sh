#!/bin/sh
# Builds the bindings of this checkout to where tests and benchmarks across languages use them: Node's add-on into its
# package, Python's package into .venv. Quick when nothing has changed. What cannot be built here is named and left out; what
# needs it then says so.
set -u
cd "$(dirname "$0")/../.." || exit 1
target=${CARGO_TARGET_DIR:-$PWD/target}

left_out() { echo "build_bindings.sh: $1 cannot be built here: what uses it is left out" >&2; }

if command -v node >/dev/null 2>&1; then
    bindings/node/build.sh 2>"$target/node-build.log" || {
        cat "$target/node-build.log" >&2
        left_out "the Node add-on"
    }
fi

python_package() {
    bindings/python/environment.sh >&2 || return 1
    wheels=$(mktemp -d) || return 1
    .venv/bin/maturin build -q --locked --release -m bindings/python/Cargo.toml -o "$wheels" &&
        .venv/bin/python -m pip install -q --disable-pip-version-check --force-reinstall --no-deps --no-index \
            "$wheels"/*.whl
    status=$?
    rm -rf "$wheels"
    return $status
}
if [ -x bindings/python/environment.sh ]; then python_package || left_out "the Python package"; fi
