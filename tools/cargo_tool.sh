#!/bin/sh
# Prints where the program of a package of Rust's registry is, in this version. It is built into the user's cache folder the first
# time, which takes up to some minutes of a processor.
#
#   tools/cargo_tool.sh PACKAGE VERSION      for instance: tools/cargo_tool.sh cargo-llvm-cov 0.9.1
set -eu

[ $# -eq 2 ] || {
    echo "cargo_tool.sh: cannot bring a program: usage: cargo_tool.sh PACKAGE VERSION" >&2
    exit 2
}
package=$1
version=$2
home=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/$package-$version
mkdir -p "$home"
(
    flock 9
    [ -x "$home/bin/$package" ] || {
        echo "setup: building $package $version" >&2
        # It runs for moments: what makes it quicker takes longer than it saves.
        env -u CARGO_ENCODED_RUSTFLAGS -u RUSTFLAGS CARGO_TARGET_DIR="$home/target" CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_LTO=false \
            CARGO_PROFILE_RELEASE_OPT_LEVEL=1 cargo install --quiet --locked --root "$home" --version "$version" "$package" >&2
        rm -rf "$home/target"
    }
) 9>"$home/lock"
printf '%s\n' "$home/bin/$package"
