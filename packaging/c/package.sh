#!/bin/sh
# Makes simple-ipc-c-VERSION-linux-x64.tar.gz in $OUT (the folder packages of cargo's target folder unless set) and prints
# its path: what `make install` installs, built for old systems, in a tree that works wherever it is unpacked. The same
# sources give the same bytes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export CARGO_TARGET_DIR="$target"
out=${OUT:-$target/packages}
version=$("$root/tools/version.sh")

case $(uname -m) in
    x86_64) machine=linux-x64 ;;
    aarch64) machine=linux-arm64 ;;
    *)
        echo "package.sh: cannot package for $(uname -m): it has names for x86_64 and aarch64 only" >&2
        exit 1
        ;;
esac
name=simple-ipc-c-$version-$machine

built=$("$root/tools/portable_build.sh" simple-ipc-ffi simple-ipc-cli)
"$root/tools/oldest_glibc.sh" 2.28 "$built/libsimpleipc.so" "$built/simple-ipc"

staged=$(mktemp -d "${TMPDIR:-/tmp}/sipc-package-XXXXXX")
trap 'rm -rf "$staged"' EXIT
tree=$staged/$name
# The prefix is put in by the place where the tree is: relative to the pkg-config file; CMake's files find their own.
env -u LIBDIR -u INCLUDEDIR -u BINDIR -u DATADIR RELEASE_DIR="$built" PREFIX=/prefix DESTDIR="$staged/installed" \
    "$root/tools/install.sh" >/dev/null
mv "$staged/installed/prefix" "$tree"
# shellcheck disable=SC2016 # pkg-config expands it
sed -i 's|^prefix=.*|prefix=${pcfiledir}/../..|' "$tree/lib/pkgconfig/simple_ipc.pc"
# The example is the one of the project's README, which has it tested.
awk '/^```c$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$root/README.md" >"$staged/example.c"
sed -e "s|@VERSION@|$version|g; s|@NAME@|$name|g" -e "/^@EXAMPLE@\$/{r $staged/example.c" -e 'd}' \
    -e "/^@CLOCK@\$/{r $root/tests/c/clock.c" -e 'd}' "$here/README.md.in" >"$tree/README.md"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$root/CHANGELOG.md" "$tree/"
"$root/tools/sbom.sh" "$tree/sbom.cdx.json" simple-ipc-ffi simple-ipc-cli

mkdir -p "$out"
# No times and users of this machine; sorted.
tar -c -C "$staged" --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s "$name" |
    gzip -n9 >"$out/$name.tar.gz"
printf '%s\n' "$out/$name.tar.gz"
