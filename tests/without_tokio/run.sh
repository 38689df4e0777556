#!/bin/sh
# A program that only posts and subscribes is built without tokio, and does so with the command's listeners: tests/without_tokio/run.sh
# `make stage` installs the command; --prefix DIR names another place than its own.
# shellcheck disable=SC2317 # functions are called by name
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
. tests/checks.sh
prefix=
if [ "${1:-}" = --prefix ]; then prefix=$2; fi
[ -n "$prefix" ] || use_stage
cargo=${CARGO:-cargo}

crates_of() { "$cargo" tree --locked -e normal,build --prefix none -p "$1" >"$scratch/crates"; }
none() { crates_of simple-ipc-without-tokio && ! grep '^tokio ' "$scratch/crates"; }
some() { crates_of simple-ipc && grep '^tokio ' "$scratch/crates"; }
check "tokio is none of the crates of a program that only posts" none
check "tokio is one where the default features are on" some
check "a program that only posts is built" "$cargo" build --quiet --locked -p simple-ipc-without-tokio
[ "$failed" -eq 0 ] || finish

export SIMPLE_IPC_DIR="$scratch"
"$prefix/bin/simple-ipc" listen requests --echo >/dev/null &
requests=$!
"$prefix/bin/simple-ipc" listen broadcasts --broadcast >/dev/null &
broadcasts=$!
printf '1\n2\n3\n' | "$prefix/bin/simple-ipc" publish publications --wait-for 1 --quiet &
publications=$!
suite "posts and subscribes without tokio" timeout 300 "$target/debug/simple-ipc-without-tokio"
kill "$requests" "$broadcasts" "$publications" 2>/dev/null
wait
finish
