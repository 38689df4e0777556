import assert from "node:assert/strict";
import { runInNewContext } from "node:vm";
import { connect, listenUdsRequest, postUdsRequest } from "../lib/index.mjs";
import { failure, test } from "./harness.mjs";

const JSON_VALUES = [
    "",
    "あ😀é",
    'a\0\u001f\u007f\u2028"\\/',
    "\ud800",
    "\ufeff",
    "null and NaN",
    0,
    1.5,
    1e308,
    2 ** 53 - 1,
    2 ** 53,
    null,
    true,
    {},
    [],
    [null, { a: [1, "null", null] }],
    JSON.parse('{"__proto__":{"x":1}}'),
    "x".repeat(1 << 20),
    // Long enough to be looked at by the add-on, with something to escape, or beyond ASCII, in its last place.
    ...["~", " ", "\u007f", '"', "\\", "\0", "\u001f", "\u0080", "é", "あ", "\ud800"].map(
        (end) => "x".repeat(10_000) + end,
    ),
    '"' + "x".repeat(4095),
];

test("JSON values come back as they went, by post and by client", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => data, options));
    const client = use(await connect("a", options));
    for (const value of JSON_VALUES) {
        assert.deepEqual(await postUdsRequest("a", value, options), value);
        assert.deepEqual(await client.request(value), value);
    }
    assert.deepEqual(await client.request(new Date(0)), "1970-01-01T00:00:00.000Z");
    assert.deepEqual(await client.request({ a: undefined, b: 1 }), { b: 1 });
});

test("bytes come back as a Uint8Array, from any view", async ({ options, use }) => {
    let received;
    use(
        listenUdsRequest(
            "a",
            (data) => {
                received = data;
                return data;
            },
            options,
        ),
    );
    const client = use(await connect("a", options));
    const large = new Uint8Array(64 << 20).fill(7);
    large[large.length - 1] = 9;
    const bytes = Uint8Array.of(1, 2, 3, 4, 5);
    for (const [sent, due] of [
        [new Uint8Array(0), []],
        [bytes, [1, 2, 3, 4, 5]],
        [bytes.subarray(1, 3), [2, 3]],
        [Buffer.from("xhix").subarray(1, 3), [0x68, 0x69]],
        [new Uint8Array(new SharedArrayBuffer(2)), [0, 0]],
        [runInNewContext("Uint8Array.of(8, 9)"), [8, 9]],
    ]) {
        for (const back of [await postUdsRequest("a", sent, options), await client.request(sent)]) {
            assert.equal(Object.getPrototypeOf(back), Uint8Array.prototype);
            assert.equal(Object.getPrototypeOf(received), Uint8Array.prototype);
            assert.deepEqual([...back], due);
        }
    }
    const back = await client.request(large);
    assert.equal(Buffer.compare(back, large), 0);
    // A body is the receiver's own: to write into it changes nothing for others.
    received[0] = 1;
    assert.equal(back[0], 7);
});

const circular = { name: "x" };
circular.self = circular;

const REFUSED = [
    [undefined, /undefined/],
    [() => 1, /function/],
    [Symbol("x"), /symbol/],
    [1n, /BigInt/i],
    [{ deep: [1n] }, /BigInt/i],
    [circular, /data\.self: a circle|answer\.self: a circle/],
    [Number.NaN, /NaN/],
    [Number.NEGATIVE_INFINITY, /-Infinity/],
    [{ deep: [Number.NaN] }, /NaN/],
    [new Number(Number.NaN), /NaN/],
    [new DataView(new ArrayBuffer(1)), /DataView/],
    [new ArrayBuffer(1), /ArrayBuffer/],
    [new Uint16Array(1), /Uint16Array/],
    [{ toJSON: () => undefined }, /undefined/],
    [
        {
            toJSON() {
                throw new Error("no JSON today");
            },
        },
        /no JSON today/,
    ],
];

test("what JSON cannot hold is refused in one line, and nothing is sent", async ({ options, use }) => {
    const server = use(listenUdsRequest("a", () => 1, options));
    const client = use(await connect("a", options));
    for (const [value, text] of REFUSED) {
        for (const call of [
            () => postUdsRequest("a", value, options),
            () => client.request(value),
            () => client.broadcast(value),
        ]) {
            const error = await failure(call());
            assert.equal(error.code, "invalid_json");
            assert.equal(error.mayHaveBeenHandled, false);
            assert.match(error.message, text);
            assert.equal(error.message.includes("\n"), false);
        }
    }
    assert.equal(server.counters.messages, 0);
});

test("an answer that JSON cannot hold is the caller's handler_failed", async ({ options, use }) => {
    let answer;
    use(listenUdsRequest("a", (kind) => (kind === "later" ? Promise.resolve(answer) : answer), options));
    for (const [value, text] of REFUSED) {
        answer = value;
        for (const kind of ["now", "later"]) {
            const error = await failure(postUdsRequest("a", kind, options));
            assert.equal(error.code, "handler_failed");
            assert.match(error.message, text);
            assert.match(error.message, /handler's answer/);
        }
    }
});

test("a body over the limit is refused on either side", async ({ options, use }) => {
    use(listenUdsRequest("a", (size) => "x".repeat(size), options));
    const limited = { ...options, maxMessage: 100 };
    assert.equal((await failure(postUdsRequest("a", "x".repeat(200), limited))).code, "too_large");
    const error = await failure(postUdsRequest("a", 200, limited));
    assert.equal(error.code, "too_large");
    assert.equal(error.mayHaveBeenHandled, true);
});
