#!/bin/sh
# Makes simple-ipc-c-VERSION-linux-x64.tar.gz, or another platform's, in $OUT (the folder packages of cargo's target folder unless set) and prints
# its path: what `make install` installs, built for old systems, in a tree that works wherever it is unpacked. The same
# sources give the same bytes. $SIMPLE_IPC_TARGET, Rust's name of a target, packages for another than this machine.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export CARGO_TARGET_DIR="$target"
out=${OUT:-$target/packages}
version=$("$root/tools/version.sh")

triple=$("$root/tools/portable_build.sh" --triple)
case $triple in
    x86_64-unknown-linux-gnu) machine=linux-x64 ;;
    aarch64-unknown-linux-gnu) machine=linux-arm64 ;;
    x86_64-unknown-linux-musl) machine=linux-musl-x64 ;;
    aarch64-unknown-linux-musl) machine=linux-musl-arm64 ;;
    x86_64-pc-windows-gnu) machine=win-x64 ;;
    *)
        echo "package.sh: cannot package for $triple: it has names for Linux on x86_64 and aarch64, and Windows on x86_64, only" >&2
        exit 1
        ;;
esac
name=simple-ipc-c-$version-$machine

built=$("$root/tools/portable_build.sh" simple-ipc-ffi simple-ipc-cli)
case $triple in
    *-musl | *-windows-*) ;;
    *) "$root/tools/oldest_glibc.sh" 2.28 "$built/libsimpleipc.so" "$built/simple-ipc" ;;
esac
staged=$(mktemp -d "${TMPDIR:-/tmp}/sipc-package-XXXXXX")
trap 'rm -rf "$staged"' EXIT
tree=$staged/$name
lay_for_unix() {
    if [ -n "${SIMPLE_IPC_TARGET:-}" ] && [ -z "${GENERATOR:-}" ]; then
        # The manual and the completions are written by the command, for which one of this machine's own is built.
        (cd "$root" && "${CARGO:-cargo}" build --quiet --locked --package simple-ipc-cli) >&2
        GENERATOR=$target/debug/simple-ipc
        export GENERATOR
    fi
    # A bridge that this tree has built is for this machine's C library, and another tree has none: the archive is without it.
    # The prefix is put in by the place where the tree is: relative to the pkg-config file; CMake's files find their own.
    env -u LIBDIR -u INCLUDEDIR -u BINDIR -u DATADIR BRIDGE= RELEASE_DIR="$built" PREFIX=/prefix DESTDIR="$staged/installed" \
        "$root/tools/install.sh" >/dev/null
    mv "$staged/installed/prefix" "$tree"
    # shellcheck disable=SC2016 # pkg-config expands it
    sed -i 's|^prefix=.*|prefix=${pcfiledir}/../..|' "$tree/lib/pkgconfig/simple_ipc.pc"
}
case $triple in
    *-windows-*) "$here/windows.sh" "$built" "$tree" ;;
    *) lay_for_unix ;;
esac
# The example is the one of the first steps, which are tested.
awk '/^```c$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$root/docs/start.md" >"$staged/example.c"
page=README.md.in
system="glibc 2.28 or newer"
case $triple in
    *-musl) system=musl ;;
    *-windows-*) page=README.windows.md.in ;;
esac
sed -e "s|@VERSION@|$version|g; s|@NAME@|$name|g; s|@SYSTEM@|$system|g" -e "/^@EXAMPLE@\$/{r $staged/example.c" -e 'd}' \
    -e "/^@CLOCK@\$/{r $root/tests/c/clock.c" -e 'd}' "$here/$page" >"$tree/README.md"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$root/CHANGELOG.md" "$tree/"
"$root/tools/sbom.sh" "$tree/sbom.cdx.json" simple-ipc-ffi simple-ipc-cli

mkdir -p "$out"
# No times and users of this machine; sorted.
tar -c -C "$staged" --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s "$name" |
    gzip -n9 >"$out/$name.tar.gz"
printf '%s\n' "$out/$name.tar.gz"
