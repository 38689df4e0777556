import assert from "node:assert/strict";
import {
    Attached,
    connect,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postUdsBroadcast,
    postUdsRequest,
    postUdsStream,
    subscribeUds,
} from "../lib/index.mjs";
import { failure, test } from "./harness.mjs";

const BODIES = [
    new Attached(
        { shape: [2, 3], name: "é😀" },
        Uint8Array.from({ length: 256 }, (_, n) => n),
    ),
    new Attached(null),
    new Attached("text", new Uint8Array(3_000_000).fill(7)),
    new Attached("x".repeat(100_000), Uint8Array.of(1)),
];

function same(got, due) {
    assert.ok(got instanceof Attached && got.data instanceof Uint8Array);
    assert.deepEqual(got.value, due.value);
    assert.ok(Buffer.from(got.data).equals(Buffer.from(due.data)));
}

test("requests and answers carry a value and bytes", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => data, options));
    const client = use(await connect("a", options));
    for (const body of BODIES) {
        same(await postUdsRequest("a", body, options), body);
        same(await client.request(body), body);
    }
});

test("broadcasts, events and items carry them", async ({ options, use }) => {
    const got = [];
    use(listenUdsBroadcast("log", (data) => void got.push(data), options));
    const client = use(await connect("log", options));
    await client.broadcast(BODIES[0]);
    await client.flush();
    await postUdsBroadcast("log", BODIES[1], options);
    same(got[0], BODIES[0]);
    same(got[1], BODIES[1]);

    const news = use(listenUdsPublish("news", { ...options, retain: true }));
    await news.publish(BODIES[0], { topic: "a" });
    const events = use(await subscribeUds("news", options));
    await news.publish(BODIES[1]);
    for (const due of BODIES.slice(0, 2)) same((await events.next()).value.data, due);

    const echo = async function* (data, { items }) {
        yield data;
        yield* items;
    };
    use(listenUdsRequest("items", echo, options));
    const stream = use(await postUdsStream("items", BODIES[0], options));
    await stream.send(BODIES[1]);
    await stream.end();
    const items = [];
    for await (const item of stream) items.push(item);
    assert.equal(items.length, 2);
    same(items[0], BODIES[0]);
    same(items[1], BODIES[1]);
});

test("the bytes of any view and buffer can be attached, and numbers come back as they were", async ({
    options,
    use,
}) => {
    use(listenUdsRequest("a", (data) => data, options));
    const numbers = Float64Array.of(1.5, -2, 3);
    for (const data of [numbers, numbers.buffer, new DataView(numbers.buffer), Buffer.from(numbers.buffer)]) {
        const { value, data: bytes } = await postUdsRequest("a", new Attached(["f8"], data), options);
        assert.deepEqual(value, ["f8"]);
        assert.deepEqual(new Float64Array(bytes.buffer, bytes.byteOffset, 3), numbers);
    }
    const part = await postUdsRequest("a", new Attached(1, numbers.subarray(1, 2)), options);
    assert.deepEqual(new Float64Array(part.data.buffer, part.data.byteOffset, 1), numbers.slice(1, 2));
});

test("what cannot be attached is refused with the reason", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => data, options));
    for (const data of ["text", [1], 7, null, {}]) {
        assert.throws(() => new Attached(1, data), { code: "invalid_argument" });
    }
    for (const value of [NaN, new Uint8Array(1), { a: new Uint8Array(1) }, undefined, new Attached(1)]) {
        const error = await failure(postUdsRequest("a", new Attached(value), options));
        assert.equal(error.code, "invalid_json", error.message);
        assert.match(error.message, /data\.value/);
    }
    const error = await failure(postUdsRequest("a", [new Attached(1)], options));
    assert.equal(error.code, "invalid_json");
});

test("the Deno wire has none", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => data, options));
    const error = await failure(postUdsRequest("a", new Attached(1), { ...options, wire: "deno" }));
    assert.equal(error.code, "unsupported_version");
    assert.match(error.message, /the Deno wire/);
});
