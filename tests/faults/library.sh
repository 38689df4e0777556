# shellcheck shell=sh
# For run.sh of tests/faults and tests/interleavings, which source this after setting `here`: builds the library so that its
# system calls go through libc, where a shim can stand in between. Sets cc, target, library and warnings, and brings `stop`.
# shellcheck disable=SC2034,SC2154 # set for, and by, who sources it
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
# A folder of its own: other flags would make cargo build everything anew each time.
target=${CARGO_TARGET_DIR:-$root/target}/faults
library=$target/debug/libsimpleipc.so
warnings='-std=gnu11 -O1 -g -Wall -Wextra -Werror'

stop() {
    echo "$(basename "$here"): $*" >&2
    exit 1
}

cd "$root" || exit 1
RUSTFLAGS="--cfg rustix_use_libc" "${CARGO:-cargo}" build --quiet --locked -p simple-ipc-ffi --target-dir "$target" ||
    stop "the library does not build"
# The library's own name is that with its ABI number.
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')
ln -sf "$(basename "$library")" "$(dirname "$library")/$soname"
