// Streams between a caller and a handler of this process: what arrives, and how a stream ends.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import {
    connect,
    HandlerError,
    IpcError,
    IpcStream,
    listenIpRequest,
    listenUdsBroadcast,
    listenUdsRequest,
    postIpStream,
    postUdsBroadcast,
    postUdsRequest,
    postUdsStream,
} from "../lib/index.mjs";
import { failure, skip, test, until } from "./harness.mjs";

const DONE = { done: true, value: undefined };

/** All items of a sequence. */
async function all(sequence) {
    const seen = [];
    for await (const item of sequence) seen.push(item);
    return seen;
}

/** The items that come before the error with which a stream ends, and that error. */
async function allAndError(stream) {
    const seen = [];
    const error = await failure(
        (async () => {
            for await (const item of stream) seen.push(item);
        })(),
    );
    return [seen, error];
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 1));

function* count(n) {
    for (let i = 0; i < n; i++) yield i;
}

/** What handlers may answer with: each is the numbers from 0 to n. */
const SEQUENCES = {
    generator: count,
    "async generator": async function* (n) {
        for (let i = 0; i < n; i++) {
            if (i % 3 === 0) await tick();
            yield i;
        }
    },
    "promise of a generator": async (n) => count(n),
    iterator: (n) => count(n)[Symbol.iterator](),
    ReadableStream: (n) => {
        const steps = count(n);
        return new ReadableStream({
            pull(controller) {
                const { done, value } = steps.next();
                if (done) controller.close();
                else controller.enqueue(value);
            },
        });
    },
    "ReadableStream.from": async (n) => ReadableStream.from(count(n)),
    "Readable of Node's": (n) => Readable.from(count(n)),
    "other async iterable": (n) => ({
        [Symbol.asyncIterator]() {
            const steps = count(n);
            return { next: async () => steps.next() };
        },
    }),
    "generator of promises": function* (n) {
        for (const i of count(n)) yield Promise.resolve(i);
    },
};

for (const [what, handler] of Object.entries(SEQUENCES)) {
    test(`a handler answers with a sequence: ${what}`, async ({ options, use }) => {
        use(listenUdsRequest("count", handler, options));
        assert.deepEqual(await all(postUdsStream("count", 10, options)), [...count(10)]);
        assert.deepEqual(await all(postUdsStream("count", 0, options)), []);
    });
}

test("streams go over a port, and over a client that is closed meanwhile", async ({ options, use }) => {
    const server = use(listenIpRequest(0, count, options));
    assert.deepEqual(await all(postIpStream(server.port, 5, options)), [0, 1, 2, 3, 4]);
    const client = await connect(server.port, options);
    const numbers = client.stream(5);
    assert.deepEqual(await numbers.next(), { done: false, value: 0 });
    await client.close();
    assert.deepEqual(await all(numbers), [1, 2, 3, 4]);
    assert.equal((await failure(client.stream(5).next())).code, "closed");
});

test("a caller sends a sequence and gets one answer", async ({ options, use }) => {
    const handler = async (start, { items }) => {
        let total = start;
        for await (const n of items) total += n;
        return { total };
    };
    use(listenUdsRequest("total", handler, options));
    const stream = postUdsStream("total", 100, options);
    for (const n of count(1000)) await stream.send(n);
    stream.end();
    assert.deepEqual(await stream.next(), { done: false, value: { total: 499_600 } });
    assert.deepEqual(await stream.next(), DONE);
});

test("both sides send at once", async ({ options, use }) => {
    const handler = async function* (_data, { items }) {
        for await (const item of items) yield item * 2;
    };
    use(listenUdsRequest("double", handler, options));
    const stream = postUdsStream("double", null, options);
    const sending = (async () => {
        for (const n of count(5000)) await stream.send(n);
        stream.end();
    })();
    assert.deepEqual(
        await all(stream),
        Array.from(count(5000), (n) => n * 2),
    );
    await sending;
});

test("values and bytes arrive as other messages' do, both ways", async ({ options, use }) => {
    const handler = (_data, { items }) => items;
    use(listenUdsRequest("echo", handler, options));
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    const values = [null, 0, -1.5, "", "é\u{1f600}", true, [], { a: [{ b: null }] }, "y".repeat(300_000), bytes];
    values.push(new Uint8Array(0));
    const stream = use(postUdsStream("echo", null, options));
    for (const value of values) {
        const [, step] = await Promise.all([stream.send(value), stream.next()]);
        assert.deepEqual(step, { done: false, value });
    }
    for (const wrong of [1n, undefined, new Map(), [new Uint8Array(1)]]) {
        const error = await failure(stream.send(wrong));
        assert.equal(error.code, "invalid_json");
        assert.match(error.message, /item/);
    }
    await stream.send("still there");
    assert.equal((await stream.next()).value, "still there");
});

