#!/bin/sh
# Builds the wheel, installs it into .venv of the checkout, and runs the tests against what is installed.
# Arguments go to pytest: bindings/python/test.sh -k forked
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

"$here/install.sh"
# Not from the source folder: what is imported is what was installed.
cd "$root/tests"
exec "$root/.venv/bin/python" -m pytest -c "$here/pyproject.toml" --rootdir "$here" -p no:cacheprovider -rs "$here/tests" "$@"
