import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { channels, listenUdsRequest } from "../lib/index.mjs";
import { file, isWindows, Program, runtime, test, until } from "./harness.mjs";

/** Runs tests/programs/ending.mjs until it is ready. */
async function ending(way, directory) {
    const program = new Program(file("tests/programs/ending.mjs"), [way, directory]);
    await program.says("ready");
    return program;
}

/** How often each way of ending is tried in all, and how many processes of them are there at a time. */
const RUNS = Number(process.env.SIMPLE_IPC_TEST_RUNS ?? 20);
const TIMES = process.version.startsWith("v20.") && runtime === "node" ? RUNS : Math.ceil(RUNS / 10);
const AT_ONCE = 4;

/**
 * Ends so many processes, each with a directory of its own, and tells how long that took from when it was `ready`, or
 * was told to end, until it had ended. One that hangs is found by the test's watchdog.
 */
async function manyTimes(directory, way, check, end = () => {}) {
    const took = [];
    let begun = 0;
    async function lane() {
        while (begun < TIMES) {
            const own = join(directory, String(begun++));
            mkdirSync(own);
            const program = await ending(way, own);
            const began = performance.now();
            end(program);
            const ended = await program.ended;
            took.push(performance.now() - began);
            await check(ended, own);
        }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    console.log(`# ${runtime}: ${TIMES} ends, the slowest took ${Math.round(Math.max(...took))} ms`);
}

for (const [way, what] of [
    ["exit", "process.exit with everything open"],
    ["handler", "process.exit in a handler"],
    ["worker", "process.exit beside a worker with everything open"],
]) {
    test(`${what} ends at once and leaves no files`, ({ directory }) =>
        manyTimes(directory, way, ({ status, errors }, own) => {
            assert.equal(status, 7, errors);
            assert.equal(errors, "");
            assert.deepEqual(readdirSync(own), []);
        }));
}

test("an uncaught error ends the process as it does without us, and leaves no files", ({ directory }) =>
    manyTimes(directory, "throw", ({ status, errors }, own) => {
        assert.equal(status, 1, errors);
        assert.match(errors, /uncaught on purpose/);
        // Deno ends without telling the program: what is left is taken over.
        if (runtime !== "deno") assert.deepEqual(readdirSync(own), []);
    }));

for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGKILL", 9],
]) {
    test(`a process that ${signal} ends is not held up, and the next listener takes over what it leaves`, (t) =>
        manyTimes(
            t.directory,
            "wait",
            async (ended, directory) => {
                // Windows has no signals: the process is ended, and its status is 1.
                if (isWindows && !ended.signal) assert.equal(ended.status, 1);
                else assert.equal(ended.signal ?? ended.status, ended.signal ? signal : 128 + number);
                assert.deepEqual(await channels({ directory }), []);
                await listenUdsRequest("a", () => 1, { directory }).close();
            },
            (program) => program.kill(signal),
        ));
}

test("what is idle or unref'd does not keep the process alive", async ({ directory }) => {
    const { status, output, errors } = await new Program(file("tests/programs/idle.mjs"), [directory]).ended;
    assert.equal(errors, "");
    assert.equal(output, "answered\nidle\n");
    assert.equal(status, 0);
    assert.deepEqual(readdirSync(directory), []);
});

test("a call in flight keeps the process alive", async ({ directory, options }) => {
    const program = new Program(file("tests/programs/alive.mjs"), [directory]);
    await program.says("ready");
    const later = listenUdsRequest("later", () => "it was alive", options);
    const { output, status } = await program.ended;
    assert.equal(output, "ready\nit was alive\n");
    assert.equal(status, 0);
    await later.close();
});

test("an open listener keeps the process alive until its peer is answered", async ({ directory, options }) => {
    const program = await ending("wait", directory);
    await until(async () => (await channels(options)).length === 3);
    assert.equal(program.isOver, undefined);
    program.kill("SIGKILL");
    await program.ended;
});

test("workers have listeners and calls of their own, and can be terminated in the midst of them", async (t) => {
    const program = new Program(file("tests/programs/workers.mjs"), [t.directory, "10"]);
    const { status, signal, output, errors } = await program.ended;
    assert.equal(signal, null, errors);
    assert.equal(status, 0, errors);
    assert.equal(output, "left: \n");
});

test("a process whose workers alone use the library outlives them", async (t) => {
    const program = new Program(file("tests/programs/workers.mjs"), [t.directory, "5", "only workers"]);
    const { status, signal, output, errors } = await program.ended;
    assert.equal(signal, null, errors);
    assert.equal(status, 0, errors);
    assert.equal(output, "left: \n");
});

test("every call after the environment has ended answers that all is closed", async ({ directory }) => {
    const { status, signal, output, errors } = await new Program(file("tests/programs/ended.mjs"), [directory]).ended;
    assert.equal(errors, "");
    assert.equal(signal ?? status, 0);
    const closed = ["listen", "post", "connect", "request", "broadcast", "flush", "ping", "closeClient"];
    closed.push("publish", "subscribe", "next", "postStream", "nextItem", "send");
    const due = closed.map((call) => `${call} closed`);
    due.push("closeStream done", "closeServer done", "closeSubscription done", "channels []", "counters 3", "over");
    assert.deepEqual(output.trim().split("\n"), due);
    assert.deepEqual(readdirSync(directory), []);
});
