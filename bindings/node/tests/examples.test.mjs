import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { channels } from "../lib/index.mjs";
import { file, Program, runtime, test, until } from "./harness.mjs";

/** A project of a user's own that has the package installed. */
function project(directory, ...sources) {
    const root = join(directory, "project");
    mkdirSync(join(root, "node_modules"), { recursive: true });
    symlinkSync(file(""), join(root, "node_modules/simple-ipc"));
    writeFileSync(join(root, "package.json"), '{ "type": "module", "dependencies": { "simple-ipc": "*" } }\n');
    for (const source of sources) cpSync(file(source), root, { recursive: true });
    return root;
}

/** Starts a program of the project with its channels in the test's directory. */
function start(root, directory, name, args) {
    const env = { SIMPLE_IPC_DIR: directory };
    return new Program(join(root, name), args, { cwd: root, env });
}

async function output(program) {
    const { status, output, errors } = await program.ended;
    assert.equal(status, 0, errors);
    assert.equal(errors, "");
    return output;
}

for (const [name, due] of [
    ["one_way", "1000\n"],
    ["cancel", "cancelled\n"],
    ["worker_pool", "328350\n"],
    ["publish_subscribe", "1\n2\n3\n"],
]) {
    test(`the example ${name} prints what it says`, async ({ directory }) => {
        const root = project(directory, "examples");
        assert.equal(await output(start(root, directory, `${name}.mjs`)), due);
        assert.deepEqual(readdirSync(directory), ["project"]);
    });
}

for (const [name, due] of [
    ["progress", "1 of 3\n2 of 3\n3 of 3\n"],
    ["follow_a_log", "started\nworking\nstopped\nthe log is no longer followed\n"],
    ["upload", "a film: 100 chunks, 6553600 bytes\n"],
    ["chat", "hello, Ada\nyou said: how are you?\nyou said: see you\ngoodbye\n"],
]) {
    test(`the example ${name} of streams prints what it says`, async ({ directory }) => {
        const root = project(directory, "../../examples/streams/javascript");
        assert.equal(await output(start(root, directory, `${name}.mjs`)), due);
        assert.deepEqual(readdirSync(directory), ["project"]);
    });
}

test("the examples echo_listener and echo_client talk until Ctrl-C", async ({ directory }) => {
    const root = project(directory, "examples");
    const listener = start(root, directory, "echo_listener.mjs", ["an_echo"]);
    await listener.says("listening on");
    assert.equal(await output(start(root, directory, "echo_client.mjs", ["an_echo"])), "hello\n");
    listener.kill("SIGINT");
    await output(listener);
    assert.deepEqual(readdirSync(directory), ["project"]);
});

test("the original's two programs run unchanged but for the import", async ({ directory, options }) => {
    const root = project(directory, "tests/original_example");
    let extension = "ts";
    if (runtime === "node" && !process.features.typescript) {
        // This Node does not take types away.
        const tsc = file("node_modules/typescript/bin/tsc");
        const flags = ["--ignoreConfig", "--target", "es2022", "--module", "nodenext", "--types", "node"];
        const types = ["--typeRoots", file("node_modules/@types")];
        const programs = [join(root, "listener.ts"), join(root, "poster.ts")];
        const compiled = spawnSync(process.execPath, [tsc, ...flags, ...types, ...programs], {
            cwd: root,
            encoding: "utf8",
        });
        assert.equal(compiled.status, 0, compiled.stdout + compiled.stderr);
        extension = "js";
    }
    const listener = start(root, directory, `listener.${extension}`);
    await until(async () => listener.isOver || (await channels(options)).length === 1);
    assert.equal(await output(start(root, directory, `poster.${extension}`)), "response-bar\n");
    assert.equal(await output(listener), "request-foo\n");
});

test("the README's first example runs", async ({ directory }) => {
    const root = project(directory);
    const [, source] = readFileSync(file("README.md"), "utf8").match(/```js\n([\s\S]*?)```/);
    writeFileSync(join(root, "example.mjs"), source);
    assert.equal(await output(start(root, directory, "example.mjs")), "request-foo\nresponse-bar\n");
});

