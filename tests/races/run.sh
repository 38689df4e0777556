#!/bin/sh
# Data races: builds the library with ThreadSanitizer and runs races.rs, in which threads share all that they can.
# The last line is `N passed, N failed`.
#
#   tests/races/run.sh [ROUNDS]     how often it is run; default 5
#
# The compiler's own standard library is not instrumented, and its sources, to build it anew, do not come with the
# toolchain. What would be missed there, or reported though it is none, is avoided: --cfg simple_ipc_tsan makes the
# library take its locks by trying, which is compiled into it and seen; tokio and parking_lot are instrumented.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}/races
triple=$(rustc -vV | sed -n 's/^host: //p')
rounds=${1:-5}
passed=0
failed=0

verdict() { # title, whether it is right
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok - $1"
    else
        failed=$((failed + 1))
        echo "not ok - $1"
    fi
}

cd "$root" || exit 1
# The flags are not yet for everyone's compiler; they are the same in this one.
if ! RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg simple_ipc_tsan' \
    "${CARGO:-cargo}" build --quiet --locked -p simple-ipc --example races --target "$triple" --target-dir "$target"; then
    verdict "the library is built with ThreadSanitizer" 1
    echo "$passed passed, $failed failed"
    exit 1
fi
program=$target/$triple/debug/examples/races
mkdir -p "$target/logs"
export TSAN_OPTIONS="suppressions=$here/suppressions.txt exitcode=66"

# What is found is found by what happens: a race that is there shows itself in some order of steps.
round=1
while [ "$round" -le "$rounds" ]; do
    timeout 600 "$program" >"$target/logs/out" 2>"$target/logs/err"
    status=$?
    verdict "no race, and every answer right, round $round" "$status"
    [ "$status" -eq 0 ] || sed 's/^/# /' "$target/logs/out" "$target/logs/err"
    round=$((round + 1))
done

# Two threads that write one word without a lock: found, or the check would be worth nothing.
timeout 600 "$program" --plant >"$target/logs/out" 2>"$target/logs/err"
status=$?
[ "$status" -eq 66 ] && grep -q 'WARNING: ThreadSanitizer: data race' "$target/logs/err" && grep -q 'races::listen' "$target/logs/err"
status=$?
verdict "a race that was made on purpose is found" "$status"
[ "$status" -eq 0 ] || sed 's/^/# /' "$target/logs/out" "$target/logs/err"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
