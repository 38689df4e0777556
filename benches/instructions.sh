#!/bin/sh
# What the tests' runner calls: builds the counting program against the staged library, then compares.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
benches/build.sh "$target/stage" "$target/benches"
exec benches/check.py --programs "$target/benches"
