#!/bin/sh
# Checks that native files load with a glibc that old: tools/oldest_glibc.sh 2.28 FILE...
# Prints what each needs; fails if one needs a newer glibc, or anything but libraries that come with glibc.
set -eu

promised=$1
shift
failed=0
for file in "$@"; do
    symbols=$(objdump -T "$file")
    needed=$(printf '%s\n' "$symbols" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
    if [ -z "$needed" ]; then
        echo "oldest_glibc.sh: $file names no glibc symbol: is it a native file for Linux?" >&2
        failed=1
    elif [ "$(printf '%s\n' "$needed" "$promised" | sort -V | tail -n 1)" != "$promised" ]; then
        echo "oldest_glibc.sh: $file needs glibc $needed; $promised is promised" >&2
        failed=1
    fi
    others=$(objdump -p "$file" | awk '$1 == "NEEDED" { print $2 }' |
        grep -Ev '^(lib(c|m|dl|rt|util|pthread)\.so\.[0-9]+|ld-linux-.*|libgcc_s\.so\.1)$' || true)
    if [ -n "$others" ]; then
        echo "oldest_glibc.sh: $file needs more than glibc: $others" >&2
        failed=1
    fi
    echo "oldest_glibc.sh: $(basename "$file") needs glibc ${needed:-?}" >&2
done
exit $failed
