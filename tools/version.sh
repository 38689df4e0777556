#!/bin/sh
# Prints the project's version, or with `abi` the C library's ABI number, from their one home each.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

case ${1:-version} in
    version) number=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml") ;;
    abi) number=$(tr -d '[:space:]' <"$root/ffi/abi_version") ;;
    *)
        echo "version.sh: cannot print \"$1\": it knows version and abi" >&2
        exit 2
        ;;
esac

case $number in
    "" | *[!0-9A-Za-z.+-]*)
        echo "version.sh: cannot tell the ${1:-version}: \"$number\" is none" >&2
        exit 1
        ;;
esac
printf '%s\n' "$number"
