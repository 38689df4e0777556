"use strict";

const { encode, decode } = require("./body.cjs");
const { native, receivers, watchers, start, hold, release } = require("./calls.cjs");
const { IpcError, invalidArgument } = require("./error.cjs");
const { check, LISTEN } = require("./options.cjs");
const { place } = require("./post.cjs");

/** What a handler gets beside the data; documented in index.d.ts. */
class Context {
    #id;
    #isSettled = false;
    #isWatched = false;
    #controller;

    constructor(id, pid, uid, gid) {
        this.#id = id;
        this.peer = { pid: pid ?? undefined, uid: uid ?? undefined, gid: gid ?? undefined };
    }

    // Made when it is asked for: most handlers do not, and a controller is dear.
    get signal() {
        if (this.#controller === undefined) {
            this.#controller = new AbortController();
            if (!this.#isSettled) {
                this.#isWatched = true;
                watchers.set(this.#id, () => {
                    this.#controller.abort(new IpcError("cancelled", "the caller no longer waits for the answer"));
                });
                native.watch(this.#id);
            }
        }
        return this.#controller.signal;
    }

    static settled(context) {
        context.#isSettled = true;
        if (context.#isWatched) watchers.delete(context.#id);
    }
}

/** Calls the handler with each message, and sees to it that each is settled once. */
class Receiver {
    constructor(isBroadcast, onMessage, onError) {
        this.isBroadcast = isBroadcast;
        this.onMessage = onMessage;
        this.onError = onError;
    }

    receive(id, body, events, at) {
        const context = new Context(id, events[at], events[at + 1], events[at + 2]);
        let result;
        try {
            result = (0, this.onMessage)(decode(body), context);
            if (typeof result?.then === "function") {
                Promise.resolve(result).then(
                    (value) => this.answer(id, context, value),
                    (error) => this.fail(id, context, error),
                );
                return;
            }
        } catch (error) {
            this.fail(id, context, error);
            return;
        }
        this.answer(id, context, result);
    }

    answer(id, context, value) {
        if (this.isBroadcast) {
            Context.settled(context);
            native.settle(id);
            return;
        }
        let body;
        try {
            body = encode(value);
        } catch (error) {
            this.fail(
                id,
                context,
                new IpcError(error.code, `the handler's answer: ${error.message}`, { cause: error.cause }),
            );
            return;
        }
        Context.settled(context);
        native.answer(id, body);
    }

    fail(id, context, error) {
        Context.settled(context);
        native.settle(id, textOf(error));
        if (this.onError === undefined) return;
        try {
            (0, this.onError)(error, context);
        } catch (unexpected) {
            // As an error in any callback: the program's, not the caller's.
            queueMicrotask(() => {
                throw unexpected;
            });
        }
    }
}

function textOf(error) {
    try {
        return String((error instanceof Error && error.message) || error);
    } catch {
        return "the handler failed with something that has no text";
    }
}

/** A listener; documented in index.d.ts. */
class Server {
    #id;
    #holds = true;
    #closed;
    #counted;

    constructor(token, { id, path, port }) {
        if (token !== TOKEN) throw invalidArgument("a server is made by one of the listen functions");
        this.#id = id;
        this.path = path ?? undefined;
        this.port = port ?? undefined;
        hold();
    }

    get counters() {
        return native.counters(this.#id) ?? this.#counted;
    }

    close() {
        this.#closed ??= this.#close();
        return this.#closed;
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
        const closing = start((id) => native.close(id, this.#id));
        this.unref();
        try {
            await closing;
        } finally {
            this.#counted = native.counters(this.#id) ?? undefined;
            native.release(this.#id);
            receivers.delete(this.#id);
        }
    }
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

const { fromNative } = require("./error.cjs");

function listen(isPort, isBroadcast, channel, onMessage, options) {
    const where = place(channel, isPort);
    if (typeof onMessage !== "function") {
        throw invalidArgument(`the handler is of type ${typeof onMessage}: pass a function`);
    }
    const checked = check(options, LISTEN);
    const [made, error] = native.listen(isBroadcast, where, checked);
    if (error !== undefined) throw fromNative(error);
    receivers.set(made.id, new Receiver(isBroadcast, onMessage, options?.onError));
    return new Server(TOKEN, made);
}

module.exports = {
    Server,
    listenUdsRequest: (channel, onMessage, options) => listen(false, false, channel, onMessage, options),
    listenUdsBroadcast: (channel, onMessage, options) => listen(false, true, channel, onMessage, options),
    listenIpRequest: (port, onMessage, options) => listen(true, false, port, onMessage, options),
    listenIpBroadcast: (port, onMessage, options) => listen(true, true, port, onMessage, options),
};
