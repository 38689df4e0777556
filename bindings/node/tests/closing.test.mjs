import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { connect, listenUdsBroadcast, listenUdsRequest, postUdsBroadcast, postUdsRequest } from "../lib/index.mjs";
import { failure, runtime, test, until } from "./harness.mjs";

/** So long a grace period that a test which waits for it is found by the watchdog. */
const LONG = 3_600_000;
const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

class Daemon {
    constructor(options, how) {
        this.server = listenUdsRequest("daemon", (data) => how(this, data), { ...options, grace: LONG });
    }
    async stop() {
        await tick();
        await this.server.close();
    }
}

const WAYS = {
    "at once": async ({ server }) => {
        await server.close();
        return "bye";
    },
    "without waiting": ({ server }) => {
        server.close();
        return "bye";
    },
    "after an await": async ({ server }) => {
        await tick();
        await server.close();
        return "bye";
    },
    "in a method that awaits": async (daemon) => {
        await tick();
        await daemon.stop();
        return "bye";
    },
    "with others": async (daemon) => {
        await Promise.all([tick(), daemon.stop()]);
        return "bye";
    },
    "in a finally": async ({ server }) => {
        try {
            await tick();
            return "bye";
        } finally {
            await server.close();
            await server.close();
        }
    },
};

for (const [name, how] of Object.entries(WAYS)) {
    test(`close awaited in the listener's own handler returns at once and the answer goes out: ${name}`, async ({
        options,
    }) => {
        const daemon = new Daemon(options, how);
        assert.equal(await postUdsRequest("daemon", "stop", options), "bye");
        // From outside it waits until all is over.
        await daemon.server.close();
        assert.equal(existsSync(daemon.server.path), false);
        assert.equal(daemon.server.counters.messages, 1);
    });
}

test("close in a broadcast's handler returns at once", async ({ options }) => {
    const handler = async () => {
        await tick();
        await server.close();
    };
    const server = listenUdsBroadcast("b", handler, { ...options, grace: LONG });
    await postUdsBroadcast("b", 1, options);
    await server.close();
    assert.equal(server.counters.messages, 1);
});

test("close in another listener's handler waits for the handlers that run", async ({ options, use }) => {
    let hasBegun = false;
    let proceed;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    const handler = async () => {
        hasBegun = true;
        await gate;
        return "done";
    };
    const other = listenUdsRequest("other", handler, { ...options, grace: LONG });
    let closed = false;
    const closer = async () => {
        await tick();
        await other.close();
        closed = true;
        return "closed";
    };
    use(listenUdsRequest("closer", closer, options));
    const first = postUdsRequest("other", 1, options);
    await until(() => hasBegun);
    const second = postUdsRequest("closer", 1, options);
    await until(() => !existsSync(other.path));
    for (let turn = 0; turn < 20; turn++) await tick();
    assert.equal(closed, false);
    proceed();
    assert.equal(await first, "done");
    assert.equal(await second, "closed");
});

test("what a handler has started and does not await waits for the handlers", async ({ options }) => {
    // It closes when the handler that started it has long returned, and another one runs.
    const done = [];
    let isFree;
    const free = new Promise((resolve) => {
        isFree = resolve;
    });
    const handler = async (data) => {
        if (data === "start") {
            setTimeout(async () => {
                await free;
                await server.close();
                done.push("closed");
            });
            return "started";
        }
        isFree();
        for (let turn = 0; turn < 20; turn++) await tick();
        done.push("handled");
        return "slow";
    };
    const server = listenUdsRequest("a", handler, { ...options, grace: LONG });
    assert.equal(await postUdsRequest("a", "start", options), "started");
    assert.equal(await postUdsRequest("a", "slow", options), "slow");
    await until(() => done.length === 2);
    assert.deepEqual(done, ["handled", "closed"]);
});

