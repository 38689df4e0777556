"use strict";

// The calls of `next` on a sequence that comes from the add-on.

const calls = require("./calls.cjs");
const { check, NEXT } = require("./options.cjs");
const { Line, Waiter } = require("./waiting.cjs");

const { addon, environment, pending } = calls;

/** The end of an iteration. */
const done = (value) => Promise.resolve({ done: true, value });

/** A call of the add-on's `next`. Outcomes have the form that `started` in src/convert.rs gives them. */
class Taking {
    constructor(id, nexts) {
        this.id = id;
        this.nexts = nexts;
    }

    end(value) {
        this.nexts.taken(value === undefined ? true : [value]);
    }

    fail(native) {
        this.nexts.taken([undefined, native]);
    }
}

/**
 * Those who wait for the next of a sequence. The add-on is asked for it only while somebody waits, so that nothing is read
 * ahead here.
 */
class Nexts {
    #line = new Line();
    /** Starts the add-on's `next` under a call's number; undefined until there is something to ask. */
    #begin;
    #convert;
    #ended;
    #late;
    /** The call that waits in the add-on. */
    #taking;
    /** An outcome that was on its way when the last who waited for it gave up. */
    #kept;
    #isOver = false;
    /** Makes the promise with which every further `next` fails, where the sequence did not come to its end. */
    #failure;

    /**
     * `convert` makes a value of what the add-on has; `ended` is called when nothing more will come, with what makes the
     * failure's promise where there was one; `late` are the words for one that did not come in time.
     */
    constructor({ convert, ended, late }) {
        this.#convert = convert;
        this.#ended = ended;
        this.#late = late;
    }

    /** From now on the add-on can be asked. */
    open(begin) {
        this.#begin = begin;
        this.#serve();
    }

    // Not an async function: its promise would be one more for each step.
    next(owner, options) {
        try {
            const timeout = check(options, NEXT)?.timeout;
            const signal = options?.signal;
            signal?.throwIfAborted();
            const outcome = this.#line.isEmpty ? this.#look() : undefined;
            if (outcome !== undefined) return outcome;
            return new Promise((resolve, reject) => {
                const waiter = new Waiter(owner, resolve, reject);
                waiter.limit(this, { timeout, signal }, this.#late);
                this.#line.push(waiter);
            });
        } catch (error) {
            return Promise.reject(error);
        }
    }

    /** Ends the sequence here: whoever waits, and asks later, is done, or fails with what `failure` makes. */
    close(failure) {
        if (this.#taking !== undefined) {
            pending.delete(this.#taking.id);
            addon.cancel(environment, this.#taking.id);
            this.#taking = undefined;
        }
        this.#kept = undefined;
        this.#end(failure);
        this.#serve();
    }

    ref() {
        this.#line.ref();
    }

    unref() {
        this.#line.unref();
    }

    /** The add-on's call has ended. */
    taken(outcome) {
        this.#taking = undefined;
        this.#kept = outcome;
        this.#serve();
    }

    /** One who waited has given up. */
    forget(waiter) {
        this.#line.remove(waiter);
        if (!this.#line.isEmpty) return true;
        // Where the add-on has one already, that is on its way here, and whoever asks next gets it.
        if (this.#taking !== undefined && addon.cancel(environment, this.#taking.id)) {
            pending.delete(this.#taking.id);
            this.#taking = undefined;
        }
        return true;
    }

    /** What `next` returns; undefined where one has to wait. */
    #look() {
        const kept = this.#kept;
        if (kept !== undefined) {
            this.#kept = undefined;
            return this.#settle(kept);
        }
        if (this.#failure !== undefined) return this.#failure();
        if (this.#isOver) return done();
        if (this.#taking !== undefined || this.#begin === undefined) return undefined;
        const id = calls.nextNumber();
        const outcome = this.#begin(id);
        if (outcome !== undefined) return this.#settle(outcome);
        this.#taking = new Taking(id, this);
        pending.set(id, this.#taking);
        return undefined;
    }

    /** What `next` returns for an outcome of the add-on's. */
    #settle(outcome) {
        if (outcome === true) {
            this.#end();
            return done();
        }
        const [value, native] = outcome;
        if (native === undefined) return this.#step(value);
        const failure = () => calls.failed(native);
        // After one that was not what was asked for others can come; every other error is the end.
        if (native[0] !== "invalid_body") this.#end(failure);
        return failure();
    }

    #step(value) {
        try {
            return Promise.resolve({ done: false, value: this.#convert(value) });
        } catch (error) {
            return Promise.reject(calls.unreadable(error));
        }
    }

    /** Gives those who wait what there is, until there is nothing more. */
    #serve() {
        while (!this.#line.isEmpty) {
            const outcome = this.#look();
            if (outcome === undefined) return;
            this.#line.shift().resolve(outcome);
        }
    }

    #end(failure) {
        this.#isOver = true;
        this.#failure = failure;
        this.#ended(failure);
    }
}

module.exports = { Nexts, done };
