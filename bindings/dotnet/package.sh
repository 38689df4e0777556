#!/bin/sh
# Makes SimpleIpc.<version>.nupkg in $OUT (the folder packages of cargo's target folder unless set) and prints its path:
# the assembly, its documentation, the README, the licences, and the C library for Linux on this processor, built for
# old systems.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export CARGO_TARGET_DIR="$target"
out=${OUT:-$target/packages}
version=$("$root/tools/version.sh")
oldest_glibc=2.28

case $(uname -m) in
    x86_64) runtime=linux-x64 ;;
    aarch64) runtime=linux-arm64 ;;
    *)
        echo "package.sh: cannot package for $(uname -m): .NET has a name for x86_64 and aarch64 only" >&2
        exit 1
        ;;
esac

built=$("$root/tools/portable_build.sh" simple-ipc-ffi)
library=$built/libsimpleipc.so
needed=$(objdump -T "$library" | sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' | sort -V | tail -n 1)
if [ "$(printf '%s\n' "$needed" "$oldest_glibc" | sort -V | tail -n 1)" != "$oldest_glibc" ]; then
    echo "package.sh: the C library needs glibc $needed, and the package promises $oldest_glibc" >&2
    exit 1
fi

native=$target/dotnet/native
rm -rf "$native"
mkdir -p "$native/runtimes/$runtime/native" "$out"
cp "$library" "$native/runtimes/$runtime/native/"
"$root/tools/dotnet.sh" pack --nologo --verbosity quiet --configuration Release --output "$out" \
    "-p:NativeFolder=$native" "$here/src/SimpleIpc.csproj" >&2
printf '%s\n' "$out/SimpleIpc.$version.nupkg"
