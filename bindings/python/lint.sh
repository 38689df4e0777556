#!/bin/sh
# Formatting, lints, types, and the stubs against the built module. Changes no source.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
wheels=${CARGO_TARGET_DIR:-$root/target}/python-wheels
bin=$root/.venv/bin

"$here/environment.sh"
cd "$here"
"$bin/ruff" format --check --quiet . ../../examples
"$bin/ruff" check --quiet . ../../examples
"$bin/mypy" --config-file pyproject.toml --cache-dir "$wheels-mypy" python/simple_ipc
# The build for free-threaded interpreters compiles; none has to be there for that.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/free-threaded PYO3_CONFIG_FILE=$here/free_threaded.config \
    cargo clippy --quiet --no-default-features -- -D warnings
"$here/install.sh"
cd "$wheels"
"$bin/python" -m mypy.stubtest simple_ipc
