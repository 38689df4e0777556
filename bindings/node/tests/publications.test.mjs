import assert from "node:assert/strict";
import {
    channels,
    IpcError,
    listenIpPublish,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postUdsBroadcast,
    postUdsRequest,
    Subscription,
    subscribeIp,
    subscribeUds,
} from "../lib/index.mjs";
import { failure, file, Program, runtime, skip, test, until } from "./harness.mjs";

/** So small that a few events are more than may wait, and so much that the socket takes none of the rest. */
const SMALL = { overflow: "fail", queue: 1 << 16 };
const BODY = "x".repeat(1 << 14);

/** An event as a subscriber gets it where nothing is special about it. */
const event = (data, topic = "") => ({ data, topic, missed: 0, retained: false });

/** The next event of a subscription that is not to end. */
async function next(events, options) {
    const { done, value } = await events.next(options);
    assert.equal(done, false);
    return value;
}

for (const transport of ["uds", "ip"]) {
    test(`what is published after subscribe has resolved reaches every subscriber: ${transport}`, async (t) => {
        const listen =
            transport === "uds" ? () => listenUdsPublish("clock", t.options) : () => listenIpPublish(0, t.options);
        const clock = t.use(listen());
        const subscribe = () =>
            transport === "uds" ? subscribeUds("clock", t.options) : subscribeIp(clock.port, t.options);
        assert.equal(await clock.publish("to nobody"), 0);
        const first = t.use(await subscribe());
        assert.equal(await clock.publish({ n: 1 }), 1);
        const second = t.use(await subscribe());
        assert.equal(await clock.publish([2], { topic: "tick" }), 2);
        assert.deepEqual(await next(first), event({ n: 1 }));
        assert.deepEqual(await next(first), event([2], "tick"));
        assert.deepEqual(await next(second), event([2], "tick"));
        assert.equal(clock.counters.subscribers, 2);
        assert.equal(clock.counters.published, 3);
        assert.equal(first instanceof Subscription, true);
    });
}

test("values and bytes arrive as other messages' do", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", options));
    const events = use(await subscribeUds("clock", options));
    const values = [null, 0, -1.5, "", "é\u{1f600}", true, [], { a: [{ b: null }] }, "y".repeat(300_000)];
    for (const value of values) {
        await clock.publish(value);
        assert.deepEqual((await next(events)).data, value);
    }
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    await clock.publish(bytes);
    const { data } = await next(events);
    assert.equal(data instanceof Uint8Array, true);
    assert.deepEqual(data, bytes);
    assert.equal((await failure(clock.publish({ n: 1n }))).code, "invalid_json");
});

for (const [name, leave] of [
    ["break", () => "break"],
    [
        "throw",
        () => {
            throw new Error("on purpose");
        },
    ],
]) {
    test(`leaving the loop by ${name} closes the subscription`, async ({ options, use }) => {
        const clock = use(listenUdsPublish("clock", options));
        const events = await subscribeUds("clock", options);
        for (let tick = 0; tick < 4; tick++) await clock.publish(tick);
        const seen = [];
        const loop = async () => {
            for await (const { data } of events) {
                seen.push(data);
                if (data === 2 && leave() === "break") break;
            }
        };
        await loop().catch((error) => assert.equal(error.message, "on purpose"));
        assert.deepEqual(seen, [0, 1, 2]);
        await until(() => clock.counters.subscribers === 0);
        assert.deepEqual(await events.next(), { done: true, value: undefined });
        assert.deepEqual(await events.return(), { done: true, value: undefined });
    });
}

test("close ends every next that waits, and those after it", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", options));
    const events = await subscribeUds("clock", options);
    const waiting = [events.next(), events.next({ timeout: 3_600_000 }), events.next()];
    await events.close();
    await events.close();
    for (const wait of waiting) assert.deepEqual(await wait, { done: true, value: undefined });
    assert.deepEqual(await events.next(), { done: true, value: undefined });
    await until(() => clock.counters.subscribers === 0);
});

