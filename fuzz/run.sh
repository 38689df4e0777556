#!/bin/sh
# Runs each fuzz target on the seeds that seeds.py writes, on what was found before (fuzz/corpus), and then on what libFuzzer
# makes of them. The last line is `N passed, N failed, N skipped`.
#
#   fuzz/run.sh [SECONDS [TARGET…]]     how long each target runs; default 5, all targets
#
# Coverage comes from flags that the stable compiler has. AddressSanitizer needs one more, which it has too but keeps
# behind RUSTC_BOOTSTRAP; a toolchain without the sanitizer's library fuzzes without it. What is found is kept in
# target/fuzz/found: put it into fuzz/corpus/TARGET with the repair.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
# shellcheck source=tests/checks.sh
. "$root/tests/checks.sh"
target=$target/fuzz
seconds=${1:-5}
[ $# -gt 0 ] && shift
targets=${*:-session subscribe subscription stream connection attached text lock_file channel c_arguments}
host=$(rustc -vV | sed -n 's/^host: //p')

python3 "$here/seeds.py" "$scratch/seeds" || exit 1

flags='--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares'
if ls "$(rustc --print sysroot)/lib/rustlib/$host/lib/"*asan.a >/dev/null 2>&1; then
    flags="$flags -Zsanitizer=address"
    export RUSTC_BOOTSTRAP=1
    # Leaks are looked for by the C tests under valgrind: what a process keeps for good is none.
    export ASAN_OPTIONS=detect_leaks=0
else
    skip "AddressSanitizer, which this toolchain does not have"
fi
# With --target, build scripts are built without the flags.
RUSTFLAGS=$(echo "$flags" | tr '\n' ' ') "${CARGO:-cargo}" build --quiet --release --locked --manifest-path "$here/Cargo.toml" \
    --target-dir "$target" --target "$host" || exit 1

# Files that the targets leave behind.
trap 'rm -rf "$scratch" "${TMPDIR:-/tmp}"/sipc-fuzz-[0-9]*' EXIT
mkdir -p "$target/found"
for name in $targets; do
    mkdir -p "$scratch/$name"
    set -- "$scratch/$name" "$scratch/seeds/$name"
    [ ! -d "$here/corpus/$name" ] || set -- "$@" "$here/corpus/$name"
    # An input that takes a minute hangs.
    if "$target/$host/release/$name" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$target/found/${name}_" "$@" >"$scratch/log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/log")
        covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$scratch/log" | tail -n 1)
        pass "$name: $runs inputs in $seconds s, $covered edges"
    else
        fail "$name"
        tail -n 60 "$scratch/log" | sed 's/^/# /'
    fi
done
finish
