"use strict";

// Calls in flight, running handlers, and the one function through which the add-on reports both.

const { setImmediate } = require("node:timers");
const { addon, supported } = require("./load.cjs");
const { decode } = require("./body.cjs");
const { IpcError, fromNative } = require("./error.cjs");

/** Calls in flight, by number: each has `end`, which gets what it ended with, and `fail`, which gets the add-on's error. */
const pending = new Map();
/** What takes a listener's messages, by the listener's number. */
const receivers = new Map();
/** What hears that nobody waits for a message's answer any more, by the message's number. */
const watchers = new Map();
/** What one signal would abort, by the signal: one listener for all of them. */
const aborts = new WeakMap();

let lastCall = 0;
let alive = 0;

/** Whether the add-on may have the runtime's own event loop watch its descriptors: Deno and Bun have another than Node-API says. */
const hasOwnLoop = globalThis.Deno === undefined && process.versions.bun === undefined && process.platform !== "win32";

/** This environment's number: the add-on gives no objects, since some runtimes take them away while timers still run. */
const environment = supported ? addon.open(deliver, { hasRef: () => alive > 0 }, hasOwnLoop) : undefined;

let isSending = false;

/** Has what gathers in this turn sent together, when JavaScript has done what is ready. Without a loop of its own nothing gathers. */
function sending() {
    if (isSending || !hasOwnLoop) return;
    isSending = true;
    queueMicrotask(submit);
}

function submit() {
    isSending = false;
    addon.submit(environment);
}

/** Keeps the environment alive until as many releases. */
function hold() {
    if (alive++ === 0) addon.keepAlive(environment, true);
}

function release() {
    if (--alive === 0) addon.keepAlive(environment, false);
}

/** How many places an event of each kind takes: see `events` in src/convert.rs. */
const PLACES = [3, 3, 7, 2, 3, 1, 3, 3, 3];

/** Takes what the add-on has ready. Nothing in here throws: what one event does, others do not feel. */
function deliver(events) {
    for (let at = 0; at < events.length; at += PLACES[events[at]]) {
        try {
            take(events, at);
        } catch (error) {
            logged("simple-ipc: an event could not be delivered", error);
        }
    }
}

function take(events, at) {
    const id = events[at + 1];
    const value = events[at + 2];
    switch (events[at]) {
        case 0:
            ended(id)?.end(value);
            break;
        case 1:
            ended(id)?.fail(value);
            break;
        case 2:
            receivers.get(events[at + 3])?.receive(id, value, events, at + 4);
            break;
        case 3:
            watchers.get(id)?.();
            break;
        case 4:
            addon.fail(environment, id, value);
            break;
        case 5:
            setImmediate(resume);
            break;
        default: {
            // A client, a subscription or a stream: where nobody waits for it any more, nobody else would let go of it.
            const call = ended(id);
            if (call !== undefined) call.end(value);
            else if (events[at] === 6) addon.releaseClient(environment, value);
            else if (events[at] === 7) addon.releaseSubscription(environment, value);
            else addon.releaseStream(environment, value);
        }
    }
}

function resume() {
    deliver(addon.resume(environment));
}

function ended(id) {
    const call = pending.get(id);
    if (call !== undefined) pending.delete(id);
    return call;
}

/** Says something in the program's log, whatever the error is and whatever its log does. */
function logged(text, error) {
    try {
        console.error(text, error);
    } catch {
        try {
            console.error(text);
        } catch {
            // The program's own log fails: there is nothing left to say it with.
        }
    }
}

/** One call that somebody waits for. */
class Call {
    constructor(id, signal, holds, convert, resolve, reject) {
        this.id = id;
        this.signal = signal;
        this.holds = holds;
        this.convert = convert;
        this.resolve = resolve;
        this.reject = reject;
        if (signal !== undefined) listen(signal, this);
        if (holds) hold();
    }

    end(value) {
        try {
            this.resolve(this.convert === undefined ? undefined : this.convert(value));
        } catch (error) {
            this.reject(unreadable(error));
        }
        this.over();
    }

    fail(native) {
        this.resolve(failed(native));
        this.over();
    }

    abort(reason) {
        if (ended(this.id) === undefined) return;
        addon.cancel(environment, this.id);
        this.reject(reason);
        this.over();
    }

    over() {
        if (this.holds) release();
        if (this.signal !== undefined) forget(this.signal, this);
    }
}

/**
 * Rejects with the add-on's error. It is made when the caller has been found to wait for the promise: so its stack goes on
 * with the caller's frames, which costs nothing where nothing fails.
 */
async function failed(native) {
    await undefined;
    await undefined;
    throw fromNative(native);
}

function listen(signal, call) {
    let entry = aborts.get(signal);
    if (entry === undefined) {
        const calls = new Set();
        const onAbort = () => {
            for (const each of [...calls]) each.abort(signal.reason);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        entry = { calls, onAbort };
        aborts.set(signal, entry);
    }
    entry.calls.add(call);
}

function forget(signal, call) {
    const entry = aborts.get(signal);
    if (entry === undefined) return;
    entry.calls.delete(call);
    if (entry.calls.size > 0) return;
    aborts.delete(signal);
    signal.removeEventListener("abort", entry.onAbort);
}

/** A body that is JSON to the core and not to JavaScript: there is none known. */
function unreadable(error) {
    const text = `the body that arrived is not JSON: ${error.message}`;
    return new IpcError("invalid_body", text, { cause: error, mayHaveBeenHandled: true });
}

/** A number that no call in flight has. */
function nextNumber() {
    do {
        lastCall = (lastCall + 1) >>> 0;
    } while (pending.has(lastCall));
    return lastCall;
}

/**
 * Starts a call and returns its promise. `begin` gets the call's number and starts it in the add-on; `convert` makes
 * the promise's value of what it ends with; `holds` says whether it keeps the environment alive.
 */
function start(begin, { signal, convert, holds = true } = {}) {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = nextNumber();
    const outcome = begin(id);
    if (outcome === true) return Promise.resolve();
    if (outcome !== undefined) {
        return outcome.length === 1 ? Promise.resolve(convert?.(outcome[0])) : Promise.reject(fromNative(outcome[1]));
    }
    return new Promise((resolve, reject) => {
        try {
            pending.set(id, new Call(id, signal, holds, convert, resolve, reject));
        } catch (error) {
            // A signal that cannot be listened to.
            addon.cancel(environment, id);
            throw error;
        }
    });
}

module.exports = {
    addon,
    supported,
    environment,
    pending,
    receivers,
    watchers,
    sending,
    start,
    nextNumber,
    listen,
    forget,
    failed,
    unreadable,
    hold,
    release,
    decode,
    logged,
};
