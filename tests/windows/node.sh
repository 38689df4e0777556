#!/bin/bash
# The package for Node, Deno and Bun under Wine: its own tests. tools/windows.sh sources this.
# shellcheck disable=SC2154 # set by who sources it

# shellcheck source=tests/windows/runtimes.sh
. tests/windows/runtimes.sh
build_addons
copy_sources
node_suites() { # name, suite…
    local name=$1 suite
    shift
    for suite; do
        run_for 900 "$scratch/node.log" "${runtime[@]}" tree/bindings/node/tests/main.mjs "$suite.test.mjs" || true
        { grep -a ' is left out: ' "$scratch/node.log" || true; } | while IFS= read -r line; do say "left out: $name: $line"; done
        counted "$name, $suite" "$scratch/node.log"
    done
}
cat >"$scratch/interrupted.mjs" <<'END'
import { listenUdsRequest } from "./tree/bindings/node/lib/index.mjs";
const server = listenUdsRequest("quiet", (data) => data, { directory: "." });
process.on("SIGINT", async () => {
    console.log("interrupted");
    await server.close();
    console.log("closed");
});
console.log("waiting");
END
if bring_node_for_windows 24.21.0; then
    node_suites "Node 24" calls bodies values values_page errors handlers methods closing cancel publications streams turns exit
    interrupted "Node 24" "interrupted closed" "${runtime[@]}" interrupted.mjs
else
    left "Node 24 for Windows cannot be had"
fi
if bring_node_for_windows 20.18.0; then node_suites "Node 20" calls closing; else left "Node 20 for Windows cannot be had"; fi
if bring_deno_for_windows; then
    node_suites Deno calls errors publications streams
    interrupted Deno "interrupted closed" "${runtime[@]}" interrupted.mjs
else
    left "Deno for Windows cannot be had"
fi
if bring_bun_for_windows; then
    node_suites Bun calls errors
    interrupted Bun "interrupted closed" "${runtime[@]}" interrupted.mjs
else
    left "Bun for Windows cannot be had"
fi
left "Bun, publications and streams: under Wine a thread of the system's pool has ended Bun there, for a reason that is not known"
left "Node, limits and streams_limits: what a process uses is read from /proc"
left "Node, examples and runners: they start programs by links and installed packages of a checkout"
