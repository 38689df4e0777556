#!/bin/sh
# Makes SimpleIpc.<version>.nupkg in $OUT (the folder packages of cargo's target folder unless set) and prints its path:
# the assembly, its documentation, the README, the licences, and the C library for this platform, built for old systems, or for $SIMPLE_IPC_TARGET.
# tools/assemble.py makes one package of those of all platforms.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export CARGO_TARGET_DIR="$target"
out=${OUT:-$target/packages}
version=$("$root/tools/version.sh")

triple=$("$root/tools/portable_build.sh" --triple)
file=libsimpleipc.so
made=
case $triple in
    x86_64-unknown-linux-gnu) runtime=linux-x64 ;;
    aarch64-unknown-linux-gnu) runtime=linux-arm64 ;;
    x86_64-unknown-linux-musl) runtime=linux-musl-x64 ;;
    aarch64-unknown-linux-musl) runtime=linux-musl-arm64 ;;
    x86_64-apple-darwin) runtime=osx-x64 file=libsimpleipc.dylib ;;
    aarch64-apple-darwin) runtime=osx-arm64 file=libsimpleipc.dylib ;;
    # Another name than that which cargo gives it: SimpleIpc.dll is the assembly, and files have no case there.
    x86_64-pc-windows-gnu) runtime=win-x64 file=libsimpleipc.dll made=simpleipc.dll ;;
    *)
        echo "package.sh: cannot package for $triple: .NET's name for it is not known here" >&2
        exit 1
        ;;
esac

library=$("$root/tools/portable_build.sh" simple-ipc-ffi)/${made:-$file}
case $triple in *-linux-gnu) "$root/tools/oldest_glibc.sh" 2.28 "$library" ;; esac

native=$target/dotnet/native
rm -rf "$native"
mkdir -p "$native/runtimes/$runtime/native" "$out"
cp "$library" "$native/runtimes/$runtime/native/$file"
"$root/tools/dotnet.sh" pack --nologo --verbosity quiet --configuration Release --output "$out" \
    "-p:NativeFolder=$native" "$here/src/SimpleIpc.csproj" >&2
printf '%s\n' "$out/SimpleIpc.$version.nupkg"
