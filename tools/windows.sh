#!/bin/bash
# Windows from a Linux machine: builds for it, and runs what was built under Wine 10.
#
#   tools/windows.sh               builds, then runs the tests
#   tools/windows.sh build         builds alone: library, import library, command, tests
#   tools/windows.sh run PROGRAM…  runs a program under Wine, a copy of it in a directory of its own
#
# The compiler is Debian's for MinGW; tools/targets.sh tells where the standard library comes from. Wine is that of Debian 13, in a root
# of its own in the user's cache folder (debootstrap checks its signatures), since older ones lack what Rust's standard library calls. To
# enter it takes root. The last line is `N passed, N failed, N skipped`; what is left out is named with its reason.
set -eu
export LC_ALL=C

cd "$(dirname "$0")/.."
target=x86_64-pc-windows-gnu
say() { printf 'windows: %s\n' "$*"; }

# What cannot be had here and now is no fault of the sources.
leave_out() {
    say "left out: $*"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}
[ "$(uname -sm)" = "Linux x86_64" ] || leave_out "Wine and its compiler take Linux on x86-64"

# shellcheck source=tools/targets.sh
. tools/targets.sh
root=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/wine-root

# Installs Debian packages where that may be done.
bring() { # command, package
    [ -z "$(command -v "$1")" ] || return 0
    if [ "$(id -u)" != 0 ] || [ -z "$(command -v apt-get)" ]; then leave_out "$1 is missing; install $2"; fi
    told "installing $2"
    apt-get -qq install -y --no-install-recommends "$2" >/dev/null 2>&1 || leave_out "$2 cannot be installed"
}

bring_wine() {
    [ "$(id -u)" = 0 ] || leave_out "Wine runs in a root of its own, which takes root"
    bring debootstrap debootstrap
    [ -e "$root/complete" ] || {
        told "bringing Wine 10"
        rm -rf "$root"
        debootstrap --variant=minbase --include=wine64,libwine trixie "$root" "$(debian_server)" >"$root.log" 2>&1 ||
            leave_out "Wine cannot be had: $(tail -n 1 "$root.log")"
        touch "$root/complete"
    }
    [ -e "$root/prefix" ] || {
        make_scratch
        enter wineboot -i >>"$root.log" 2>&1 || true
        enter winecfg -v win10 >>"$root.log" 2>&1 || true
        touch "$root/prefix"
    }
}

# Runs a program under Wine, with the scratch directory as its working directory: in a mount namespace, so that nothing stays mounted.
# What it opens stands in the root itself, since the server of Wine that opens it may have been started by an earlier run.
enter() { # program, argument…
    (become "$@")
}
# The same in place of the calling shell, so that who knows its number can end the program.
become() { # program, argument…
    # shellcheck disable=SC2016 # The inner shell expands them.
    exec unshare --mount bash -c '
        set -e
        root=$1 inside=$2
        shift 2
        mount --make-rprivate /
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        exec chroot "$root" /usr/bin/env -C "$inside" WINEDEBUG=-all WINEPREFIX=/root/.wine HOME=/root XDG_RUNTIME_DIR=/tmp \
            LANG=C.UTF-8 PATH=/usr/lib/wine:/usr/bin:/bin SIMPLE_IPC_DIR="${SIMPLE_IPC_DIR:-}" /usr/lib/wine/wine64 "$@"
    ' enter "$root" "/scratch/${scratch##*/}" "$@"
}

set_up_targets
export CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc
built=$CARGO_TARGET_DIR
mkdir -p "$built"

