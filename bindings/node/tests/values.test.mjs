import assert from "node:assert/strict";
import { connect as dial } from "node:net";
import { connect, listenUdsBroadcast, listenUdsRequest, postUdsRequest } from "../lib/index.mjs";
import { failure, test, NO_DENO_WIRE, skipOnWindows } from "./harness.mjs";
import { ARRIVING, KINDS } from "./values.mjs";

/** A handler that keeps what it got and answers with what `answer` holds. */
function listener(options) {
    const state = { got: undefined, answer: () => null, messages: 0 };
    state.server = listenUdsRequest(
        "a",
        (data) => {
            state.messages += 1;
            state.got = data;
            return state.answer();
        },
        options,
    );
    return state;
}

function same(left, right, kind) {
    if (left instanceof Uint8Array) assert.deepEqual([...left], [...right], kind);
    else assert.deepEqual(left, right, kind);
}

/** What becomes of a row's value where it is sent by itself (`data`) or inside another (`data.items[1].image`). */
function outcome(row, isInside) {
    const chosen = isInside && row.inside ? row.inside : row;
    if (chosen.refused) return { at: "", refused: chosen.refused };
    if (chosen.refusedAt) return { at: chosen.refusedAt[0], refused: chosen.refusedAt[1] };
    return {};
}

const wrapped = (value) => ({ items: ["0", { image: value }] });

function says(error, path, refused, before = "") {
    const start = `${before}cannot send ${path}: `;
    assert.equal(error.message.slice(0, start.length), start, error.message);
    const rest = error.message.slice(start.length);
    if (refused instanceof RegExp) assert.match(rest, refused);
    else assert.equal(rest, refused);
}

test("each kind of value is sent or refused as the table says, with its path", async ({ options, use }) => {
    const state = listener(options);
    use(state.server);
    const client = use(await connect("a", options));
    const casts = [];
    use(listenUdsBroadcast("b", (data) => void casts.push(data), options));
    const caster = use(await connect("b", options));
    for (const row of KINDS) {
        for (const isInside of [false, true]) {
            const value = isInside ? wrapped(row.make()) : row.make();
            const path = isInside ? "data.items[1].image" : "data";
            const { at, refused } = outcome(row, isInside);
            const calls = [
                () => postUdsRequest("a", value, options),
                () => client.request(value),
                () => caster.broadcast(value).then(() => caster.flush()),
            ];
            for (const call of calls) {
                if (refused !== undefined) {
                    const before = state.messages;
                    const error = await failure(call());
                    assert.equal(error.code, "invalid_json", row.kind);
                    assert.equal(error.mayHaveBeenHandled, false);
                    says(error, path + at, refused);
                    assert.match(error.message, /^[^\n]*$/);
                    assert.equal(state.messages, before);
                    continue;
                }
                casts.length = 0;
                state.got = undefined;
                await call();
                const got = casts.length ? casts[0] : state.got;
                const due = row.bytes ?? ("back" in row ? row.back : row.make());
                if (!isInside) same(got, due, row.kind);
                else if (row.inside) assert.deepEqual(got, { items: ["0", {}] });
                else assert.deepEqual(got, wrapped(due), row.kind);
            }
        }
    }
});

test("a handler's answer is held to the same table, and its caller is told the path", async ({ options, use }) => {
    const state = listener(options);
    use(state.server);
    for (const row of KINDS) {
        for (const isInside of [false, true]) {
            state.answer = () => (isInside ? wrapped(row.make()) : row.make());
            const { at, refused } = outcome(row, isInside);
            if (refused !== undefined && (isInside || !row.answer)) {
                const error = await failure(postUdsRequest("a", 1, options));
                assert.equal(error.code, "handler_failed", row.kind);
                if (row.fails && !isInside) continue;
                says(error, (isInside ? "answer.items[1].image" : "answer") + at, refused, "the handler's answer: ");
                continue;
            }
            const reply = await postUdsRequest("a", 1, options);
            const due = row.bytes ?? row.answer?.back ?? ("back" in row ? row.back : row.make());
            if (!isInside) same(reply, due, row.kind);
            else if (row.inside) assert.deepEqual(reply, { items: ["0", {}] });
            else assert.deepEqual(reply, wrapped(due), row.kind);
        }
    }
});

test("what is left out of an object is refused in an array", async ({ options }) => {
    const error = await failure(postUdsRequest("a", { a: undefined, list: [1, undefined] }, options));
    says(error, "data.list[1]", "undefined; JSON has no such value: null stands for nothing");
});

test("each kind that other languages may send arrives as the table says", async ({ options, use }) => {
    skipOnWindows(NO_DENO_WIRE);
    let got;
    const handler = (data) => {
        got = data;
        return null;
    };
    const server = use(listenUdsRequest("a", handler, options));
    for (const { kind, text, back } of ARRIVING) {
        got = undefined;
        // The Deno original's wire: a NUL, and JSON.
        await new Promise((resolve, reject) => {
            const socket = dial(server.path, () => socket.end(`\0${text}`));
            socket.on("close", resolve).on("error", reject).resume();
        });
        assert.deepEqual(got, back, kind);
    }
});

test("toJSON runs once, whatever the text holds", async ({ options, use }) => {
    const state = listener(options);
    use(state.server);
    for (const text of ["null and void", "plain"]) {
        for (const wrap of [(value) => value, (value) => [value], (value) => ({ deep: [{ value }] })]) {
            let calls = 0;
            const keys = [];
            const value = {
                toJSON(key) {
                    calls += 1;
                    keys.push(key);
                    return { text, of: null };
                },
            };
            await postUdsRequest("a", wrap(value), options);
            assert.equal(calls, 1);
            assert.equal(typeof keys[0], "string");
            assert.deepEqual(state.got, wrap({ text, of: null }));
        }
    }
    // What it returns is held to the table, too, and not asked again.
    const error = await failure(postUdsRequest("a", { a: { toJSON: () => ({ b: new Map() }) } }, options));
    says(error, "data.a.b", "a Map; send Object.fromEntries(map) or [...map]");
});

test("objects that lie side by side, and deep ones, are no circles", async ({ options, use }) => {
    const state = listener(options);
    use(state.server);
    const shared = { a: new Date(0) };
    await postUdsRequest("a", [shared, shared, { shared }], options);
    assert.deepEqual(state.got[2], { shared: { a: "1970-01-01T00:00:00.000Z" } });
    let deep = 1;
    for (let depth = 0; depth < 100; depth++) deep = { deep };
    await postUdsRequest("a", deep, options);
    assert.deepEqual(state.got, deep);
    for (let depth = 0; depth < 100_000; depth++) deep = [deep];
    const error = await failure(postUdsRequest("a", deep, options));
    assert.equal(error.code, "invalid_json");
    assert.match(error.message, /nested too deeply/);
});

test("values of another realm are as one's own", async ({ options, use }) => {
    const { runInNewContext } = await import("node:vm");
    const state = listener(options);
    use(state.server);
    await postUdsRequest("a", runInNewContext("({ a: [1, { b: null }], d: new Date(0) })"), options);
    assert.deepEqual(state.got, { a: [1, { b: null }], d: "1970-01-01T00:00:00.000Z" });
    const error = await failure(postUdsRequest("a", runInNewContext("({ a: [new Map()] })"), options));
    says(error, "data.a[0]", "a Map; send Object.fromEntries(map) or [...map]");
});
