#!/bin/sh
# Runs the tests of the bridge: those of its crate, and every language through it. The last line is
# `N passed, N failed, N skipped`. What is named is the part of a test's name: tests/bridge/run.sh [NAME…]
#
# SIMPLE_IPC_BRIDGE_KILLS=1000 has the test that kills servers, bridges and listeners do so as often.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/interop/places.sh
. tests/interop/places.sh

cargo=${CARGO:-cargo}
nats=$(tools/nats.sh) || exit 1
PATH=$(dirname "$nats"):$PATH
export PATH
output=$(mktemp)
trap 'rm -f "$output"' EXIT

manifest=bridge/Cargo.toml
if "$cargo" nextest --version >/dev/null 2>&1; then
    "$cargo" nextest run --cargo-quiet --locked --no-fail-fast --manifest-path $manifest "$@" 2>&1 | tee "$output"
    counted=$(sed -n 's/^ *Summary .*tests run: //p' "$output" | tail -n 1)
    passed=$(printf '%s\n' "$counted" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
    failed=$(printf '%s\n' "$counted" | grep -oE '[0-9]+ (failed|timed out)' | awk '{ n += $1 } END { print n + 0 }')
else
    "$cargo" test --quiet --locked --no-fail-fast --manifest-path $manifest -- "$@" 2>&1 | tee "$output"
    passed=$(sed -n 's/^test result: .* \([0-9]*\) passed;.*/\1/p' "$output" | awk '{ n += $1 } END { print n + 0 }')
    failed=$(sed -n 's/^test result: .* \([0-9]*\) failed;.*/\1/p' "$output" | awk '{ n += $1 } END { print n + 0 }')
fi
if [ "${passed:-0}" = 0 ] && [ "${failed:-0}" = 0 ]; then
    echo "not ok - the crate's tests could not be built, or none is called so"
    failed=1
fi

skipped=0
if [ $# = 0 ]; then
    python3 tests/bridge/languages.py 2>&1 | tee "$output"
    last=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$output" | tail -n 1)
    [ -n "$last" ] || last="0 passed, 1 failed, 0 skipped"
    # shellcheck disable=SC2086 # six words
    set -- $last
    passed=$((${passed:-0} + $1)) failed=$((failed + $3)) skipped=$5
fi
echo "${passed:-0} passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
