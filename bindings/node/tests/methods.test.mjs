import assert from "node:assert/strict";
import { connect, HandlerError, listenUdsBroadcast, listenUdsRequest } from "../lib/index.mjs";
import { failure, test } from "./harness.mjs";

const table = {
    add: (a, b) => a + b,
    echo: (value = null) => value,
    sum: (...numbers) => numbers.reduce((a, b) => a + b, 0),
    scale({ value, by = 2 }) {
        return value * by;
    },
    async later(n) {
        await null;
        return n + 1;
    },
    *count(n) {
        for (let i = 0; i < n; i++) yield i;
    },
    whose() {
        return this.peer.pid;
    },
    refuse() {
        throw new HandlerError("not today", { code: "not_today" });
    },
};

async function client(options, use, methods = table) {
    use(listenUdsRequest("calc", methods, options));
    return use(await connect("calc", options));
}

test("a method is called with its parameters", async ({ options, use }) => {
    const calc = await client(options, use);
    assert.equal(await calc.call("add", 1, 2), 3);
    assert.equal(await calc.call("echo"), null);
    assert.deepEqual(await calc.call("echo", { a: [1] }), { a: [1] });
    assert.equal(await calc.call("sum", 1, 2, 3), 6);
    assert.equal(await calc.call("scale", { value: 3 }), 6);
    assert.equal(await calc.call("later", 1), 2);
    assert.equal(await calc.call("whose"), process.pid);
});

test("a plain request calls a method, and other members are passed over", async ({ options, use }) => {
    const calc = await client(options, use);
    assert.equal(await calc.request({ method: "add", params: [1, 2], id: 1, jsonrpc: "2.0" }), 3);
    assert.equal(await calc.request({ method: "scale", params: { value: 3, by: 5 } }), 15);
    assert.equal(await calc.request({ method: "echo" }), null);
    const items = [];
    for await (const item of calc.stream({ method: "count", params: [3] })) items.push(item);
    assert.deepEqual(items, [0, 1, 2]);
});

test("what cannot be called is told by codes of its own", async ({ options, use }) => {
    const calc = await client(options, use);
    for (const name of ["", "sub", "constructor", "__proto__", "toString", "hasOwnProperty"]) {
        const error = await failure(calc.call(name, 1));
        assert.equal(error.handlerCode, "method_not_found");
        assert.deepEqual(error.handlerData, { method: name });
    }
    for (const params of [[], [1]]) {
        const error = await failure(calc.call("add", ...params));
        assert.equal(error.handlerCode, "invalid_params");
        assert.deepEqual(error.handlerData, { method: "add" });
        assert.match(error.message, /"add" takes 2 parameters, not/);
    }
    const messages = [null, 1, "add", [], ["add", 1], {}, { method: 1 }, { method: null }, Buffer.from("add")];
    for (const params of [1, "ab", null, true]) messages.push({ method: "add", params });
    for (const message of messages) {
        assert.equal((await failure(calc.request(message))).handlerCode, "invalid_request");
    }
    assert.equal((await failure(calc.call("refuse"))).handlerCode, "not_today");
    assert.equal((await failure(calc.call(1))).code, "invalid_argument");
});

test("a table that is changed later has no part in the listener, and a Map is one", async ({ options, use }) => {
    const methods = new Map([["one", () => 1]]);
    const calc = await client(options, use, methods);
    methods.delete("one");
    methods.set("two", () => 2);
    assert.equal(await calc.call("one"), 1);
    assert.equal((await failure(calc.call("two"))).handlerCode, "method_not_found");
});

test("a table that cannot work is refused at once", ({ options }) => {
    for (const methods of [{}, { add: 1 }, [() => 1], null, "add", new Map([[1, () => 1]])]) {
        assert.throws(() => listenUdsRequest("refused", methods, options), { code: "invalid_argument" });
    }
});

test("broadcasts call methods", async ({ options, use }) => {
    const seen = [];
    const failed = [];
    const log = (line) => void seen.push(line);
    use(listenUdsBroadcast("log", { log }, { ...options, onError: (error) => failed.push(error.code) }));
    const sender = use(await connect("log", options));
    await sender.broadcast({ method: "log", params: ["a"] });
    await sender.broadcast({ method: "gol", params: ["b"] });
    await sender.broadcast({ method: "log", params: ["c"] });
    await sender.flush();
    assert.deepEqual(seen, ["a", "c"]);
    assert.deepEqual(failed, ["method_not_found"]);
});
