#!/bin/sh
# Builds the wheel, installs it into .venv of the checkout, and runs the tests against what is installed.
# Arguments go to pytest.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
wheels=${CARGO_TARGET_DIR:-$root/target}/python-wheels

"$here/environment.sh"
rm -rf "$wheels"
"$root/.venv/bin/maturin" build -q --locked --release -m "$here/Cargo.toml" -o "$wheels"
"$root/.venv/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps --no-index "$wheels"/*.whl
# Not from the source folder: what is imported is what was installed.
cd "$root/tests"
exec "$root/.venv/bin/python" -m pytest -c "$here/pyproject.toml" --rootdir "$here" -p no:cacheprovider "$here/tests" "$@"