test("several nexts that wait are served in their order", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", options));
    const events = use(await subscribeUds("clock", options));
    const waiting = Array.from({ length: 5 }, () => next(events));
    for (let tick = 0; tick < 5; tick++) await clock.publish(tick);
    assert.deepEqual(
        (await Promise.all(waiting)).map(({ data }) => data),
        [0, 1, 2, 3, 4],
    );
});

test("a next that gives up loses no event, by time or by signal", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", options));
    const events = use(await subscribeUds("clock", options));
    assert.equal((await failure(events.next({ timeout: 0 }))).code, "timed_out");
    assert.match((await failure(events.next({ timeout: 1 }))).message, /no event has come within 1 ms/);
    assert.equal(await failure(events.next({ signal: AbortSignal.abort("at once") })), "at once");
    const COUNT = 2_000;
    const publishing = (async () => {
        for (let tick = 0; tick < COUNT; tick++) {
            await clock.publish(tick);
            if (tick % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
    })();
    const seen = [];
    const gaveUp = { timed_out: 0, aborted: 0 };
    for (let turn = 0; seen.length < COUNT; turn++) {
        const controller = new AbortController();
        const wait = events.next(turn % 2 ? { timeout: 0 } : { signal: controller.signal });
        if (turn % 2 === 0) setImmediate(() => controller.abort("aborted"));
        try {
            seen.push((await wait).value.data);
        } catch (error) {
            gaveUp[error.code ?? error] += 1;
        }
    }
    await publishing;
    assert.deepEqual(
        seen,
        Array.from({ length: COUNT }, (_, tick) => tick),
    );
    console.log(`# ${runtime}: ${JSON.stringify(gaveUp)}`);
});

test("a subscriber with topics gets these and no others, each exactly", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", options));
    const events = use(await subscribeUds("clock", { ...options, topics: ["tick", ""] }));
    assert.equal(await clock.publish(1, { topic: "tick" }), 1);
    assert.equal(await clock.publish(2, { topic: "tick_tock" }), 0);
    assert.equal(await clock.publish(3, { topic: "tic" }), 0);
    assert.equal(await clock.publish(4), 1);
    assert.deepEqual(await next(events), event(1, "tick"));
    assert.deepEqual(await next(events), event(4));
});

test("what is retained comes first, marked, and an empty body forgets it", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", { ...options, retain: true }));
    await clock.publish("old", { topic: "a" });
    await clock.publish("b", { topic: "b" });
    await clock.publish("a", { topic: "a" });
    await clock.publish("c", { topic: "c" });
    await clock.publish(new Uint8Array(0), { topic: "c" });
    const events = use(await subscribeUds("clock", options));
    await clock.publish("new", { topic: "b" });
    assert.deepEqual(await next(events), { ...event("b", "b"), retained: true });
    assert.deepEqual(await next(events), { ...event("a", "a"), retained: true });
    assert.deepEqual(await next(events), event("new", "b"));
});

test("with drop_oldest what is delivered and what is missed are what was published", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", options));
    const events = use(await subscribeUds("clock", { ...options, ...SMALL, overflow: "drop_oldest" }));
    const COUNT = 200;
    for (let tick = 0; tick < COUNT; tick++) assert.equal(await clock.publish({ tick, BODY }), 1);
    let [delivered, missed] = [0, 0];
    for await (const { data, ...rest } of events) {
        delivered += 1;
        missed += rest.missed;
        assert.equal(delivered + missed, data.tick + 1);
        if (data.tick === COUNT - 1) break;
    }
    assert.equal(delivered + missed, COUNT);
    assert.equal(missed > 0, true);
    assert.equal(clock.counters.dropped, missed);
});

