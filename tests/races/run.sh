#!/bin/sh
# Data races: builds the library with ThreadSanitizer and runs races.rs, in which threads share all that they can.
# The last line is `N passed, N failed, N skipped`.
#
#   tests/races/run.sh [ROUNDS]     how often it is run; default 5
#
# The compiler's own standard library is not instrumented, and its sources, to build it anew, do not come with the
# toolchain. What would be missed there, or reported though it is none, is avoided: --cfg simple_ipc_tsan makes the
# library take its locks by trying, which is compiled into it and seen; tokio and parking_lot are instrumented.
# shellcheck disable=SC2317 # called by name
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tests/checks.sh
. "$root/tests/checks.sh"
target=$target/races
triple=$(rustc -vV | sed -n 's/^host: //p')
rounds=${1:-5}

# The flags are not yet for everyone's compiler; they are the same in this one.
build() {
    (cd "$root" && RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg simple_ipc_tsan' \
        "${CARGO:-cargo}" build --quiet --locked -p simple-ipc --example races --target "$triple" --target-dir "$target")
}
check "the library is built with ThreadSanitizer" build
[ "$failed" -eq 0 ] || finish
program=$target/$triple/debug/examples/races
export TSAN_OPTIONS="suppressions=$here/suppressions.txt exitcode=66"

# What is found is found by what happens: a race that is there shows itself in some order of steps.
round=1
while [ "$round" -le "$rounds" ]; do
    check "no race, and every answer right, round $round" timeout 600 "$program"
    round=$((round + 1))
done

# Two threads that write one word without a lock: found, or the check would be worth nothing.
finds_a_race() {
    timeout 600 "$program" --plant 2>"$scratch/races"
    [ $? -eq 66 ] && grep -q 'WARNING: ThreadSanitizer: data race' "$scratch/races" &&
        grep -q 'races::listen' "$scratch/races"
}
check "a race that was made on purpose is found" finds_a_race
finish
