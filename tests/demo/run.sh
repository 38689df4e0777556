#!/bin/sh
# Builds the programs of the demo against the installed library (STAGE) and the bindings of this checkout, and runs it.
set -eu
cd "$(dirname "$0")/../.."

here=tests/demo
mkdir -p "$STAGE/demo"
"${CARGO:-cargo}" build --quiet --release --locked -p simple-ipc --example post --example listen
for program in listener poster; do
    "${CC:-cc}" -std=c99 -O2 -Wall -Wextra -I"$STAGE/include" -o "$STAGE/demo/$program" "$here/$program.c" \
        -L"$STAGE/lib" -Wl,-rpath,"$STAGE/lib" -lsimpleipc
done
"${CXX:-c++}" -std=c++17 -O2 -Wall -Wextra -I"$STAGE/include" -o "$STAGE/demo/example_cpp" "$here/example.cpp" \
    -L"$STAGE/lib" -Wl,-rpath,"$STAGE/lib" -lsimpleipc
tests/build.sh
if tools/dotnet.sh build --nologo --verbosity quiet --configuration Release "$here/dotnet/Example.csproj" \
    >"$STAGE/demo/dotnet.log" 2>&1; then
    touch "$STAGE/demo/dotnet"
else
    rm -f "$STAGE/demo/dotnet"
    echo "demo: .NET cannot be built here and is left out: $(tail -n 1 "$STAGE/demo/dotnet.log")" >&2
fi
exec python3 "$here/run.py"
