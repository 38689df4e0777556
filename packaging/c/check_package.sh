#!/bin/sh
# Unpacks the C package into an empty place outside the checkout, and builds and runs the example of its README from there:
# through pkg-config and, where it is installed, CMake, with the shared library and with the static one. The package is the
# argument, or what package.sh makes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
package=${1:-$("$here/package.sh")}
case $package in /*) ;; *) package=$PWD/$package ;; esac
fail() { echo "check_package: $*" >&2; exit 1; }

place=$(mktemp -d "${TMPDIR:-/tmp}/sipc-c-package-XXXXXX")
trap 'rm -rf "$place"' EXIT
cd "$place"
mkdir channels
tar xzf "$package"
root=$place/$(basename "$package" .tar.gz)
for file in README.md LICENSE-MIT LICENSE-APACHE CHANGELOG.md sbom.cdx.json include/simple_ipc.h lib/libsimpleipc.a \
    lib/libsimpleipc.so lib/pkgconfig/simple_ipc.pc lib/cmake/SimpleIpc/SimpleIpcConfig.cmake bin/simple-ipc \
    share/man/man1/simple-ipc.1; do
    [ -s "$root/$file" ] || fail "$(basename "$package") has no $file, or an empty one"
done

export PKG_CONFIG_PATH="$root/lib/pkgconfig" LD_LIBRARY_PATH="$root/lib" SIMPLE_IPC_DIR="$place/channels"
unset CARGO_TARGET_DIR
says() {
    said=$(timeout 120 "$@") || fail "$* failed"
    [ "$said" = response-bar ] || fail "$* said \"$said\" instead of response-bar"
}
awk '/^```c$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$root/README.md" >example.c
awk '/^```c$/ { inside = 1; block += 1; next } /^```$/ { inside = 0 } inside && block == 2' "$root/README.md" >clock.c
# shellcheck disable=SC2046 # lists of flags
{
    "${CC:-cc}" example.c $(pkg-config --cflags --libs simple_ipc) -o shared
    "${CC:-cc}" example.c $(pkg-config --cflags simple_ipc) $(pkg-config --variable=static_libs simple_ipc) -o static
}
# shellcheck disable=SC2046 # a list of flags
"${CC:-cc}" clock.c $(pkg-config --cflags --libs simple_ipc) -o clock
said=$(timeout 120 ./clock) || fail "the clock of the README failed"
[ "$said" = "tick 1, 0 missed" ] || fail "the clock of the README said \"$said\""
says ./shared
says env -u LD_LIBRARY_PATH ./static
if command -v cmake >/dev/null 2>&1; then
    cp "$here/check/CMakeLists.txt" .
    if ! { cmake -S . -B built "-DCMAKE_PREFIX_PATH=$root" && cmake --build built; } >log 2>&1; then
        cat log
        fail "CMake cannot build the example"
    fi
    says env -u LD_LIBRARY_PATH built/with_simple_ipc
    says env -u LD_LIBRARY_PATH built/with_simple_ipc_static
elif [ -n "${CI:-}" ]; then
    fail "CMake is not installed"
fi
"$root/bin/simple-ipc" ls >/dev/null || fail "the command does not run"
python3 - "$root/sbom.cdx.json" <<'END'
import json, sys
bom = json.load(open(sys.argv[1]))
names = {component["name"] for component in bom["components"]}
if bom["bomFormat"] != "CycloneDX" or not {"simple-ipc", "tokio", "serde_json"} <= names:
    sys.exit(f"check_package: the bill of materials names only {sorted(names)}")
END
echo "check_package: $(basename "$package") works where it was unpacked"
