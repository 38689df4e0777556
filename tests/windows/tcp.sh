#!/bin/bash
# Listeners under Wine and the independent decoder on this side, over TCP: Wine shares the network. tools/windows.sh sources this.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

cp "$built/$target/debug/simple-ipc.exe" "$scratch"
SIMPLE_IPC_DIR="Z:/scratch/${scratch##*/}"
export SIMPLE_IPC_DIR
listeners=()
ports=()
listens() { # argument…
    local said=$scratch/tcp.${#listeners[@]}
    become ./simple-ipc.exe listen :0 "$@" >/dev/null 2>"$said" &
    listeners+=($!)
    until_said "$said" '^listening on' || bad "listen :0 $*: $(cat "$said")"
    ports+=("$(sed -n 's/^listening on :\([0-9]*\).*/\1/p' "$said")")
}
for more in "" "--max-message 1024"; do
    # shellcheck disable=SC2086 # An option and its value, or nothing.
    listens --echo $more
    # shellcheck disable=SC2086
    listens --broadcast $more
done
python3 tests/windows/conformance.py "${ports[@]}" >"$scratch/tcp.log" 2>&1 || true
counted "the independent decoder, over TCP" "$scratch/tcp.log"
for listener in "${listeners[@]}"; do
    kill -9 "$listener" 2>/dev/null || true
    wait "$listener" 2>/dev/null || true
done
unset SIMPLE_IPC_DIR
