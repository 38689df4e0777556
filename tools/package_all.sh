#!/bin/bash
# Makes the packages of every platform on this machine, Linux on x86-64, and puts them together as a release: what the release's
# workflow does on several machines. Each platform's stand in a folder of its own under target/parts.
#
#   tools/package_all.sh package|check [PLATFORM...]     a `name` of bindings/node/lib/platforms.json; default all
#
# With `check` each package is also tried, as far as it can be run here. Only what is made of all platforms is assembled. The last line
# is `N passed, N failed, N skipped`.
# shellcheck disable=SC2317 # the checks are functions that are called by name
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
root=$PWD
# shellcheck source=tests/checks.sh
. tests/checks.sh
export CARGO_TARGET_DIR="$target"

how=${1:-}
case $how in
    package | check) shift ;;
    *)
        echo "package_all.sh: cannot tell what to do: say package or check" >&2
        exit 2
        ;;
esac
known=$(python3 -c 'import json; [print(one["name"], one["target"]) for one in json.load(open("bindings/node/lib/platforms.json"))]')
platforms=("$@")
[ $# -gt 0 ] || mapfile -t platforms < <(cut -d ' ' -f 1 <<<"$known")
own=$(env -u SIMPLE_IPC_TARGET tools/portable_build.sh --triple)
parts=$target/parts

for platform in "${platforms[@]}"; do
    triple=$(sed -n "s/^$platform //p" <<<"$known")
    [ -n "$triple" ] || {
        echo "package_all.sh: cannot package for \"$platform\": the platforms are $(cut -d ' ' -f 1 <<<"$known" | tr '\n' ' ')" >&2
        exit 2
    }
    rm -rf "${parts:?}/$platform"
    mkdir -p "$parts/$platform"
    elsewhere=(env "SIMPLE_IPC_TARGET=$triple" "OUT=$parts/$platform")
    [ "$triple" != "$own" ] || elsewhere=(env -u SIMPLE_IPC_TARGET "OUT=$parts/$platform")
    if [ "$how" = check ]; then
        echo "== $platform"
        "${elsewhere[@]}" tests/packages/run.sh >"$scratch/out" 2>&1 </dev/null
        status=$?
        cat "$scratch/out"
        counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped$/\1 \2 \3/p' "$scratch/out" | tail -n 1)
        read -r ok wrong left <<<"${counts:-0 0 0}"
        passed=$((passed + ok)) failed=$((failed + wrong)) skipped=$((skipped + left))
        [ "$status" -eq 0 ] || [ "$wrong" -gt 0 ] || fail "$platform: ended with $status"
    else
        check "the packages for $platform are made" "${elsewhere[@]}" tools/package.sh
    fi
done
if [ $# -gt 0 ]; then
    skip "no release was assembled: only some platforms were named"
else
    assembled=$target/assembled
    rm -rf "$assembled"
    check "they make one release" tools/assemble.py "$assembled" "$parts"/*
fi
finish
