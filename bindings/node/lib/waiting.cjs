"use strict";

// Those who wait in the order in which they came: for the next of a sequence, or for room for one more of it.

const { setTimeout, clearTimeout } = require("node:timers");
const calls = require("./calls.cjs");
const { IpcError } = require("./error.cjs");

/** The longest time of a timer, in milliseconds: a longer one takes several. */
const LONGEST = 2 ** 31 - 1;

/** One who waits. */
class Waiter {
    /** `owner` is what the program waits with: it is not collected meanwhile. */
    constructor(owner, resolve, reject) {
        this.owner = owner;
        this.resolve = resolve;
        this.reject = reject;
    }

    /**
     * Gives up after `timeout` milliseconds, which `late` tells in words, or when `signal` is aborted; both may be undefined.
     * `line` has `forget`, which takes it out and tells whether it could.
     */
    limit(line, { timeout, signal }, late) {
        this.line = line;
        if (signal !== undefined) {
            calls.listen(signal, this);
            this.signal = signal;
        }
        if (timeout !== undefined && timeout !== Infinity) this.#count(timeout, timeout, late);
    }

    #count(timeout, left, late) {
        const next = () => {
            if (left > LONGEST) this.#count(timeout, left - LONGEST, late);
            else this.abort(new IpcError("timed_out", `${late} within ${timeout} ms`));
        };
        // It is the line that keeps the process alive, or does not.
        this.timer = setTimeout(next, Math.min(left, LONGEST)).unref();
    }

    abort(reason) {
        // What it waits for may be on its way.
        if (!this.line.forget(this)) return;
        this.over();
        this.reject(reason);
    }

    over() {
        clearTimeout(this.timer);
        if (this.signal !== undefined) calls.forget(this.signal, this);
    }
}

/** A line of those who wait, which keeps the process alive while it is not empty, unless told otherwise. */
class Line {
    #waiters = [];
    #holds = true;

    get isEmpty() {
        return this.#waiters.length === 0;
    }

    get head() {
        return this.#waiters[0];
    }

    push(waiter) {
        if (this.#waiters.push(waiter) === 1 && this.#holds) calls.hold();
    }

    /** The first, who waits no longer. */
    shift() {
        const waiter = this.#waiters.shift();
        if (waiter === undefined) return undefined;
        waiter.over();
        this.#emptied();
        return waiter;
    }

    /** Takes one out who has given up, and tells whether it was there. */
    remove(waiter) {
        const at = this.#waiters.indexOf(waiter);
        if (at < 0) return false;
        this.#waiters.splice(at, 1);
        this.#emptied();
        return true;
    }

    ref() {
        if (!this.#holds && !this.isEmpty) calls.hold();
        this.#holds = true;
    }

    unref() {
        if (this.#holds && !this.isEmpty) calls.release();
        this.#holds = false;
    }

    #emptied() {
        if (this.isEmpty && this.#holds) calls.release();
    }
}

module.exports = { Line, Waiter };
