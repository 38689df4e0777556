// A worker with everything open: it says so, and goes on until it is told to stop or is terminated.
import { parentPort, workerData } from "node:worker_threads";
import { connect, listenUdsBroadcast, listenUdsRequest, postUdsRequest } from "../../lib/index.mjs";

const { directory, name } = workerData;
const options = { directory };
const server = listenUdsRequest(name, (data) => (data === "never" ? new Promise(() => {}) : data), options);
listenUdsBroadcast(`${name}_casts`, () => {}, options);
const client = await connect(name, options);
const caster = await connect(`${name}_casts`, options);
const answer = await postUdsRequest(name, `hello from ${name}`, options);
client.request("never").catch(() => {});
(async () => {
    for (;;) await Promise.all([client.request("x".repeat(1000)), caster.broadcast("y".repeat(1000))]);
})().catch(() => {});
parentPort.on("message", async () => {
    await server.close();
    parentPort.postMessage("closed");
});
parentPort.postMessage(answer);