test("a subscriber that is too slow is cut off after what was sent, and hears of it as often as it asks", async (t) => {
    const clock = t.use(listenUdsPublish("clock", t.options));
    const events = await subscribeUds("clock", { ...t.options, ...SMALL });
    let tick = 0;
    while (clock.counters.tooSlow === 0) await clock.publish({ tick: tick++, BODY });
    const seen = [];
    const error = await failure(
        (async () => {
            for await (const { data, missed } of events) {
                assert.equal(missed, 0);
                seen.push(data.tick);
            }
        })(),
    );
    assert.equal(error instanceof IpcError, true);
    assert.equal(error.code, "too_slow", error.message);
    assert.deepEqual(
        seen,
        Array.from(seen, (_, index) => index),
    );
    assert.equal(seen.length < tick, true);
    assert.equal((await failure(events.next())).code, "too_slow");
    await events.close();
    assert.deepEqual(await events.next(), { done: true, value: undefined });
});

test("a publisher with patience waits for a subscriber that blocks, and nothing is missed", async (t) => {
    const clock = t.use(listenUdsPublish("clock", { ...t.options, patience: 3_600_000 }));
    const events = t.use(await subscribeUds("clock", { ...t.options, ...SMALL, overflow: "block" }));
    const COUNT = 200;
    let published = 0;
    const publishing = (async () => {
        for (; published < COUNT; published++) assert.equal(await clock.publish({ tick: published, BODY }), 1);
    })();
    for (let tick = 0; tick < COUNT; tick++) {
        const { data, missed } = await next(events);
        assert.deepEqual([data.tick, missed], [tick, 0]);
    }
    await publishing;
    assert.equal(clock.counters.dropped, 0);
});

test("what is published without await stays in order, and is refused beyond maxSessionWaiting", async (t) => {
    const maxSessionWaiting = 1 << 20;
    const clock = t.use(listenUdsPublish("clock", { ...t.options, patience: 3_600_000, maxSessionWaiting }));
    const events = t.use(await subscribeUds("clock", { ...t.options, ...SMALL, overflow: "block" }));
    const refused = [];
    let taken = 0;
    const calls = [];
    for (let tick = 0; refused.length === 0; tick++) {
        const call = clock.publish({ tick, BODY });
        // One that is refused is refused at once: its promise is rejected before the loop comes to the next.
        calls.push(
            call.then(
                () => (taken += 1),
                (error) => refused.push(error),
            ),
        );
        await Promise.resolve();
        await Promise.resolve();
    }
    assert.equal(refused[0].code, "out_of_resources");
    assert.match(refused[0].message, /maxSessionWaiting is 1048576; await each publish/);
    // What waits is within the limit; the rest is in the queue, the window and the socket.
    const count = calls.length - 1;
    for (let tick = 0; tick < count; tick++) assert.equal((await next(events)).data.tick, tick);
    await Promise.all(calls);
    assert.equal(taken, count);
    assert.equal(await clock.publish("again"), 1);
});

test("an event that waits for room is given up by its signal, and published to nobody", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", { ...options, patience: 3_600_000 }));
    const events = use(await subscribeUds("clock", { ...options, ...SMALL, overflow: "block" }));
    const controller = new AbortController();
    const { signal } = controller;
    let last = 0;
    let waits;
    // It waits for room when it has not ended after many turns of the loop; one that is only slow is taken next time.
    while (waits === undefined) {
        const call = clock.publish({ last, BODY }, { signal });
        let hasEnded = false;
        call.then(
            () => (hasEnded = true),
            () => {},
        );
        for (let turn = 0; turn < 50 && !hasEnded; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
        if (hasEnded) last += 1;
        else waits = call;
    }
    controller.abort("given up");
    const error = await failure(waits);
    assert.equal(error, "given up");
    const { published } = clock.counters;
    const marker = clock.publish("after it");
    const seen = [];
    for await (const { data } of events) {
        if (data === "after it") break;
        seen.push(data.last);
    }
    await marker;
    // What was given up in the moment in which it was published has been published.
    assert.equal(published === last || published === last + 1, true);
    assert.deepEqual(
        seen,
        Array.from({ length: published }, (_, index) => index),
    );
});

