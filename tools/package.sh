#!/bin/sh
# Makes every package of the project in $OUT (the folder packages of cargo's target folder unless set) and prints their paths
# as `LANGUAGE PATH`, one a line. Each language's own script, bindings/LANGUAGE/package.sh, makes its packages and prints them.
# Beside them stands the bill of materials of what is compiled in, simple-ipc-LANGUAGE-VERSION.cdx.json; C has its own inside.
#
#   tools/package.sh [LANGUAGE...]     c, and the names of the folders of bindings; default all
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
export CARGO_TARGET_DIR="$target" OUT="${OUT:-$target/packages}"
mkdir -p "$OUT"

languages=$*
if [ -z "$languages" ]; then
    # `make install` names the files of a Linux library.
    case $("$root/tools/portable_build.sh" --triple) in
        *-linux-* | *-windows-*) languages=c ;;
    esac
    for script in "$root"/bindings/*/package.sh; do
        languages="$languages $(basename "$(dirname "$script")")"
    done
fi
for language in $languages; do
    script=$root/bindings/$language/package.sh
    [ "$language" != c ] || script=$root/packaging/c/package.sh
    [ -x "$script" ] || {
        echo "package.sh: cannot package \"$language\": there is no $script" >&2
        exit 2
    }
    echo "package.sh: $language" >&2
    # Into a variable first: a pipe would hide that the script failed.
    made=$("$script")
    printf '%s\n' "$made" | sed "s|^|$language |"
    case $language in
        c) continue ;;
        dotnet) crate=simple-ipc-ffi ;;
        *) crate=simple-ipc-$language ;;
    esac
    "$root/tools/sbom.sh" "$OUT/simple-ipc-$language-$("$root/tools/version.sh").cdx.json" "$crate"
done
