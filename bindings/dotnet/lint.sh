#!/bin/sh
# Compiles everything with every warning an error, in the debug configuration, which no test uses; and, where the SDK is
# older than .NET 8, the assembly also as it is for .NET 8, against the assemblies of that runtime. Changes no source.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
export CARGO_TARGET_DIR="$target"
dotnet() { "$root/tools/dotnet.sh" "$@"; }

mkdir -p "$target"
for project in src/SimpleIpc tests/Tests examples/Examples ../../examples/streams/dotnet/StreamExamples \
    ../../examples/worker/dotnet/Worker ../../examples/plugins/dotnet/Plugin; do
    if ! dotnet build --nologo --verbosity quiet --configuration Debug --no-incremental -warnaserror \
        "$here/$project.csproj" >"$target/dotnet-lint.log" 2>&1; then
        cat "$target/dotnet-lint.log"
        exit 1
    fi
done

if grep -n -r --include='*.cs' -e '	' -e ' $' "$here/src" "$here/tests" "$here/examples" "$root"/examples/*/dotnet; then
    echo "dotnet: the lines above have tabs, or spaces at their ends" >&2
    exit 1
fi

sdk=$(dotnet --list-sdks | tail -n 1)
number=${sdk%% *}
[ "${number%%.*}" -lt 8 ] || exit 0
runtime=$(dotnet --list-runtimes | sed -n 's/^Microsoft.NETCore.App \(8[^ ]*\) \[\(.*\)\]$/\2\/\1/p' | tail -n 1)
[ -n "$runtime" ] || exit 0
folder=${sdk#* [}
response=$target/dotnet-net8.rsp
{
    printf '%s\n' -nologo -target:library -langversion:8.0 -nullable:enable -unsafe -warnaserror -optimize -deterministic \
        "-out:$target/dotnet/net8/SimpleIpc.dll" "-doc:$target/dotnet/net8/SimpleIpc.xml"
    printf -- '-define:%s\n' NETCOREAPP NET5_0_OR_GREATER NET6_0_OR_GREATER NET7_0_OR_GREATER NET8_0_OR_GREATER
    for assembly in "$runtime"/System*.dll; do
        case $assembly in *.Native.dll | */System.Private.*) ;; *) printf -- '-reference:"%s"\n' "$assembly" ;; esac
    done
    printf -- '-reference:"%s"\n' "$runtime/System.Private.CoreLib.dll" "$runtime/System.Private.Uri.dll"
    find "$target/dotnet/SimpleIpc/obj/Debug" -name SimpleIpc.AssemblyInfo.cs | head -n 1
    find "$here/src" -name '*.cs' | sed 's/.*/"&"/'
} >"$response"
mkdir -p "$target/dotnet/net8"
dotnet exec "${folder%]}/$number/Roslyn/bincore/csc.dll" -noconfig "@$response"
