#!/bin/sh
# Installs the package into an empty project outside the checkout, from a folder and without any other source, and runs the
# README's first example from there; then, with an SDK that can, publishes the program of the folder published trimmed, and compiled
# ahead of time. The package is the argument, or what package.sh makes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
package=${1:-$("$here/package.sh")}
case $package in /*) ;; *) package=$PWD/$package ;; esac
version=$("$root/tools/version.sh")

place=$(mktemp -d "${TMPDIR:-/tmp}/sipc-nuget-XXXXXX")
trap 'rm -rf "$place"' EXIT
mkdir "$place/feed" "$place/program" "$place/channels"
cp "$package" "$place/feed/"

python3 - "$package" "$version" <<'END'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
wanted = ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "SimpleIpc.nuspec", "lib/", "SimpleIpc.dll", "SimpleIpc.xml", "/native/libsimpleipc."]
missing = [part for part in wanted if not any(part in name for name in names)]
if missing:
    sys.exit(f"check_package: the package lacks {', '.join(missing)}; it has {', '.join(names)}")
END

cat >"$place/program/nuget.config" <<END
<configuration>
  <packageSources><clear /><add key="local" value="$place/feed" /></packageSources>
  <config><add key="globalPackagesFolder" value="$place/packages" /></config>
</configuration>
END
sdk=$("$root/tools/dotnet.sh" --version)
case $sdk in 3.1.*) framework=netcoreapp3.1 ;; *) framework=net$(echo "$sdk" | cut -d . -f 1,2) ;; esac
cat >"$place/program/Program.csproj" <<END
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>$framework</TargetFramework>
    <UseAppHost>false</UseAppHost>
    <RollForward>LatestMajor</RollForward>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="SimpleIpc" Version="$version" />
  </ItemGroup>
</Project>
END
awk '/^```csharp$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$here/README.md" >"$place/program/Program.cs"

cd "$place/program"
export NUGET_PACKAGES="$place/packages"
unset CARGO_TARGET_DIR SIMPLE_IPC_LIBRARY LD_LIBRARY_PATH
"$root/tools/dotnet.sh" build --nologo --verbosity quiet --configuration Release --output "$place/built" >"$place/log" 2>&1 || {
    cat "$place/log"
    exit 1
}
said=$(SIMPLE_IPC_DIR="$place/channels" "$root/tools/dotnet.sh" exec "$place/built/Program.dll")
if [ "$said" != response-bar ]; then
    echo "check_package: the example said \"$said\" instead of response-bar" >&2
    exit 1
fi
echo "check_package: $(basename "$package") works in an empty project"

case $sdk in
    3.* | 5.* | 6.* | 7.*)
        echo "left out: no program was published trimmed, or compiled ahead of time: that takes the .NET SDK 8, and this is $sdk"
        exit
        ;;
esac
# The compiler and the linker for this come from the sources that the machine has. Each warning of theirs is an error.
mkdir "$place/published"
sed 's|<clear />||' "$place/program/nuget.config" >"$place/published/nuget.config"
cp "$here/published/Program.cs" "$place/published/"
cat >"$place/published/Published.csproj" <<END
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>$framework</TargetFramework>
    <Nullable>enable</Nullable>
    <InvariantGlobalization>true</InvariantGlobalization>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <TrimmerSingleWarn>false</TrimmerSingleWarn>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="SimpleIpc" Version="$version" />
  </ItemGroup>
</Project>
END
cd "$place/published"
for how in PublishTrimmed PublishAot; do
    "$root/tools/dotnet.sh" publish --nologo --verbosity quiet --configuration Release --use-current-runtime --self-contained \
        "-p:$how=true" --output "$place/$how" >"$place/log" 2>&1 || {
        cat "$place/log"
        exit 1
    }
    said=$(SIMPLE_IPC_DIR="$place/channels" "$place/$how/Published")
    if [ "$said" != response-bar ]; then
        echo "check_package: the program of $how said \"$said\" instead of response-bar" >&2
        exit 1
    fi
    echo "check_package: a program that is published with $how works"
    rm -rf "$place/published/bin" "$place/published/obj"
done
