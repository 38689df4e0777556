#!/bin/bash
# The C driver of the matrix under Wine, against itself: every case of requests, broadcasts, publications and streams, on pipes and on
# TCP, and the kills of a stream's two processes. tools/windows.sh sources this.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

cp "$built/$target/debug/simpleipc.dll" "$scratch"
x86_64-w64-mingw32-gcc -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -O2 -Iinclude tests/interop/drivers/driver.c \
    -o "$scratch/driver.exe" "$built/$target/debug/libsimpleipc.dll.a" -Wl,-Bstatic -lpthread
cat >"$scratch/driver" <<END
#!/bin/bash
export SIMPLE_IPC_DIR=Z:/scratch/${scratch##*/}
become ./driver.exe "\$@"
END
chmod +x "$scratch/driver"
# Under Wine each call of the system may be one to another process.
HANG_SECONDS=600 UNDER_WINE="$scratch/driver" STAGE="$scratch" python3 tests/interop/run.py >"$scratch/matrix.log" 2>&1 || true
counted "the C driver against itself" "$scratch/matrix.log"
left "the drivers of Linux against those under Wine: on a port a client knows the library by a lock that it can see, and Wine keeps its locks to itself"
