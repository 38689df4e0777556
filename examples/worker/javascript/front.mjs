// The front end: starts a worker, has it compute, leaves a job, and starts another worker where one has crashed.
// node front.mjs [COMMAND OF THE WORKER…]
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { postUdsRequest, postUdsStream } from "simple-ipc";

const given = process.argv.slice(2);
const own = [process.execPath, fileURLToPath(new URL("worker.mjs", import.meta.url))];
const [program, ...rest] = given.length > 0 ? given : own;
const sum = { job: "sum_of_squares", to: 1000, steps: 4 };

/** A worker process. It ends with this one, since its standard input does. */
class Worker {
    constructor() {
        this.process = spawn(program, rest, { stdio: ["pipe", "inherit", "inherit"] });
        this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    }

    run(job) {
        // The first job may come before the worker listens.
        return postUdsStream("worker", job, { wait: 60_000 });
    }

    async end() {
        this.process.stdin.end();
        await this.ended;
    }
}

async function show(items) {
    for await (const item of items) console.log("progress" in item ? `${item.progress} %` : `result ${item.result}`);
}

let worker = new Worker();
await show(worker.run(sum));

for await (const item of worker.run({ job: "endless" })) {
    void item;
    break; // tells the worker
}
if (await postUdsRequest("worker", { job: "was_left" })) console.log("the job that was left has stopped");

try {
    await show(worker.run({ job: "unknown" }));
} catch (error) {
    if (error.code !== "handler_failed") throw error;
    console.log(`refused: ${error.handlerCode}`);
}

try {
    await show(worker.run({ job: "crash" }));
} catch (error) {
    if (error.code !== "connection_lost") throw error;
    console.log(`the worker crashed: ${error.code}`);
}
await worker.end();

worker = new Worker();
await show(worker.run(sum));
await worker.end();
