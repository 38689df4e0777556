#!/bin/sh
# Makes the wheel of this platform (for glibc 2.28 and later), the wheel without a native part, and the source distribution in $OUT (default: <target>/packages).
# With $SIMPLE_IPC_TARGET, Rust's name of another platform, the first is that one's, out of the Python files and its native part.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OUT:-${CARGO_TARGET_DIR:-$root/target}/packages}

"$here/environment.sh" >&2
# Its own words go to the other output: what is printed here is what was made. maturin looks for zig as a module of the Python on PATH.
PATH=$root/.venv/bin:$PATH
mkdir -p "$out"
rm -f "$out"/libsimpleipc-*.whl "$out"/libsimpleipc-*.tar.gz
# No path of this machine stays in what is built.
CARGO_ENCODED_RUSTFLAGS=$("$root/tools/portable_build.sh" --flags)
export CARGO_ENCODED_RUSTFLAGS
if [ -n "${SIMPLE_IPC_TARGET:-}" ]; then
    file=lib_native.so
    case $SIMPLE_IPC_TARGET in
        *-linux-musl) tag=musllinux_1_2_${SIMPLE_IPC_TARGET%%-*} ;;
        *-linux-gnu) tag=manylinux_2_28_${SIMPLE_IPC_TARGET%%-*} ;;
        aarch64-apple-darwin) tag=macosx_11_0_arm64 file=lib_native.dylib ;;
        x86_64-apple-darwin) tag=macosx_10_12_x86_64 file=lib_native.dylib ;;
        x86_64-pc-windows-gnu) tag=win_amd64 file=_native.dll ;;
        *)
            echo "package.sh: cannot make a wheel for $SIMPLE_IPC_TARGET: it has tags for Linux, macOS and Windows on x64 only" >&2
            exit 1
            ;;
    esac
    # Its native part, this machine's, is not used, and so need not be optimised.
    own=$(mktemp -d)
    trap 'rm -rf "$own"' EXIT
    maturin build -q --locked -m "$here/Cargo.toml" -o "$own" >&2
    built=$(env -u CARGO_ENCODED_RUSTFLAGS "$root/tools/portable_build.sh" simple-ipc-python)
    case $tag in manylinux*) "$root/tools/oldest_glibc.sh" 2.28 "$built/lib_native.so" ;; esac
    "$here/foreign_wheel.py" "$own"/libsimpleipc-*.whl "$built/$file" "$tag" "$out" >&2
elif [ "$(uname -s)" = Darwin ]; then
    maturin build -q --locked --release -m "$here/Cargo.toml" -o "$out" >&2
else
    maturin build -q --locked --release --zig --compatibility manylinux_2_28 -m "$here/Cargo.toml" -o "$out" >&2
fi
maturin sdist -m "$here/Cargo.toml" -o "$out" >&2
for wheel in "$out"/libsimpleipc-*.whl; do
    if [ "$(uname -s)" = Darwin ] || [ -n "${SIMPLE_IPC_TARGET:-}" ]; then
        echo "$wheel"
        continue
    fi
    # The tag says what was asked for; auditwheel says what the library needs.
    shown=$(auditwheel show "$wheel" | tr '\n' ' ')
    case $shown in
        *'constrains the platform tag to "manylinux_2_2'[0-8]_* | *'constrains the platform tag to "manylinux_2_1'[0-9]_* | \
            *'constrains the platform tag to "manylinux_2_5_'*) ;;
        *'consistent with the following platform tag: "manylinux_2_2'[0-8]_* | \
            *'consistent with the following platform tag: "manylinux_2_1'[0-9]_*) ;;
        *)
            echo "package.sh: $wheel needs a newer glibc than 2.28: $shown" >&2
            exit 1
            ;;
    esac
    echo "$wheel"
done
"$here/pure_wheel.py" "$wheel" "$out"
ls "$out"/libsimpleipc-*.tar.gz
