import assert from "node:assert/strict";
import { connect, listenUdsRequest, postUdsRequest } from "../lib/index.mjs";
import { failure, test, until } from "./harness.mjs";

/** A handler that ends when it hears that nobody waits. */
function patient(heard) {
    return async (_data, { signal }) => {
        heard.begun += 1;
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        heard.aborted += 1;
        heard.reason = signal.reason;
    };
}

test("a signal that is aborted rejects with its reason, and the handler hears of it", async ({ options, use }) => {
    const heard = { begun: 0, aborted: 0 };
    use(listenUdsRequest("a", patient(heard), options));
    const client = use(await connect("a", options));
    const calls = [
        (signal) => postUdsRequest("a", 1, { ...options, signal }),
        (signal) => client.request(1, { signal }),
    ];
    for (const [index, call] of calls.entries()) {
        const controller = new AbortController();
        const posted = call(controller.signal);
        await until(() => heard.begun === index + 1);
        const reason = index ? new Error("my reason") : undefined;
        controller.abort(reason);
        const error = await failure(posted);
        if (reason) assert.equal(error, reason);
        else assert.equal(error.name, "AbortError");
        await until(() => heard.aborted === index + 1);
        assert.equal(heard.reason.code, "cancelled");
    }
});

test("a signal aborted before the call sends nothing", async ({ options, use }) => {
    const server = use(listenUdsRequest("a", () => 1, options));
    const client = use(await connect("a", options));
    const signal = AbortSignal.abort("gone");
    assert.equal(await failure(postUdsRequest("a", 1, { ...options, signal })), "gone");
    assert.equal(await failure(client.request(1, { signal })), "gone");
    assert.equal(await failure(connect("a", { ...options, signal })), "gone");
    assert.equal(server.counters.messages, 0);
});

test("a timeout fails the call, and the handler hears of it", async ({ options, use }) => {
    const heard = { begun: 0, aborted: 0 };
    use(listenUdsRequest("a", patient(heard), options));
    const client = use(await connect("a", { ...options, timeout: 20 }));
    const calls = [
        () => client.request(1),
        () => client.request(1, { timeout: 20 }),
        () => postUdsRequest("a", 1, { ...options, timeout: 20 }),
    ];
    for (const call of calls) {
        const error = await failure(call());
        assert.equal(error.code, "timed_out");
        assert.equal(error.mayHaveBeenHandled, true);
    }
    await until(() => heard.aborted === heard.begun);
});

test("a connect that waits can be aborted", async ({ options }) => {
    const signal = AbortSignal.timeout(20);
    const error = await failure(connect("nobody", { ...options, wait: 1e9, signal }));
    assert.equal(error.name, "TimeoutError");
});

test("a signal outlives many calls without gathering listeners", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => data, options));
    let listeners = 0;
    const { signal } = new AbortController();
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args) => {
        listeners += 1;
        add(...args);
    };
    signal.removeEventListener = (...args) => {
        listeners -= 1;
        remove(...args);
    };
    for (let call = 0; call < 10; call++) await postUdsRequest("a", call, { ...options, signal });
    assert.equal(listeners, 0);
});

test("a call waits for a listener to appear when told to", async ({ options, use }) => {
    const posted = postUdsRequest("late", 1, { ...options, wait: 60_000 });
    use(listenUdsRequest("late", () => "here", options));
    assert.equal(await posted, "here");
});
