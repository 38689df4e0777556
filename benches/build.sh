#!/bin/sh
# Compiles the measuring programs: benches/build.sh STAGE OUT, where STAGE is a prefix that the library is installed in.
set -eu
stage=$1
out=$2
here=$(dirname "$0")
cc=${CC:-cc}
flags="-std=gnu11 -O2 -Wall -Wextra -Werror -I$here/measure"

mkdir -p "$out"
# shellcheck disable=SC2086 # flags are meant to be split
$cc $flags "$here/bare/bare.c" "$here/measure/measure.c" -o "$out/bare"

export PKG_CONFIG_PATH="$stage/lib/pkgconfig"
# shellcheck disable=SC2046,SC2086
$cc $flags $(pkg-config --cflags simple_ipc) "$here/sipc/bench.c" "$here/measure/measure.c" -o "$out/library" \
    $(pkg-config --libs simple_ipc) -Wl,-rpath,"$stage/lib" -pthread
