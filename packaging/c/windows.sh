#!/bin/sh
# Lays the tree of the archive for Windows: packaging/c/windows.sh BUILT TREE. BUILT is cargo's folder of what was built for it.
# It is that which `make install` lays elsewhere, but for the command's manual and completions; the library stands beside the command,
# where Windows looks for it.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
built=$1
tree=$2
version=$("$root/tools/version.sh")
url=$(sed -n 's/^repository = "\(.*\)"/\1/p' "$root/Cargo.toml")
# What the archive needs from the system, as `rustc --print native-static-libs` says, without what MinGW adds itself.
native_libs='-lkernel32 -lntdll -luserenv -lws2_32 -ladvapi32 -liphlpapi'

mkdir -p "$tree/bin" "$tree/lib/pkgconfig" "$tree/lib/cmake/SimpleIpc" "$tree/include"
install -m 755 "$built/simpleipc.dll" "$built/simple-ipc.exe" "$tree/bin"
install -m 644 "$built/libsimpleipc.dll.a" "$built/libsimpleipc.a" "$tree/lib"
install -m 644 "$root"/include/*.h "$root"/include/*.hpp "$tree/include"
fill() { # template, file
    # shellcheck disable=SC2016 # pkg-config expands it
    sed -e 's|@PREFIX@|${pcfiledir}/../..|g; s|@LIBDIR@|${prefix}/lib|g; s|@INCLUDEDIR@|${prefix}/include|g' \
        -e "s|@NATIVE_LIBS@|$native_libs|g; s|@POINTER_SIZE@|8|g; s|@VERSION@|$version|g; s|@URL@|$url|g" \
        "$root/packaging/$1" >"$tree/$2"
}
fill simple_ipc.pc.in lib/pkgconfig/simple_ipc.pc
fill SimpleIpcConfig.windows.cmake.in lib/cmake/SimpleIpc/SimpleIpcConfig.cmake
fill SimpleIpcConfigVersion.cmake.in lib/cmake/SimpleIpc/SimpleIpcConfigVersion.cmake
