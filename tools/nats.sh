#!/bin/sh
# Prints where a `nats-server` is, which the bridge's tests, demo and benchmark run: the one on PATH, or Debian's package, unpacked
# into the ignored folder .tools and kept in the user's cache folder. Nothing is installed, so that no server is started.
#
#   tools/nats.sh            fails with one line where there is none and none can be brought
set -eu
cd "$(dirname "$0")/.."

for place in "$(command -v nats-server 2>/dev/null || true)" /usr/sbin/nats-server "$PWD/.tools/nats/usr/sbin/nats-server"; do
    if [ -n "$place" ] && [ -x "$place" ]; then
        printf '%s\n' "$place"
        exit 0
    fi
done

fail() {
    echo "nats.sh: cannot bring nats-server: $*; install it, or put it on PATH" >&2
    exit 1
}
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg >/dev/null 2>&1; then fail "it is brought from Debian's package"; fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/nats-server
mkdir -p "$cache" .tools
newest() { find "$cache" -name 'nats-server_*.deb' | sort -V | tail -n 1; }
if [ -z "$(newest)" ]; then
    echo "setup: downloading nats-server" >&2
    # Package lists on a fresh machine are absent or old, and only root can bring them.
    (cd "$cache" && apt-get download -q nats-server >/dev/null 2>&1) ||
        { [ "$(id -u)" = 0 ] && apt-get update -q >/dev/null 2>&1 &&
            (cd "$cache" && apt-get download -q nats-server >/dev/null 2>&1); } ||
        fail "apt-get download nats-server failed"
fi
part=$(mktemp -d .tools/nats.XXXXXX)
trap 'rm -rf "$part"' EXIT
dpkg -x "$(newest)" "$part" || fail "$(newest) cannot be unpacked; remove it and try again"
rm -rf .tools/nats
mv "$part" .tools/nats
printf '%s\n' "$PWD/.tools/nats/usr/sbin/nats-server"
