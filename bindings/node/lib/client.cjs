"use strict";

const { encode, decode } = require("./body.cjs");
const { addon, environment, sending, start } = require("./calls.cjs");
const { invalidArgument } = require("./error.cjs");
const { callOf } = require("./methods.cjs");
const { check, POST, CALL, CALL_STREAM } = require("./options.cjs");
const { open } = require("./stream.cjs");

const identity = (value) => value;

/** Lets go of clients that nobody has any more: what they had gathered is still sent. */
const collected = new FinalizationRegistry((client) => addon.releaseClient(environment, client));

/** A channel kept open; documented in index.d.ts. */
class Client {
    #id;
    #holds = true;
    #closed;

    constructor(token, id) {
        if (token !== TOKEN) throw invalidArgument("a client is made by connect(channel)");
        this.#id = id;
        collected.register(this, id);
    }

    // Not an async function: its promise would be one more for each request, settled three turns later.
    request(data, options) {
        try {
            const timeout = check(options, CALL)?.timeout;
            const signal = options?.signal;
            signal?.throwIfAborted();
            const body = encode(data);
            const begin = (id) => addon.request(environment, id, this.#id, body, timeout);
            sending();
            return start(begin, { signal, convert: decode, holds: this.#holds });
        } catch (error) {
            return Promise.reject(error);
        }
    }

    call(method, ...params) {
        try {
            return this.request(callOf(method, params));
        } catch (error) {
            return Promise.reject(error);
        }
    }

    stream(data, options) {
        return open(options, () => {
            const checked = check(options, CALL_STREAM);
            const body = encode(data);
            return (id) => addon.clientStream(environment, id, this.#id, body, checked);
        });
    }

    async broadcast(data) {
        const body = encode(data);
        sending();
        return start((id) => addon.broadcast(environment, id, this.#id, body), { holds: this.#holds });
    }

    async flush(options) {
        return this.#control("flush", options);
    }

    async ping(options) {
        return this.#control("ping", options, identity);
    }

    close(options) {
        if (this.#closed === undefined) {
            try {
                this.#closed = this.#control("close", options);
            } catch (error) {
                // Options that make no sense: it stays open.
                return Promise.reject(error);
            }
        }
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

    #control(what, options, convert) {
        const timeout = check(options, CALL)?.timeout;
        const signal = options?.signal;
        sending();
        const begin = (id) => addon.control(environment, id, this.#id, what, timeout);
        return start(begin, { signal, convert, holds: this.#holds });
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
    const convert = (client) => new Client(TOKEN, client);
    return start((id) => addon.connect(environment, id, channel, checked), { signal, convert });
}

module.exports = { Client, connect };
