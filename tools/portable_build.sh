#!/bin/sh
# Builds cargo packages of this workspace in release form for machines with an older C library than this one's, the
# same bytes wherever the checkout lies, and prints the folder of what was built (the only line on standard output).
#
#   tools/portable_build.sh PACKAGE...      for instance: tools/portable_build.sh simple-ipc-ffi
#   tools/portable_build.sh --flags         only prints CARGO_ENCODED_RUSTFLAGS, for what another tool builds
#   tools/portable_build.sh --triple        only prints Rust's name of what is built for
#
# On macOS it is built by cargo alone, for the oldest system that the Rust compiler names.
#
# The oldest glibc is $SIMPLE_IPC_GLIBC (2.17 unless set). The linker is zig's, which brings the old libraries along; it
# comes from PyPI into the ignored folder .tools of the checkout, in the versions named here.
set -eu

cargo_zigbuild=0.24.0
ziglang=0.17.1
glibc=${SIMPLE_IPC_GLIBC:-2.17}
machine=$(uname -m)
case $(uname -s) in
    Darwin) triple=$(printf '%s' "$machine" | sed 's/^arm64$/aarch64/')-apple-darwin ;;
    *) triple=$machine-unknown-linux-gnu ;;
esac

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

packages=
for package in "$@"; do packages="$packages --package $package"; done
export CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$target" CARGO_INCREMENTAL=0
unset RUSTFLAGS
if [ "$(uname -s)" = Darwin ]; then
    # shellcheck disable=SC2086 # one word an option and name
    (cd "$root" && "${CARGO:-cargo}" build --release --locked $packages --target "$triple") >&2
    printf '%s\n' "$target/$triple/release"
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

# shellcheck disable=SC2086 # one word an option and name
(cd "$root" && PATH="$tools/bin:$PATH" cargo-zigbuild zigbuild --release --locked $packages \
    --target "$triple.$glibc") >&2
printf '%s\n' "$target/$triple/release"
