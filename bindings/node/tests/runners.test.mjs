import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { file, runtime, skip, test } from "./harness.mjs";

/** How often each way is tried, and how many at a time. */
const TIMES = 20;
const AT_ONCE = 3;

const folder = file("tests/runners");
const program = (name) => join(folder, "node_modules", name);
const JEST = program("jest/bin/jest.js");
const VITEST = program("vitest/vitest.mjs");

/** Each test runner as its users call it; `{cache}` stands for a folder of the run's own. */
const WAYS = {
    node: [
        ["node:test", ["--test", "node/first.test.mjs", "node/second.test.mjs"]],
        ["jest", [JEST, "--rootDir", folder, "--testMatch", "**/jest/*.test.cjs", "--cacheDirectory", "{cache}"]],
        [
            "jest --detectOpenHandles",
            [JEST, "--detectOpenHandles", "--testMatch", "**/jest/*.test.cjs", "--cacheDirectory", "{cache}"],
        ],
        ["vitest", [VITEST, "run", "--root", folder, "--dir", "vitest", "--no-cache"]],
    ],
    deno: [
        ["deno test of one file", ["test", "-A", "--quiet", "--no-lock", "deno/first_test.mjs"]],
        [
            "deno test of two files",
            ["test", "-A", "--quiet", "--no-lock", "deno/first_test.mjs", "deno/second_test.mjs"],
        ],
        ["deno test --parallel", ["test", "-A", "--quiet", "--no-lock", "--parallel", "deno"]],
        ["deno bench", ["bench", "-A", "--quiet", "--no-lock", "deno/third_bench.mjs"]],
    ],
    bun: [["bun test", ["test", "./bun/first.test.mjs", "./bun/second.test.mjs"]]],
};

/** What runners say about what is left over. (Bun's own count of failures is `0 fail`.) */
const ALARMS = /warning|open handle|did not exit|leak|not ok|unhandled|uncaught|panic|has been destroyed/i;

function run(args, env) {
    return new Promise((resolve) => {
        const child = spawn(process.execPath, args, {
            cwd: folder,
            env: { ...process.env, NO_COLOR: "1", CI: "1", ...env },
            stdio: ["ignore", "pipe", "pipe"],
        });
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
            stream.setEncoding("utf8").on("data", (text) => {
                output += text;
            });
        }
        child.on("close", (status, signal) => resolve({ status, signal, output }));
    });
}

for (const [name, args] of WAYS[runtime]) {
    test(`${name}: a test that listens, posts and closes passes each time and leaves nothing`, async ({
        directory,
    }) => {
        const [script] = args;
        if (script.startsWith("/") && !existsSync(script)) skip("npm has not brought it");
        let begun = 0;
        async function lane() {
            while (begun < TIMES) {
                const number = begun++;
                const channels = join(directory, `channels${number}`);
                const cache = join(directory, `cache${number}`);
                mkdirSync(channels);
                const own = args.map((part) => (part === "{cache}" ? cache : part));
                const { status, signal, output } = await run(own, { SIMPLE_IPC_DIR: channels });
                assert.equal(signal ?? status, 0, output);
                assert.doesNotMatch(output, ALARMS);
                assert.deepEqual(readdirSync(channels), []);
            }
        }
        await Promise.all(Array.from({ length: AT_ONCE }, lane));
    });
}
