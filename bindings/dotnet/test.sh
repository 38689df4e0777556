#!/bin/sh
# Builds the assembly, its examples, the README's example and the tests, and runs the tests; the last line is `N passed, N failed`.
#
#   bindings/dotnet/test.sh [NAME…]      NAME: part of a test's name
#
# The C library is $SIMPLE_IPC_LIBRARY, or the one that cargo has built (release profile); it is built if it is absent.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export CARGO_TARGET_DIR="$target" SIMPLE_IPC_ROOT="$root"

if [ -z "${SIMPLE_IPC_LIBRARY:-}" ]; then
    SIMPLE_IPC_LIBRARY=$target/release/libsimpleipc.so
    [ -e "$SIMPLE_IPC_LIBRARY" ] || (cd "$root" && "${CARGO:-cargo}" build --quiet --release --locked -p simple-ipc-ffi)
fi
export SIMPLE_IPC_LIBRARY

dotnet() { "$root/tools/dotnet.sh" "$@"; }
mkdir -p "$target"
built() { # project
    if ! dotnet build --nologo --verbosity quiet --configuration Release "$1" >"$target/dotnet.log" 2>&1; then
        cat "$target/dotnet.log"
        echo "0 passed, 1 failed"
        exit 1
    fi
}
only() { find "$target/dotnet/$1/bin/Release" -name "$2" -printf "%T@ %p\n" | sort -n | tail -n 1 | cut -d " " -f 2-; } # the newest, of several frameworks

# The README's first example, as a program of its own, and the others, which are compiled only.
readme=$target/dotnet/readme-source
mkdir -p "$readme"
awk '/^```csharp$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$here/README.md" >"$readme/Program.cs"
{
    printf '%s\n' 'using System;' 'using System.Collections.Generic;' 'using System.Threading.Tasks;' 'using SimpleIpc;' 'class Tick { public Tick(int n) => N = n; public int N { get; } }' \
        'static class Published { internal static async Task Run() {'
    awk '/^ *```csharp$/ { if (++count > 1) { inside = 1; print "{" } next } /^ *```$/ { if (inside) print "}"; inside = 0 } inside' "$here/README.md"
    printf '%s\n' '} }'
} >"$readme/Published.cs"
sed "s|Include=\"../src/|Include=\"$here/src/|; s|Project=\"../|Project=\"$here/|; s|<RootNamespace>.*|<AssemblyName>Readme</AssemblyName>|" \
    "$here/examples/Examples.csproj" >"$readme/Readme.csproj"
cp "$here/Directory.Build.props" "$readme/"
sed -i "s|\$(MSBuildThisFileDirectory)../..|$root|" "$readme/Directory.Build.props"

built "$here/tests/Tests.csproj"
built "$here/examples/Examples.csproj"
built "$readme/Readme.csproj"
built "$root/examples/streams/dotnet/StreamExamples.csproj"
SIMPLE_IPC_EXAMPLES=$(only Examples Examples.dll)
SIMPLE_IPC_README_PROGRAM=$(only Readme Readme.dll)
SIMPLE_IPC_STREAM_EXAMPLES=$(only StreamExamples StreamExamples.dll)
export SIMPLE_IPC_EXAMPLES SIMPLE_IPC_README_PROGRAM SIMPLE_IPC_STREAM_EXAMPLES
"$root/tools/dotnet.sh" exec "$(only Tests SimpleIpc.Tests.dll)" "$@"
