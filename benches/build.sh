#!/bin/sh
# Compiles the measuring programs: benches/build.sh STAGE OUT, where STAGE is a prefix that the library is installed in.
set -eu
stage=$(cd "$1" && pwd)
out=$2
here=$(dirname "$0")
cc=${CC:-cc}
flags="-std=gnu11 -O2 -Wall -Wextra -Werror -I$here/measure"

mkdir -p "$out"
# shellcheck disable=SC2086 # flags are meant to be split
{
    $cc $flags "$here/bare/bare.c" "$here/bare/ring.c" "$here/measure/measure.c" -o "$out/bare"
    $cc $flags "$here/bare/clients.c" "$here/measure/crowd.c" "$here/measure/measure.c" -o "$out/clients-bare" -pthread
    $cc $flags "$here/bare/busy.c" -o "$out/busy"
    $cc $flags "$here/bare/empty.c" -o "$out/empty"
    $cc $flags -shared -fPIC "$here/measure/slow_clock.c" -o "$out/slow_clock.so"
    $cc $flags "$here/fanout/bare.c" "$here/fanout/fanout.c" "$here/measure/measure.c" -o "$out/fanout-bare"
}

export PKG_CONFIG_PATH="$stage/lib/pkgconfig"
cflags=$(pkg-config --cflags simple_ipc)
libs=$(pkg-config --libs simple_ipc)
for program in bench:library clients:clients idle:idle first:first loop:loop; do
    # shellcheck disable=SC2086
    $cc $flags $cflags "$here/sipc/${program%:*}.c" "$here/sipc/channel.c" "$here/measure/crowd.c" \
        "$here/measure/measure.c" -o "$out/${program#*:}" $libs -Wl,-rpath,"$stage/lib" -pthread
done
# shellcheck disable=SC2086
$cc $flags $cflags "$here/fanout/library.c" "$here/fanout/fanout.c" "$here/measure/measure.c" -o "$out/fanout-library" \
    $libs -Wl,-rpath,"$stage/lib" -pthread
