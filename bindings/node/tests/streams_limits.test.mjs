// Streams: how far they run ahead, how long they wait, and what the ends of processes do to them.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { listenUdsRequest, postUdsRequest, postUdsStream } from "../lib/index.mjs";
import { failure, file, Program, runtime, test, until } from "./harness.mjs";

/** The bytes that each side may be ahead, and what an item counts beside its body. */
const WINDOW = 1 << 18;
const COST = 16;

const resident = () => Number(readFileSync("/proc/self/statm", "utf8").split(" ")[1]) * 4096;
const descriptors = () => readdirSync("/proc/self/fd").length;

function collect() {
    if (globalThis.gc) globalThis.gc();
    if (globalThis.Bun) Bun.gc(true);
}

/** Waits until a number does not change any more while the loop turns many times. */
async function settled(number) {
    let before;
    do {
        before = number();
        await new Promise((resolve) => setTimeout(resolve, 50));
    } while (number() !== before);
    return before;
}

/** A handler that yields the same item so many times, and counts how many it was asked for. */
function producer(asked) {
    return function* ({ item, n }) {
        for (; asked.count < n; asked.count++) yield item ?? new Uint8Array(0);
    };
}

for (const [what, item, bytes] of [
    ["items of a kibibyte", "x".repeat(1022), 1024],
    ["items as large as the window", "x".repeat(WINDOW), WINDOW + 2],
    ["empty items", undefined, 0],
]) {
    test(`a handler is not asked for more than the caller may be behind: ${what}`, async ({ options, use }) => {
        const asked = { count: 0 };
        use(listenUdsRequest("a", producer(asked), options));
        const stream = use(postUdsStream("a", { item, n: 1e9 }, options));
        await until(() => asked.count > 0);
        // One item may be beyond the window, and one more waits in the handler's hands.
        const most = Math.floor(WINDOW / (bytes + COST)) + 2;
        const ahead = await settled(() => asked.count);
        assert.equal(ahead <= most, true, `${ahead} of ${most}`);
        for (let taken = 0; taken < 3 * most; taken++) {
            await stream.next();
            assert.equal(asked.count <= taken + 1 + most, true, `${asked.count} when ${taken + 1} were taken`);
        }
    });
}

test("a caller cannot send more than the handler may be behind, and a send that gives up has sent nothing", async (t) => {
    let proceed;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    const handler = async (_data, { items }) => {
        await gate;
        const seen = [];
        for await (const item of items) seen.push(item.slice(0, 8));
        return seen;
    };
    t.use(listenUdsRequest("a", handler, t.options));
    const stream = postUdsStream("a", null, t.options);
    await stream.accepted();
    const text = (n) => `${n}:`.padEnd(1022, "x");
    let sent = 0;
    // Where there is no room within this time the window is full.
    for (;;) {
        const error = await stream.send(text(sent), { timeout: 200 }).catch((error) => error);
        if (error?.code === "timed_out") break;
        assert.equal(error, undefined);
        sent += 1;
    }
    const most = Math.floor(WINDOW / (1024 + COST)) + 1;
    assert.equal(sent > 0 && sent <= most, true, `${sent} of ${most}`);
    const controller = new AbortController();
    const aborted = stream.send("aborted", { signal: controller.signal });
    const behind = stream.send(text(sent));
    controller.abort("given up");
    assert.equal(await failure(aborted), "given up");
    proceed();
    await behind;
    stream.end();
    assert.deepEqual(
        (await stream.next()).value,
        Array.from({ length: sent + 1 }, (_, n) => text(n).slice(0, 8)),
    );
});

test("sends that are not awaited are sent in their order, and refused beyond what may gather", async ({
    options,
    use,
}) => {
    const seen = [];
    let proceed;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    const handler = async (_data, { items }) => {
        await gate;
        for await (const { n } of items) seen.push(n);
        return "all";
    };
    use(listenUdsRequest("a", handler, options));
    const stream = postUdsStream("a", null, options);
    const refused = [];
    let calls = 0;
    for (; refused.length === 0; calls++) {
        stream.send({ n: calls, text: "x".repeat(1 << 16) }).catch((error) => refused.push(error));
        // One that is refused is refused at once.
        await Promise.resolve();
        await Promise.resolve();
    }
    assert.equal(refused[0].code, "out_of_resources");
    assert.match(refused[0].message, /await each send/);
    assert.equal((calls - 1) << 16 <= (4 << 20) + 2 * WINDOW, true, `${calls} items gathered`);
    proceed();
    stream.end();
    assert.equal((await stream.next()).value, "all");
    assert.deepEqual(
        seen,
        Array.from({ length: calls - 1 }, (_, n) => n),
    );
});

