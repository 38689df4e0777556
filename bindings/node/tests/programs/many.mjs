// Fifty calls on one signal at once, and twenty copies of the package: as a test runner loads it, one for each file.
import { createRequire } from "node:module";
import { listenUdsRequest, postUdsRequest } from "../../lib/index.mjs";

const options = { directory: process.argv[2] };
const require = createRequire(import.meta.url);
const entry = require.resolve("../../lib/index.cjs");
for (let copy = 0; copy < 20; copy++) {
    for (const path of Object.keys(require.cache))
        if (path.includes("/lib/") && path.endsWith(".cjs")) delete require.cache[path];
    require(entry);
}

let begun = 0;
const server = listenUdsRequest(
    "a",
    async (_data, { signal }) => {
        begun += 1;
        if (begun === 50) controller.abort();
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        return null;
    },
    options,
);
const controller = new AbortController();
const calls = Array.from({ length: 50 }, (_, call) =>
    postUdsRequest("a", call, { ...options, signal: controller.signal }),
);
const ends = await Promise.allSettled(calls);
await server.close();
console.log(`aborted ${ends.filter(({ reason }) => reason === controller.signal.reason).length}`);
