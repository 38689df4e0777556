// Many workers come and are terminated in the midst of their calls; the main thread's own calls go on.
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { channels, listenUdsRequest, postUdsRequest } from "../../lib/index.mjs";

const [, , directory, rounds, onlyWorkers] = process.argv;
const url = new URL("./worker.mjs", import.meta.url);
const server = onlyWorkers ? undefined : listenUdsRequest("main", (data) => data, { directory });
for (let round = 0; round < Number(rounds); round++) {
    const workers = [0, 1].map((number) => new Worker(url, { workerData: { directory, name: `w${round}_${number}` } }));
    const hellos = await Promise.all(workers.map((worker) => once(worker, "message")));
    const due = `hello from w${round}_1`;
    if (hellos[1][0] !== due) throw new Error(`${hellos[1][0]} instead of ${due}`);
    if (server && (await postUdsRequest("main", round, { directory })) !== round) throw new Error("wrong answer");
    await Promise.all(workers.map((worker) => worker.terminate()));
}
// What a terminated worker had is gone, without waiting.
while ((await channels({ directory })).length > (server ? 1 : 0))
    await new Promise((resolve) => setTimeout(resolve, 5));
await server?.close();
console.log(`left: ${readdirSync(directory).join(" ")}`);
