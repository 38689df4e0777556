import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import {
    connect,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postUdsRequest,
    subscribeUds,
} from "../lib/index.mjs";
import { file, Program, runtime, test, until } from "./harness.mjs";

function resident() {
    return Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
}

function collect() {
    if (globalThis.gc) globalThis.gc();
    if (globalThis.Bun) Bun.gc(true);
}

const descriptors = () => readdirSync("/proc/self/fd").length;

test("a gibibyte of broadcasts against a handler that sleeps takes less than 200 MiB", async ({ directory }) => {
    const listener = new Program(file("tests/programs/sleepy.mjs"), [directory]);
    await listener.says("ready");
    const client = await connect("flood", { directory });
    const body = new Uint8Array(1 << 20);
    for (let sent = 0; sent < 1024; sent++) await client.broadcast(body);
    await client.close();
    listener.child.stdin.end();
    const { output, errors } = await listener.ended;
    const { messages, peak } = JSON.parse(output.split("\n").at(-2));
    assert.equal(messages, 1024, errors);
    console.log(`# ${runtime}: peak ${Math.round(peak / 2 ** 20)} MiB`);
    assert.equal(peak < 200 * 2 ** 20, true, `peak of ${Math.round(peak / 2 ** 20)} MiB`);
});

test("a hundred thousand calls leave memory and descriptors as they were", async ({ options, use }) => {
    const server = use(listenUdsRequest("a", (data) => data, options));
    const broadcasts = use(listenUdsBroadcast("b", () => {}, options));
    const client = use(await connect("a", options));
    const caster = use(await connect("b", options));
    const bytes = new Uint8Array(100_000);
    async function round(calls) {
        let call = 0;
        async function lane() {
            const { signal } = new AbortController();
            while (call++ < calls) {
                await client.request({ call, text: "some text" });
                if (call % 4 === 0) await caster.broadcast(call);
                if (call % 20 === 0) await postUdsRequest("a", call, { ...options, signal });
                if (call % 50 === 0) await client.request(bytes);
                if (call % 100 === 0) await client.request(1n).catch(() => {});
                if (call % 1000 === 0) await (await connect("a", options)).close();
            }
        }
        await Promise.all(Array.from({ length: 16 }, lane));
        await caster.flush();
        collect();
    }
    await round(30_000);
    const before = { memory: resident(), files: descriptors() };
    await round(70_000);
    const after = { memory: resident(), files: descriptors() };
    const grown = (after.memory - before.memory) / 2 ** 20;
    console.log(`# ${runtime}: grown by ${grown.toFixed(1)} MiB`);
    assert.equal(after.files <= before.files + 2, true, `${before.files} descriptors became ${after.files}`);
    // A leak of a hundred bytes a call would be 7 MiB; a collector's own unrest is more, a body's leak far more.
    assert.equal(grown < 60, true, `memory has grown by ${grown} MiB`);
    assert.equal(server.counters.messages > 100_000 && broadcasts.counters.messages > 20_000, true);
});

test("a hundred thousand events to subscriptions that come and go leave memory and descriptors as they were", async (t) => {
    const clock = t.use(listenUdsPublish("clock", { ...t.options, retain: true }));
    async function round(subscriptions) {
        for (let turn = 0; turn < subscriptions; turn++) {
            const events = await subscribeUds("clock", { ...t.options, topics: ["tick"] });
            const late = await subscribeUds("clock", {
                ...t.options,
                topics: ["tick"],
                overflow: "drop_oldest",
                queue: 1,
            });
            // One is left while events wait for it, the other when it has had all of them.
            for (let tick = 0; tick < 100; tick++)
                await clock.publish({ turn, tick, text: "some text" }, { topic: "tick" });
            for await (const { data } of events) if (data.turn === turn && data.tick === 99) break;
            await late.next();
            await late.close();
        }
        await until(() => clock.counters.subscribers === 0);
        collect();
    }
    await round(300);
    const before = { memory: resident(), files: descriptors() };
    await round(700);
    const after = { memory: resident(), files: descriptors() };
    const grown = (after.memory - before.memory) / 2 ** 20;
    console.log(`# ${runtime}: grown by ${grown.toFixed(1)} MiB`);
    assert.equal(after.files <= before.files + 2, true, `${before.files} descriptors became ${after.files}`);
    assert.equal(grown < 60, true, `memory has grown by ${grown} MiB`);
    assert.equal(clock.counters.published, 100_000);
});

test("a body too long for a string of the engine fails its call and harms nothing else", async ({ options, use }) => {
    // Half a gibibyte is where V8's strings end; what one engine cannot show, the other may.
    const large = { ...options, maxMessage: 600 << 20 };
    let length = 0;
    const handler = (data) => {
        length = data.length;
        return length;
    };
    const server = use(listenUdsRequest("a", handler, large));
    const sender = new Program(file("tests/programs/large.mjs"), [options.directory]);
    const { status, errors } = await sender.ended;
    assert.equal(status, 0, errors);
    // It ended one way or the other: the sender has its answer, or its connection was closed.
    assert.equal(server.counters.messages, 1);
    if (length === 0) assert.equal(server.counters.failed, 1);
    else assert.equal(length, 560 << 20);
    assert.equal(await postUdsRequest("a", "still there", large), 11);
});
