import assert from "node:assert/strict";
import {
    connect,
    HandlerError,
    IpcError,
    listenUdsBroadcast,
    listenUdsRequest,
    postUdsBroadcast,
    postUdsRequest,
} from "../lib/index.mjs";
import { failure, test, until } from "./harness.mjs";

/** Runs something and returns what it has the console say as errors. */
async function complaints(body) {
    const said = [];
    const { error } = console;
    console.error = (...parts) => said.push(parts);
    try {
        await body(said);
    } finally {
        console.error = error;
    }
    return said;
}

const revoked = Proxy.revocable({}, {});
revoked.revoke();
class OutOfStock extends Error {}

/** What handlers throw, and what their callers read of it. */
const THROWN = [
    [() => new TypeError("x is not a function"), "TypeError: x is not a function"],
    [() => new Error("later"), "Error: later"],
    [() => new OutOfStock("none left"), "OutOfStock: none left"],
    [() => new RangeError(), "RangeError"],
    [() => Object.assign(new Error("m"), { name: "Named" }), "Named: m"],
    [() => new DOMException("gone", "AbortError"), "AbortError: gone"],
    [() => "just text", "just text"],
    [() => undefined, "undefined"],
    [() => null, "null"],
    [() => 3, "3"],
    [() => 5n, "5"],
    [() => Symbol("s"), "Symbol(s)"],
    [() => ({ message: "of no class" }), "Object: of no class"],
    [() => new Error("two\nlines\0and NUL"), "Error: two lines and NUL"],
    [() => Object.create(null), "something was thrown that has no text"],
    [() => ({ toString: null }), "something was thrown that has no text"],
    [() => revoked.proxy, "something was thrown that has no text"],
    [
        () => ({
            toString() {
                throw new Error("never");
            },
        }),
        "something was thrown that has no text",
    ],
    [
        () => ({
            get message() {
                throw new Error("never");
            },
        }),
        "something was thrown that has no text",
    ],
    [() => Object.assign(new Error("m"), { constructor: null, name: Symbol("s") }), "Error: m"],
];

test("a handler's failure crosses as its type and message in one line, whatever it threw", async ({ options, use }) => {
    const handler = ({ number, isLate }) => {
        const error = THROWN[number][0]();
        if (isLate) return Promise.reject(error);
        throw error;
    };
    const server = use(listenUdsRequest("a", handler, options));
    const client = use(await connect("a", options));
    const said = await complaints(async () => {
        for (const [number, [, text]] of THROWN.entries()) {
            for (const isLate of [false, true]) {
                const error = await failure(client.request({ number, isLate }));
                assert.equal(error.code, "handler_failed");
                assert.equal(error.mayHaveBeenHandled, true);
                assert.equal(error.message.endsWith(text), true, `${error.message} for ${text}`);
                assert.match(error.message, /^[^\0-\x1f]*$/); // eslint-disable-line no-control-regex
                assert.equal(error.handlerCode, undefined);
                assert.equal(error.handlerData, undefined);
            }
        }
    });
    assert.deepEqual(said, [], "who has heard of a failure is not told again");
    assert.equal(server.counters.failed, 2 * THROWN.length);
});

test("a handler fails on purpose with a code and data, which its caller gets", async ({ options, use }) => {
    const data = { left: 3, of: [null, "x"] };
    const given = [
        [new HandlerError("only 3 are left", { code: "out_of_stock", data }), "out_of_stock", data],
        [new HandlerError("no more than this"), undefined, undefined],
        [new HandlerError("data alone", { data: 0 }), undefined, 0],
        [new HandlerError("null is data", { data: null }), undefined, null],
    ];
    use(listenUdsRequest("a", (number) => Promise.reject(given[number][0]), options));
    for (const [number, [error, code, due]] of given.entries()) {
        const got = await failure(postUdsRequest("a", number, options));
        assert.equal(got instanceof IpcError, true);
        assert.equal(got.code, "handler_failed");
        assert.equal(got.message.endsWith(error.message), true, got.message);
        assert.equal(got.message.includes("HandlerError"), false);
        assert.equal(got.handlerCode, code);
        assert.deepEqual(got.handlerData, due);
    }
    assert.throws(() => new HandlerError("x", { code: 5 }), { code: "invalid_argument" });
});

