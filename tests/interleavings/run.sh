#!/bin/sh
# Two processes that want one channel, in every order of their file-system steps: builds the library so that its system
# calls go through libc, and runs interleavings.c. The last line is `N passed, N failed`.
#
#   tests/interleavings/run.sh [--most N]     how often a process is interrupted in one order; default 2
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/faults/library.sh
. "$here/../faults/library.sh"
# shellcheck disable=SC2086 # a list of flags
"$cc" $warnings -shared -fPIC "$here/steps.c" -o "$target/steps.so" -ldl || stop "the shim does not compile"
# shellcheck disable=SC2086
"$cc" $warnings -I"$root/include" "$here/interleavings.c" -o "$target/interleavings" "$target/steps.so" "$library" \
    -pthread "-Wl,-rpath,$target" "-Wl,-rpath,$(dirname "$library")" || stop "the program does not compile"
LD_PRELOAD="$target/steps.so" exec "$target/interleavings" "$@"
