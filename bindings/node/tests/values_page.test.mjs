// docs/values.md says what each kind of value becomes; this holds its column for JavaScript.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, listenUdsRequest } from "../lib/index.mjs";
import { failure, test } from "./harness.mjs";

class Item {
    name = "a";
    count = 2;
}

const circle = [];
circle.push(circle);
const pending = Promise.resolve(1);

// A value of each kind; what JavaScript has none of is left out.
const VALUES = new Map([
    ["nothing: `None`, `null`, `()`", null],
    ["truth", true],
    ["text", "a\u0001"],
    ["half of a surrogate pair", "\ud800"],
    ["whole number", -7],
    ["whole number beyond 2^53 (JavaScript: `BigInt`)", 9007199254740993n],
    ["number with a fraction", 0.1],
    ["floating-point number without a fraction", 1.0],
    ["negative zero", -0],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["list", [1, []]],
    ["object, dictionary", { a: 1, b: {} }],
    ["keys that are numbers", { 1: 2 }],
    ["set", new Set([1])],
    ["`Map`", new Map([[1, 2]])],
    ["bytes alone", Uint8Array.of(0, 255)],
    ["bytes inside JSON", [Uint8Array.of(0, 255)]],
    ["array of numbers of one type", Int32Array.of(1, 2)],
    ["date and time", new Date(0)],
    ["date that is none", new Date(Number.NaN)],
    ["object of a class or struct with members", new Item()],
    ["exception", new TypeError("x")],
    ["not there yet: coroutine, `Promise`, `Task`", pending],
    ["function", () => 1],
    ["regular expression", /x/],
    ["`undefined` alone", undefined],
    ["`undefined` in a list", [undefined]],
    ["`undefined` as a member", { a: undefined, b: 1 }],
    ["object with `toJSON`", { toJSON: () => "as it says" }],
    ["value that contains itself", circle],
]);

const page = readFileSync(new URL("../../../docs/values.md", import.meta.url), "utf8");
const table = page.split("<!-- table -->")[1].split("<!-- end -->")[0];
const [titles, , ...rows] = table
    .trim()
    .split("\n")
    .map((line) =>
        line
            .replace(/^\||\|$/g, "")
            .split(" | ")
            .map((cell) => cell.trim()),
    );
const column = titles.indexOf("JavaScript");

test("each kind of value becomes what the table of values says", async ({ options, use }) => {
    const got = [];
    use(
        listenUdsRequest(
            "a",
            (data) => {
                got.push(data);
                return null;
            },
            options,
        ),
    );
    const client = use(await connect("a", options));
    for (const row of rows) {
        const [kind, cell] = [row[0], row[column]];
        assert.equal(VALUES.has(kind), cell !== "–", kind);
        if (cell === "–") continue;
        const value = VALUES.get(kind);
        if (cell === "refused") {
            for (const sent of [value, { items: [value] }]) {
                assert.equal((await failure(client.request(sent))).code, "invalid_json", kind);
            }
            assert.equal(got.length, 0, kind);
            continue;
        }
        await client.request(value);
        const due = cell === "kept bytes" ? value : JSON.parse(/`(.*)`/.exec(cell)[1]);
        assert.deepEqual(got.pop(), due, kind);
    }
});
