#!/bin/sh
# Builds the assembly, its tests and its examples, and runs them; the last line is `N passed, N failed`.
#
#   bindings/dotnet/test.sh [NAME…]      NAME: part of a test's name; examples run only without names
#
# The C library is $SIMPLE_IPC_LIBRARY, or the one that cargo has built (release profile); it is built if it is absent.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export CARGO_TARGET_DIR="$target" SIMPLE_IPC_ROOT="$root"

if [ -z "${SIMPLE_IPC_LIBRARY:-}" ]; then
    SIMPLE_IPC_LIBRARY=$target/release/libsimpleipc.so
    [ -e "$SIMPLE_IPC_LIBRARY" ] || (cd "$root" && "${CARGO:-cargo}" build --quiet --release --locked -p simple-ipc-ffi)
fi
export SIMPLE_IPC_LIBRARY

dotnet() { "$root/tools/dotnet.sh" "$@"; }
built() { # project
    if ! dotnet build --nologo --verbosity quiet --configuration Release "$1" >"$target/dotnet.log" 2>&1; then
        cat "$target/dotnet.log"
        echo "0 passed, 1 failed"
        exit 1
    fi
}
mkdir -p "$target"
built "$here/tests/Tests.csproj"
tests=$(find "$target/dotnet/Tests/bin/Release" -name SimpleIpc.Tests.dll)
if [ $# -gt 0 ]; then
    dotnet exec "$tests" "$@"
    exit
fi
exec 3>&1
counts=$(dotnet exec "$tests" | tee /dev/fd/3 | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' | tail -n 1)
[ -n "$counts" ] || counts='0 1'