test("an item that is sent is a copy: the caller may write into it again", async ({ options, use }) => {
    use(listenUdsRequest("echo", (_data, { items }) => items, options));
    const stream = use(postUdsStream("echo", null, options));
    const bytes = new Uint8Array(100_000);
    const sends = [];
    for (const n of count(20)) {
        bytes.fill(n);
        sends.push(stream.send(bytes));
    }
    for (const n of count(20)) {
        const { value } = await stream.next();
        assert.equal(
            value.every((byte) => byte === n),
            true,
        );
    }
    await Promise.all(sends);
});

test("an answer that is a value is the stream's one item", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => [data], options));
    assert.deepEqual(await all(postUdsStream("a", 5, options)), [[5]]);
});

test("a sequence for a caller that wants one answer is wrong_mode, and never begins", async ({ options, use }) => {
    let begun = 0;
    let cancelled = 0;
    const sequences = {
        generator: function* () {
            begun += 1;
            yield 1;
        },
        stream: () => new ReadableStream({ cancel: () => void (cancelled += 1) }, { highWaterMark: 0 }),
    };
    use(listenUdsRequest("a", (kind) => sequences[kind](), options));
    for (const kind of Object.keys(sequences)) {
        const error = await failure(postUdsRequest("a", kind, options));
        assert.equal(error.code, "wrong_mode");
        assert.match(error.message, /stream/);
    }
    await until(() => cancelled === 1);
    assert.equal(begun, 0);
});

test("a plain request has no items", async ({ options, use }) => {
    use(listenUdsRequest("a", async (_data, { items }) => all(items), options));
    assert.deepEqual(await postUdsRequest("a", 1, options), []);
});

test("a broadcast handler that answers with a sequence hears that nobody takes it", async ({ options, use }) => {
    let begun = false;
    const errors = [];
    const handler = function* () {
        begun = true;
        yield 1;
    };
    use(listenUdsBroadcast("b", handler, { ...options, onError: (error) => errors.push(error) }));
    await postUdsBroadcast("b", 1, options).catch(() => {});
    await until(() => errors.length === 1);
    assert.match(errors[0].message, /a broadcast has no answer/);
    assert.equal(begun, false);
});

test("what was sent before a failure comes before it, with the handler's code and data, again and again", async (t) => {
    const handler = async function* (n) {
        yield* count(n);
        throw new HandlerError("on purpose", { code: "stopped", data: { n } });
    };
    const errors = [];
    t.use(listenUdsRequest("a", handler, { ...t.options, onError: (error) => errors.push(error.message) }));
    for (const n of [0, 1, 2000]) {
        const stream = postUdsStream("a", n, t.options);
        const [seen, error] = await allAndError(stream);
        assert.deepEqual(seen, [...count(n)]);
        assert.equal(error instanceof IpcError, true);
        assert.deepEqual([error.code, error.handlerCode, error.handlerData], ["handler_failed", "stopped", { n }]);
        assert.match(error.message, /on purpose/);
        assert.equal((await failure(stream.next())).code, "handler_failed");
        await stream.close();
        assert.deepEqual(await stream.next(), DONE);
    }
    assert.equal(errors.length, 3);
});

test("an item that JSON cannot hold fails its handler after the items before it", async ({ options, use }) => {
    const ends = [];
    const handler = function* (kind) {
        try {
            yield "good";
            yield kind === "value" ? { n: 1n } : Promise.reject(new TypeError("not today"));
        } finally {
            ends.push(kind);
        }
    };
    use(listenUdsRequest("a", handler, { ...options, onError() {} }));
    for (const [kind, text] of [
        ["value", /cannot send item\.n: a BigInt/],
        ["promise", /TypeError: not today/],
    ]) {
        const [seen, error] = await allAndError(postUdsStream("a", kind, options));
        assert.deepEqual([seen, error.code], [["good"], "handler_failed"]);
        assert.match(error.message, text);
    }
    assert.deepEqual(ends, ["value", "promise"]);
});

