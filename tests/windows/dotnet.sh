#!/bin/bash
# The assembly for .NET under Wine, over the C library: its own tests. tools/windows.sh sources this.
# shellcheck disable=SC2154 # set by who sources it

# shellcheck source=tests/windows/runtimes.sh
. tests/windows/runtimes.sh
build_addons
copy_sources
# The tests, which are the same files on every system.
build_dotnet_tests() {
    local project made
    for project in Tests:SimpleIpc.Tests.dll Examples:Examples.dll; do
        made=${project%:*}
        env -u CARGO_TARGET_DIR tools/dotnet.sh build --nologo --verbosity quiet --configuration Release \
            "bindings/dotnet/${made,}/$made.csproj" >"$scratch/dotnet.log" 2>&1 || return 1
        # The newest, of several frameworks.
        made=$(find "target/dotnet/$made/bin/Release" -name "${project#*:}" -printf '%T@ %h\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
        into_scratch "$made" "dotnet-${project%:*}"
    done
    cp "$addons/simpleipc.dll" "$scratch/libsimpleipc.dll"
}
dotnet_suites() { # suite…
    local suite
    for suite; do
        SIMPLE_IPC_ROOT="Z:/scratch/${scratch##*/}/tree" SIMPLE_IPC_LIBRARY="Z:/scratch/${scratch##*/}/libsimpleipc.dll" \
            run_for 900 "$scratch/dotnet.log" "${runtime[@]}" exec dotnet-Tests/SimpleIpc.Tests.dll "$suite." || true
        { grep -a ' is left out: ' "$scratch/dotnet.log" || true; } | tr -d '\r' | while IFS= read -r line; do say "left out: .NET: $line"; done
        counted ".NET, $suite" "$scratch/dotnet.log"
    done
}
if bring_dotnet_for_windows && build_dotnet_tests; then
    dotnet_suites BadInput Calls Cancelling Failing Handlers Library Methods Publications Streams StreamEndings Subscriptions Values
    # The listener of the examples closes at Ctrl-C, and then the program ends.
    if SIMPLE_IPC_LIBRARY="Z:/scratch/${scratch##*/}/libsimpleipc.dll" SIMPLE_IPC_DIR="Z:/scratch/${scratch##*/}" \
        tests/windows/interrupted.py "listening on" "${runtime[@]}" exec dotnet-Examples/Examples.dll echo_listener quiet >"$scratch/dotnet.log"; then
        ok
    else
        bad "Ctrl-C, .NET: $(cat "$scratch/dotnet.log")"
    fi
else
    left ".NET for Windows, or an SDK that builds its tests, cannot be had"
fi
left ".NET, Exits and Flat: they send signals, and read what a process uses from /proc"
left ".NET, Examples and StreamFlow: they end programs by signals"
left ".NET, Lifetimes and Overflowing: they take minutes under Wine"
