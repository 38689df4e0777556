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
    until_said "$scratch/$said" '^listening on' || bad "listen $*: $(cat "$scratch/$said")"
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
until_said "$scratch/subscribed" '^subscribed to' || bad "subscribe: $(cat "$scratch/subscribed")"
same "a subscriber is listed" 1 "$(ipc ls 2>/dev/null | grep -c '^news .* broadcast *1 ')"
kill -9 "$subscriber" 2>/dev/null || true
wait "$subscriber" 2>/dev/null || true
stop
same "the Deno wire on a name is refused" 1 "$(ipc post news 1 --wire deno 2>&1 | grep -c 'cannot speak the Deno wire')"

# Ctrl-C, typed at a terminal: the listener closes in order.
same "Ctrl-C" "ended with 0" "$(tests/windows/interrupted.py "listening on" "$command" listen typed --echo | tail -n 1)"
same "Ctrl-C leaves nothing" 0 "$(find "$scratch" -name '.deno.typed*' | wc -l)"

# A command for each message, and for each stream.
compile_windows() { # program, source
    x86_64-w64-mingw32-gcc -std=c99 -Wall -Wextra -Werror -O1 "$2" -o "$1"
}
compile_windows "$scratch/handler.exe" tests/windows/handler.c
compile_windows "$scratch/lives.exe" tests/windows/lives.c
serve exec upper --exec ./handler.exe upper
same "--exec" '"SHOUT"' "$(ipc post upper '"shout"' 2>&1)"
head -c 1000000 /dev/zero | tr '\0' b >"$scratch/bytes"
same "--exec with 1,000,000 bytes both ways" "$(tr b B <"$scratch/bytes" | sha256sum)" \
    "$(ipc post upper --bytes - <"$scratch/bytes" 2>/dev/null | sha256sum)"
stop
serve exec variables --exec ./handler.exe variables
same "what the command is told" '"variables json"' "$(ipc post variables 1 2>&1)"
stop
serve exec fail --exec ./handler.exe fail
same "a command that fails" 1 "$(ipc post fail 1 2>&1 | grep -c 'out of order')"
stop
serve exec missing --exec ./missing.exe
same "a command that is not there" 1 "$(ipc post missing 1 2>&1 | grep -c 'cannot run ./missing.exe')"
stop
serve exec large --max-message 100000 --exec ./handler.exe large 200000
same "a command that prints too much" 1 "$(ipc post large 1 2>&1 | grep -c 'printed more than 100000 bytes')"
stop
serve exec lines --lines --exec ./handler.exe lines 1000
same "a stream from a command" "$(seq 1000 | sha256sum)" "$(ipc stream lines 2>/dev/null | tr -d '\r' | sha256sum)"
stop
lives() { ipc_program ./lives.exe "$(cat "$scratch/$1")" | tr -d '\r'; }
ipc_program() { timeout 120 bash -c 'enter "$@"' program "$@"; }
ends() { # file with a process id
    for _ in $(seq 100); do
        if [ "$(lives "$1")" = ended ]; then return 0; fi
        sleep 0.1
    done
    return 1
}
serve exec stay --exec ./handler.exe stay stay.pid
same "a caller that does not wait" 1 "$(ipc post stay 1 --timeout 2s 2>&1 | grep -c 'within the timeout')"
if [ -s "$scratch/stay.pid" ] && ends stay.pid; then ok; else bad "the command whose caller has left is not ended"; fi
stop
serve exec family --exec ./handler.exe family family.pid
ipc post family 1 --timeout 60s >/dev/null 2>&1 &
poster=$!
until_said "$scratch/family.pid" . || bad "the command has not told what it has started"
same "what a command has started lives" lives "$(lives family.pid)"
stop
if ends family.pid; then ok; else bad "what a command has started outlives the listener that was killed"; fi
kill "$poster" 2>/dev/null || true
wait "$poster" 2>/dev/null || true

left "Ctrl-Break and the end of a session: a terminal of Linux has no key for them"
unset SIMPLE_IPC_DIR
