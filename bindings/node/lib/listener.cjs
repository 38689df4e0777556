"use strict";

const { encode, decode } = require("./body.cjs");
const { addon, environment, receivers, start, hold, release, logged } = require("./calls.cjs");
const { Context } = require("./context.cjs");
const { IpcError, fromNative, invalidArgument, isHandlerError, textOf } = require("./error.cjs");
const { Handler } = require("./inside.cjs");
const { handlerOf } = require("./methods.cjs");
const { check, LISTEN, LISTEN_PUBLISH, PUBLISH } = require("./options.cjs");
const { place } = require("./post.cjs");
const { Reply, stepsOf } = require("./reply.cjs");

/** Calls the handler with each message, and sees to it that each is settled once. */
class Receiver {
    constructor(number, isBroadcast, onMessage, onError, channel) {
        this.isBroadcast = isBroadcast;
        this.handler = new Handler(number, onMessage, Context.isSettled);
        this.onMessage = onMessage;
        this.onError = onError;
        this.channel = channel;
    }

    receive(id, body, events, at) {
        const context = new Context(id, events[at], events[at + 1], events[at + 2]);
        let result;
        try {
            result = this.handler.call(decode(body), context);
            if (typeof result?.then === "function") {
                this.handler.awaited(result, this, context);
                return;
            }
        } catch (error) {
            this.fail(context, error);
            return;
        }
        this.answer(context, result);
    }

    /** Settles a message with what the handler returned. Nothing in here throws. */
    answer(context, value) {
        let steps;
        try {
            steps = stepsOf(value);
        } catch (error) {
            this.fail(context, error);
            return;
        }
        if (steps !== undefined) {
            new Reply(this, context, steps).begin();
            return;
        }
        if (this.isBroadcast) {
            addon.settle(environment, Context.settle(context));
            return;
        }
        let body;
        try {
            body = encode(value, "answer");
        } catch (error) {
            this.fail(context, error, `the handler's answer: ${error.message}`);
            return;
        }
        addon.answer(environment, Context.settle(context), body);
    }

    /** Settles a message whose handler failed. Nothing in here throws. */
    fail(context, error, text = undefined) {
        const id = Context.settle(context);
        let isTold;
        if (isHandlerError(error)) isTold = failOnPurpose(id, error);
        else isTold = addon.fail(environment, id, text ?? textOf(error));
        if (this.onError === undefined) {
            if (!isTold && !Context.hasGivenUp(context, error)) logged(this.complaint(), error);
            return;
        }
        try {
            (0, this.onError)(error, context);
        } catch (unexpected) {
            // As an error in any callback: the program's, not the caller's.
            queueMicrotask(() => {
                throw unexpected;
            });
        }
    }

    complaint() {
        let name;
        try {
            name = this.onMessage.name;
        } catch {
            // The handler is a Proxy with a trap that fails.
        }
        const handler = typeof name === "string" && name !== "" ? `the handler ${name}` : "the handler";
        return `simple-ipc: ${handler} of channel ${this.channel} failed, and no caller hears of it:`;
    }
}

/** Fails a message with a `HandlerError`, and tells whether somebody hears of it. */
function failOnPurpose(id, error) {
    let code, data, text;
    try {
        code = typeof error.code === "string" ? error.code : undefined;
        text = String(error.message);
        if (error.data !== undefined) data = encode(error.data, "the handler error's data");
        if (typeof data === "object") throw new IpcError("invalid_json", "the handler error's data is bytes");
    } catch (why) {
        text = `${text ?? textOf(error)} (without its data: ${textOf(why)})`;
        data = undefined;
    }
    return addon.fail(environment, id, text, code, data);
}

const identity = (value) => value;

/** A listener; documented in index.d.ts. */
class Server {
    #id;
    #receiver;
    #holds = true;
    #closed;
    #counted;

    constructor(token, made, receiver) {
        if (token !== TOKEN) throw invalidArgument("a server is made by one of the listen functions");
        const { id, path, port } = made;
        this.#id = id;
        this.#receiver = receiver;
        this.path = path ?? undefined;
        this.port = port ?? undefined;
        hold();
    }

    get counters() {
        return this.#counted ?? addon.counters(environment, this.#id) ?? gone();
    }

    // Not an async function, as a client's `request` is none.
    publish(data, options) {
        try {
            check(options, PUBLISH);
            const { topic, signal } = options ?? {};
            signal?.throwIfAborted();
            const body = encode(data);
            const begin = (id) => addon.publish(environment, id, this.#id, topic, body);
            return start(begin, { signal, convert: identity });
        } catch (error) {
            return Promise.reject(error);
        }
    }

    close() {
        const isFirst = this.#closed === undefined;
        this.#closed ??= this.#close();
        if (!this.#receiver?.handler.isCaller()) return this.#closed;
        if (isFirst) this.#closed.catch((error) => logged("simple-ipc: a listener could not close:", error));
        return Promise.resolve();
    }

    ref() {
        if (!this.#holds && this.#closed === undefined) {
            this.#holds = true;
            hold();
        }
        return this;
    }

    unref() {
        if (this.#holds) {
            this.#holds = false;
            release();
        }
        return this;
    }

    async #close() {
        // What it has taken is still answered: that keeps the process alive, the listener no longer does.
        const closing = start((id) => addon.close(environment, id, this.#id));
        this.unref();
        try {
            await closing;
        } finally {
            this.#counted = addon.counters(environment, this.#id) ?? undefined;
            addon.release(environment, this.#id);
            receivers.delete(this.#id);
        }
    }
}

function gone() {
    throw new IpcError(
        "closed",
        "no counters are left: this process or worker is ending, and its listeners are closed",
    );
}

const TOKEN = Symbol("listen");

// Older runtimes have no such symbol; there is nothing to be called by then.
if (Symbol.asyncDispose) {
    Object.defineProperty(Server.prototype, Symbol.asyncDispose, {
        value() {
            return this.close();
        },
        configurable: true,
        writable: true,
    });
}

/** Has the add-on listen to what `takes` says; returns its number, path and port. */
function make(takes, where, options, table) {
    const [made, error] = addon.listen(environment, takes, where, check(options, table));
    if (error !== undefined) throw fromNative(error);
    return made;
}

function listen(isPort, isBroadcast, channel, onMessage, options) {
    const where = place(channel, isPort);
    const handler = handlerOf(onMessage);
    const made = make(isBroadcast ? "broadcast" : "request", where, options, LISTEN);
    const onError = options?.onError;
    const name = isPort ? `${made.port}` : `"${channel}"`;
    const receiver = new Receiver(made.id, isBroadcast, handler, onError, name);
    receivers.set(made.id, receiver);
    return new Server(TOKEN, made, receiver);
}

function listenPublish(isPort, channel, options) {
    return new Server(TOKEN, make("publish", place(channel, isPort), options, LISTEN_PUBLISH));
}

module.exports = {
    Server,
    listenUdsPublish: (channel, options) => listenPublish(false, channel, options),
    listenIpPublish: (port, options) => listenPublish(true, port, options),
    listenUdsRequest: (channel, onMessage, options) => listen(false, false, channel, onMessage, options),
    listenUdsBroadcast: (channel, onMessage, options) => listen(false, true, channel, onMessage, options),
    listenIpRequest: (port, onMessage, options) => listen(true, false, port, onMessage, options),
    listenIpBroadcast: (port, onMessage, options) => listen(true, true, port, onMessage, options),
};
