"use strict";

const { encode, decode } = require("./body.cjs");
const calls = require("./calls.cjs");
const { IpcError, invalidArgument } = require("./error.cjs");
const { Nexts, done } = require("./nexts.cjs");
const { check, STREAM } = require("./options.cjs");
const { place } = require("./post.cjs");
const { Sends } = require("./sends.cjs");

const { addon, environment, pending } = calls;

/** Closes streams that nobody has any more. */
const collected = new FinalizationRegistry((talk) => talk.close());

/** What a call fails with where the stream is over and nothing went wrong. */
async function over() {
    await undefined;
    throw new IpcError("closed", "the stream has ended, or was closed");
}

/** One stream, apart from the object that the program has: so that this can be collected. */
class Talk {
    nexts = new Nexts({
        convert: decode,
        ended: (failure) => this.#over(failure),
        late: "no item has come",
    });
    sends = new Sends();
    /** The add-on's stream; undefined until it is accepted. */
    #number;
    /** The number of the call that opens it. */
    #opening;
    #holds = true;
    #signal;
    /** Whether it was accepted, though it may be over by now. */
    #isAccepted = false;
    /** Makes the promise that says why it never will be. */
    #refusal;
    /** The promise of its acceptance, where somebody has asked for it, and what resolves it. */
    #acceptance;
    #accept;

    /** `begin` starts the call that opens it, under that call's number. */
    start(begin, signal) {
        if (signal !== undefined) {
            calls.listen(signal, this);
            this.#signal = signal;
        }
        const id = calls.nextNumber();
        const outcome = begin(id);
        if (outcome === undefined) {
            this.#opening = id;
            pending.set(id, this);
            calls.hold();
        } else if (outcome.length === 1) {
            this.end(outcome[0]);
        } else {
            this.fail(outcome[1]);
        }
    }

    /** It was accepted, as the stream of this number. */
    end(number) {
        this.#opened();
        this.#isAccepted = true;
        this.#accept?.();
        this.#accept = undefined;
        this.#number = number;
        this.sends.open(
            (id, body) => addon.streamSend(environment, id, number, body),
            () => addon.streamEnd(environment, number),
        );
        this.nexts.open((id) => addon.streamNext(environment, id, number));
    }

    accepted(owner) {
        if (this.#isAccepted) return Promise.resolve();
        if (this.#refusal !== undefined) return this.#refusal();
        this.#acceptance ??= new Promise((resolve) => {
            // What the program waits with is not collected meanwhile.
            this.#accept = (outcome) => resolve(outcome, owner);
        });
        return this.#acceptance;
    }

    /** It was not accepted. */
    fail(native) {
        this.#opened();
        this.nexts.close(() => calls.failed(native));
    }

    /** It cannot be begun, or the signal that it was begun with was aborted. */
    abort(reason) {
        this.nexts.close(() => Promise.reject(reason));
    }

    close() {
        this.nexts.close();
    }

    ref() {
        if (!this.#holds && this.#opening !== undefined) calls.hold();
        this.#holds = true;
        this.nexts.ref();
        this.sends.ref();
    }

    unref() {
        if (this.#holds && this.#opening !== undefined) calls.release();
        this.#holds = false;
        this.nexts.unref();
        this.sends.unref();
    }

    /** Nothing more comes, and nothing more is sent. */
    #over(failure) {
        if (this.#signal !== undefined) {
            calls.forget(this.#signal, this);
            this.#signal = undefined;
        }
        if (this.#opening !== undefined) {
            pending.delete(this.#opening);
            addon.cancel(environment, this.#opening);
            this.#opened();
        }
        if (this.#number !== undefined) addon.releaseStream(environment, this.#number);
        this.#number = undefined;
        const refusal = failure ?? over;
        this.sends.close(refusal);
        if (this.#isAccepted) return;
        this.#refusal = refusal;
        this.#accept?.(refusal());
        this.#accept = undefined;
    }

    #opened() {
        if (this.#opening !== undefined && this.#holds) calls.release();
        this.#opening = undefined;
    }
}

/** A stream; documented in index.d.ts. */
class IpcStream {
    #talk;

    constructor(token, talk) {
        if (token !== TOKEN)
            throw invalidArgument("a stream is made by postUdsStream, postIpStream or a client's stream");
        this.#talk = talk;
        collected.register(this, talk);
    }

    accepted() {
        return this.#talk.accepted(this);
    }

    next(options) {
        return this.#talk.nexts.next(this, options);
    }

    send(item, options) {
        return this.#talk.sends.send(this, item, options);
    }

    end() {
        this.#talk.sends.end(this);
    }

    return(value) {
        this.#talk.close();
        return done(value);
    }

    close() {
        this.#talk.close();
        return Promise.resolve();
    }

    ref() {
        this.#talk.ref();
        return this;
    }

    unref() {
        this.#talk.unref();
        return this;
    }

    [Symbol.asyncIterator]() {
        return this;
    }
}

const TOKEN = Symbol("stream");

// Older runtimes have no such symbol; there is nothing to be called by then.
if (Symbol.asyncDispose) {
    Object.defineProperty(IpcStream.prototype, Symbol.asyncDispose, {
        value() {
            return this.close();
        },
        configurable: true,
        writable: true,
    });
}

/**
 * Opens a stream. `prepare` checks what was given and returns what starts the add-on's call; what is wrong with it fails the
 * stream, as other calls reject.
 */
function open(options, prepare) {
    const talk = new Talk();
    try {
        const begin = prepare();
        const signal = options?.signal;
        signal?.throwIfAborted();
        talk.start(begin, signal);
    } catch (error) {
        talk.abort(error);
    }
    return new IpcStream(TOKEN, talk);
}

function post(isPort, channel, data, options) {
    return open(options, () => {
        const where = place(channel, isPort);
        const checked = check(options, STREAM);
        const body = encode(data);
        return (id) => addon.postStream(environment, id, where, body, checked);
    });
}

module.exports = {
    IpcStream,
    open,
    postUdsStream: (channel, data, options) => post(false, channel, data, options),
    postIpStream: (port, data, options) => post(true, port, data, options),
};