test("an item that the caller does not take is too_large", async ({ options, use }) => {
    const errors = [];
    const handler = function* () {
        yield "small";
        yield "x".repeat(5000);
    };
    use(listenUdsRequest("a", handler, { ...options, onError: (error) => errors.push(error.code) }));
    const [seen, error] = await allAndError(postUdsStream("a", 1, { ...options, maxMessage: 1000 }));
    assert.deepEqual([seen, error.code], [["small"], "too_large"]);
    await until(() => errors.length === 1);
    assert.deepEqual(errors, ["too_large"]);
});

/** Handlers that go on until they are left, and note that they were. */
function endless(left) {
    const note = (what) => left.push(what);
    return {
        *generator() {
            try {
                for (let i = 0; ; i++) yield i;
            } finally {
                note("generator");
            }
        },
        async *"async generator"() {
            try {
                for (let i = 0; ; i++) yield i;
            } finally {
                note("async generator");
            }
        },
        async *items(_data, { items }) {
            try {
                yield 0;
                for await (const item of items) yield item;
            } finally {
                note("items");
            }
        },
        async *signal(_data, { signal }) {
            try {
                yield 0;
                await new Promise((resolve) => signal.addEventListener("abort", resolve));
                signal.throwIfAborted();
            } finally {
                note("signal");
            }
        },
        Readable: () => {
            const readable = new Readable({ objectMode: true, read() {} }).on("close", () => note("Readable"));
            readable.push(0);
            return readable;
        },
        ReadableStream: () =>
            new ReadableStream({
                start: (controller) => controller.enqueue(0),
                pull: () => new Promise(() => {}),
                cancel: () => note("ReadableStream"),
            }),
    };
}

/** The ways of a caller to leave. */
const LEAVE = {
    async break(stream) {
        for await (const _ of stream) break;
    },
    async throw(stream) {
        const loop = async () => {
            for await (const _ of stream) throw new Error("on purpose");
        };
        assert.equal((await failure(loop())).message, "on purpose");
    },
    async close(stream) {
        await stream.next();
        await stream.close();
        await stream.close();
    },
    async return(stream) {
        await stream.next();
        assert.deepEqual(await stream.return(), DONE);
    },
    async signal(stream, controller) {
        await stream.next();
        controller.abort("given up");
        assert.equal(await failure(stream.next()), "given up");
        assert.equal(await failure(stream.next()), "given up");
        assert.equal(await failure(stream.send(1)), "given up");
        await stream.close();
    },
};

for (const [how, leave] of Object.entries(LEAVE)) {
    test(`leaving by ${how} ends the handler's sequence at once, wherever it waits`, async ({ options, use }) => {
        const left = [];
        const handlers = endless(left);
        const errors = [];
        const onError = (error) => errors.push(error.code);
        const server = use(
            listenUdsRequest("a", (kind, context) => handlers[kind](kind, context), { ...options, onError }),
        );
        for (const kind of Object.keys(handlers)) {
            const controller = new AbortController();
            const stream = postUdsStream("a", kind, { ...options, signal: controller.signal });
            await leave(stream, controller);
            await until(() => left.length > 0);
            assert.deepEqual(left.splice(0), [kind]);
            assert.deepEqual(await stream.next(), DONE);
            assert.equal((await failure(stream.send(1))).code, "closed");
        }
        await until(() => server.counters.streams === 0 && server.counters.inFlight === 0);
        assert.equal(server.counters.abandoned, 0);
        // Those that were waiting were told why.
        for (const code of errors) assert.equal(["cancelled", "connection_lost"].includes(code), true, code);
    });
}

test("a handler that was left says nothing in the log", async ({ options, use }) => {
    const said = [];
    const { error } = console;
    console.error = (...args) => said.push(args.join(" "));
    try {
        const left = [];
        const handlers = endless(left);
        const server = use(listenUdsRequest("a", (kind, context) => handlers[kind](kind, context), options));
        for (const kind of Object.keys(handlers)) await LEAVE.break(postUdsStream("a", kind, options));
        await until(() => left.length === 6 && server.counters.streams === 0);
        await tick();
    } finally {
        console.error = error;
    }
    assert.deepEqual(said, []);
});

test("cleanup that fails is the handler's failure, of which no caller hears", async ({ options, use }) => {
    const errors = [];
    const handler = function* () {
        try {
            for (;;) yield 1;
        } finally {
            // eslint-disable-next-line no-unsafe-finally
            throw new Error("the cleanup failed");
        }
    };
    const server = use(listenUdsRequest("a", handler, { ...options, onError: ({ message }) => errors.push(message) }));
    await LEAVE.break(postUdsStream("a", 1, options));
    await until(() => server.counters.streams === 0);
    assert.deepEqual(errors, ["the cleanup failed"]);
});

