#!/bin/sh
# Makes the npm packages and prints their paths: `simple-ipc`, which is the same wherever it is made, and this platform's add-on, or
# that of $SIMPLE_IPC_TARGET, Rust's name of another.
#
#   bindings/node/package.sh      into $OUT, or packages/ in cargo's target folder
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
out=${OUT:-$target/packages}
mkdir -p "$out"
out=$(cd "$out" && pwd)

triple=$("$root/tools/portable_build.sh" --triple)
built=$("$root/tools/portable_build.sh" simple-ipc-node)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/main" "$work/platform"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$work/main"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$work/platform"
cp -R "$here/lib" "$here/README.md" "$work/main"
rm -f "$work/main/lib/"*.node*
case $triple in
    *-apple-darwin)
        cp "$built/libsimple_ipc_node.dylib" "$work/platform/simple-ipc.node"
        [ -n "${SIMPLE_IPC_TARGET:-}" ] || strip -x "$work/platform/simple-ipc.node"
        ;;
    *-windows-*) cp "$built/simple_ipc_node.dll" "$work/platform/simple-ipc.node" ;;
    *)
        cp "$built/libsimple_ipc_node.so" "$work/platform/simple-ipc.node"
        # What is built for another machine, its compiler has stripped.
        [ -n "${SIMPLE_IPC_TARGET:-}" ] || strip --strip-unneeded "$work/platform/simple-ipc.node"
        ;;
esac

node "$here/manifests.cjs" "$work" "$triple"

for folder in platform main; do
    (cd "$work/$folder" && npm pack --ignore-scripts --loglevel=error --pack-destination "$out") |
        tail -n 1 | sed "s|^|$out/|"
done
