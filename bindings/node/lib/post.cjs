"use strict";

const { encode, decode } = require("./body.cjs");
const { addon, environment, start } = require("./calls.cjs");
const { invalidArgument } = require("./error.cjs");
const { check, POST } = require("./options.cjs");

/** A channel's name or port as it is; the core checks what it says. */
function place(value, isPort) {
    if (typeof value === (isPort ? "number" : "string")) return value;
    const what = value === null ? "null" : `of type ${typeof value}`;
    throw invalidArgument(
        isPort ? `the port is ${what}: pass a number` : `the channel's name is ${what}: pass a string`,
    );
}

async function post(isPort, isBroadcast, channel, data, options) {
    const where = place(channel, isPort);
    const checked = check(options, POST);
    const signal = options?.signal;
    signal?.throwIfAborted();
    const body = encode(data);
    const convert = isBroadcast ? undefined : decode;
    return start((id) => addon.post(environment, id, isBroadcast, where, body, checked), { signal, convert });
}

module.exports = {
    place,
    postUdsRequest: (channel, data, options) => post(false, false, channel, data, options),
    postUdsBroadcast: (channel, data, options) => post(false, true, channel, data, options),
    postIpRequest: (port, data, options) => post(true, false, port, data, options),
    postIpBroadcast: (port, data, options) => post(true, true, port, data, options),
};
