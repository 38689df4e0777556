"use strict";

// Whether a call comes from inside a listener's own handler: to wait there until all handlers have ended would be to wait
// for oneself.
//
// V8 can tell from its stack who awaits whom, which costs nothing until it is asked: a handler's promise is awaited by a
// function of the listener's own name. Bun's engine does not show such names, and there an AsyncLocalStorage costs a
// hundredth of a microsecond a message; in the others it costs a whole one.

const { AsyncLocalStorage } = require("node:async_hooks");

const storage = process.versions.bun === undefined ? undefined : new AsyncLocalStorage();

/** The listener whose handler has been called and has not returned. */
let current;

/** How many frames are looked at. */
const FRAMES = 500;

/** One listener's handler. */
class Handler {
    /** `isSettled` tells of a message's context whether its handler has ended. */
    constructor(number, handle, isSettled) {
        this.handle = handle;
        this.isSettled = isSettled;
        this.name = `simple-ipc listener ${number}`;
        const { name } = this;
        const { [name]: awaited } = {
            async [name](promise, settle, context) {
                let value;
                try {
                    value = await promise;
                } catch (error) {
                    settle.fail(context, error);
                    return;
                }
                settle.answer(context, value);
            },
        };
        /** Awaits the handler's promise, and settles its message by it. */
        this.awaited = awaited;
        const { [name]: followed } = {
            async [name](next, take) {
                for (;;) {
                    let step = next();
                    if (typeof step?.then === "function") step = await step;
                    const goesOn = take(step);
                    if (goesOn !== true && !(await goesOn)) return;
                }
            },
        };
        /** Awaits the steps of the handler's sequence, one after the other; `take` gets each, and tells whether to go on. */
        this.followed = followed;
    }

    call(data, context) {
        const { handle } = this;
        current = this;
        try {
            return storage === undefined
                ? handle(data, context)
                : storage.run({ by: this, context }, handle, data, context);
        } finally {
            current = undefined;
        }
    }

    /** Calls a function that goes on with the handler's work on a message. */
    within(context, goOn) {
        current = this;
        try {
            return storage === undefined ? goOn() : storage.run({ by: this, context }, goOn);
        } finally {
            current = undefined;
        }
    }

    /** Whether this is called by the handler itself, or by what it awaits. */
    isCaller() {
        if (current === this) return true;
        if (storage !== undefined) {
            const store = storage.getStore();
            return store?.by === this && !this.isSettled(store.context);
        }
        return wholeStack().includes(`${this.name} `);
    }
}

/** The stack as the engine writes it, longer than usual. */
function wholeStack() {
    const { stackTraceLimit, prepareStackTrace } = Error;
    try {
        Error.stackTraceLimit = FRAMES;
        Error.prepareStackTrace = undefined;
        const holder = {};
        Error.captureStackTrace(holder);
        return String(holder.stack);
    } catch {
        // Somebody has made Error unchangeable: then only the handler's first part is known.
        return "";
    } finally {
        try {
            Error.stackTraceLimit = stackTraceLimit;
            Error.prepareStackTrace = prepareStackTrace;
        } catch {
            // As above.
        }
    }
}

module.exports = { Handler };
