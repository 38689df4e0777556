import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
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
]) {
    test(`the example ${name} prints what it says`, async ({ directory }) => {
        const root = project(directory, "examples");
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

test("an add-on that is missing or of another version is named, with what was tried", async ({ directory }) => {
    const root = project(directory);
    const copy = join(directory, "copy");
    cpSync(file("lib"), join(copy, "lib"), { recursive: true });
    writeFileSync(
        join(copy, "package.json"),
        readFileSync(file("package.json"), "utf8").replace(/"version": ".*"/, '"version": "9.9.9"'),
    );
    const source = 'require("../copy/lib/index.cjs")';
    writeFileSync(join(root, "load.cjs"), source);
    const { status, errors } = await start(root, directory, "load.cjs").ended;
    assert.notEqual(status, 0);
    assert.match(errors, /cannot load the add-on of simple-ipc for linux-/);
    assert.match(errors, /is of version 0\.\d+\.\d+, but simple-ipc is 9\.9\.9: install both again/);
    assert.match(errors, /simple-ipc-linux-\w+-gnu: /);
});
