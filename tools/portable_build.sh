#!/bin/bash
# Builds cargo packages of this workspace in release form for machines with an older C library than this one's, the
# same bytes wherever the checkout lies, and prints the folder of what was built (the only line on standard output).
#
#   tools/portable_build.sh PACKAGE...      for instance: tools/portable_build.sh simple-ipc-ffi
#   tools/portable_build.sh --flags         only prints CARGO_ENCODED_RUSTFLAGS, for what another tool builds
#   tools/portable_build.sh --triple        only prints Rust's name of what is built for
#
# $SIMPLE_IPC_TARGET, Rust's name of a target, builds for another than this machine: Linux on arm64, musl, and macOS. tools/targets.sh
# tells how. Windows, x86_64-pc-windows-gnu, is built by Debian's MinGW. With musl, libraries are shared ones, and the command is static. What is for macOS is for the oldest system that the Rust
# compiler names; on macOS itself it is built by cargo alone.
#
# The oldest glibc is $SIMPLE_IPC_GLIBC (2.17 unless set; 2.28 for another machine). The linker is zig's, which brings the old
# libraries along; it comes from PyPI into the ignored folder .tools of the checkout, in the versions named here.
set -eu

cargo_zigbuild=0.24.0
ziglang=0.17.1
machine=$(uname -m)
case $(uname -s) in
    Darwin) own=$(printf '%s' "$machine" | sed 's/^arm64$/aarch64/')-apple-darwin ;;
    *) own=$machine-unknown-linux-gnu ;;
esac
triple=${SIMPLE_IPC_TARGET:-$own}

root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || {
    echo "portable_build.sh: cannot build nothing: name at least one cargo package" >&2
    exit 2
}
case $(uname -s) in
    Linux | Darwin) ;;
    *)
        echo "portable_build.sh: cannot build portable libraries on $(uname -s): run it on Linux or macOS" >&2
        exit 1
        ;;
esac
if [ "$1" = --triple ]; then
    printf '%s\n' "$triple"
    exit
fi

target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
home=${CARGO_HOME:-$HOME/.cargo}

# Paths that the compiler writes into its output, for panics, under names that are the same on every machine. The unit
# separator stands between flags, so that a path may have spaces.
separator=$(printf '\037')
CARGO_ENCODED_RUSTFLAGS="--remap-path-prefix=$target=/target${separator}--remap-path-prefix=$root=/simple-ipc"
CARGO_ENCODED_RUSTFLAGS="$CARGO_ENCODED_RUSTFLAGS${separator}--remap-path-prefix=$home=/cargo"
# A registry's folder is named for where this machine gets its crates from.
(cd "$root" && cargo fetch --quiet --locked) >&2
for registry in "$home"/registry/src/*; do
    CARGO_ENCODED_RUSTFLAGS="$CARGO_ENCODED_RUSTFLAGS${separator}--remap-path-prefix=$registry=/crates"
done
if [ "$1" = --flags ]; then
    printf '%s' "$CARGO_ENCODED_RUSTFLAGS"
    exit
fi

export CARGO_INCREMENTAL=0
unset RUSTFLAGS
built=$target/$triple/release
if [ "$triple" != "$own" ]; then
    flags=$CARGO_ENCODED_RUSTFLAGS
    leave_out() {
        echo "portable_build.sh: cannot build for $triple: $*" >&2
        exit 1
    }
    # shellcheck source=tools/targets.sh
    . "$root/tools/targets.sh"
    set_up_targets >&2
    unlock_targets
    # It is no file of the user's cache that is packaged.
    export CARGO_TARGET_DIR=$target CARGO_PROFILE_RELEASE_STRIP=symbols
    flags="$flags$separator--remap-path-prefix=$toolchain/lib/rustlib/src/rust=/rust"
    zigs=$triple
    case $triple in
        *-musl) flags="$flags${separator}-Ctarget-feature=-crt-static${separator}-Clink-self-contained=no" ;;
        *-linux-gnu) zigs=$triple.${SIMPLE_IPC_GLIBC:-2.28} ;;
        *-apple-darwin)
            # MACOSX_DEPLOYMENT_TARGET=…: zig would take a newer system.
            deployment=$(rustc --print deployment-target --target "$triple")
            export "${deployment?}"
            ;;
    esac
    export CARGO_ENCODED_RUSTFLAGS=$flags
    cd "$root"
    libraries=()
    command=
    for package in "$@"; do
        if [ "$package" = simple-ipc-cli ]; then command=1; else libraries+=(--package "$package"); fi
    done
    build=(--quiet --release --locked "-Zbuild-std=std,panic_unwind" --target "$zigs")
    case $triple in
        *-windows-gnu)
            use_mingw >&2
            if [ -n "$command" ]; then libraries+=(--package simple-ipc-cli); fi
            "$CARGO" build "${build[@]}" "${libraries[@]}" >&2
            printf '%s\n' "$built"
            exit
            ;;
    esac
    if [ ${#libraries[@]} -gt 0 ]; then cargo-zigbuild zigbuild "${build[@]}" "${libraries[@]}" >&2; fi
    if [ -n "$command" ]; then
        # zig takes -static-pie for -static; with -pie it makes what was meant.
        static=()
        case $triple in *-musl) static=(-Ctarget-feature=+crt-static -Clink-arg=-pie) ;; esac
        cargo-zigbuild rustc "${build[@]}" --package simple-ipc-cli --bin simple-ipc -- ${static[@]+"${static[@]}"} >&2
    fi
    printf '%s\n' "$built"
    exit
fi

packages=()
for package in "$@"; do packages+=(--package "$package"); done
export CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$target"
if [ "$(uname -s)" = Darwin ]; then
    (cd "$root" && "${CARGO:-cargo}" build --release --locked "${packages[@]}" --target "$triple") >&2
    printf '%s\n' "$built"
    exit
fi

tools=$root/.tools/zig-$cargo_zigbuild-$ziglang
mkdir -p "$root/.tools"
(
    # Packages of several languages may be built at once.
    flock 9
    [ -e "$tools/complete" ] || {
        rm -rf "$tools"
        python3 -m venv "$tools"
        "$tools/bin/pip" install --quiet --disable-pip-version-check --no-deps \
            "cargo-zigbuild==$cargo_zigbuild" "ziglang==$ziglang"
        touch "$tools/complete"
    } >&2
) 9>"$root/.tools/zig.lock"

export CARGO_ZIGBUILD_ZIG_PATH="$tools/zig"
export CARGO_ZIGBUILD_CACHE_DIR="$root/.tools/zig-cache"
[ -x "$tools/zig" ] || {
    printf '#!/bin/sh\nexec "%s/bin/python" -m ziglang "$@"\n' "$tools" >"$tools/zig.$$"
    chmod +x "$tools/zig.$$"
    mv "$tools/zig.$$" "$tools/zig"
}

(cd "$root" && PATH="$tools/bin:$PATH" cargo-zigbuild zigbuild --release --locked "${packages[@]}" \
    --target "$triple.${SIMPLE_IPC_GLIBC:-2.17}") >&2
printf '%s\n' "$built"
