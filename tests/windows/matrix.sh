#!/bin/bash
# The matrix of tests/interop under Wine: C, Python with threads and on asyncio, Node, Deno, Bun and .NET, each to C, from C and to itself,
# and the command, which posts, subscribes and opens streams: every case, on pipes and on TCP, and the kills of a stream's two processes.
# MATRIX names some of them, with spaces between, and nothing is brought or built for the others; MATRIX_PAIRS=all is each to each, which
# takes three times as long. tools/windows.sh sources this; its short form has C alone.
# shellcheck disable=SC2154,SC2034 # set by, and for, who sources it

# shellcheck source=tests/windows/runtimes.sh
. tests/windows/runtimes.sh
[ -z "$short" ] || MATRIX=C
everyone="C Python asyncio Node Deno Bun .NET command"
for name in ${MATRIX:-}; do
    case " $everyone " in *" $name "*) ;; *) bad "MATRIX: there is no \"$name\"; there are: $everyone" ;; esac
done
wanted() { # name of an implementation…: whether one of them is
    local name
    for name; do
        case " ${MATRIX:-$everyone} " in *" $name "*) return 0 ;; esac
    done
    return 1
}
if wanted Python asyncio Node Deno Bun; then
    build_addons
    copy_sources
fi
# Where no add-on is wanted, what was built at first is enough.
made_for_windows=${addons:-$built/$target/debug}
cp "$made_for_windows/simpleipc.dll" "$made_for_windows/simple-ipc.exe" "$scratch"
cp "$made_for_windows/simpleipc.dll" "$scratch/libsimpleipc.dll"
x86_64-w64-mingw32-gcc -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -O2 -Iinclude tests/interop/drivers/driver.c \
    -o "$scratch/driver.exe" "$made_for_windows/libsimpleipc.dll.a" -Wl,-Bstatic -lpthread
x86_64-w64-mingw32-gcc -std=c99 -Wall -Wextra -Werror -O1 tests/windows/relay.c -o "$scratch/relay.exe"
here=Z:/scratch/${scratch##*/}
mkdir "$scratch/drivers"
# A file that starts a driver, or the command, with the runner's arguments.
starter() { # name of the implementation, program, argument…
    local name=$1
    shift
    wanted "$name" || return 0
    {
        echo '#!/bin/bash'
        echo 'unset NODE_EXTRA_CA_CERTS SSL_CERT_FILE SSL_CERT_DIR'
        echo "export SIMPLE_IPC_DIR=$here/channels SIMPLE_IPC_LIBRARY=$here/libsimpleipc.dll PYTHONUTF8=1 PYTHONDONTWRITEBYTECODE=1"
        echo "export SIMPLE_IPC_MODULE=file:///$here/tree/bindings/node/lib/index.mjs"
        printf 'become'
        printf ' %q' "$@"
        printf ' "$@"\n'
    } >"$scratch/drivers/$name"
    chmod +x "$scratch/drivers/$name"
}
mkdir "$scratch/channels"
starter C ./driver.exe
if ! wanted Python asyncio; then
    :
elif bring_python_for_windows; then
    python_package
    # The driver's modules, which this Python looks for nowhere else.
    cp tests/interop/drivers/python_*.py tests/interop/drivers/spoken.py "$scratch/site/"
    starter Python "${runtime[@]}" site/python_driver.py sync
    starter asyncio "${runtime[@]}" site/python_driver.py asyncio
else
    left "the matrix with Python: it cannot be had for Windows"
fi
mkdir -p "$scratch/tree/tests/interop"
cp -R tests/interop/drivers "$scratch/tree/tests/interop/"
driver=tree/tests/interop/drivers/driver.mjs
with_javascript() { # name, the function that brings it, its arguments
    wanted "$1" || return 0
    if "${@:2}"; then starter "$1" ./relay.exe "${runtime[@]}" "$driver"; else left "the matrix with $1: it cannot be had for Windows"; fi
}
with_javascript Node bring_node_for_windows 24.21.0
with_javascript Deno bring_deno_for_windows
with_javascript Bun bring_bun_for_windows
if ! wanted .NET; then
    :
elif bring_dotnet_for_windows && env -u CARGO_TARGET_DIR tools/dotnet.sh build --nologo --verbosity quiet --configuration Release \
    tests/interop/drivers/dotnet/Driver.csproj >"$scratch/dotnet.log" 2>&1; then
    made=$(find target/dotnet/Driver/bin/Release -name InteropDriver.dll -printf '%T@ %h\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
    into_scratch "$made" dotnet-Driver
    starter .NET "${runtime[@]}" exec dotnet-Driver/InteropDriver.dll
else
    left "the matrix with .NET: its runtime for Windows, or an SDK that builds its driver, cannot be had"
fi
starter command ./relay.exe ./simple-ipc.exe
through=(--through C)
[ -z "${MATRIX_PAIRS:-}" ] || through=()
# Under Wine each call of the system may be one to another process.
HANG_SECONDS=600 UNDER_WINE="$scratch/drivers" STAGE="$scratch" python3 tests/interop/run.py --times "${through[@]}" >"$scratch/matrix.log" 2>&1 || true
sed -n -e '/^Unix socket: cases passed/,/^- /{ /^- /!p }' -e '/^- command/p' "$scratch/matrix.log"
counted "the matrix" "$scratch/matrix.log"
left "the command as a listener in the matrix: its driver and its handlers tell each other things by signals"
left "the drivers of Linux against those under Wine: on a port a client knows the library by a lock that it can see, and Wine keeps its locks to itself"
