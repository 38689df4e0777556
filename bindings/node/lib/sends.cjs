"use strict";

// The calls of `send` and `end` on a stream, which take effect in their order.

const { encode } = require("./body.cjs");
const calls = require("./calls.cjs");
const { IpcError } = require("./error.cjs");
const { check, NEXT } = require("./options.cjs");
const { Line, Waiter } = require("./waiting.cjs");

const { addon, environment, pending } = calls;

/** The most bytes of items that wait to be sent, where they are more than one. */
const MOST_UNSENT = 4 << 20;
/** What an item counts besides its body. */
const OVERHEAD = 256;

/** Stands for a body where there is the end. */
const END = Symbol("end");

/** An item that waits to be sent, or the end. */
class Unsent extends Waiter {
    constructor(owner, resolve, reject, body, length = 0) {
        super(owner, resolve, reject);
        this.body = body;
        this.bytes = length + OVERHEAD;
    }
}

/** A call of the add-on's that waits for room. */
class Sending {
    constructor(id, sends) {
        this.id = id;
        this.sends = sends;
    }

    end() {
        this.sends.sent(true);
    }

    fail(native) {
        this.sends.sent([undefined, native]);
    }
}

class Sends {
    #line = new Line();
    /** The bytes of all that waits. */
    #unsent = 0;
    /** Starts the add-on's call that sends a body, under the call's number; undefined until there is a stream. */
    #begin;
    /** Tells the add-on that no more items come. */
    #end;
    /** The call of the first in the line that waits in the add-on. */
    #sending;
    /** Makes the promise with which every further `send` fails, where the stream is over. */
    #failure;

    /** From now on the add-on can send. */
    open(begin, end) {
        this.#begin = begin;
        this.#end = end;
        this.#serve();
    }

    // Not an async function: its promise would be one more for each item.
    send(owner, item, options) {
        try {
            const timeout = check(options, NEXT)?.timeout;
            const signal = options?.signal;
            signal?.throwIfAborted();
            const body = encode(item, "item");
            if (this.#failure !== undefined) return this.#failure();
            let rest;
            if (this.#line.isEmpty && this.#begin !== undefined) {
                const outcome = this.#start(body);
                if (outcome !== undefined) return outcome === true ? Promise.resolve() : calls.failed(outcome[1]);
            } else {
                this.#check(body.length + OVERHEAD);
                // The program may write into its bytes again before they are sent.
                rest = typeof body === "string" ? body : body.slice();
            }
            return new Promise((resolve, reject) => {
                const unsent = new Unsent(owner, resolve, reject, rest, body.length);
                unsent.limit(this, { timeout, signal }, "the other side has not made room for an item");
                this.#push(unsent);
            });
        } catch (error) {
            return Promise.reject(error);
        }
    }

    /** No more items come, once those that wait have been sent. */
    end(owner) {
        if (this.#failure !== undefined) return;
        const ignore = () => {};
        this.#push(new Unsent(owner, ignore, ignore, END));
        this.#serve();
    }

    /** Nothing is sent any more: whoever waits, and comes later, fails with what `failure` makes. */
    close(failure) {
        if (this.#sending !== undefined) {
            pending.delete(this.#sending.id);
            addon.cancel(environment, this.#sending.id);
            this.#sending = undefined;
        }
        this.#failure = failure;
        for (let unsent = this.#shift(); unsent !== undefined; unsent = this.#shift()) unsent.resolve(failure());
    }

    ref() {
        this.#line.ref();
    }

    unref() {
        this.#line.unref();
    }

    /** The add-on's call has ended. */
    sent(outcome) {
        this.#sending = undefined;
        settle(this.#shift(), outcome);
        this.#serve();
    }

    /** One who waited gives up; `false` where the item has been sent. */
    forget(unsent) {
        if (this.#line.head === unsent && this.#sending !== undefined) {
            if (!addon.cancel(environment, this.#sending.id)) return false;
            pending.delete(this.#sending.id);
            this.#sending = undefined;
        }
        this.#line.remove(unsent);
        this.#unsent -= unsent.bytes;
        this.#serve();
        return true;
    }

    /** Sends what waits, until something has to wait longer. */
    #serve() {
        if (this.#begin === undefined) return;
        while (this.#sending === undefined && !this.#line.isEmpty) {
            const { body } = this.#line.head;
            let outcome = true;
            if (body === END) this.#end();
            else outcome = this.#start(body);
            if (outcome !== undefined) settle(this.#shift(), outcome);
        }
    }

    /** Has the add-on send a body; its outcome, unless it waits. */
    #start(body) {
        const id = calls.nextNumber();
        const outcome = this.#begin(id, body);
        if (outcome === undefined) {
            this.#sending = new Sending(id, this);
            pending.set(id, this.#sending);
        }
        return outcome;
    }

    #check(bytes) {
        if (this.#unsent === 0 || this.#unsent + bytes <= MOST_UNSENT) return;
        const text = `cannot send: about ${this.#unsent} bytes of earlier items wait for room; await each send`;
        throw new IpcError("out_of_resources", text);
    }

    #push(unsent) {
        this.#unsent += unsent.bytes;
        this.#line.push(unsent);
    }

    #shift() {
        const unsent = this.#line.shift();
        if (unsent !== undefined) this.#unsent -= unsent.bytes;
        return unsent;
    }
}

function settle(unsent, outcome) {
    unsent.resolve(outcome === true ? undefined : calls.failed(outcome[1]));
}

module.exports = { Sends };