test("cleanup may take its time: the stream counts until it has ended", async ({ options, use }) => {
    let proceed;
    const gate = new Promise((resolve) => {
        proceed = resolve;
    });
    let cleaning = false;
    const handler = async function* () {
        try {
            for (;;) yield 1;
        } finally {
            cleaning = true;
            await gate;
        }
    };
    const server = use(listenUdsRequest("a", handler, options));
    await LEAVE.break(postUdsStream("a", 1, options));
    await until(() => cleaning);
    assert.equal(server.counters.streams, 1);
    proceed();
    await until(() => server.counters.streams === 0);
});

test("close ends every next and every send that waits", async ({ options, use }) => {
    const handler = (_data, { signal }) =>
        new Promise((resolve) => signal.addEventListener("abort", () => resolve(null)));
    use(listenUdsRequest("a", handler, options));
    const stream = postUdsStream("a", 1, options);
    const nexts = [stream.next(), stream.next({ timeout: 3_600_000 }), stream.next()];
    const sends = Array.from({ length: 10 }, () => stream.send("x".repeat(200_000)).catch(({ code }) => code));
    await stream.accepted();
    await tick();
    await stream.close();
    for (const next of nexts) assert.deepEqual(await next, DONE);
    assert.deepEqual((await Promise.all(sends)).slice(5), Array(5).fill("closed"));
    stream.end();
});

test("a stream that is closed before it is open was never there", async ({ options, use }) => {
    const stream = postUdsStream("late", 1, { ...options, wait: null });
    const next = stream.next();
    const accepted = failure(stream.accepted());
    const send = failure(stream.send(1));
    await stream.close();
    assert.deepEqual(await next, DONE);
    assert.deepEqual([(await accepted).code, (await send).code], ["closed", "closed"]);
    const server = use(listenUdsRequest("late", count, options));
    await tick();
    assert.equal(server.counters.messages, 0);
});

test("a stream is returned before it is open: items that are sent and asked for wait for that", async (t) => {
    const stream = postUdsStream("late", null, { ...t.options, wait: null });
    const next = stream.next();
    for (const n of count(10)) stream.send(n).catch(() => {});
    stream.end();
    const late = failure(stream.send(11));
    t.use(listenUdsRequest("late", async (_data, { items }) => all(items), t.options));
    assert.deepEqual(await next, { done: false, value: [...count(10)] });
    assert.equal((await late).code, "closed");
    await stream.accepted();
    assert.deepEqual(await stream.next(), DONE);
});

test("a listener that ends early stops the caller's sends, and what it sent can be read", async ({ options, use }) => {
    const handler = async function* (n, { items }) {
        for (let i = 0; i < n; i++) await items.next();
        yield "enough";
    };
    use(listenUdsRequest("first", handler, options));
    const stream = postUdsStream("first", 3, options);
    const error = await failure(
        (async () => {
            for (;;) await stream.send("x".repeat(1000));
        })(),
    );
    assert.equal(error.code, "closed");
    assert.deepEqual(await all(stream), ["enough"]);
});

test("several loops over a handler's items share them", async ({ options, use }) => {
    const handler = async (_data, context) => {
        const seen = [];
        for await (const item of context.items) {
            seen.push(item);
            if (item === 2) break;
        }
        seen.push("then");
        for await (const item of context.items) seen.push(item);
        assert.equal((await failure(context.items.next({ timeout: -1 }))).code, "invalid_argument");
        return seen;
    };
    use(listenUdsRequest("a", handler, options));
    const stream = postUdsStream("a", null, options);
    for (const n of count(5)) await stream.send(n);
    stream.end();
    assert.deepEqual((await stream.next()).value, [0, 1, 2, "then", 3, 4]);
});

test("items of a message that was answered are not to be had", async ({ options, use }) => {
    let kept;
    use(listenUdsRequest("a", (_data, { items }) => typeof (kept = items), options));
    await all(postUdsStream("a", 1, options));
    assert.equal((await failure(kept.next())).code, "closed");
});

