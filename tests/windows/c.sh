#!/bin/bash
# The C tests under Wine, linked with simpleipc.dll through its import library. tools/windows.sh sources this.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

cp "$built/$target/debug/simpleipc.dll" "$scratch"
compile_c() { # program, source, flag…
    x86_64-w64-mingw32-gcc -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -pedantic -O2 -Iinclude "${@:3}" "$2" \
        -o "$1" "$built/$target/debug/libsimpleipc.dll.a" -Wl,-Bstatic -lpthread
}
c_suites=$(sed -n "s/^suites='\(.*\)'$/\1/p" tests/c/run.sh)
[ -z "$short" ] || c_suites=calls
for suite in $c_suites; do
    if [ "$suite" = forks ]; then
        left "C, forks: a process is not forked there"
        continue
    fi
    if ! compile_c "$scratch/$suite.exe" "tests/c/$suite.c" 2>"$scratch/c.log"; then
        bad "C, $suite, does not compile: $(head -n 5 "$scratch/c.log")"
        continue
    fi
    run_for 1800 "$scratch/c.log" "./$suite.exe" || true
    counted "C, $suite" "$scratch/c.log"
done
compile_c "$scratch/example.exe" tests/c/example.c
same "the smallest program in C" response-bar \
    "$(SIMPLE_IPC_DIR="Z:/scratch/${scratch##*/}" enter ./example.exe 2>/dev/null | tr -d '\r')"
