"use strict";

// Checks the options' names and types. What a number or word means is checked by the core.

const { invalidArgument } = require("./error.cjs");

function wait(value) {
    if (value === null || (typeof value === "number" && value >= 0)) return undefined;
    return "a number of milliseconds, 0 or more, or null or Infinity for no limit";
}

function milliseconds(value) {
    return typeof value === "number" && value >= 0 ? undefined : "a number of milliseconds, 0 or more";
}

function timeout(value) {
    if (value === null || (typeof value === "number" && value > 0)) return undefined;
    return "a number of milliseconds above 0, or null or Infinity for no limit";
}

function string(value) {
    return typeof value === "string" && !value.includes("\0") ? undefined : "a string without NUL";
}

function number(value) {
    return typeof value === "number" ? undefined : "a number";
}

function boolean(value) {
    return typeof value === "boolean" ? undefined : "true or false";
}

function peers(value) {
    const isList = Array.isArray(value) && value.every((user) => typeof user === "number");
    return typeof value === "string" || isList ? undefined : '"same-user", "anyone" or a list of user ids';
}

/** JavaScript's strings may hold halves of characters, which no other language's can. */
const isText = (value) => typeof value === "string" && value.isWellFormed();

function topic(value) {
    return isText(value) ? undefined : "a string of whole characters";
}

function topics(value) {
    const isList = Array.isArray(value) && Array.from(value).every(isText);
    return isList ? undefined : "a list of strings of whole characters";
}

function abortSignal(value) {
    const looksLikeOne =
        typeof value === "object" &&
        value !== null &&
        typeof value.aborted === "boolean" &&
        typeof value.addEventListener === "function";
    return looksLikeOne ? undefined : "an AbortSignal";
}

function callback(value) {
    return typeof value === "function" ? undefined : "a function";
}

/** The time limit of one wait for an event, an item or room, which is not the time limit of a call: 0 looks whether it is there. */
const NEXT = { timeout: wait, signal: abortSignal };
const ADDRESS = { directory: string, path: string, pathStyle: string, maxMessage: number, peers, sharedMemory: number };
const CALL = { timeout, signal: abortSignal };
const POST = { ...ADDRESS, ...CALL, wire: string, wait };
const CALL_STREAM = { ...CALL, idleTimeout: timeout };
const STREAM = { ...POST, ...CALL_STREAM };
const SUBSCRIBE = { ...POST, topics, overflow: string, queue: number, reconnect: wait };
const PUBLISH = { topic, signal: abortSignal };
/** Of a listener that takes subscribers and nothing else. */
const LISTEN_PUBLISH = {
    ...ADDRESS,
    socketMode: number,
    maxConnections: number,
    maxSessionInFlight: number,
    maxInFlight: number,
    maxSessionWaiting: number,
    maxWaiting: number,
    helloTimeout: milliseconds,
    stallTimeout: milliseconds,
    grace: milliseconds,
    plainText: boolean,
    checkInterval: milliseconds,
    retain: boolean,
    patience: milliseconds,
};
const LISTEN = { ...LISTEN_PUBLISH, publish: boolean, tap: boolean, onError: callback };
const CHANNELS = { directory: string };

/** Where an option may be meant for that is none here. */
const ELSEWHERE = {
    listeners: LISTEN,
    "posts and connect": POST,
    subscriptions: SUBSCRIBE,
    streams: STREAM,
    publish: PUBLISH,
};

/** What the add-on does not get: JavaScript's own. */
const OURS = new Set(["signal", "onError"]);

/** The add-on's options, or undefined where there are none for it. */
function check(options, table) {
    if (options === undefined) return undefined;
    if (typeof options !== "object" || options === null) {
        throw invalidArgument(`options are ${options === null ? "null" : `a ${typeof options}`}: pass an object`);
    }
    let native;
    for (const name of Object.keys(options)) {
        const value = options[name];
        if (!Object.hasOwn(table, name)) {
            const [whose] = Object.entries(ELSEWHERE).find(([, other]) => Object.hasOwn(other, name)) ?? [];
            const what = whose === undefined ? `there is no option ${name}` : `${name} is an option of ${whose}, not`;
            throw invalidArgument(`${what} here: the options are ${Object.keys(table).join(", ")}`);
        }
        if (value === undefined) continue;
        const due = table[name](value);
        if (due !== undefined) throw invalidArgument(`option ${name} is not ${due}`);
        if (!OURS.has(name)) {
            native ??= {};
            // null is only taken where it stands for no limit.
            native[name] = value === null ? Infinity : value;
        }
    }
    return native;
}

module.exports = {
    check,
    POST,
    LISTEN,
    LISTEN_PUBLISH,
    SUBSCRIBE,
    STREAM,
    CALL_STREAM,
    PUBLISH,
    NEXT,
    CALL,
    CHANNELS,
};