/** Starts a program that loads a copy of the package, which `change` has changed. */
function load(directory, change) {
    const root = project(directory);
    const copy = join(directory, "copy");
    cpSync(file("lib"), join(copy, "lib"), { recursive: true });
    cpSync(file("package.json"), join(copy, "package.json"));
    change(copy);
    writeFileSync(join(root, "load.cjs"), FIRST_CALL);
    return { root, name: "load.cjs" };
}

/** Loads the package, says whether it can work here, and then calls something of it. */
const FIRST_CALL = `
const simpleIpc = require("../copy/lib/index.cjs");
console.log(simpleIpc.supported);
simpleIpc.listenUdsPublish("a_channel");
`;

const addOn = (copy) => join(copy, "lib/simple-ipc.node");

for (const [what, change, texts] of [
    [
        "of another version",
        (copy) => {
            const manifest = readFileSync(file("package.json"), "utf8").replace(
                /"version": ".*"/,
                '"version": "9.9.9"',
            );
            writeFileSync(join(copy, "package.json"), manifest);
        },
        [/is of version 0\.\d+\.\d+, but simple-ipc is 9\.9\.9: install both again/, /simple-ipc-linux-\w+-gnu: /],
    ],
    ["absent", (copy) => rmSync(addOn(copy)), [/install simple-ipc-linux-\w+-gnu, .* --omit=optional/]],
    ["damaged", (copy) => writeFileSync(addOn(copy), "no library at all"), [/its file is damaged/]],
]) {
    test(`an add-on that is ${what} is named, with what was tried and what to do`, async ({ directory }) => {
        const { root, name } = load(directory, change);
        const { status, output, errors } = await start(root, directory, name).ended;
        assert.notEqual(status, 0);
        assert.equal(output, "false\n");
        assert.match(errors, /cannot load the add-on of simple-ipc for linux-/);
        for (const text of texts) assert.match(errors, text);
        assert.equal(errors.includes("--omit=optional"), what === "absent");
    });
}

test("a program imports the package where there is no add-on, and each of its calls fails", async ({ directory }) => {
    const { root } = load(directory, (copy) => rmSync(addOn(copy)));
    writeFileSync(
        join(root, "calls.mjs"),
        `import * as ipc from "../copy/lib/index.mjs";
        const codes = [];
        const refuse = ({ name, code, mayHaveBeenHandled }) => codes.push(name + " " + code + " " + mayHaveBeenHandled);
        const { length } = ipc.errorCodes;
        for (const [listen, ...handler] of [[ipc.listenUdsRequest, () => {}], [ipc.listenUdsBroadcast, () => {}], [ipc.listenUdsPublish]]) {
            try { listen("a", ...handler); } catch (error) { refuse(error); }
        }
        await ipc.postUdsStream("a", 1).next().catch(refuse);
        for (const [call, ...given] of [[ipc.postUdsRequest, "a", 1], [ipc.postIpBroadcast, 1, 1], [ipc.connect, "a"], [ipc.subscribeIp, 1]]) {
            await call(...given).catch(refuse);
        }
        await ipc.postUdsRequest("a", "x".repeat(10_000)).catch(refuse);
        await ipc.channels().catch(refuse);
        console.log(length, codes.length, ...new Set(codes));`,
    );
    assert.equal(await output(start(root, directory, "calls.mjs")), "0 10 IpcError native_library false\n");
});

const LOCKED = {
    node: [["--no-addons", "load.cjs"], /run node with --allow-addons/],
    deno: [["run", "--allow-read", "--allow-env", "--no-prompt", "--no-lock", "load.cjs"], /run deno with --allow-ffi/],
};

if (LOCKED[runtime]) {
    test("a process that may not load add-ons says how it may", async ({ directory }) => {
        const [args, text] = LOCKED[runtime];
        const { root } = load(directory, () => {});
        const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
        assert.notEqual(status, 0);
        assert.match(stderr, text);
        assert.equal(stderr.includes("--omit=optional"), false);
    });
}
