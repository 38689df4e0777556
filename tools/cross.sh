#!/bin/bash
# Builds for machines that this is not: core, library, command and both add-ons are compiled and linked for macOS on
# either processor and for Linux on arm64.
#
#   tools/cross.sh              every target
#   tools/cross.sh TARGET...    for instance: tools/cross.sh aarch64-apple-darwin
#
# No Apple SDK takes part: zig links, and knows the system's library. The standard library is built from its source,
# which comes with the toolchain (rustup component rust-src) or from Debian's package of the same version. What is
# downloaded and what is built stays in the user's cache folder, so that only the first run is long.
# The last line is `N passed, N failed, N skipped`; a target counts as one.
set -eu

cargo_zigbuild=0.24.0
ziglang=0.17.1
targets=${*:-aarch64-apple-darwin x86_64-apple-darwin aarch64-unknown-linux-gnu}

cd "$(dirname "$0")/.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/cross
mkdir -p "$cache"
say() { printf 'cross: %s\n' "$*"; }
fail() {
    printf 'cross: %s\n' "$*" >&2
    exit 1
}

# What cannot be had here and now is no fault of the sources: every target is left out, aloud.
leave_out() {
    printf 'cross: left out: %s\n' "$*"
    echo "0 passed, 0 failed, $(wc -w <<<"$targets") skipped"
    exit 0
}

[ "$(uname -s)" = Linux ] || fail "cannot build for other machines on $(uname -s): run it on Linux"

# One run at a time: the cache is shared by every checkout.
exec 9>"$cache/lock"
flock 9

# zig and cargo-zigbuild, from PyPI.
zig=$cache/zig-$cargo_zigbuild-$ziglang
[ -e "$zig/complete" ] || {
    say "bringing zig $ziglang and cargo-zigbuild $cargo_zigbuild"
    rm -rf "$zig"
    python3 -m venv "$zig"
    "$zig/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        "cargo-zigbuild==$cargo_zigbuild" "ziglang==$ziglang" || leave_out "zig cannot be had"
    printf '#!/bin/sh\nexec "%s/bin/python" -m ziglang "$@"\n' "$zig" >"$zig/zig"
    chmod +x "$zig/zig"
    touch "$zig/complete"
}

# Prints the folder of the unpacked package rust-src of this version, which is downloaded if it is not there.
standard_library() { # version
    local unpacked=$cache/rust-src-$1
    [ -e "$unpacked/complete" ] || {
        say "bringing the source of the standard library, version $1" >&2
        rm -rf "$unpacked"
        mkdir -p "$unpacked/apt/lists/partial" "$unpacked/apt/archives/partial"
        # The suites that have newer packages than this machine's, from the server that this machine uses.
        local server
        server=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(\S*\/debian\/\?\) .*/\2/p' \
            /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -E '/debian/?$' | head -n 1)
        [ -n "$server" ] || fail "cannot bring rust-src $1: apt names no Debian server; run: rustup component add rust-src"
        local suite
        for suite in trixie-backports forky sid; do
            printf 'deb %s %s main\n' "$server" "$suite"
        done >"$unpacked/apt/sources.list"
        local apt=(apt-get -q -o "Dir::Etc::sourcelist=$unpacked/apt/sources.list" -o Dir::Etc::sourceparts=-
            -o "Dir::State::lists=$unpacked/apt/lists" -o "Dir::Cache::archives=$unpacked/apt/archives"
            -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" -o APT::Sandbox::User=)
        "${apt[@]}" update >"$unpacked/apt/log" 2>&1 || true
        local found
        found=$(apt-cache "${apt[@]:2}" madison rust-src | awk '{ print $3 }' | grep "^$1[+-]" | head -n 1) ||
            fail "cannot bring rust-src $1: no Debian suite has this version; run: rustup component add rust-src"
        # apt compares the package with the signed lists.
        (cd "$unpacked/apt" && "${apt[@]}" download "rust-src=$found" >>log 2>&1) ||
            fail "cannot bring rust-src $found: $(tail -n 1 "$unpacked/apt/log")"
        dpkg -x "$unpacked"/apt/rust-src_*.deb "$unpacked/files"
        rm -rf "$unpacked/apt"
        touch "$unpacked/complete"
    }
    local library
    for library in "$unpacked"/files/usr/src/rustc-*/library "$unpacked"/files/usr/lib/rustlib/src/rust/library; do
        [ -d "$library" ] && printf '%s\n' "$library" && return
    done
    fail "cannot find the standard library in the package rust-src $1"
}

# A toolchain that has the source of its standard library: the present one, or a copy of it by hard links.
sysroot=$(readlink -f "$(rustc --print sysroot)")
version=$(rustc --version | cut -d ' ' -f 2)
toolchain=$sysroot
if [ ! -d "$sysroot/lib/rustlib/src/rust/library" ]; then
    toolchain=$cache/toolchain-$version
    [ -e "$toolchain/complete" ] || {
        library=$(standard_library "$version") || leave_out "the source of the standard library $version cannot be had"
        rm -rf "$toolchain"
        cp -al "$sysroot" "$toolchain" 2>/dev/null || { rm -rf "$toolchain" && cp -a "$sysroot" "$toolchain"; }
        mkdir -p "$toolchain/lib/rustlib/src/rust"
        cp -a "$library" "$toolchain/lib/rustlib/src/rust/library"
        touch "$toolchain/complete"
    }
fi

export PATH="$toolchain/bin:$zig/bin:$PATH"
export RUSTC=$toolchain/bin/rustc CARGO=$toolchain/bin/cargo
# The standard library is built from its source by an option that a stable compiler otherwise refuses.
export RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=$cache/target-$version CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=false
export CARGO_ZIGBUILD_ZIG_PATH=$zig/zig CARGO_ZIGBUILD_CACHE_DIR=$cache/zig-cache
# The add-on for Python finds no interpreter of the target, and needs none: it uses the stable part of the interface.
export PYO3_NO_PYTHON=1 PYO3_CROSS=1 PYO3_CROSS_PYTHON_VERSION=3.11
unset RUSTFLAGS

passed=0
failed=0
for target in $targets; do
    if RUSTFLAGS="-D warnings" cargo-zigbuild zigbuild --quiet --locked -Zbuild-std=std,panic_unwind \
        --target "$target" -p simple-ipc -p simple-ipc-ffi -p simple-ipc-cli -p simple-ipc-node -p simple-ipc-python; then
        say "$target compiles and links"
        passed=$((passed + 1))
    else
        say "$target does not" >&2
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
