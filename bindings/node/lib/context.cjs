"use strict";

// What a handler gets beside the data.

const { decode } = require("./body.cjs");
const { addon, environment, watchers } = require("./calls.cjs");
const { IpcError } = require("./error.cjs");
const { Nexts, done } = require("./nexts.cjs");

/** The caller's items; documented in index.d.ts. */
class Items {
    #nexts;

    constructor(message) {
        this.#nexts = new Nexts({ convert: decode, ended() {}, late: "no item has come" });
        this.#nexts.open((id) => addon.itemsNext(environment, id, message));
        // It is the listener that keeps the process alive, or does not.
        this.#nexts.unref();
    }

    next(options) {
        return this.#nexts.next(this, options);
    }

    // The rest stays where it is, for the next loop.
    return(value) {
        return done(value);
    }

    [Symbol.asyncIterator]() {
        return this;
    }
}

/** Documented in index.d.ts. */
class Context {
    #id;
    #isSettled = false;
    #isWatched = false;
    /** Whether nobody waits for the answer any more, as far as this has been heard. */
    #isLeft = false;
    #controller;
    #items;
    /** What else is done when nobody waits any more. */
    #onLeave;

    constructor(id, pid, uid, gid) {
        this.#id = id;
        this.peer = { pid: pid ?? undefined, uid: uid ?? undefined, gid: gid ?? undefined };
    }

    // Made when it is asked for: most handlers do not, and a controller is dear.
    get signal() {
        if (this.#controller === undefined) {
            this.#controller = new AbortController();
            this.#watch();
            if (this.#isLeft) this.#abort();
        }
        return this.#controller.signal;
    }

    get items() {
        this.#items ??= new Items(this.#id);
        return this.#items;
    }

    #watch() {
        if (this.#isSettled || this.#isWatched) return;
        this.#isWatched = true;
        watchers.set(this.#id, () => {
            this.#isLeft = true;
            if (this.#controller !== undefined) this.#abort();
            this.#onLeave?.();
        });
        addon.watch(environment, this.#id);
    }

    #abort() {
        const why = "nobody waits for the answer any more: the caller has given up, or the listener has closed";
        this.#controller.abort(new IpcError("cancelled", why));
    }

    /** Calls `onLeave` when nobody waits for the answer any more. */
    static watch(context, onLeave) {
        context.#onLeave = onLeave;
        context.#watch();
        if (context.#isLeft) onLeave();
    }

    /** Whether this error is how a handler ends that has heard that nobody waits. */
    static hasGivenUp(context, error) {
        const reason = context.#controller?.signal.reason;
        try {
            // By the items it hears of it as well, each time as another error.
            if (context.#items !== undefined && (error.code === "cancelled" || error.code === "connection_lost")) {
                return true;
            }
            return (
                reason !== undefined && (error === reason || error.cause === reason || error.code === "invalid_json")
            );
        } catch {
            return false;
        }
    }

    static isSettled(context) {
        return context.#isSettled;
    }

    static number(context) {
        return context.#id;
    }

    /** Its message is about to be settled; returns the message's number. */
    static settle(context) {
        context.#isSettled = true;
        if (context.#isWatched) watchers.delete(context.#id);
        return context.#id;
    }
}

module.exports = { Context };