# Makes the scratch directory, which goes at the end.
make_scratch() {
    mkdir -p "$root/scratch"
    scratch=$(mktemp -d "$root/scratch/XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
}

if [ "${1:-}" = run ]; then
    unlock_targets
    bring_wine
    make_scratch
    cp "$2" "$scratch"
    enter "./${2##*/}" "${@:3}"
    exit
fi

bring x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64
say "builds for $target"
cargo() { "$CARGO" "$1" --quiet --locked -Zbuild-std=std,panic_unwind,test --target "$target" "${@:2}"; }
RUSTFLAGS="-D warnings" cargo build -p simple-ipc -p simple-ipc-ffi -p simple-ipc-cli
suites="calls clients"
# shellcheck disable=SC2046,SC2086 # Each is an argument.
RUSTFLAGS="-D warnings" cargo test --no-run --message-format=json -p simple-ipc --lib $(printf -- '--test %s ' $suites) |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' >"$built/windows-programs"
unlock_targets
command=$built/$target/debug/simple-ipc.exe
for made in "$command" "$built/$target/debug/simpleipc.dll" "$built/$target/debug/libsimpleipc.dll.a"; do
    [ -e "$made" ] || { say "$made was not made" >&2 && exit 1; }
done
if [ "${1:-}" = build ]; then
    say "library, import library, command and tests compile and link"
    echo "1 passed, 0 failed, 0 skipped"
    exit 0
fi
bring_wine
make_scratch
while read -r program; do cp "$program" "$scratch"; done <"$built/windows-programs"
cp "$command" "$scratch"
command=./simple-ipc.exe

passed=0
failed=0
skipped=0

# Tests that are left out, and why.
deno="the Deno wire ends a message by ending one direction, which named pipes do not have"
left_out=(
    "broadcasts::a_broadcast_is_acknowledged_long_before_a_slow_handler_is_done_and_not_before_it_began: $deno"
    "broadcasts::an_asynchronous_slow_handler_does_not_hold_up_the_acknowledgement: $deno"
    "cancelling::a_dropped_responder_and_a_panic_are_failures_that_say_so: $deno"
    "cancelling::a_responder_may_answer_later_from_another_thread: $deno"
    "cancelling::the_handler_knows_how_long_its_caller_waits: $deno"
    "handler_failures::a_failure_that_no_caller_hears_of_is_reported_once_and_others_are_not: $deno"
    "requests::every_body_comes_back_as_it_went_between_every_pair_of_kinds: $deno"
    "values::memory_of_others_is_sent_and_answered_as_it_is_and_freed_when_the_answer_is_out: $deno"
)
while read -r program; do
    name=$(basename "$program" | sed 's/-[0-9a-f]*\.exe$//')
    skips=()
    for entry in "${left_out[@]}"; do skips+=(--skip "${entry%: *}"); done
    enter "./${program##*/}" --test-threads 2 "${skips[@]}" >"$scratch/$name.log" 2>&1 || true
    result=$(grep -a '^test result:' "$scratch/$name.log" || echo "none")
    if [ "$result" = none ]; then
        say "$name did not end:" >&2
        tail -n 5 "$scratch/$name.log" >&2
        failed=$((failed + 1))
        continue
    fi
    grep -a '^test .*FAILED$' "$scratch/$name.log" >&2 || true
    [[ $result =~ ([0-9]+)\ passed\;\ ([0-9]+)\ failed ]]
    say "$name: ${BASH_REMATCH[1]} passed, ${BASH_REMATCH[2]} failed"
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
done <"$built/windows-programs"
for entry in "${left_out[@]}"; do
    say "left out: ${entry%: *}: ${entry#*: }"
    skipped=$((skipped + 1))
done

# The command, as its users have it: a directory of its own for each channel.
ok() { passed=$((passed + 1)); }
bad() {
    say "failed: $*" >&2
    failed=$((failed + 1))
}
export SIMPLE_IPC_DIR="Z:/scratch/${scratch##*/}"
ipc() { timeout 120 bash -c 'enter "$@"' ipc "$command" "$@"; }
export -f enter become
export root scratch command
listener=
serve() { # file, argument…
    local said=$1
    shift
    rm -f "$scratch/$said"
    become "$command" listen "$@" >"$scratch/$said.out" 2>"$scratch/$said" &
    listener=$!
    for _ in $(seq 600); do
        if grep -qs '^listening on' "$scratch/$said"; then return 0; fi
        sleep 0.1
    done
    bad "listen $*: $(cat "$scratch/$said")"
}
stop() {
    kill -9 "$listener" 2>/dev/null || true
    wait "$listener" 2>/dev/null || true
}
same() { # what, expected, got
    if [ "$2" = "$3" ]; then ok; else bad "$1: expected $2, got $3"; fi
}
for channel in build :0; do
    serve said "$channel" --echo
    at=$channel
    [ "$channel" != :0 ] || at=$(sed -n 's/^listening on \(:[0-9]*\).*/\1/p' "$scratch/said")
    same "post $channel" '{"a":1}' "$(ipc post "$at" '{"a":1}' 2>&1)"
    head -c 3000000 /dev/urandom >"$scratch/bytes"
    same "3,000,000 bytes" "$(sha256sum <"$scratch/bytes")" "$(ipc post "$at" --bytes - <"$scratch/bytes" 2>/dev/null | sha256sum)"
    same "1,000 lines" "$(seq 1000 | sha256sum)" "$(seq 1000 | ipc post "$at" --lines - 2>/dev/null | sha256sum)"
    same "ls" 1 "$(ipc ls 2>/dev/null | grep -c "^$at ")"
    same "ping" 1 "$(ipc ping "$at" --count 3 2>/dev/null | grep -c '3 received')"
    refused=$(ipc listen "$at" --echo 2>&1 || true)
    same "a second listener" 1 "$(grep -c 'already listens there' <<<"$refused")"
    stop
    serve again "$at" --reply '"another"'
    same "take-over after a kill" '"another"' "$(ipc post "$at" 1 2>&1)"
    stop
    ipc clean >/dev/null 2>&1 || true
    same "what a dead listener left is removed" 0 "$(find "$scratch" -name '.deno.*' | wc -l)"
    same "nobody listens" 1 "$(ipc post "$at" 1 2>&1 | grep -c 'nobody listens')"
done
serve published news --broadcast --publish
become "$command" subscribe news >"$scratch/events" 2>"$scratch/subscribed" &
subscriber=$!
for _ in $(seq 600); do
    if grep -q '^subscribed to' "$scratch/subscribed"; then break; fi
    sleep 0.1
done
same "a subscriber is listed" 1 "$(ipc ls 2>/dev/null | grep -c '^news .* broadcast *1 ')"
kill -9 "$subscriber" 2>/dev/null || true
wait "$subscriber" 2>/dev/null || true
stop
same "the Deno wire on a name is refused" 1 "$(ipc post news 1 --wire deno 2>&1 | grep -c 'cannot speak the Deno wire')"

say "left out: Ctrl-C: Wine gives no console to a program that a pipe stands before"
skipped=$((skipped + 1))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