test("a failure on purpose whose data cannot be sent still says so", async ({ options, use }) => {
    const handler = (isBytes) => {
        throw new HandlerError("full", { code: "full", data: isBytes ? new Uint8Array(1) : { deep: [new Map()] } });
    };
    use(listenUdsRequest("a", handler, options));
    for (const isBytes of [false, true]) {
        const error = await failure(postUdsRequest("a", isBytes, options));
        assert.equal(error.handlerCode, "full");
        assert.equal(error.handlerData, undefined);
        assert.match(error.message, /full \(without its data: /);
    }
});

/** Values that only look like what they are: each was once an exception in the midst of the delivery. */
const HOSTILE = {
    proxy: () => new Proxy(new Uint8Array(2), {}),
    created: () => Object.create(Uint8Array.prototype),
    revoked: () => revoked.proxy,
    thenThrows: () => ({
        get then() {
            throw Object.create(null);
        },
    }),
    thenCallsThrows: () => ({
        then() {
            throw revoked.proxy;
        },
    }),
    toJsonThrows: () => ({
        toJSON() {
            throw revoked.proxy;
        },
    }),
    getterThrows: () => ({
        get a() {
            throw {
                get message() {
                    throw new Error("never");
                },
            };
        },
    }),
    tag: () => ({
        get [Symbol.toStringTag]() {
            throw new Error("never");
        },
    }),
};

test("no value that a handler returns or throws stops the delivery of others", async ({ options, use }) => {
    const handler = ({ kind, how }) => {
        if (kind === "fine") return "fine";
        const value = HOSTILE[kind]();
        if (how === "throws") throw value;
        if (how === "rejects") return Promise.reject(value);
        return how === "later" ? (async () => value)() : value;
    };
    use(listenUdsRequest("a", handler, options));
    const client = use(await connect("a", options));
    for (const how of ["returns", "later", "throws", "rejects"]) {
        for (const kind of Object.keys(HOSTILE)) {
            // In one batch: those behind the hostile one have their answers, too.
            const [hostile, ...others] = [{ kind, how }, ...Array.from({ length: 20 }, () => ({ kind: "fine" }))].map(
                (data) => client.request(data),
            );
            if (kind === "tag" && (how === "returns" || how === "later")) assert.deepEqual(await hostile, {});
            else assert.equal((await failure(hostile)).code, "handler_failed", `${kind} ${how}`);
            assert.deepEqual(new Set(await Promise.all(others)), new Set(["fine"]));
        }
    }
    // Timeouts still work.
    assert.equal((await failure(postUdsRequest("nobody", 1, { ...options, wait: 20 }))).code, "not_listening");
});

test("a failure that no caller hears of is said once, with channel and handler", async ({ options, use }) => {
    const casts = [];
    use(
        listenUdsBroadcast(
            "orders",
            function takeOrder(data) {
                casts.push(data);
                throw new ReferenceError(`no ${data}`);
            },
            options,
        ),
    );
    use(
        listenUdsRequest(
            "slow",
            async (_data, { signal }) => {
                await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
                throw new Error("too late");
            },
            options,
        ),
    );
    const said = await complaints(async (lines) => {
        await postUdsBroadcast("orders", "stock", options);
        const client = await connect("orders", options);
        await client.broadcast("money");
        await client.close();
        await failure(postUdsRequest("slow", 1, { ...options, timeout: 20 }));
        await until(() => lines.length >= 3);
    });
    assert.deepEqual(casts, ["stock", "money"]);
    assert.equal(said.length, 3);
    assert.match(said[0][0], /handler takeOrder of channel "orders"/);
    assert.equal(said[0][1].message, "no stock");
    assert.match(said[2][0], /the handler of channel "slow"/);
    assert.equal(said[2][1].message, "too late");
});

test("onError gets every failure, and then the console says nothing", async ({ options, use }) => {
    const seen = [];
    const onError = (error, context) => seen.push([error, context.peer.pid]);
    use(listenUdsBroadcast("b", () => Promise.reject(new Error("x")), { ...options, onError }));
    const said = await complaints(() => postUdsBroadcast("b", 1, options));
    assert.deepEqual(said, []);
    assert.equal(seen.length, 1);
    assert.equal(seen[0][1], process.pid);
});

test("who ends because nobody waits has not failed", async ({ options, use }) => {
    let ended = 0;
    const handler = async (how, { signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        ended += 1;
        if (how === "throws") signal.throwIfAborted();
    };
    use(listenUdsRequest("a", handler, options));
    const said = await complaints(async () => {
        for (const how of ["throws", "returns"]) {
            await failure(postUdsRequest("a", how, { ...options, timeout: 20 }));
        }
        await until(() => ended === 2);
        await new Promise((resolve) => setImmediate(resolve));
    });
    assert.deepEqual(said, []);
});

test("a console that fails stops nothing", async ({ options, use }) => {
    const got = [];
    use(
        listenUdsBroadcast(
            "b",
            (data) => {
                got.push(data);
                throw new Error("x");
            },
            options,
        ),
    );
    const { error } = console;
    console.error = () => {
        throw new Error("the log is full");
    };
    try {
        const client = await connect("b", options);
        for (let cast = 0; cast < 5; cast++) await client.broadcast(cast);
        await client.close();
    } finally {
        console.error = error;
    }
    assert.deepEqual(got, [0, 1, 2, 3, 4]);
});
