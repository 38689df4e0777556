#!/bin/sh
# Brings the peers into the checkout's ignored folders and builds the programs that drive them:
#
#   benches/peers/setup.sh OUT
#
# libzmq and nng are Debian's, the Rust peers those of Cargo.lock, the Python ones those of requirements.txt in .venv,
# node-ipc that of package-lock.json, installed without running any package's scripts. A peer that cannot be brought is
# named and left out.
set -u
out=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
say() { printf 'bench-peers: %s\n' "$*" >&2; }

mkdir -p "$out"
if ! pkg-config --exists libzmq || ! [ -e /usr/include/nng/nng.h ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing with apt-get: libzmq3-dev libnng-dev"
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 \
            libzmq3-dev libnng-dev >/dev/null 2>&1
    else
        say "libzmq or nng is missing; run: sudo apt-get install --no-install-recommends libzmq3-dev libnng-dev"
    fi
fi
flags="-std=gnu11 -O2 -Wall -Wextra -Werror -I$here/../measure"
rm -f "$out/peer-zmq" "$out/peer-nng" "$out/peer-rust" "$out/fanout-zmq" "$out/fanout-nng"
# shellcheck disable=SC2086 # flags are meant to be split
$cc $flags "$here/zmq.c" "$here/../measure/measure.c" -o "$out/peer-zmq" -lzmq || say "left out: libzmq"
# shellcheck disable=SC2086
$cc $flags "$here/nng.c" "$here/../measure/measure.c" -o "$out/peer-nng" -lnng || say "left out: nng"
for peer in zmq nng; do
    # shellcheck disable=SC2086
    $cc $flags "$here/../fanout/$peer.c" "$here/../fanout/fanout.c" "$here/../measure/measure.c" -o "$out/fanout-$peer" "-l$peer" ||
        say "left out: publications of $peer"
done

target=$(dirname "$out")/peers-rust
if (cd "$here" && CARGO_TARGET_DIR=$target "${CARGO:-cargo}" build --release --locked --quiet); then
    cp "$target/release/peers-rust" "$out/peer-rust"
else
    say "left out: the Rust peers"
fi

[ -x "$root/.venv/bin/python" ] || python3 -m venv "$root/.venv"
"$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt" ||
    say "left out: pyzmq"

# node-ipc 14 needs a newer Node than many systems have; the JavaScript binding brings one.
if command -v npm >/dev/null 2>&1; then
    "$root/bindings/node/setup.sh" test || say "no newer Node could be brought"
    cmp -s "$here/package-lock.json" "$here/node_modules/.installed" || {
        (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) &&
            cp "$here/package-lock.json" "$here/node_modules/.installed"
    } || say "left out: node-ipc"
else
    say "left out: node-ipc, since npm is missing"
fi
