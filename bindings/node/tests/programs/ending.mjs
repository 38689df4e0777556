// Ends in the way that its first argument names, with listeners open, a handler running, a subscription, streams and calls in
// flight.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
    connect,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postUdsRequest,
    postUdsStream,
    subscribeUds,
} from "../../lib/index.mjs";

const [, , way, directory] = process.argv;
const options = { directory };
let begun = 0;

/** Items without end, of which nobody takes the most. */
function* items() {
    for (;;) yield "x".repeat(1 << 10);
}

listenUdsRequest(
    "a",
    (data) => {
        if (data === "end") process.exit(7);
        if (data === "stream") return items();
        begun += 1;
        return new Promise(() => {});
    },
    options,
);
listenUdsBroadcast("b", () => new Promise(() => {}), options);
const client = await connect("a", options);
const caster = await connect("b", options);
const calls = [postUdsRequest("a", 1, options), client.request(2), client.request(new Uint8Array(1 << 20))];
for (let cast = 0; cast < 100; cast++) calls.push(caster.broadcast("x".repeat(1 << 16)));
const [flood, upload] = [postUdsStream("a", "stream", options), client.stream("stream")];
await Promise.all([flood.next(), upload.accepted()]);
for (let item = 0; item < 30; item++) calls.push(upload.send("x".repeat(1 << 16)));
const publisher = listenUdsPublish("p", { ...options, patience: 3_600_000 });
calls.push((await subscribeUds("p", options)).next());
await subscribeUds("p", { ...options, overflow: "block", queue: 1 });
for (let event = 0; event < 10; event++) calls.push(publisher.publish("x".repeat(1 << 18)));
// They end with the process; where they end before, that is no error of this program's.
for (const call of calls) call.catch(() => {});
while (begun < 3) await new Promise((resolve) => setTimeout(resolve, 1));
if (way === "worker") {
    const url = new URL("./worker.mjs", import.meta.url);
    await once(new Worker(url, { workerData: { directory, name: "of_worker" } }), "message");
}
console.log("ready");

switch (way) {
    case "exit":
    case "worker":
        process.exit(7);
        break;
    case "handler":
        client.request("end").catch(() => {});
        break;
    case "throw":
        setTimeout(() => {
            throw new Error("uncaught on purpose");
        });
        break;
    default:
        break; // It is ended from outside.
}
