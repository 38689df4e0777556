"use strict";

// Calls in flight, running handlers, and the one function through which the add-on reports both.

const { setImmediate } = require("node:timers");
const addon = require("./load.cjs");
const { decode } = require("./body.cjs");
const { IpcError, fromNative } = require("./error.cjs");

const native = new addon.Native(deliver);

/** Calls in flight, by number. */
const pending = new Map();
/** What takes a listener's messages, by the listener's number. */
const receivers = new Map();
/** What hears that nobody waits for a message's answer any more, by the message's number. */
const watchers = new Map();

let lastCall = 0;
let alive = 0;

/** Keeps the environment alive until as many releases. */
function hold() {
    if (alive++ === 0) native.keepAlive(true);
}

function release() {
    if (--alive === 0) native.keepAlive(false);
}

/** Takes what the add-on has ready: see `events` in src/convert.rs. Nothing in here throws. */
function deliver(events) {
    for (let at = 0; at < events.length;) {
        const kind = events[at];
        const id = events[at + 1];
        const value = events[at + 2];
        switch (kind) {
            case 0:
                at += 3;
                take(id)?.end(value);
                break;
            case 1:
                at += 3;
                take(id)?.fail(fromNative(value));
                break;
            case 2:
                receivers.get(events[at + 3])?.receive(id, value, events, at + 4);
                at += 7;
                break;
            case 3:
                at += 2;
                watchers.get(id)?.();
                break;
            case 4:
                at += 3;
                native.settle(id, value);
                break;
            default:
                at += 1;
                setImmediate(resume);
                break;
        }
    }
}

function resume() {
    deliver(native.resume());
}

function take(id) {
    const call = pending.get(id);
    if (call !== undefined) pending.delete(id);
    return call;
}

/** One call that somebody waits for. */
class Call {
    constructor(id, signal, holds, convert, resolve, reject) {
        this.signal = signal;
        this.holds = holds;
        this.convert = convert;
        this.resolve = resolve;
        this.reject = reject;
        if (holds) hold();
        if (signal !== undefined) {
            this.onAbort = () => {
                if (take(id) === undefined) return;
                native.cancel(id);
                this.fail(signal.reason);
            };
            signal.addEventListener("abort", this.onAbort, { once: true });
        }
    }

    end(value) {
        this.over();
        try {
            this.resolve(this.convert === undefined ? undefined : this.convert(value));
        } catch (error) {
            this.reject(unreadable(error));
        }
    }

    fail(error) {
        this.over();
        this.reject(error);
    }

    over() {
        if (this.holds) release();
        if (this.signal !== undefined) this.signal.removeEventListener("abort", this.onAbort);
    }
}

/** A body that is JSON to the core and not to JavaScript: there is none known. */
function unreadable(error) {
    const text = `the body that arrived is not JSON: ${error.message}`;
    return new IpcError("invalid_body", text, { cause: error, mayHaveBeenHandled: true });
}

/**
 * Starts a call and returns its promise. `begin` gets the call's number and starts it in the add-on; `convert` makes
 * the promise's value of what it ends with; `holds` says whether it keeps the environment alive.
 */
function start(begin, { signal, convert, holds = true } = {}) {
    if (signal?.aborted) return Promise.reject(signal.reason);
    do {
        lastCall = (lastCall + 1) >>> 0;
    } while (pending.has(lastCall));
    const id = lastCall;
    const outcome = begin(id);
    if (outcome === true) return Promise.resolve();
    if (outcome !== undefined) {
        return outcome.length === 1 ? Promise.resolve(convert?.(outcome[0])) : Promise.reject(fromNative(outcome[1]));
    }
    return new Promise((resolve, reject) => {
        pending.set(id, new Call(id, signal, holds, convert, resolve, reject));
    });
}

module.exports = { addon, native, receivers, watchers, start, hold, release, decode };
