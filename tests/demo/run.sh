#!/bin/sh
# Builds the programs of the demo against the installed library (STAGE), and runs it.
set -eu
cd "$(dirname "$0")/../.."

here=tests/demo
mkdir -p "$STAGE/demo"
"${CARGO:-cargo}" build --quiet --release --locked -p simple-ipc --example post
for program in listener poster; do
    "${CC:-cc}" -std=c99 -O2 -Wall -Wextra -I"$STAGE/include" -o "$STAGE/demo/$program" "$here/$program.c" \
        -L"$STAGE/lib" -Wl,-rpath,"$STAGE/lib" -lsimpleipc
done
exec python3 "$here/run.py"
