"use strict";

const calls = require("./calls.cjs");
const { invalidArgument } = require("./error.cjs");
const { Nexts, done } = require("./nexts.cjs");
const { check, SUBSCRIBE } = require("./options.cjs");
const { place } = require("./post.cjs");

const { addon, environment } = calls;

/** Closes subscriptions that nobody has any more. */
const collected = new FinalizationRegistry((number) => addon.releaseSubscription(environment, number));

/** An event from the add-on's parts. */
function event([body, topic, missed, retained]) {
    return { data: calls.decode(body), topic, missed, retained };
}

/** A subscription; documented in index.d.ts. */
class Subscription {
    #nexts;

    constructor(token, number) {
        if (token !== TOKEN) throw invalidArgument("a subscription is made by subscribeUds or subscribeIp");
        const ended = () => addon.releaseSubscription(environment, number);
        this.#nexts = new Nexts({ convert: event, ended, late: "no event has come" });
        this.#nexts.open((id) => addon.next(environment, id, number));
        collected.register(this, number);
    }

    next(options) {
        return this.#nexts.next(this, options);
    }

    return(value) {
        this.#nexts.close();
        return done(value);
    }

    close() {
        this.#nexts.close();
        return Promise.resolve();
    }

    ref() {
        this.#nexts.ref();
        return this;
    }

    unref() {
        this.#nexts.unref();
        return this;
    }

    [Symbol.asyncIterator]() {
        return this;
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