test("a million empty items, to a caller that takes its time at first, take no memory", async ({ options, use }) => {
    const asked = { count: 0 };
    const server = use(listenUdsRequest("a", producer(asked), options));
    const stream = postUdsStream("a", { n: 1_000_000 }, options);
    await stream.next();
    await settled(() => asked.count);
    let taken = 1;
    let before;
    for await (const item of stream) {
        assert.equal(item.length, 0);
        if (++taken === 100_000) {
            collect();
            before = resident();
        }
    }
    assert.equal(taken, 1_000_000);
    collect();
    const grown = (resident() - before) / 2 ** 20;
    console.log(`# ${runtime}: grown by ${grown.toFixed(1)} MiB`);
    assert.equal(grown < 60, true, `grown by ${grown} MiB`);
    await until(() => server.counters.streams === 0);
});

test("a gibibyte each way is handed over in flat memory", async ({ directory, options, use }) => {
    const chunk = new Uint8Array(1 << 18);
    const handler = async function* (_data, { items }) {
        for await (const item of items) yield item;
    };
    use(listenUdsRequest("echo", handler, options));
    const caller = new Program(file("tests/programs/streamer.mjs"), [directory, "echo", "4096"]);
    let most = 0;
    const looking = setInterval(() => (most = Math.max(most, resident())), 20);
    const before = resident();
    const { status, output, errors } = await caller.ended;
    clearInterval(looking);
    assert.equal(status, 0, errors);
    const { taken, grown } = JSON.parse(output);
    assert.equal(taken, 4096 * chunk.length);
    const ours = most - before;
    console.log(`# ${runtime}: the caller grew by ${grown >> 20} MiB, the listener by ${ours >> 20} MiB`);
    assert.equal(grown < 200 * 2 ** 20 && ours < 200 * 2 ** 20, true, `${grown} and ${ours} bytes`);
});

test("thousands of streams that are opened and left leave memory and descriptors as they were", async (t) => {
    let cleaned = 0;
    const handler = async function* (_data, { items }) {
        try {
            yield 0;
            for await (const item of items) yield item;
        } finally {
            cleaned += 1;
        }
    };
    const server = t.use(listenUdsRequest("a", handler, t.options));
    async function round(streams) {
        let begun = 0;
        async function lane() {
            while (begun++ < streams) {
                const stream = postUdsStream("a", null, t.options);
                const kind = begun % 5;
                if (kind === 0) await stream.next();
                if (kind === 1) stream.send("one").catch(() => {});
                if (kind === 2) await stream.accepted();
                if (kind === 3) for await (const _ of stream) break;
                await stream.close();
            }
        }
        await Promise.all(Array.from({ length: 8 }, lane));
        await until(() => server.counters.streams === 0);
        collect();
    }
    await round(3000);
    const before = { memory: resident(), files: descriptors() };
    await round(7000);
    // Connections that were given up are closed a moment later.
    await until(() => descriptors() <= before.files + 40);
    const after = { memory: resident(), files: descriptors() };
    const grown = (after.memory - before.memory) / 2 ** 20;
    console.log(`# ${runtime}: ${cleaned} cleaned up, grown by ${grown.toFixed(1)} MiB, ${after.files} descriptors`);
    assert.equal(grown < 60, true, `memory has grown by ${grown} MiB`);
});

test("idleTimeout ends a stream that waits for an item, for room, or for its acceptance", async ({ options, use }) => {
    const forever = (_data, { signal }) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve(null)));
    const server = use(listenUdsRequest("a", forever, { ...options, maxInFlight: 2 }));
    const opening = () => postUdsStream("a", null, { ...options, idleTimeout: 100 });
    const silent = opening();
    assert.equal((await failure(silent.next())).code, "timed_out");
    assert.equal((await failure(silent.next())).code, "timed_out");
    const full = opening();
    const error = await failure(
        (async () => {
            for (;;) await full.send("x".repeat(1000));
        })(),
    );
    assert.equal(error.code, "timed_out");
    await until(() => server.counters.streams === 0);
});