test("a broadcast listener that publishes what it hears is a hub", async ({ options, use }) => {
    const chat = use(
        listenUdsBroadcast(
            "chat",
            async (line) => {
                await chat.publish(line);
            },
            { ...options, publish: true },
        ),
    );
    const [first, second] = [use(await subscribeUds("chat", options)), use(await subscribeUds("chat", options))];
    await postUdsBroadcast("chat", "hello", options);
    assert.deepEqual(await next(first), event("hello"));
    assert.deepEqual(await next(second), event("hello"));
});

test("methods and signals share a name: a request listener publishes, too", async ({ options, use }) => {
    const daemon = use(
        listenUdsRequest(
            "daemon",
            async (level) => {
                await daemon.publish(level, { topic: "level" });
                return "set";
            },
            { ...options, publish: true, retain: true },
        ),
    );
    const events = use(await subscribeUds("daemon", options));
    assert.equal(await postUdsRequest("daemon", 5, options), "set");
    assert.deepEqual(await next(events), event(5, "level"));
});

test("channels says who publishes, and to how many", async ({ options, use }) => {
    use(listenUdsRequest("silent", () => 1, options));
    use(listenUdsBroadcast("chat", () => {}, { ...options, publish: true }));
    use(listenUdsPublish("clock", options));
    use(await subscribeUds("clock", options));
    const shown = async () =>
        (await channels(options)).map(({ channel, mode, publishes, subscribers }) =>
            [channel, mode, publishes, subscribers].join(" "),
        );
    await until(async () => (await shown())[1] === "clock publish true 1");
    assert.deepEqual(await shown(), ["chat broadcast true 0", "clock publish true 1", "silent request false "]);
});

test("a publisher that is replaced is seen as one event with missed -1", async ({ options, use }) => {
    const first = listenUdsPublish("clock", options);
    const events = use(await subscribeUds("clock", options));
    await first.publish("of the first");
    assert.deepEqual(await next(events), event("of the first"));
    const waiting = next(events);
    await first.close();
    const second = use(listenUdsPublish("clock", options));
    await until(() => second.counters.subscribers === 1);
    await second.publish("of the second");
    await second.publish("and on");
    assert.deepEqual(await waiting, { ...event("of the second"), missed: -1 });
    assert.deepEqual(await next(events), event("and on"));
});

test("a publisher that closes delivers what it has published, and ends the loop where reconnect is 0", async (t) => {
    const clock = listenUdsPublish("clock", t.options);
    const events = await subscribeUds("clock", { ...t.options, reconnect: 0 });
    for (let tick = 0; tick < 100; tick++) await clock.publish(tick);
    const closing = clock.close();
    const seen = [];
    for await (const { data } of events) seen.push(data);
    assert.equal(seen.length, 100);
    await closing;
    assert.equal((await failure(clock.publish(1))).code, "closed");
    assert.equal(clock.counters.published, 100);
});

test("a publisher that is closed in the loop of its own subscriber does not hang", async ({ options }) => {
    const clock = listenUdsPublish("clock", options);
    const events = await subscribeUds("clock", { ...options, reconnect: 0 });
    for (let tick = 0; tick < 3; tick++) await clock.publish(tick);
    const seen = [];
    for await (const { data } of events) {
        seen.push(data);
        await clock.close();
    }
    assert.deepEqual(seen, [0, 1, 2]);
});

test("another process that publishes as soon as subscribe has resolved is heard, each of 300 times", async (t) => {
    const publisher = new Program(file("tests/programs/publisher.mjs"), [t.directory]);
    await publisher.says("ready");
    for (let round = 0; round < 300; round++) {
        const events = await subscribeUds("clock", t.options);
        assert.equal((await postUdsRequest("clock", round, t.options)) >= 1, true);
        assert.deepEqual(await next(events), event(round));
        await events.close();
    }
    publisher.kill("SIGKILL");
    await publisher.ended;
});

