"use strict";

// What the tests of other projects do: listen, post, keep a channel open for a while, and close all of it.
const assert = require("node:assert/strict");
const {
    connect,
    listenUdsBroadcast,
    listenUdsRequest,
    postUdsBroadcast,
    postUdsRequest,
} = require("../../lib/index.cjs");

/** Channels of this name and process: files of one run may be tested at the same time. */
exports.talk = async function talk(name) {
    const channel = `${name}_${process.pid}`;
    const got = [];
    const server = listenUdsRequest(channel, async (data) => data + 1);
    const casts = listenUdsBroadcast(`${channel}_casts`, (data) => void got.push(data));
    assert.equal(await postUdsRequest(channel, 1), 2);
    await postUdsBroadcast(`${channel}_casts`, "cast");
    const client = await connect(channel);
    const { signal } = new AbortController();
    assert.deepEqual(await Promise.all([1, 2, 3].map((data) => client.request(data, { signal }))), [2, 3, 4]);
    await client.close();
    await casts.close();
    await server.close();
    assert.deepEqual(got, ["cast"]);
};

/** The commonest test of all: one listener, one post. */
exports.ask = async function ask(name) {
    const channel = `${name}_${process.pid}`;
    const server = listenUdsRequest(channel, (data) => data);
    assert.equal(await postUdsRequest(channel, "x"), "x");
    await server.close();
};
