#!/bin/sh
# Two processes that want one channel, in every order of their file-system steps: builds the library so that its system
# calls go through libc, and runs interleavings.c. The last line is `N passed, N failed`.
#
#   tests/interleavings/run.sh [--most N]     how often a process is interrupted in one order; default 2
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
# The same build as that of tests/faults.
target=${CARGO_TARGET_DIR:-$root/target}/faults
library=$target/debug/libsimpleipc.so

stop() {
    echo "interleavings: $*" >&2
    exit 1
}

cd "$root" || exit 1
RUSTFLAGS="--cfg rustix_use_libc" "${CARGO:-cargo}" build --quiet --locked -p simple-ipc-ffi --target-dir "$target" ||
    stop "the library does not build"
warnings='-std=gnu11 -O1 -g -Wall -Wextra -Werror'
# shellcheck disable=SC2086 # a list of flags
"$cc" $warnings -shared -fPIC "$here/steps.c" -o "$target/steps.so" -ldl || stop "the shim does not compile"
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
ln -sf "$(basename "$library")" "$(dirname "$library")/$soname"
# shellcheck disable=SC2086
"$cc" $warnings -I"$root/include" "$here/interleavings.c" -o "$target/interleavings" "$target/steps.so" "$library" \
    -pthread "-Wl,-rpath,$target" "-Wl,-rpath,$(dirname "$library")" || stop "the program does not compile"
LD_PRELOAD="$target/steps.so" exec "$target/interleavings" "$@"