test("a publisher that dies is connection_lost where reconnect is 0", async ({ options }) => {
    const publisher = new Program(file("tests/programs/publisher.mjs"), [options.directory]);
    await publisher.says("ready");
    const events = await subscribeUds("clock", { ...options, reconnect: 0 });
    const waiting = failure(events.next());
    publisher.kill("SIGKILL");
    assert.equal((await waiting).code, "connection_lost");
    await publisher.ended;
});

test("what makes no sense, or is not there, is an error that says so", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", options));
    use(listenUdsRequest("silent", () => 1, options));
    const silent = use(listenUdsBroadcast("silent_too", () => {}, options));
    const listening = async (more) => listenUdsPublish("another", { ...options, ...more });
    const subscribing = (more, channel = "clock") => subscribeUds(channel, { ...options, ...more });
    const publishing = (topic) => clock.publish(1, { topic });
    for (const [call, code, text] of [
        [() => subscribing({}, "nobody"), "not_listening"],
        [() => subscribing({}, "silent"), "wrong_mode"],
        [() => subscribing({ overflow: "block" }), "wrong_mode", /patience/],
        [() => silent.publish(1), "wrong_mode", /publish/],
        [() => postUdsRequest("clock", 1, options), "wrong_mode"],
        [() => postUdsBroadcast("clock", 1, options), "wrong_mode"],
        [() => subscribing({ topics: [] }), "invalid_argument", /topic/],
        [() => subscribing({ topics: ["a".repeat(256)] }), "invalid_argument", /255/],
        [() => subscribing({ topics: "tick" }), "invalid_argument", /topics is not a list of strings/],
        [
            () => subscribing({ topics: ["\ud800"] }),
            "invalid_argument",
            /topics is not a list of strings of whole characters/,
        ],
        [() => subscribing({ overflow: "drop_newest" }), "invalid_argument", /fail, drop_oldest and block/],
        [() => subscribing({ queue: 0 }), "invalid_argument", /at least one byte/],
        [() => subscribing({ reconnect: -1 }), "invalid_argument", /reconnect is not a number of milliseconds/],
        [() => subscribing({ retain: true }), "invalid_argument", /retain is an option of listeners, not here/],
        [() => subscribing({ signal: AbortSignal.abort(new IpcError("cancelled", "before")) }), "cancelled"],
        [() => subscribeUds(5, options), "invalid_argument", /pass a string/],
        [() => subscribeIp("clock", options), "invalid_argument", /pass a number/],
        [() => listening({ topics: ["a"] }), "invalid_argument", /topics is an option of subscriptions, not here/],
        [() => listening({ patience: -1 }), "invalid_argument", /patience/],
        [() => listening({ onError: () => {} }), "invalid_argument", /onError is an option of listeners/],
        [() => publishing("a".repeat(256)), "invalid_argument", /255/],
        [() => publishing("é".repeat(128)), "invalid_argument", /255/],
        [() => publishing("\ud800"), "invalid_argument", /topic is not a string of whole characters/],
        [() => publishing(5), "invalid_argument", /topic/],
        [
            () => clock.publish(1, { topics: ["a"] }),
            "invalid_argument",
            /topics is an option of subscriptions, not here/,
        ],
        [() => clock.publish(new Uint8Array((64 << 20) + 1)), "too_large"],
    ]) {
        const error = await failure(call());
        assert.equal(error.code, code, error.message);
        if (text) assert.match(error.message, text);
    }
    assert.throws(() => new Subscription(), { code: "invalid_argument" });
    assert.equal(await publishing("é".repeat(127)), 0);
    const events = use(await subscribing({}));
    for (const wrong of [{ timeout: -1 }, { signal: 5 }, { timeOut: 5 }]) {
        assert.equal((await failure(events.next(wrong))).code, "invalid_argument");
    }
    await clock.publish("still there");
    assert.deepEqual(await next(events), event("still there"));
});

