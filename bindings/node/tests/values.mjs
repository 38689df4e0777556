// What becomes of each kind of value: the table that `values.test.mjs` tests, and that the documentation prints.
//
// `make` makes such a value. `sent` is what goes over the wire, `back` what a JavaScript handler gets where that is another
// value; `fails` says that a handler that returns it has failed before; `refused` is what the error says of it behind the path. `inside` is there where a value inside another one fares
// differently. `note` is for the documentation alone.

class Order {
    constructor() {
        this.id = 7;
    }
    get total() {
        return 1;
    }
}
class Secret {
    #value = 1;
    get value() {
        return this.#value;
    }
}
class OddError extends Error {
    code = "odd";
}
class Money {
    toJSON() {
        return { cents: 5 };
    }
}
const circle = {};
circle.self = circle;
const holed = [1, , 3]; // eslint-disable-line no-sparse-arrays
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const bytes = (...values) => Uint8Array.of(...values);
const NOTHING = "undefined; JSON has no such value: null stands for nothing";
const BASE64 = "inside JSON; send bytes as a body of their own, or as base64 text";
const ONLY = "inside JSON; only a Uint8Array can be sent as bytes, as a body of its own: make one over its buffer";
const FAKE = "what looks like a typed array and is none (a Proxy?); send the array itself";

export const KINDS = [
    { kind: "null", make: () => null, sent: "null" },
    { kind: "boolean", make: () => true, sent: "true" },
    { kind: "string", make: () => 'a"\n\0é😀', sent: '"a\\"\\n\\u0000é😀"' },
    { kind: "string with half of a surrogate pair", make: () => "\ud800", sent: '"\\ud800"', note: "kept" },
    { kind: "number", make: () => 1.5, sent: "1.5" },
    { kind: "whole number up to 2^53", make: () => 2 ** 53, sent: "9007199254740992" },
    { kind: "-0", make: () => -0, sent: "0", back: 0 },
    { kind: "NaN, infinities", make: () => Number.NaN, refused: "NaN; JSON has no such number: send null or a text" },
    { kind: "BigInt", make: () => 1n, refused: "a BigInt; JSON has no such number: send it as a text" },
    {
        kind: "undefined",
        make: () => undefined,
        refused: NOTHING,
        inside: { sent: "{}", note: "in an object: a member that is not there" },
        inArray: NOTHING,
    },
    { kind: "hole in an array", make: () => holed, refusedAt: ["[1]", "a hole in an array; null stands for nothing"] },
    {
        kind: "function",
        make: () => function work() {},
        refused: "the function work; JSON has no functions: leave it out",
    },
    { kind: "symbol", make: () => Symbol("x"), refused: "a symbol; JSON has no symbols: send its description" },
    { kind: "plain object", make: () => ({ a: 1, b: { c: [] } }), sent: '{"a":1,"b":{"c":[]}}' },
    {
        kind: "object without a prototype",
        make: () => Object.assign(Object.create(null), { a: 1 }),
        sent: '{"a":1}',
        back: { a: 1 },
    },
    {
        kind: "members under symbols, or not enumerable",
        make: () => ({ a: 1, [Symbol("s")]: 2 }),
        sent: '{"a":1}',
        back: { a: 1 },
    },
    { kind: "array", make: () => [1, "a", null], sent: '[1,"a",null]' },
    { kind: "array's further members", make: () => Object.assign([1], { more: 2 }), sent: "[1]", back: [1] },
    {
        kind: "circle",
        make: () => circle,
        refusedAt: [".self", "a circle, an object that holds itself; send a value without"],
    },
    { kind: "instance of a class with fields", make: () => new Order(), sent: '{"id":7}', back: { id: 7 } },
    {
        kind: "instance of a class without fields of its own (private ones, URLSearchParams, Blob, …)",
        make: () => new Secret(),
        refused: "a Secret without fields of its own; it would arrive as {}: send what it holds",
    },
    {
        kind: "object with `toJSON` (URL, Temporal, …)",
        make: () => new Money(),
        sent: '{"cents":5}',
        back: { cents: 5 },
    },
    { kind: "Date", make: () => new Date(0), sent: '"1970-01-01T00:00:00.000Z"', back: "1970-01-01T00:00:00.000Z" },
    { kind: "invalid Date", make: () => new Date(Number.NaN), refused: "an invalid Date; send null or a text" },
    { kind: "Map", make: () => new Map([[1, 2]]), refused: "a Map; send Object.fromEntries(map) or [...map]" },
    { kind: "Set", make: () => new Set([1]), refused: "a Set; send [...set]" },
    { kind: "RegExp", make: () => /x/, refused: "a RegExp; send its source" },
    {
        kind: "Error",
        make: () => new OddError("x"),
        refused: "an Error; send its message, or an object with what matters of it",
    },
    {
        kind: "Promise, and whatever has `then`",
        make: () => Promise.resolve(1),
        refused: "a Promise; await it first",
        answer: { sent: "1", back: 1, note: "a handler's own is awaited" },
    },
    { kind: "boxed number, string, boolean", make: () => new Number(5), sent: "5", back: 5 },
    {
        kind: "Uint8Array, also empty, of any view",
        make: () => bytes(1, 2),
        bytes: [1, 2],
        inside: { refused: `a Uint8Array ${BASE64}` },
    },
    { kind: "Buffer", make: () => Buffer.from([1, 2]), bytes: [1, 2], inside: { refused: `a Buffer ${BASE64}` } },
    { kind: "other typed arrays", make: () => new Uint16Array(2), refused: `a Uint16Array ${ONLY}` },
    { kind: "DataView", make: () => new DataView(new ArrayBuffer(2)), refused: `a DataView ${ONLY}` },
    { kind: "ArrayBuffer", make: () => new ArrayBuffer(2), refused: `an ArrayBuffer ${ONLY}` },
    { kind: "SharedArrayBuffer", make: () => new SharedArrayBuffer(2), refused: `a SharedArrayBuffer ${ONLY}` },
    {
        kind: "Uint8Array whose buffer was transferred",
        make: () => {
            const array = bytes(1);
            structuredClone(array.buffer, { transfer: [array.buffer] });
            return array;
        },
        refused: "a Uint8Array whose buffer was transferred away; send a copy made before",
        inside: { refused: `a Uint8Array ${BASE64}` },
    },
    { kind: "Proxy of a typed array", make: () => new Proxy(bytes(1), {}), refused: FAKE },
    { kind: "object with a typed array's prototype", make: () => Object.create(Uint8Array.prototype), refused: FAKE },
    { kind: "Proxy of a plain object", make: () => new Proxy({ a: 1 }, {}), sent: '{"a":1}', back: { a: 1 } },
    {
        kind: "revoked Proxy",
        make: () => revoked.proxy,
        fails: true,
        refused: /^reading it failed with TypeError: .*; send what can be read$/,
    },
    {
        kind: "getter or `toJSON` that throws",
        make: () => ({
            get broken() {
                throw new TypeError("not today");
            },
        }),
        refusedAt: [".broken", "reading it failed with TypeError: not today; send what can be read"],
    },
];

