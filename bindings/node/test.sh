#!/bin/sh
# Tests the npm package under Node, and under Node 24, Deno and Bun where `make setup` has brought them. The last line is
# `N passed, N failed, N skipped`. An argument is a file of tests, or a part of the names of the tests to run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
"$here/setup.sh" test || exit 1
"$here/build.sh" || exit 1

output=$(mktemp)
runtimes=$(mktemp)
trap 'rm -f "$output" "$runtimes"' EXIT
"$here/setup.sh" print >"$runtimes"

passed=0
failed=0
skipped=0
while read -r name command; do
    echo "-- $name"
    # shellcheck disable=SC2086 # the command is several words
    $command "$here/tests/main.mjs" ${1+"$1"} </dev/null >"$output" 2>&1
    status=$?
    cat "$output"
    summary=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$output" | tail -n 1)
    set_passed=$(printf '%s' "$summary" | cut -d ' ' -f 1)
    set_failed=$(printf '%s' "$summary" | cut -d ' ' -f 3)
    set_skipped=$(printf '%s' "$summary" | cut -d ' ' -f 5)
    passed=$((passed + ${set_passed:-0}))
    failed=$((failed + ${set_failed:-0}))
    skipped=$((skipped + ${set_skipped:-0}))
    # One that ends without its summary, or badly in spite of a good one, has failed.
    if [ "$status" != 0 ] && [ "${set_failed:-0}" = 0 ]; then
        echo "$name ended with status $status"
        failed=$((failed + 1))
    fi
done <"$runtimes"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
