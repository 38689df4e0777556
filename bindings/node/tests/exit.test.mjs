import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { channels, listenUdsRequest } from "../lib/index.mjs";
import { file, Program, runtime, test, until } from "./harness.mjs";

/** Runs tests/programs/ending.mjs until it is ready. */
async function ending(way, directory) {
    const program = new Program(file("tests/programs/ending.mjs"), [way, directory]);
    await program.says("ready");
    return program;
}

/** How often each way is tried. */
const TIMES = 5;

test("process.exit with everything open ends at once and leaves no files", async ({ directory }) => {
    for (let time = 0; time < TIMES; time++) {
        const { status, errors } = await (await ending("exit", directory)).ended;
        assert.equal(status, 7, errors);
        assert.equal(errors, "");
        assert.deepEqual(readdirSync(directory), []);
    }
});

test("an uncaught error ends the process as it does without us, and leaves no files", async ({ directory }) => {
    for (let time = 0; time < TIMES; time++) {
        const { status, errors } = await (await ending("throw", directory)).ended;
        assert.equal(status, 1, errors);
        assert.match(errors, /uncaught on purpose/);
        // Deno ends without telling the program: what is left is taken over.
        if (runtime !== "deno") assert.deepEqual(readdirSync(directory), []);
    }
});

test("a process that a signal ends is not held up, and the next listener takes over what it leaves", async (t) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"]) {
        const program = await ending("wait", t.directory);
        program.kill(signal);
        const ended = await program.ended;
        assert.equal(
            ended.signal ?? ended.status,
            ended.signal ? signal : 128 + { SIGINT: 2, SIGTERM: 15, SIGKILL: 9 }[signal],
        );
        assert.deepEqual(await channels(t.options), []);
        await listenUdsRequest("a", () => 1, t.options).close();
    }
});

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
    await until(async () => (await channels(options)).length === 2);
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
