#!/bin/bash
# The C peer of the chaos runs under Wine, against itself: either side is killed, stopped and continued at random moments, and the journals
# are compared. tools/windows.sh sources this.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

cp "$built/$target/debug/simpleipc.dll" "$scratch"
x86_64-w64-mingw32-gcc -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -O2 -Iinclude tests/chaos/peers/peer.c \
    -o "$scratch/peer.exe" "$built/$target/debug/libsimpleipc.dll.a" -Wl,-Bstatic -lpthread
# Its files are in the scratch directory, which has another path under Wine.
cat >"$scratch/peer" <<'END'
#!/bin/bash
unset TMPDIR
export SIMPLE_IPC_DIR=Z:${SIMPLE_IPC_DIR#"$root"}
become ./peer.exe "${@/#"$root"/}"
END
chmod +x "$scratch/peer"
TMPDIR="$scratch" UNDER_WINE="$scratch/peer" python3 tests/chaos/run.py --time "${CHAOS_TIME:-40}" >"$scratch/chaos.log" 2>&1 || true
sed -n '/^seconds/,/^errors/p' "$scratch/chaos.log"
counted "the C peer, killed and stopped at random" "$scratch/chaos.log"
