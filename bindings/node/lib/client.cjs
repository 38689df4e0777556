"use strict";

const { encode, decode } = require("./body.cjs");
const { native, start } = require("./calls.cjs");
const { invalidArgument } = require("./error.cjs");
const { check, POST, CALL } = require("./options.cjs");

const identity = (value) => value;

/** A channel kept open; documented in index.d.ts. */
class Client {
    #native;
    #holds = true;
    #closed;

    constructor(token, handle) {
        if (token !== TOKEN) throw invalidArgument("a client is made by connect(channel)");
        this.#native = handle;
    }

    // Not an async function: its promise would be one more for each request, settled three turns later.
    request(data, options) {
        try {
            const timeout = check(options, CALL)?.timeout;
            const signal = options?.signal;
            signal?.throwIfAborted();
            const body = encode(data);
            const begin = (id) => native.request(id, this.#native, body, timeout);
            return start(begin, { signal, convert: decode, holds: this.#holds });
        } catch (error) {
            return Promise.reject(error);
        }
    }

    async broadcast(data) {
        const body = encode(data);
        return start((id) => native.broadcast(id, this.#native, body), { holds: this.#holds });
    }

    async flush() {
        return this.#control("flush");
    }

    async ping() {
        return this.#control("ping", identity);
    }

    close() {
        this.#closed ??= this.#control("close");
        return this.#closed;
    }

    ref() {
        this.#holds = true;
        return this;
    }

    unref() {
        this.#holds = false;
        return this;
    }

    #control(what, convert) {
        return start((id) => native.control(id, this.#native, what), { convert, holds: this.#holds });
    }
}

const TOKEN = Symbol("connect");

// Older runtimes have no such symbol; there is nothing to be called by then.
if (Symbol.asyncDispose) {
    Object.defineProperty(Client.prototype, Symbol.asyncDispose, {
        value() {
            return this.close();
        },
        configurable: true,
        writable: true,
    });
}

async function connect(channel, options) {
    if (typeof channel !== "string" && typeof channel !== "number") {
        throw invalidArgument(`the channel is of type ${typeof channel}: pass a name or a port`);
    }
    const checked = check(options, POST);
    const signal = options?.signal;
    signal?.throwIfAborted();
    const convert = (handle) => new Client(TOKEN, handle);
    return start((id) => native.connect(id, channel, checked), { signal, convert });
}

module.exports = { Client, connect };
