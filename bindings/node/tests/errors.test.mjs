import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
    Client,
    channels,
    connect,
    errorCodes,
    IpcError,
    listenIpRequest,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postIpRequest,
    postUdsBroadcast,
    postUdsRequest,
    Server,
} from "../lib/index.mjs";
import { failure, file, Program, runtime, skip, skipOnWindows, test, isWindows } from "./harness.mjs";

function thrown(call) {
    try {
        call();
    } catch (error) {
        return error;
    }
    throw new Error("it did not throw");
}

test("the types have exactly the error codes of the library", () => {
    const types = readFileSync(file("lib/index.d.cts"), "utf8");
    const [, union] = types.match(/type IpcErrorCode =([^;]*);/);
    assert.deepEqual(
        [...union.matchAll(/"(\w+)"/g)].map(([, name]) => name),
        [...errorCodes],
    );
    assert.equal(errorCodes.length > 10, true);
});

test("the README has exactly the error codes of the library", () => {
    const readme = readFileSync(file("README.md"), "utf8");
    assert.deepEqual(
        [...readme.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name),
        [...errorCodes],
    );
});

test("every failure is an IpcError with a code and a line that says what to do", async ({ options, use }) => {
    use(listenUdsRequest("a", () => 1, options));
    const broadcasts = use(listenUdsBroadcast("b", () => {}, options));
    const calls = [
        ["not_listening", () => postUdsRequest("nobody", 1, options)],
        ["not_listening", () => connect("nobody", options)],
        ["wrong_mode", () => postUdsRequest("b", 1, options)],
        ["wrong_mode", () => postUdsBroadcast("a", 1, options)],
        ["invalid_name", () => postUdsRequest("a-b", 1, options)],
        ["invalid_name", () => postUdsRequest("", 1, options)],
        ["invalid_name", () => connect("é", options)],
        ["invalid_port", () => postIpRequest(0, 1)],
        ["invalid_port", () => postIpRequest(-1, 1)],
        ["invalid_port", () => postIpRequest(1.5, 1)],
        ["invalid_port", () => postIpRequest(Number.NaN, 1)],
        ["invalid_port", () => connect(65536)],
        ["invalid_argument", () => postUdsRequest(5, 1, options)],
        ["invalid_argument", () => postUdsRequest(null, 1, options)],
        ["invalid_argument", () => postIpRequest("5", 1, options)],
        ["invalid_argument", () => postUdsRequest("a", 1, null)],
        ["invalid_argument", () => postUdsRequest("a", 1, 5)],
        ["invalid_argument", () => postUdsRequest("a", 1, { timeOut: 5 })],
        ["invalid_argument", () => postUdsRequest("a", 1, { timeout: 0 })],
        ["invalid_argument", () => postUdsRequest("a", 1, { timeout: "5" })],
        ["invalid_argument", () => postUdsRequest("a", 1, { timeout: Number.NaN })],
        ["invalid_argument", () => postUdsRequest("a", 1, { signal: {} })],
        ["invalid_argument", () => postUdsRequest("a", 1, { wire: "pigeon" })],
        ["invalid_argument", () => postUdsRequest("a", 1, { pathStyle: "v9" })],
        ["invalid_argument", () => postUdsRequest("a", 1, { peers: "friends" })],
        ["invalid_argument", () => postUdsRequest("a", 1, { peers: [-1] })],
        ["invalid_argument", () => postUdsRequest("a", 1, { maxMessage: 0 })],
        ["invalid_argument", () => postUdsRequest("a", 1, { directory: "/a\0b" })],
        ["invalid_argument", () => channels("/tmp")],
        ["no_directory", () => channels({ directory: "/nonexistent" })],
        // A pipe's name is made of a number that stands for its directory.
        [
            isWindows ? "no_directory" : "path_too_long",
            () => postUdsRequest("a", 1, { directory: `/${"x".repeat(200)}` }),
        ],
    ];
    for (const [code, call] of calls) {
        const error = await failure(call());
        assert.equal(error instanceof IpcError && error instanceof Error, true);
        assert.equal(error.code, code, error.message);
        assert.equal(error.name, "IpcError");
        assert.equal(error.mayHaveBeenHandled, false);
        assert.match(error.message, /^[^\n]{10,}$/);
        assert.equal(errorCodes.includes(error.code), true);
    }
    assert.equal(broadcasts.counters.messages, 0);
});

test("listening fails at once, where it is called", async ({ options, use }) => {
    use(listenUdsRequest("a", () => 1, options));
    for (const [code, call] of [
        ["in_use", () => listenUdsRequest("a", () => 1, options)],
        ["invalid_name", () => listenUdsRequest("a b", () => 1, options)],
        ["invalid_port", () => listenIpRequest(70000, () => 1)],
        ["invalid_argument", () => listenUdsRequest("c", "not a function", options)],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, timeout: 5 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, socketMode: 0o1777 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, maxSessionInFlight: 0 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, maxInFlight: 0 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, maxSessionWaiting: 0 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, maxWaiting: 0 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, sharedMemory: -1 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, sharedMemory: 0.5 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, helloTimeout: 0 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, stallTimeout: 0 })],
        ["invalid_argument", () => listenUdsRequest("c", () => 1, { ...options, tap: 1 })],
        ["invalid_argument", () => listenUdsPublish("c", { ...options, tap: true })],
        ["no_directory", () => listenUdsRequest("c", () => 1, { directory: "/nonexistent" })],
        ["invalid_argument", () => new Server({}, {})],
        ["invalid_argument", () => new Client()],
    ]) {
        const error = thrown(call);
        assert.equal(error instanceof IpcError, true, String(error));
        assert.equal(error.code, code, error.message);
    }
    assert.match(thrown(() => listenUdsRequest("a", () => 1, options)).message, new RegExp(`process ${process.pid}`));
});

