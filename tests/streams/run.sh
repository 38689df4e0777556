#!/bin/sh
# Runs what is promised of streams with the drivers of the interop matrix: tests/streams/run.sh [OPTION OF run.py…]
# `make stage` installs the library; STAGE and RELEASE_DIR name other places than its own.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/interop/places.sh
. tests/interop/places.sh

tests/build.sh
exec python3 tests/streams/run.py "$@"
