#!/bin/sh
# Puts the built library, header, command and their package files where PREFIX says; DESTDIR goes before every path.
# `make install` is how this is called; it changes nothing but the installed tree. RELEASE_DIR and BRIDGE name other builds than
# this tree's own; an empty BRIDGE leaves the bridge out.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
release=${RELEASE_DIR:-$root/target/release}
bridge=${BRIDGE-$root/bridge/target/release/simple-ipc-bridge}
destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
includedir=${INCLUDEDIR:-$prefix/include}
bindir=${BINDIR:-$prefix/bin}
datadir=${DATADIR:-$prefix/share}

for directory in "$prefix" "$libdir" "$includedir" "$bindir" "$datadir"; do
    case $directory in
        /*) ;;
        *)
            echo "install: cannot install under \"$directory\": give an absolute path" >&2
            exit 2
            ;;
    esac
done

headers='simple_ipc.h simple_ipc.hpp simple_ipc_queue.hpp simple_ipc_stream.hpp simple_ipc_subscription.hpp
    simple_ipc_methods.hpp simple_ipc_json.hpp'
set -- "$release/libsimpleipc.so" "$release/libsimpleipc.a" "$release/simple-ipc"
for header in $headers; do set -- "$@" "$root/include/$header"; done
for file in "$@"; do
    if [ ! -f "$file" ]; then
        echo "install: cannot install: $file is missing; run: make build" >&2
        exit 1
    fi
done

version=$("$root/tools/version.sh")
abi=$("$root/tools/version.sh" abi)
url=$(sed -n 's/^repository = "\(.*\)"/\1/p' "$root/Cargo.toml")
# What the archive needs from the system on Linux, as `rustc --print native-static-libs` says, without -lgcc_s: every
# compiler driver adds its unwinder itself, and names the right one under -static, where there is no libgcc_s.
native_libs='-lutil -lrt -lpthread -lm -ldl -lc'
# The installed library tells its own word size: the fifth byte of an ELF file is 1 for 32 bits and 2 for 64.
pointer_size=$(($(od -An -t u1 -j 4 -N 1 "$release/libsimpleipc.so") * 4))

put() { # mode, source, directory, name
    install -d "$destdir$3"
    # A running program keeps its copy of the old file: install(1) replaces the name instead of writing into it. What is
    # there already keeps its time, so that nothing that uses it has to be built anew.
    install -C -m "$1" "$2" "$destdir$3/$4"
}

fill() { # template, directory, name
    install -d "$destdir$2"
    sed -e "s|@PREFIX@|$prefix|g" \
        -e "s|@LIBDIR@|$libdir_in_prefix|g" \
        -e "s|@INCLUDEDIR@|$includedir_in_prefix|g" \
        -e "s|@LIBDIR_TO_INCLUDEDIR@|$(realpath -m --relative-to="$libdir" "$includedir")|g" \
        -e "s|@NATIVE_LIBS@|$native_libs|g" \
        -e "s|@POINTER_SIZE@|$pointer_size|g" \
        -e "s|@VERSION@|$version|g" \
        -e "s|@ABI@|$abi|g" \
        -e "s|@URL@|$url|g" \
        "$root/packaging/$1" >"$destdir$2/$3.part"
    chmod 644 "$destdir$2/$3.part"
    mv "$destdir$2/$3.part" "$destdir$2/$3"
}

# `pkg-config --define-variable=prefix=…` moves a tree only if its folders are named through the prefix.
# shellcheck disable=SC2016 # the reader of the file expands it
in_prefix() {
    case $1 in
        "$prefix"/*) printf '${prefix}%s' "${1#"$prefix"}" ;;
        *) printf '%s' "$1" ;;
    esac
}
libdir_in_prefix=$(in_prefix "$libdir")
includedir_in_prefix=$(in_prefix "$includedir")

put 755 "$release/libsimpleipc.so" "$libdir" "libsimpleipc.so.$version"
ln -sf "libsimpleipc.so.$version" "$destdir$libdir/libsimpleipc.so.$abi"
ln -sf "libsimpleipc.so.$abi" "$destdir$libdir/libsimpleipc.so"
put 644 "$release/libsimpleipc.a" "$libdir" libsimpleipc.a
for header in $headers; do put 644 "$root/include/$header" "$includedir" "$header"; done
fill simple_ipc.pc.in "$libdir/pkgconfig" simple_ipc.pc
fill SimpleIpcConfig.cmake.in "$libdir/cmake/SimpleIpc" SimpleIpcConfig.cmake
fill SimpleIpcConfigVersion.cmake.in "$libdir/cmake/SimpleIpc" SimpleIpcConfigVersion.cmake

put 755 "$release/simple-ipc" "$bindir" simple-ipc
# Built by `make bridge`, where that was wanted.
if [ -x "$bridge" ]; then
    put 755 "$bridge" "$bindir" simple-ipc-bridge
    put 644 "$root/packaging/simple-ipc-bridge.service" "$prefix/lib/systemd/user" simple-ipc-bridge.service
fi
# Where the command is for another machine, $GENERATOR is one of this machine's: what it writes is the same.
generated=$(mktemp -d)
trap 'rm -rf "$generated"' EXIT
"${GENERATOR:-$release/simple-ipc}" generate "$generated"
for page in "$generated"/*.1; do
    put 644 "$page" "$datadir/man/man1" "$(basename "$page")"
done
put 644 "$generated/simple-ipc.bash" "$datadir/bash-completion/completions" simple-ipc
put 644 "$generated/_simple-ipc" "$datadir/zsh/site-functions" _simple-ipc
put 644 "$generated/simple-ipc.fish" "$datadir/fish/vendor_completions.d" simple-ipc.fish

echo "install: Simple IPC $version is in $destdir$prefix"
# The loader finds a library in a system folder only through its cache; a staged tree is not the running system.
if [ -z "$destdir" ] && [ "$(id -u)" = 0 ] && command -v ldconfig >/dev/null 2>&1; then
    case $libdir in
        /usr/lib* | /usr/local/lib* | /lib*) ldconfig ;;
    esac
fi
