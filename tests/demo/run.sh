#!/bin/sh
# Builds the programs of the demo against the installed library (STAGE) and the bindings of this checkout, and runs it.
set -eu
cd "$(dirname "$0")/../.."

here=tests/demo
mkdir -p "$STAGE/demo"
"${CARGO:-cargo}" build --quiet --release --locked -p simple-ipc --example post --example listen --example subscribe
for program in listener poster subscriber; do
    "${CC:-cc}" -std=c99 -O2 -Wall -Wextra -I"$STAGE/include" -o "$STAGE/demo/$program" "$here/$program.c" \
        -L"$STAGE/lib" -Wl,-rpath,"$STAGE/lib" -lsimpleipc
done
"${CXX:-c++}" -std=c++17 -O2 -Wall -Wextra -I"$STAGE/include" -o "$STAGE/demo/example_cpp" "$here/example.cpp" \
    -L"$STAGE/lib" -Wl,-rpath,"$STAGE/lib" -lsimpleipc
tests/build.sh
exec python3 "$here/run.py"