/** What arrives as JSON from whatever language. */
export const ARRIVING = [
    { kind: "whole number beyond 2^53", text: "12345678901234567891", back: 12345678901234567000 },
    { kind: "number beyond 1.8e308", text: "1e400", back: Number.POSITIVE_INFINITY },
    { kind: "member twice", text: '{"a":1,"a":2}', back: { a: 2 } },
    { kind: "member `__proto__`", text: '{"__proto__":1}', back: JSON.parse('{"__proto__":1}') },
];

const code = (text) => `\`${String(text).replaceAll("|", "\\|").replaceAll("\n", " ")}\``;

/** The table as Markdown. */
export function markdown() {
    const lines = ["| kind | sent as | received as / error | example |", "|---|---|---|---|"];
    for (const row of KINDS) {
        const [at, why] = row.refusedAt ?? ["", row.refused];
        const is = row.bytes ? "bytes" : row.sent === undefined ? "refused" : "JSON";
        const inside = row.inside?.refused ? "; refused inside JSON" : row.inside ? `; ${row.inside.note}` : "";
        const answer = row.answer ? `; ${row.answer.note}` : "";
        let received = "the same value";
        if (is === "bytes") received = "Uint8Array";
        else if (is === "refused") {
            const text = why instanceof RegExp ? "reading it failed with TypeError: …; send what can be read" : why;
            received = `\`invalid_json\`: ${code(`data.items[1].image${at}: ${text}`)}`;
        } else if ("back" in row) received = `another: ${code(JSON.stringify(row.back))}`;
        if (row.inside?.refused)
            received += `; inside \`invalid_json\`: ${code(`data.items[1].image: ${row.inside.refused}`)}`;
        lines.push(
            `| ${row.kind} | ${is}${inside}${answer} | ${received} | ${row.sent === undefined ? "" : code(row.sent)} |`,
        );
    }
    for (const { kind, text, back } of ARRIVING) {
        const shown = typeof back === "number" ? String(back) : JSON.stringify(back);
        lines.push(`| arriving: ${kind} | – | ${code(shown)} | ${code(text)} |`);
    }
    return `${lines.join("\n")}\n`;
}
