import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import {
    channels,
    connect,
    listenIpBroadcast,
    listenIpRequest,
    listenUdsBroadcast,
    listenUdsRequest,
    postIpBroadcast,
    postIpRequest,
    postUdsBroadcast,
    postUdsRequest,
} from "../lib/index.mjs";
import { isWindows, NO_DENO_WIRE, skipOnWindows, test, until } from "./harness.mjs";

test("a request gets its answer, on a name and on a port", async ({ options, use }) => {
    const named = use(listenUdsRequest("example_channel", (data) => `${data}!`, options));
    assert.equal(named.path.startsWith(options.directory), true);
    assert.equal(named.port, undefined);
    assert.equal(await postUdsRequest("example_channel", "a", options), "a!");
    const ported = use(listenIpRequest(0, async (data) => data + 1));
    assert.equal(ported.path, undefined);
    assert.equal(await postIpRequest(ported.port, 1), 2);
});

test("a broadcast is handled when its post has resolved, on a name and on a port", async ({ options, use }) => {
    const got = [];
    const named = use(listenUdsBroadcast("b", (data) => void got.push(data), options));
    assert.equal(await postUdsBroadcast("b", "x", options), undefined);
    const ported = use(listenIpBroadcast(0, (data) => void got.push(data)));
    assert.equal(await postIpBroadcast(ported.port, "y"), undefined);
    assert.deepEqual(got, ["x", "y"]);
    assert.equal(named.counters.messages, 1);
});

test("the Deno wire carries the same", async ({ options, use }) => {
    skipOnWindows(NO_DENO_WIRE);
    use(listenUdsRequest("a", (data) => data, options));
    for (const value of ["あ😀é", new Uint8Array([0, 255]), { a: [1, null] }]) {
        assert.deepEqual(await postUdsRequest("a", value, { ...options, wire: "deno" }), value);
    }
});

test("a hundred calls at once get their own answers", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => data * 2, options));
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const posted = await Promise.all(numbers.map((number) => postUdsRequest("a", number, options)));
    assert.deepEqual(
        posted,
        numbers.map((number) => number * 2),
    );
    const client = use(await connect("a", options));
    const requested = await Promise.all(numbers.map((number) => client.request(number)));
    assert.deepEqual(requested, posted);
});

test("a client's broadcasts come in the order of its calls, whether awaited or not", async ({ options, use }) => {
    const got = [];
    use(
        listenUdsBroadcast(
            "b",
            async (data) => {
                if (data % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
                got.push(data);
            },
            options,
        ),
    );
    const client = use(await connect("b", options));
    for (let number = 0; number < 1000; number++) {
        const sent = client.broadcast(number);
        if (number % 2) await sent;
    }
    await client.flush();
    assert.deepEqual(
        got,
        Array.from({ length: 1000 }, (_, number) => number),
    );
    assert.equal((await client.ping()) > 0, true);
});

test("a client works on a port", async ({ use }) => {
    const server = use(listenIpRequest(0, (data) => data));
    const client = use(await connect(server.port));
    assert.equal(await client.request("x"), "x");
});

test("a client's call can follow its session's end", async ({ options, use }) => {
    const first = listenUdsRequest("a", () => 1, options);
    const client = use(await connect("a", options));
    assert.equal(await client.request(null), 1);
    await first.close();
    use(listenUdsRequest("a", () => 2, options));
    assert.equal(await client.request(null), 2);
});

test("channels are listed while they live", async ({ options }) => {
    const server = listenUdsRequest("a", () => 1, options);
    const [found, ...others] = await channels(options);
    assert.deepEqual(others, []);
    assert.equal(found.channel, "a");
    assert.equal(found.mode, "request");
    assert.equal(found.pid, process.pid);
    assert.equal(found.address, server.path);
    assert.equal(Math.abs(Date.now() - found.started) < 3_600_000, true);
    await server.close();
    assert.deepEqual(await channels(options), []);
});

test("a channel is free as soon as close is called, and close twice is silent", async ({ options }) => {
    const server = listenUdsRequest("a", () => 1, options);
    const closing = server.close();
    assert.equal(existsSync(server.path), false);
    const next = listenUdsRequest("a", () => 2, options);
    await closing;
    await server.close();
    assert.equal(await postUdsRequest("a", 0, options), 2);
    await next.close();
    assert.equal(next.counters.messages, 1);
});

test("a listener that closes answers what it has", async ({ options }) => {
    let proceed;
    let hasBegun = false;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    const server = listenUdsRequest(
        "a",
        async () => {
            hasBegun = true;
            await gate;
            return "late";
        },
        options,
    );
    const posted = postUdsRequest("a", 0, options);
    await until(() => hasBegun);
    const closing = server.close();
    proceed();
    assert.equal(await posted, "late");
    await closing;
});

test("a handler learns who asks", async ({ options, use }) => {
    use(listenUdsRequest("a", (_data, { peer }) => peer, options));
    const peer = await postUdsRequest("a", 0, options);
    const { pid } = process;
    assert.deepEqual(peer, isWindows ? { pid } : { pid, uid: process.getuid(), gid: process.getgid() });
});

test("CommonJS and ES modules are the same instance", async () => {
    const { createRequire } = await import("node:module");
    const required = createRequire(import.meta.url)("../lib/index.cjs");
    assert.equal(required.postUdsRequest, postUdsRequest);
});