test("timeout is the time of the whole stream, and there is none by default", async ({ options, use }) => {
    const handler = async function* () {
        for (let n = 0; ; n++) {
            yield n;
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
    };
    const server = use(listenUdsRequest("a", handler, options));
    const stream = postUdsStream("a", null, { ...options, timeout: 100 });
    const seen = [];
    const error = await failure(
        (async () => {
            for await (const n of stream) seen.push(n);
        })(),
    );
    assert.equal(error.code, "timed_out");
    assert.deepEqual(
        seen,
        Array.from(seen, (_, n) => n),
    );
    await until(() => server.counters.streams === 0);
});

test("a next that gives up loses no item, by time or by signal", async ({ options, use }) => {
    const COUNT = 1000;
    const handler = async function* () {
        for (let n = 0; n < COUNT; n++) {
            yield n;
            if (n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
    };
    use(listenUdsRequest("a", handler, options));
    const stream = postUdsStream("a", null, options);
    const seen = [];
    for (let turn = 0; seen.length < COUNT; turn++) {
        const controller = new AbortController();
        const wait = stream.next(turn % 2 ? { timeout: 0 } : { signal: controller.signal });
        if (turn % 2 === 0) setImmediate(() => controller.abort("aborted"));
        const step = await wait.catch((error) => {
            assert.equal(error === "aborted" || error.code === "timed_out", true, error);
        });
        if (step) seen.push(step.value);
    }
    assert.deepEqual(
        seen,
        Array.from({ length: COUNT }, (_, n) => n),
    );
});

test("however fast items come and go, timers have their turn between them", async ({ options, use }) => {
    let timers = 0;
    const TURNS = 50;
    const forever = function* () {
        for (let n = 0; timers < TURNS; n++) yield n;
    };
    use(listenUdsRequest("a", forever, options));
    const turned = () => {
        timers += 1;
        if (timers < TURNS) setTimeout(turned, 0);
    };
    setTimeout(turned, 0);
    let taken = 0;
    for await (const n of postUdsStream("a", null, options)) {
        assert.equal(n, taken);
        taken += 1;
    }
    console.log(`# ${runtime}: ${taken} items, ${timers} timers in turn`);
});

test("close of a server ends its streams, and their handlers are told", async ({ options }) => {
    const told = [];
    const handler = async function* (_data, { items }) {
        try {
            yield "begun";
            for await (const item of items) yield item;
        } finally {
            told.push("cleaned");
        }
    };
    const server = listenUdsRequest("a", handler, { ...options, grace: 100 });
    const stream = postUdsStream("a", null, options);
    await stream.next();
    await server.close().catch((error) => assert.equal(error.code, "timed_out"));
    assert.equal((await failure(stream.next())).code, "connection_lost");
    await until(() => told.length === 1);
});

test("close awaited in a sequence of its own listener resolves at once, and the items go out", async ({ options }) => {
    for (const kind of ["generator", "async generator"]) {
        let closing;
        const handlers = {
            *generator() {
                yield 1;
                closing = server.close();
                yield 2;
            },
            async *"async generator"() {
                yield 1;
                await new Promise((resolve) => setTimeout(resolve, 1));
                closing = server.close();
                await closing;
                yield 2;
            },
        };
        const server = listenUdsRequest("a", () => handlers[kind](), { ...options, grace: 3_600_000 });
        const seen = [];
        for await (const item of postUdsStream("a", null, options)) seen.push(item);
        assert.deepEqual(seen, [1, 2], kind);
        await closing;
        await server.close();
    }
});

test("a caller that is killed is one that has left", async ({ directory, options, use }) => {
    const left = [];
    const handler = async function* (kind, { items }) {
        try {
            yield "begun";
            if (kind === "fast") for (;;) yield "more";
            for await (const item of items) yield item;
        } finally {
            left.push(kind);
        }
    };
    const server = use(listenUdsRequest("a", handler, options));
    for (const kind of ["fast", "quiet"]) {
        const caller = new Program(file("tests/programs/streamer.mjs"), [directory, "a", kind]);
        await caller.says("begun");
        caller.kill("SIGKILL");
        await caller.ended;
        await until(() => left.length > 0);
        assert.deepEqual(left.splice(0), [kind]);
    }
    await until(() => server.counters.streams === 0);
});

test("a listener that is killed is connection_lost after what it has sent", async ({ directory, options }) => {
    const listener = new Program(file("tests/programs/streaming.mjs"), [directory]);
    await listener.says("ready");
    const stream = postUdsStream("streaming", 100, options);
    assert.deepEqual(await stream.next(), { done: false, value: 0 });
    const seen = [0];
    const error = await failure(
        (async () => {
            for await (const item of stream) if (seen.push(item) === 100) listener.kill("SIGKILL");
        })(),
    );
    assert.equal(seen.length, 100);
    assert.deepEqual([error.code, error.mayHaveBeenHandled], ["connection_lost", true]);
    await listener.ended;
});

test("a stream keeps the process alive while something waits, and not otherwise", async ({
    directory,
    options,
    use,
}) => {
    let proceed;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    const handler = async function* () {
        yield "first";
        await gate;
        yield "it was alive";
    };
    use(listenUdsRequest("a", handler, options));
    const idle = await new Program(file("tests/programs/streamer.mjs"), [directory, "a", "idle"]).ended;
    assert.deepEqual([idle.status, idle.output, idle.errors], [0, "idle\n", ""]);
    const waits = new Program(file("tests/programs/streamer.mjs"), [directory, "a", "waits"]);
    await waits.says("waits");
    proceed();
    const { status, output, errors } = await waits.ended;
    assert.deepEqual([status, output, errors], [0, "waits\nit was alive\n", ""]);
    assert.equal((await failure(postUdsRequest("a", "x", options))).code, "wrong_mode");
});
