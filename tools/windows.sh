#!/bin/bash
# Windows from a Linux machine: builds for it, and runs what was built under Wine 10.
#
#   tools/windows.sh               builds, then runs the tests
#   tools/windows.sh --short       builds less, and runs a part of the first of them
#   tools/windows.sh build         builds alone: library, import library, command, tests
#   tools/windows.sh PART…         some of the tests: rust (the library's own), command, tcp, c (its C tests), matrix, chaos, node (Deno and Bun, too),
#                                  python, dotnet
#   tools/windows.sh run PROGRAM…  runs a program under Wine, a copy of it in a directory of its own
#
# The compiler is Debian's for MinGW; tools/targets.sh tells where the standard library comes from. Wine is that of Debian 13, in a root
# of its own in the user's cache folder (debootstrap checks its signatures), since older ones lack what Rust's standard library calls. To
# enter it takes root. The last line is `N passed, N failed, N skipped`; what is left out is named with its reason.
set -euo pipefail
export LC_ALL=C

cd "$(dirname "$0")/.."
target=x86_64-pc-windows-gnu
say() { printf 'windows: %s\n' "$*"; }
all_parts="rust command tcp c matrix chaos node python dotnet"
short=

# What cannot be had here and now is no fault of the sources.
leave_out() {
    say "left out: $*"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
[ "$(uname -sm)" = "Linux x86_64" ] || leave_out "Wine and its compiler take Linux on x86-64"

# shellcheck source=tools/targets.sh
. tools/targets.sh
# shellcheck source=tests/windows/wine.sh
. tests/windows/wine.sh

set_up_targets
lock_target "$target"
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
built=$CARGO_TARGET_DIR
mkdir -p "$built"

if [ "${1:-}" = run ]; then
    unlock_targets
    bring_wine
    make_scratch
    cp "$2" "$scratch"
    enter "./${2##*/}" "${@:3}"
    exit
fi

# What is asked for; each part is a file of tests/windows.
build_alone=
parts=
for part; do
    case " $all_parts " in
        *" $part "*) parts="$parts $part" ;;
        *)
            if [ "$part" = --short ]; then short=1 && continue; fi
            [ "$part" = build ] || { echo "windows.sh: unknown part \"$part\"; there are: build run --short $all_parts" >&2 && exit 2; }
            build_alone=1
            ;;
    esac
done
[ -n "$parts" ] || parts=$all_parts
[ -z "$short" ] || parts="rust command tcp c matrix"

bring x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
say "builds for $target"
cargo() { "$CARGO" "$1" --quiet --locked -Zbuild-std=std,panic_unwind,test --target "$target" "${@:2}"; }
RUSTFLAGS="-D warnings" cargo build -p simple-ipc -p simple-ipc-ffi -p simple-ipc-cli
suites="calls clients streams wire"
tests=(--lib)
# For the tests inside it the library is built a second time.
[ -z "$short" ] || suites=calls tests=()
# shellcheck disable=SC2046,SC2086 # Each is an argument.
RUSTFLAGS="-D warnings" cargo test --no-run --message-format=json -p simple-ipc ${tests[@]+"${tests[@]}"} $(printf -- '--test %s ' $suites) |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' >"$built/windows-programs"
unlock_targets
command=$built/$target/debug/simple-ipc.exe
for made in "$command" "$built/$target/debug/simpleipc.dll" "$built/$target/debug/libsimpleipc.dll.a"; do
    [ -e "$made" ] || { say "$made was not made" >&2 && exit 1; }
done
if [ -n "$build_alone" ]; then
    say "library, import library, command and tests compile and link"
    echo "1 passed, 0 failed, 0 skipped"
    exit 0
fi
bring_wine
make_scratch
for part in $parts; do
    say "== $part"
    SECONDS=0
    # shellcheck source=/dev/null
    . "tests/windows/$part.sh"
    say "$part took $SECONDS s"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
