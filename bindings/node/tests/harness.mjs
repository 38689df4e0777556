// A test runner for what Node, Deno and Bun have in common: their own are three different ones.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Far beyond what any test takes. Slow is not failed. */
const HANG = 300_000;

export const runtime = globalThis.Deno ? "deno" : globalThis.Bun ? "bun" : "node";

/** Whether names are pipes here, users have no numbers, and processes no signals. */
export const isWindows = process.platform === "win32";

const tests = [];

/**
 * A promise to be kept, under its name. The body gets `directory`, a scratch directory of its own; `options` with it; and
 * `use`, which has what it is given disposed of afterwards (Node 20 has no `await using`).
 */
export function test(name, body) {
    tests.push({ name, body });
}

/** What a test ends with that cannot be done here. */
class Skip extends Error {}

/** Ends a test that cannot be done here, and says why. */
export function skip(reason) {
    throw new Skip(reason);
}

/** Leaves a test out on Windows, and says why. */
export function skipOnWindows(reason) {
    if (isWindows) skip(reason);
}

/** Why tests of the Deno wire on a name are left out on Windows. */
export const NO_DENO_WIRE = "the Deno wire ends a message by ending one direction, which named pipes do not have";

/** Runs all tests one after another; the last line says how many passed. */
export async function run(only) {
    let failed = 0;
    let skipped = 0;
    const chosen = tests.filter(({ name }) => only === undefined || name.includes(only));
    for (const { name, body } of chosen) {
        const directory = scratch();
        const used = [];
        function use(resource) {
            used.push(resource);
            return resource;
        }
        let watchdog;
        const hung = new Promise((_, reject) => {
            watchdog = setTimeout(() => reject(new Error(`still running after ${HANG / 1000} s`)), HANG);
        });
        try {
            const kept = async () => {
                await body({ directory, options: { directory }, use });
                while (used.length) await used.pop()[Symbol.asyncDispose]();
            };
            await Promise.race([kept(), hung]);
            console.log(`ok ${name}`);
        } catch (error) {
            if (error instanceof Skip) {
                skipped += 1;
                console.log(`${name} is left out: ${error.message}`);
                continue;
            }
            failed += 1;
            console.log(`not ok ${name}\n${error?.stack ?? error}`);
        } finally {
            clearTimeout(watchdog);
            // After a failure, too: where names are pipes, an open listener keeps its file from being removed.
            for (const resource of used) await resource[Symbol.asyncDispose]().catch(() => {});
            // The system removes a file some time after the last process has let go of it.
            rmSync(directory, { recursive: true, force: true, maxRetries: 20 });
        }
    }
    const counts = [`${chosen.length - failed - skipped} passed`, `${failed} failed`];
    if (skipped) counts.push(`${skipped} skipped`);
    console.log(counts.join(", "));
    return failed;
}

export function scratch() {
    return mkdtempSync(join(tmpdir(), "simple-ipc-js-"));
}

/** The path of a file of the package. */
export function file(name) {
    return fileURLToPath(new URL(`../${name}`, import.meta.url));
}

/** The arguments with which this runtime runs a program. */
export function commandLine(program, args = []) {
    if (runtime === "deno") return ["run", "-A", "--quiet", "--no-lock", program, ...args];
    // Programs that fill their memory for a while have it taken back by a collection of their own.
    if (runtime === "node") return ["--expose-gc", program, ...args];
    return ["run", program, ...args];
}

/** A program in a process of its own, under this runtime. */
export class Program {
    output = "";
    errors = "";
    #listeners = new Set();

    constructor(program, args = [], { cwd, env } = {}) {
        this.child = spawn(process.execPath, commandLine(program, args), {
            cwd,
            env: { ...process.env, NO_COLOR: "1", ...env },
            stdio: ["pipe", "pipe", "pipe"],
        });
        this.child.stdout.setEncoding("utf8").on("data", (text) => {
            this.output += text;
            for (const listener of this.#listeners) listener();
        });
        this.child.stderr.setEncoding("utf8").on("data", (text) => {
            this.errors += text;
        });
        this.ended = new Promise((resolve) => {
            this.child.on("close", (status, signal) => {
                this.isOver = true;
                for (const listener of this.#listeners) listener();
                resolve({ status, signal, output: this.output, errors: this.errors });
            });
        });
    }

    /** Sends it a signal. (Deno's `child.kill` says that the signal ended it even where it was handled.) */
    kill(signal) {
        process.kill(this.child.pid, signal);
    }

    /** Waits until it has printed this. */
    async says(text) {
        while (!this.output.includes(text)) {
            if (this.isOver) throw new Error(`it ended without saying ${text}: ${this.output}${this.errors}`);
            await new Promise((resolve) => {
                const listener = () => {
                    this.#listeners.delete(listener);
                    resolve();
                };
                this.#listeners.add(listener);
            });
        }
    }
}

/** Waits until a condition holds, looking again and again. */
export async function until(condition) {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** The error that a promise rejects with. */
export async function failure(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    throw new Error("it did not fail");
}
