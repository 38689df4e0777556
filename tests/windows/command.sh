#!/bin/bash
# The command under Wine, as its users have it: a directory of its own for each channel. tools/windows.sh sources this.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

cp "$built/$target/debug/simple-ipc.exe" "$scratch"
command=./simple-ipc.exe
export SIMPLE_IPC_DIR="Z:/scratch/${scratch##*/}"
ipc() { timeout 120 bash -c 'enter "$@"' ipc "$command" "$@"; }
export command
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

left "Ctrl-C: Wine gives no console to a program that a pipe stands before"
unset SIMPLE_IPC_DIR
