// A worker with everything open: it says so, and goes on until it is told to stop or is terminated.
import { parentPort, workerData } from "node:worker_threads";
import {
    connect,
    listenUdsBroadcast,
    listenUdsRequest,
    postUdsRequest,
    postUdsStream,
    subscribeUds,
} from "../../lib/index.mjs";

const { directory, name } = workerData;
const options = { directory };
const handler = (data, { items }) => {
    if (data === "echo") return items;
    return data === "never" ? new Promise(() => {}) : data;
};
const server = listenUdsRequest(name, handler, options);
const casts = listenUdsBroadcast(`${name}_casts`, () => {}, { ...options, publish: true });
const events = await subscribeUds(`${name}_casts`, options);
const client = await connect(name, options);
const caster = await connect(`${name}_casts`, options);
const answer = await postUdsRequest(name, `hello from ${name}`, options);
client.request("never").catch(() => {});
const stream = postUdsStream(name, "echo", options);
async function talk() {
    await stream.send("x".repeat(1000));
    await stream.next();
}
async function publish() {
    await casts.publish("z".repeat(1000));
    await events.next();
}
(async () => {
    for (;;) {
        await Promise.all([client.request("x".repeat(1000)), caster.broadcast("y".repeat(1000)), publish(), talk()]);
    }
})().catch(() => {});
parentPort.on("message", async () => {
    await server.close();
    parentPort.postMessage("closed");
});
parentPort.postMessage(answer);
