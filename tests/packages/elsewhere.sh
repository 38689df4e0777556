#!/bin/bash
# Unpacks packages that were made for another target, $SIMPLE_IPC_TARGET, in an empty place, and runs the README's example of them there
# as far as that target's programs can be run here; tests/targets/parts.sh tells how. What cannot be run is said.
#
#   tests/packages/elsewhere.sh LANGUAGE PACKAGE...
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
triple=$SIMPLE_IPC_TARGET
language=$1
shift
packages=("$@")
failed=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sipc-elsewhere-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
fail() {
    echo "elsewhere.sh: $*" >&2
    exit 1
}
skip() { echo "left out: $*"; }
case $triple in
    *-apple-darwin)
        skip "what is for $triple was not run: this is no machine of that kind"
        exit
        ;;
    *-windows-*) exec tests/windows/packages.sh "$language" "$@" ;;
esac
finish() { exit "$failed"; }
# shellcheck source=tests/targets/parts.sh
. tests/targets/parts.sh
# shellcheck source=tests/packages/unpacked.sh
. tests/packages/unpacked.sh
lock_targets
bring_zig
enter "$triple"
unlock_targets

export SIMPLE_IPC_DIR=$scratch/channels
mkdir "$scratch/channels" "$scratch/place"
says() { # expected, command…
    local expected=$1 said
    shift
    said=$("${inside[@]}" timeout 300 "$@") || fail "$* failed"
    [ "$said" = "$expected" ] || fail "$* said \"$said\" instead of \"$expected\""
    echo "$(basename "$1") says what is due"
}

case $language in
    c)
        tar xzf "$(find_package '*.tar.gz')" -C "$scratch/place" --strip-components 1
        tree=$scratch/place
        case $triple in
            *-musl) zigs=${triple%%-*}-linux-musl ;;
            *) zigs=${triple%%-*}-linux-gnu.2.28 ;;
        esac
        c_compiler "$zigs"
        example c "$tree/README.md" >"$scratch/example.c"
        export PKG_CONFIG_PATH=$tree/lib/pkgconfig
        # shellcheck disable=SC2046 # lists of flags
        {
            "$scratch/cc" "$scratch/example.c" $(pkg-config --cflags --libs simple_ipc) -o "$scratch/shared"
            "$scratch/cc" "$scratch/example.c" $(pkg-config --cflags simple_ipc) $(pkg-config --variable=static_libs simple_ipc) \
                -lunwind -o "$scratch/static"
        }
        LD_LIBRARY_PATH=$tree/lib says response-bar "$scratch/shared"
        says response-bar "$scratch/static"
        says "simple-ipc $(tools/version.sh)" "$tree/bin/simple-ipc" --version
        ;;
    node)
        mkdir -p "$scratch/place/node_modules/simple-ipc" "$scratch/place/node_modules/add-on"
        tar xzf "$(find_package "simple-ipc-[0-9]*.tgz")" -C "$scratch/place/node_modules/simple-ipc" --strip-components 1
        tar xzf "$(find_package "simple-ipc-linux-*.tgz")" -C "$scratch/place/node_modules/add-on" --strip-components 1
        name=$(sed -n 's/^  "name": "\(.*\)",$/\1/p' "$scratch/place/node_modules/add-on/package.json")
        mv "$scratch/place/node_modules/add-on" "$scratch/place/node_modules/$name"
        example js "$scratch/place/node_modules/simple-ipc/README.md" >"$scratch/place/example.mjs"
        bring_node "$triple" || { skip "Node for $triple cannot be had"; exit; }
        says "request-foo
response-bar" "$runtime" "$scratch/place/example.mjs"
        ;;
    python)
        [ "$triple" = aarch64-unknown-linux-gnu ] || {
            skip "the wheel for $triple was not imported: no Python for it is in a registry"
            exit
        }
        python3 -m zipfile -e "$(find_package '*manylinux*.whl')" "$scratch/place"
        example python bindings/python/README.md >"$scratch/example.py"
        expected=$(sed -n 's/.*print(.*# //p' "$scratch/example.py")
        PYTHONPATH=$scratch/place says "$expected" "$system/usr/bin/python3.11" "$scratch/example.py"
        ;;
    dotnet) skip "the library for $triple in the NuGet package was not loaded: no .NET for it is in a registry" ;;
esac
