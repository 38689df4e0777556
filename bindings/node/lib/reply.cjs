"use strict";

// Answers that are sequences.

const { encode } = require("./body.cjs");
const calls = require("./calls.cjs");
const { Context } = require("./context.cjs");
const { IpcError, fromNative } = require("./error.cjs");

const { addon, environment, pending } = calls;

/** With these a `send` says that nobody takes the items any more. */
const LEFT = new Set(["cancelled", "closed", "closing", "connection_lost"]);

/** The steps of a sequence that a handler has returned; undefined where it is a value. */
function stepsOf(value) {
    if (typeof value !== "object" || value === null) return undefined;
    let iterate, isWeb, isNode;
    try {
        iterate = value[Symbol.asyncIterator];
        if (typeof iterate === "function") {
            isWeb = typeof value.getReader === "function";
            isNode = typeof value.pipe === "function" && typeof value.destroy === "function";
        }
        // Of what can be gone through, only what is gone through once: an array is a value.
        else if (typeof value.next === "function") iterate = value[Symbol.iterator];
    } catch {
        // A Proxy, or a getter that throws: what makes a body of it says more.
    }
    if (typeof iterate !== "function") return undefined;
    if (isWeb) return stepsOfWebStream(value);
    const steps = iterate.call(value);
    return isNode ? stepsOfNodeStream(value, steps) : steps;
}

// The iterators of streams would come to their `return` only after a read that waits: the stream itself is ended.

function stepsOfNodeStream(stream, steps) {
    let isLeft = false;
    return {
        async next() {
            try {
                return await steps.next();
            } catch (error) {
                if (isLeft) return { done: true };
                throw error;
            }
        },
        return() {
            isLeft = true;
            stream.destroy();
            return steps.return?.();
        },
    };
}

function stepsOfWebStream(stream) {
    const reader = stream.getReader();
    return { next: () => reader.read(), return: (reason) => reader.cancel(reason) };
}

/** Sends a handler's sequence, item by item. */
class Reply {
    #receiver;
    #context;
    #id;
    #steps;
    /** Whether nobody takes the items any more. */
    #isLeft = false;
    /** What the handler's cleanup ends with, once it was told to. */
    #closing;
    /** The add-on's call that waits for room, and what goes on after it. */
    #sending;
    #goOn;
    /** What the caller is told of a failure, where that is not the error's own text. */
    #text;

    constructor(receiver, context, steps) {
        this.#receiver = receiver;
        this.#context = context;
        this.#id = Context.number(context);
        this.#steps = steps;
    }

    /** Goes through it until its end, or until nobody takes it any more. Nothing in here throws. */
    begin() {
        if (this.#receiver.isBroadcast) {
            const text = "a broadcast has no answer: its handler returned a sequence, which nobody takes";
            this.#finish({ error: new IpcError("wrong_mode", text) });
            return;
        }
        if (!addon.reply(environment, this.#id)) {
            // A request that wants one answer: the caller has been told.
            Context.settle(this.#context);
            this.#close();
            this.#closing.catch((error) =>
                calls.logged("simple-ipc: a sequence that nobody takes could not be ended", error),
            );
            return;
        }
        const { handler } = this.#receiver;
        const next = () => handler.within(this.#context, () => this.#steps.next());
        const followed = handler.followed(next, (step) => this.#take(step));
        followed.then(
            () => this.#finish(),
            (error) => this.#finish({ error }),
        );
        Context.watch(this.#context, () => this.#leave());
    }

    /** There was room: the item is on its way. */
    end() {
        this.#sending = undefined;
        this.#goOn(true);
    }

    fail(native) {
        this.#sending = undefined;
        this.#goOn(this.#unsent(native));
    }

    /** Takes a step, and tells whether to go on, or promises to tell. */
    #take({ done, value }) {
        if (this.#isLeft || done) return false;
        return typeof value?.then === "function" ? value.then((item) => this.#send(item)) : this.#send(value);
    }

    #send(item) {
        if (this.#isLeft) return false;
        let body;
        try {
            body = encode(item, "item");
        } catch (error) {
            this.#text = `the handler's item: ${error.message}`;
            throw error;
        }
        const id = calls.nextNumber();
        const outcome = addon.replySend(environment, id, this.#id, body);
        if (outcome === true) return true;
        if (outcome !== undefined) return this.#unsent(outcome[1]);
        this.#sending = id;
        pending.set(id, this);
        return new Promise((resolve) => {
            this.#goOn = resolve;
        });
    }

    #unsent(native) {
        const error = fromNative(native);
        if (!LEFT.has(error.code)) return Promise.reject(error);
        this.#leave();
        return false;
    }

    /** Nobody takes the items any more: the handler's cleanup begins at once, wherever the sequence is. */
    #leave() {
        if (this.#isLeft || Context.isSettled(this.#context)) return;
        this.#isLeft = true;
        this.#close();
        if (this.#sending === undefined) return;
        pending.delete(this.#sending);
        addon.cancel(environment, this.#sending);
        this.#sending = undefined;
        this.#goOn(false);
    }

    /** Ends the sequence where it is: `finally` blocks of a generator run, once it has come to its next `yield`. */
    #close() {
        if (this.#closing !== undefined) return;
        const closing = () => this.#receiver.handler.within(this.#context, () => this.#steps.return?.());
        this.#closing = (async () => {
            await closing();
        })();
        // Whoever waits for it hears of its failure.
        this.#closing.catch(() => {});
    }

    /** Settles the message when no further step is waited for. */
    async #finish(failure) {
        if (failure !== undefined) this.#close();
        try {
            await this.#closing;
        } catch (error) {
            failure ??= { error };
        }
        if (failure === undefined) addon.endReply(environment, Context.settle(this.#context));
        else this.#receiver.fail(this.#context, failure.error, this.#text);
    }
}

module.exports = { Reply, stepsOf };
