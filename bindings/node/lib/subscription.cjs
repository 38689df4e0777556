"use strict";

const { setTimeout, clearTimeout } = require("node:timers");
const calls = require("./calls.cjs");
const { IpcError, invalidArgument } = require("./error.cjs");
const { check, NEXT, SUBSCRIBE } = require("./options.cjs");
const { place } = require("./post.cjs");

const { addon, environment, pending } = calls;

/** Closes subscriptions that nobody has any more. */
const collected = new FinalizationRegistry((number) => addon.releaseSubscription(environment, number));

/** The longest time of a timer, in milliseconds: a longer one takes several. */
const LONGEST = 2 ** 31 - 1;

/** What the class below has for this file alone. */
let taken, forget;

/** The end of an iteration. */
const done = (value) => Promise.resolve({ done: true, value });

/** An event from the add-on's parts, as a step of an iteration. */
function step([body, topic, missed, retained]) {
    try {
        return Promise.resolve({ done: false, value: { data: calls.decode(body), topic, missed, retained } });
    } catch (error) {
        return Promise.reject(calls.unreadable(error));
    }
}

/** One `next` that waits for an event. */
class Waiter {
    constructor(subscription, resolve, reject, timeout, signal) {
        this.subscription = subscription;
        this.resolve = resolve;
        this.reject = reject;
        this.signal = signal;
        if (signal !== undefined) calls.listen(signal, this);
        if (timeout !== undefined) this.limit(timeout, timeout);
    }

    limit(timeout, left) {
        const next = () => {
            if (left > LONGEST) this.limit(timeout, left - LONGEST);
            else this.abort(new IpcError("timed_out", `no event has come within ${timeout} ms`));
        };
        // It is the subscription that keeps the process alive, or does not.
        this.timer = setTimeout(next, Math.min(left, LONGEST)).unref();
    }

    abort(reason) {
        this.over();
        this.reject(reason);
        forget(this.subscription, this);
    }

    over() {
        clearTimeout(this.timer);
        if (this.signal !== undefined) calls.forget(this.signal, this);
    }
}

/** A call of the add-on's `next`. Outcomes have the form that `started` in src/convert.rs gives them. */
class Taking {
    constructor(id, subscription) {
        this.id = id;
        this.subscription = subscription;
    }

    end(event) {
        taken(this.subscription, event === undefined ? true : [event]);
    }

    fail(native) {
        taken(this.subscription, [undefined, native]);
    }
}

/** A subscription; documented in index.d.ts. */
class Subscription {
    #number;
    #holds = true;
    /** Those who wait for an event, first come first. */
    #waiters = [];
    /** The call that waits for an event in the add-on: there is one while somebody waits, and none before. */
    #taking;
    /** An outcome that was on its way when the last who waited for it gave up. */
    #kept;
    #isOver = false;
    /** The add-on's error with which it ended. */
    #failure;

    static {
        taken = (subscription, outcome) => {
            subscription.#taking = undefined;
            subscription.#kept = outcome;
            subscription.#serve();
        };
        forget = (subscription, waiter) => subscription.#forget(waiter);
    }

    constructor(token, number) {
        if (token !== TOKEN) throw invalidArgument("a subscription is made by subscribeUds or subscribeIp");
        this.#number = number;
        collected.register(this, number);
    }

    // Not an async function, as a client's `request` is none.
    next(options) {
        try {
            const timeout = check(options, NEXT)?.timeout;
            const signal = options?.signal;
            signal?.throwIfAborted();
            const outcome = this.#waiters.length === 0 ? this.#look() : undefined;
            if (outcome !== undefined) return outcome;
            const limit = timeout === Infinity ? undefined : timeout;
            return new Promise((resolve, reject) => this.#wait(new Waiter(this, resolve, reject, limit, signal)));
        } catch (error) {
            return Promise.reject(error);
        }
    }

    return(value) {
        this.#close();
        return done(value);
    }

    close() {
        this.#close();
        return Promise.resolve();
    }

    ref() {
        if (!this.#holds && this.#waiters.length > 0) calls.hold();
        this.#holds = true;
        return this;
    }

    unref() {
        if (this.#holds && this.#waiters.length > 0) calls.release();
        this.#holds = false;
        return this;
    }

    [Symbol.asyncIterator]() {
        return this;
    }

    /** What `next` returns; undefined where an event has to be waited for. */
    #look() {
        const kept = this.#kept;
        if (kept !== undefined) {
            this.#kept = undefined;
            return this.#settle(kept);
        }
        if (this.#failure !== undefined) return calls.failed(this.#failure);
        if (this.#isOver) return done();
        if (this.#taking !== undefined) return undefined;
        const id = calls.nextNumber();
        const outcome = addon.next(environment, id, this.#number);
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
        const [event, native] = outcome;
        if (native === undefined) return step(event);
        // After an event that was not what was asked for others can come; every other error is the end.
        if (native[0] !== "invalid_body") this.#end(native);
        return calls.failed(native);
    }

    #wait(waiter) {
        if (this.#waiters.push(waiter) === 1 && this.#holds) calls.hold();
    }

    /** The first who waits, who waits no longer. */
    #first() {
        const waiter = this.#waiters.shift();
        if (waiter === undefined) return undefined;
        waiter.over();
        if (this.#waiters.length === 0 && this.#holds) calls.release();
        return waiter;
    }

    /** One who waited has given up. */
    #forget(waiter) {
        const at = this.#waiters.indexOf(waiter);
        if (at < 0) return;
        this.#waiters.splice(at, 1);
        if (this.#waiters.length > 0) return;
        if (this.#holds) calls.release();
        // Where the add-on has an event already, that is on its way here, and whoever asks next gets it.
        if (this.#taking !== undefined && addon.cancel(environment, this.#taking.id)) {
            pending.delete(this.#taking.id);
            this.#taking = undefined;
        }
    }

    /** Gives those who wait what the add-on has, until it has nothing more. */
    #serve() {
        while (this.#waiters.length > 0) {
            const outcome = this.#look();
            if (outcome === undefined) return;
            this.#first().resolve(outcome);
        }
    }

    /** Nothing is taken any more. */
    #end(failure) {
        this.#isOver = true;
        this.#failure = failure;
        addon.releaseSubscription(environment, this.#number);
    }

    #close() {
        if (this.#taking !== undefined) {
            pending.delete(this.#taking.id);
            addon.cancel(environment, this.#taking.id);
            this.#taking = undefined;
        }
        this.#kept = undefined;
        this.#end();
        for (let waiter = this.#first(); waiter !== undefined; waiter = this.#first()) waiter.resolve(done());
    }
}

const TOKEN = Symbol("subscribe");

// Older runtimes have no such symbol; there is nothing to be called by then.
if (Symbol.asyncDispose) {
    Object.defineProperty(Subscription.prototype, Symbol.asyncDispose, {
        value() {
            return this.close();
        },
        configurable: true,
        writable: true,
    });
}

async function subscribe(isPort, channel, options) {
    const where = place(channel, isPort);
    const checked = check(options, SUBSCRIBE);
    const signal = options?.signal;
    signal?.throwIfAborted();
    const convert = (number) => new Subscription(TOKEN, number);
    return calls.start((id) => addon.subscribe(environment, id, where, checked), { signal, convert });
}

module.exports = {
    Subscription,
    subscribeUds: (channel, options) => subscribe(false, channel, options),
    subscribeIp: (port, options) => subscribe(true, port, options),
};