test("what makes no sense, or is not there, fails the stream", async ({ options, use }) => {
    use(listenUdsBroadcast("cast", () => {}, options));
    use(listenUdsRequest("count", count, options));
    const opening = (more, channel = "count") => postUdsStream(channel, 3, { ...options, ...more });
    for (const [stream, code, text] of [
        [opening({}, "nobody"), "not_listening"],
        [opening({}, "cast"), "wrong_mode"],
        [opening({ wire: "deno" }), "unsupported_version"],
        [opening({ timeout: 0 }), "invalid_argument", /timeout/],
        [opening({ idleTimeout: 0 }), "invalid_argument", /idleTimeout/],
        [opening({ overflow: "fail" }), "invalid_argument", /overflow is an option of subscriptions, not here/],
        [opening({ signal: AbortSignal.abort(new IpcError("cancelled", "before")) }), "cancelled"],
        [postUdsStream(5, 3, options), "invalid_argument", /pass a string/],
        [postIpStream("count", 3, options), "invalid_argument", /pass a number/],
        [postUdsStream("count", 3n, options), "invalid_json"],
        [postUdsStream("count", new Uint8Array(100), { ...options, maxMessage: 10 }), "too_large"],
    ]) {
        for (const call of [() => stream.next(), () => stream.send(1), () => stream.accepted(), () => stream.next()]) {
            const error = await failure(call());
            assert.equal(error.code, code, error.message);
            if (text) assert.match(error.message, text);
        }
        stream.end();
        await stream.close();
    }
    const request = failure(postUdsRequest("count", 3, { ...options, idleTimeout: 5 }));
    assert.match((await request).message, /idleTimeout is an option of streams, not here/);
    assert.throws(() => new IpcStream(), { code: "invalid_argument" });
    const stream = use(opening());
    for (const wrong of [{ timeout: -1 }, { signal: 5 }, { timeOut: 5 }]) {
        assert.equal((await failure(stream.next(wrong))).code, "invalid_argument");
        assert.equal((await failure(stream.send(1, wrong))).code, "invalid_argument");
    }
    assert.deepEqual(await all(stream), [0, 1, 2]);
});

test("a session is used again after every kind of end", async ({ options, use }) => {
    const handlers = {
        end: count.bind(undefined, 3),
        fail: function* () {
            yield 1;
            throw new HandlerError("on purpose");
        },
        one: () => "one",
        forever: function* () {
            for (;;) yield 1;
        },
    };
    const server = use(listenUdsRequest("a", (kind) => handlers[kind](), { ...options, onError() {} }));
    const client = use(await connect("a", options));
    await all(client.stream("one"));
    const before = server.counters.connections;
    for (const kind of ["end", "fail", "one", "end", "one", "fail"]) await all(client.stream(kind)).catch(() => {});
    assert.equal(server.counters.connections, before);
    // One that was closed is ready again when the listener's last word has come, which may be after the next is opened. There
    // are not so many in the end that each could have had a new one.
    let [reused, connections] = [0, before];
    while (reused < 20) {
        const stream = client.stream("forever");
        for (let taken = 0; taken < reused; taken++) await stream.next();
        await stream.accepted();
        await stream.close();
        await until(() => server.counters.streams === 0);
        reused = connections === server.counters.connections ? reused + 1 : 0;
        ({ connections } = server.counters);
    }
});

test("a stream that nobody has any more is closed", async ({ options, use }) => {
    if (globalThis.gc === undefined && globalThis.Bun === undefined) skip("this runtime has no collector to call");
    const collect = () => (globalThis.gc ? globalThis.gc() : Bun.gc(true));
    const left = [];
    const handlers = endless(left);
    use(listenUdsRequest("a", (kind, context) => handlers[kind](kind, context), options));
    await (async () => {
        const stream = postUdsStream("a", "generator", options);
        await stream.next();
        await postUdsStream("a", "items", options).accepted();
    })();
    await until(() => {
        collect();
        return left.length === 2;
    });
});

test("a stream is what other parts of the language take", async ({ options, use }) => {
    const left = [];
    const handlers = { ...endless(left), count };
    use(listenUdsRequest("a", (kind, context) => handlers[kind](3, context), options));
    assert.deepEqual(await all(ReadableStream.from(postUdsStream("a", "count", options))), [0, 1, 2]);
    const reader = ReadableStream.from(postUdsStream("a", "generator", options)).getReader();
    assert.deepEqual(await reader.read(), { done: false, value: 0 });
    await reader.cancel();
    await until(() => left.length === 1);
    const stream = postUdsStream("a", "generator", options);
    assert.equal(stream[Symbol.asyncIterator](), stream);
    if (Symbol.asyncDispose) await stream[Symbol.asyncDispose]();
    assert.deepEqual(await stream.close(), undefined);
});
