#!/bin/bash
# Unpacks packages that were made for Windows in an empty place under Wine, and runs the first example of their README there.
# tests/packages/elsewhere.sh calls this; what cannot be run is said.
#
#   tests/windows/packages.sh LANGUAGE PACKAGE...
set -euo pipefail
cd "$(dirname "$0")/../.."
language=$1
packages=("${@:2}")
say() { printf '%s\n' "$*"; }
leave_out() {
    say "left out: $*"
    exit 0
}
fail() {
    echo "packages.sh: $*" >&2
    exit 1
}
# shellcheck source=tools/targets.sh
. tools/targets.sh
# shellcheck source=tests/windows/wine.sh
. tests/windows/wine.sh
# shellcheck source=tests/windows/runtimes.sh
. tests/windows/runtimes.sh
# shellcheck source=tests/packages/unpacked.sh
. tests/packages/unpacked.sh
bring_wine
make_scratch
mkdir "$scratch/place" "$scratch/channels"
export SIMPLE_IPC_DIR="Z:/scratch/${scratch##*/}/channels"

says() { # expected, program, argument…
    local expected=$1 said
    shift
    run_for 300 "$scratch/said" "$@" || fail "$* failed: $(cat "$scratch/said")"
    said=$(tr -d '\r' <"$scratch/said")
    [ "$said" = "$expected" ] || fail "$* said \"$said\" instead of \"$expected\""
    echo "$(basename "$1") says what is due"
}

case $language in
    c)
        tar xzf "$(find_package '*.tar.gz')" -C "$scratch/place" --strip-components 1
        tree=$scratch/place
        example c "$tree/README.md" >"$scratch/example.c"
        export PKG_CONFIG_PATH=$tree/lib/pkgconfig
        # shellcheck disable=SC2046 # lists of flags
        {
            x86_64-w64-mingw32-gcc "$scratch/example.c" $(pkg-config --cflags --libs simple_ipc) -o "$tree/bin/shared.exe"
            x86_64-w64-mingw32-gcc "$scratch/example.c" $(pkg-config --cflags simple_ipc) \
                $(pkg-config --variable=static_libs simple_ipc) -o "$scratch/static.exe"
        }
        # The library is beside the first, and nowhere for the second.
        says response-bar place/bin/shared.exe
        says response-bar ./static.exe
        says "simple-ipc $(tools/version.sh)" place/bin/simple-ipc.exe --version
        command -v cmake >/dev/null || leave_out "CMake is not installed, so that its files were not tried"
        cp packaging/c/check/CMakeLists.txt "$scratch"
        if ! { cmake -S "$scratch" -B "$scratch/built" -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER=x86_64-w64-mingw32-gcc \
            "-DCMAKE_PREFIX_PATH=$tree" && cmake --build "$scratch/built"; } >"$scratch/log" 2>&1; then
            fail "CMake cannot build the example: $(tail -n 5 "$scratch/log")"
        fi
        cp "$scratch/built/with_simple_ipc.exe" "$tree/bin"
        says response-bar place/bin/with_simple_ipc.exe
        says response-bar built/with_simple_ipc_static.exe
        ;;
    node)
        modules=$scratch/place/node_modules
        mkdir -p "$modules/simple-ipc" "$modules/simple-ipc-win32-x64"
        tar xzf "$(find_package "simple-ipc-[0-9]*.tgz")" -C "$modules/simple-ipc" --strip-components 1
        tar xzf "$(find_package "simple-ipc-win32-x64-*.tgz")" -C "$modules/simple-ipc-win32-x64" --strip-components 1
        example js "$modules/simple-ipc/README.md" >"$scratch/place/example.mjs"
        bring_node_for_windows 24.21.0 || leave_out "Node for Windows cannot be had"
        says "request-foo
response-bar" "${runtime[@]}" place/example.mjs
        ;;
    python)
        bring_python_for_windows || leave_out "Python for Windows cannot be had"
        python3 -m zipfile -e "$(find_package '*-win_amd64.whl')" "$scratch/site"
        example python bindings/python/README.md >"$scratch/place/example.py"
        says "$(sed -n 's/.*print(.*# //p' "$scratch/place/example.py")" "${runtime[@]}" place/example.py
        ;;
    dotnet)
        bring_dotnet_for_windows || leave_out ".NET for Windows cannot be had"
        # A program as its build leaves it: the assembly beside it, and the library where its .deps.json would have it.
        python3 -m zipfile -e "$(find_package '*.nupkg')" "$scratch/package"
        [ -s "$scratch/package/runtimes/win-x64/native/libsimpleipc.dll" ] || fail "the NuGet package has no library for win-x64"
        sources=$scratch/program
        mkdir "$sources"
        example csharp bindings/dotnet/README.md >"$sources/Program.cs"
        assembly=$(find "$scratch/package/lib" -name SimpleIpc.dll | sort | head -n 1)
        cat >"$sources/Program.csproj" <<END
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>netcoreapp3.1</TargetFramework>
    <LangVersion>8.0</LangVersion>
    <Nullable>enable</Nullable>
    <UseAppHost>false</UseAppHost>
  </PropertyGroup>
  <ItemGroup><Reference Include="$assembly" /></ItemGroup>
</Project>
END
        tools/dotnet.sh build --nologo --verbosity quiet --output "$scratch/place" "$sources/Program.csproj" >"$scratch/log" 2>&1 ||
            fail "the README's example does not compile: $(grep -m 1 error "$scratch/log")"
        cp -R "$scratch/package/runtimes" "$scratch/place/"
        says "$(sed -n 's/.*Console.WriteLine(.*); *\/\/ //p' "$sources/Program.cs")" "${runtime[@]}" exec place/Program.dll
        ;;
    *) leave_out "what is for Windows in $language was not run" ;;
esac