for (const mode of ["request", "broadcast"]) {
    for (const when of ["before", "after"]) {
        test(`a ${mode} handler whose listener does not wait for it any longer hears of it, asking ${when}`, async ({
            options,
        }) => {
            const heard = { begun: 0 };
            let ask;
            const asked = new Promise((resolve) => {
                ask = resolve;
            });
            const handler = async (_data, context) => {
                heard.begun += 1;
                if (when === "after") await asked;
                const { signal } = context;
                if (!signal.aborted) {
                    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
                }
                heard.reason = signal.reason;
            };
            const listen = mode === "request" ? listenUdsRequest : listenUdsBroadcast;
            const server = listen("a", handler, { ...options, grace: 20 });
            const client = await connect("a", options);
            const call = mode === "request" ? client.request(1).catch((error) => error) : client.broadcast(1);
            await until(() => heard.begun === 1);
            // One that hears of it may end just in time.
            const error = await server.close().catch((error) => error);
            if (when === "after" || error !== undefined) {
                assert.equal(error.code, "timed_out");
                assert.match(error.message, /a handler still runs/);
            }
            ask();
            await until(() => heard.reason !== undefined);
            assert.equal(heard.reason.code, "cancelled");
            if (mode === "request") assert.equal((await call).code, "connection_lost");
            await client.close().catch(() => {});
        });
    }
}

test("close of a client ends its waiting calls, and the handler hears of it", async ({ options, use }) => {
    const heard = { begun: 0, aborted: 0 };
    const handler = async (_data, { signal }) => {
        heard.begun += 1;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        heard.aborted += 1;
    };
    use(listenUdsRequest("a", handler, options));
    const client = await connect("a", options);
    const calls = [client.request(1), client.request(2)].map((call) => failure(call));
    await until(() => heard.begun === 2);
    await client.close();
    for (const call of calls) {
        const error = await call;
        assert.equal(error.code, "cancelled");
        assert.equal(error.mayHaveBeenHandled, true);
    }
    await until(() => heard.aborted === 2);
});

test("flush, ping and close take a timeout and a signal", async ({ options, use }) => {
    let proceed;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    use(listenUdsBroadcast("b", () => gate, options));
    const client = await connect("b", options);
    assert.equal((await client.ping({ timeout: 60_000 })) > 0, true);
    await client.broadcast(1);
    assert.equal((await failure(client.flush({ timeout: 20 }))).code, "timed_out");
    assert.equal(await failure(client.flush({ signal: AbortSignal.abort("given up") })), "given up");
    assert.equal((await failure(client.ping({ timeout: 0 }))).code, "invalid_argument");
    assert.equal((await failure(client.ping({ wait: 5 }))).code, "invalid_argument");
    assert.equal((await failure(client.close({ timeout: -1 }))).code, "invalid_argument");
    assert.equal((await failure(client.close({ timeout: 20 }))).code, "timed_out");
    assert.equal((await failure(client.ping())).code, "closed");
    proceed();
});

test("counters say what is in flight and what nobody waits for any more", async ({ options }) => {
    let proceed;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    let begun = 0;
    const handler = () => {
        begun += 1;
        return gate;
    };
    const server = listenUdsRequest("a", handler, options);
    const controller = new AbortController();
    const waiting = postUdsRequest("a", 1, options);
    const left = postUdsRequest("a", 2, { ...options, signal: controller.signal });
    await until(() => begun === 2);
    controller.abort("given up");
    assert.equal(await failure(left), "given up");
    await until(() => server.counters.abandoned === 1);
    assert.equal(server.counters.inFlight >= 1, true);
    proceed("now");
    assert.equal(await waiting, "now");
    await until(() => server.counters.abandoned === 0);
    await server.close();
    assert.equal(server.counters.inFlight, 0);
});

if (runtime !== "bun") {
    test("asking for the stack leaves Error as it was", async ({ options }) => {
        const before = [Error.stackTraceLimit, Error.prepareStackTrace];
        await listenUdsRequest("a", () => 1, options).close();
        assert.deepEqual([Error.stackTraceLimit, Error.prepareStackTrace], before);
    });
}
