// Tests under the runtime that runs this: `node tests/main.mjs [FILE|part of a name]`, FILE one of those below.
import { run } from "./harness.mjs";

const files = [
    "calls.test.mjs",
    "methods.test.mjs",
    "bodies.test.mjs",
    "attached.test.mjs",
    "values.test.mjs",
    "values_page.test.mjs",
    "errors.test.mjs",
    "handlers.test.mjs",
    "closing.test.mjs",
    "cancel.test.mjs",
    "publications.test.mjs",
    "streams.test.mjs",
    "streams_limits.test.mjs",
    "turns.test.mjs",
    "limits.test.mjs",
    "exit.test.mjs",
    "examples.test.mjs",
    "runners.test.mjs",
];

const wanted = process.argv[2] || undefined;
const chosen = files.filter((name) => name === wanted);
for (const name of chosen.length ? chosen : files) await import(`./${name}`);
const failed = await run(chosen.length ? undefined : wanted);
process.exit(failed ? 1 : 0);