test("a subscription is waited for with `wait`, and given up by its signal", async ({ options, use }) => {
    const waiting = subscribeUds("clock", { ...options, wait: null });
    const controller = new AbortController();
    const givenUp = subscribeUds("nobody", { ...options, wait: null, signal: controller.signal });
    const clock = use(listenUdsPublish("clock", options));
    const events = use(await waiting);
    await clock.publish("there");
    assert.deepEqual(await next(events), event("there"));
    controller.abort("given up");
    assert.equal(await failure(givenUp), "given up");
});

test("a subscription that nobody has any more is closed", async ({ options, use }) => {
    if (globalThis.gc === undefined && globalThis.Bun === undefined) skip("this runtime has no collector to call");
    const collect = () => (globalThis.gc ? globalThis.gc() : Bun.gc(true));
    const clock = use(listenUdsPublish("clock", options));
    await (async () => {
        const events = await subscribeUds("clock", options);
        await clock.publish(1);
        await next(events);
        await failure(events.next({ timeout: 1 }));
    })();
    await until(() => {
        collect();
        return clock.counters.subscribers === 0;
    });
});

test("a subscription keeps the process alive while a next waits, and not otherwise", async ({
    directory,
    options,
    use,
}) => {
    const clock = use(listenUdsPublish("clock", options));
    const idle = await new Program(file("tests/programs/subscriber.mjs"), [directory, "idle"]).ended;
    assert.deepEqual([idle.status, idle.output, idle.errors], [0, "idle\n", ""]);
    const waits = new Program(file("tests/programs/subscriber.mjs"), [directory, "waits"]);
    await waits.says("waits");
    await until(() => clock.counters.subscribers === 1);
    await clock.publish("it was alive");
    const { status, output, errors } = await waits.ended;
    assert.deepEqual([status, output, errors], [0, "waits\nit was alive\n", ""]);
});

test("however fast events come, timers have their turn between them", async ({ options, use }) => {
    const clock = use(listenUdsPublish("clock", { ...options, patience: 3_600_000 }));
    const events = use(await subscribeUds("clock", { ...options, overflow: "block" }));
    let timers = 0;
    const turned = () => {
        timers += 1;
        if (timers < 50) setTimeout(turned, 0);
    };
    setTimeout(turned, 0);
    let delivered = 0;
    // Without turns between the events this goes on for ever.
    while (timers < 50) {
        await clock.publish(delivered);
        assert.equal((await next(events)).data, delivered);
        delivered += 1;
    }
    console.log(`# ${runtime}: ${delivered} events, ${timers} timers in turn`);
});

test("a flood at a subscriber that takes its time is not gathered in its memory", async ({
    directory,
    options,
    use,
}) => {
    const clock = use(listenUdsPublish("clock", options));
    const subscriber = new Program(file("tests/programs/subscriber.mjs"), [directory, "flood"]);
    await subscriber.says("ready");
    const body = new Uint8Array(1 << 20);
    const COUNT = 1024;
    for (let sent = 0; sent < COUNT; sent++) await clock.publish(body);
    assert.equal(await clock.publish("over"), 1);
    subscriber.child.stdin.end();
    const { output, errors } = await subscriber.ended;
    const { delivered, missed, grown } = JSON.parse(output.split("\n").at(-2) || "{}");
    assert.equal(delivered + missed, COUNT, errors);
    console.log(`# ${runtime}: ${delivered} delivered, ${missed} missed, grown by ${Math.round(grown / 2 ** 20)} MiB`);
    assert.equal(grown < 100 * 2 ** 20, true, `grown by ${Math.round(grown / 2 ** 20)} MiB`);
});