test("the system's error is the cause", () => {
    const error = thrown(() => listenUdsRequest("c", () => 1, { directory: "/proc" }));
    assert.equal(errorCodes.includes(error.code), true);
    assert.equal(error.cause instanceof Error, true);
    assert.equal(typeof error.cause.message, "string");
});

test("a broadcast handler that throws is counted, and the next message comes", async ({ options, use }) => {
    let count = 0;
    const server = use(
        listenUdsBroadcast(
            "b",
            () => {
                count += 1;
                throw new Error("x");
            },
            { ...options, onError: () => {} },
        ),
    );
    const client = use(await connect("b", options));
    await client.broadcast(1);
    await client.broadcast(2);
    await client.flush();
    assert.equal(count, 2);
    assert.equal(server.counters.failed, 2);
});

test("use after close says so", async ({ options, use }) => {
    use(listenUdsRequest("a", () => 1, options));
    const client = await connect("a", options);
    await client.close();
    await client.close();
    for (const call of [
        () => client.request(1),
        () => client.broadcast(1),
        () => client.flush(),
        () => client.ping(),
    ]) {
        assert.equal((await failure(call())).code, "closed");
    }
});

/** A program's own functions, which a stack is to show. */
async function outerOfTheProgram(call) {
    return await innerOfTheProgram(call);
}
async function innerOfTheProgram(call) {
    const value = await call();
    return value;
}

test("an error's stack goes on with the frames of who waits for the call", async ({ options, use }) => {
    if (runtime === "bun") skip("Bun's engine does not tell who waits for a promise that it did not make");
    use(
        listenUdsRequest(
            "a",
            () => {
                throw new Error("x");
            },
            options,
        ),
    );
    const client = use(await connect("a", options));
    for (const [what, call] of [
        ["post", () => postUdsRequest("a", 1, options)],
        ["connect", () => connect("nobody", { ...options, wait: 5 })],
        ["request", () => client.request(1)],
    ]) {
        const { stack } = await failure(outerOfTheProgram(call));
        assert.match(stack, /innerOfTheProgram[^]*outerOfTheProgram/, `${what}: ${stack}`);
    }
});

test("options say what they are, whose they are, and how to say for ever", async ({ options, use }) => {
    use(listenUdsRequest("a", (data) => data, options));
    for (const forEver of [null, Number.POSITIVE_INFINITY, Number.MAX_VALUE, 1e15]) {
        assert.equal(await postUdsRequest("a", 1, { ...options, timeout: forEver, wait: forEver }), 1);
        const client = use(await connect("a", { ...options, timeout: forEver }));
        assert.equal(await client.request(1, { timeout: forEver }), 1);
        assert.equal(await client.flush({ timeout: forEver }), undefined);
        assert.equal((await client.ping({ timeout: forEver })) > 0, true);
        await client.close({ timeout: forEver });
    }
    for (const [given, text] of [
        [{ grace: 5 }, /grace is an option of listeners, not here/],
        [{ maxConnections: 5 }, /maxConnections is an option of listeners, not here/],
        [{ onError: () => {} }, /onError is an option of listeners, not here/],
        [{ timeOut: 5 }, /there is no option timeOut here/],
        [{ timeout: -1 }, /timeout is not .* null or Infinity for no limit/],
        [{ wait: -1 }, /wait is not .* null or Infinity for no limit/],
    ]) {
        const error = await failure(postUdsRequest("a", 1, { ...options, ...given }));
        assert.equal(error.code, "invalid_argument");
        assert.match(error.message, text);
    }
    assert.match(
        thrown(() => listenUdsRequest("b", () => 1, { ...options, wait: 5 })).message,
        /wait is an option of posts and connect, not here/,
    );
    assert.throws(() => listenUdsRequest("b", () => 1, { ...options, grace: null }), { code: "invalid_argument" });
});

test("many calls on one signal, and many loads of the package, give no warning", async ({ directory }) => {
    if (runtime === "bun") skipOnWindows("Bun itself complains of the folders that it looks into, under Wine");
    const program = new Program(file("tests/programs/many.mjs"), [directory]);
    const { status, output, errors } = await program.ended;
    assert.equal(errors, "");
    assert.equal(output, "aborted 50\n");
    assert.equal(status, 0);
});

test("the variable for logs shows what the library does", async ({ directory }) => {
    if (runtime === "bun") skipOnWindows("Bun itself complains of the folders that it looks into, under Wine");
    for (const [level, expected] of [
        ["debug", ["info: listening", "debug: connected", "info: closed"]],
        ["off", []],
    ]) {
        const program = new Program(file("tests/programs/watched.mjs"), [directory], {
            env: { SIMPLE_IPC_LOG: level },
        });
        const { status, errors } = await program.ended;
        assert.equal(status, 0, errors);
        for (const part of expected) assert.ok(errors.includes(part), errors);
        if (!expected.length) assert.equal(errors, "");
    }
});
