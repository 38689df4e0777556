// Its environment ends while it still runs, as some runtimes have it: it says what each call answers then.
import { createRequire } from "node:module";
import {
    channels,
    connect,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postUdsRequest,
    postUdsStream,
    subscribeUds,
} from "../../lib/index.mjs";

const { addon, environment } = createRequire(import.meta.url)("../../lib/calls.cjs");
const options = { directory: process.argv[2] };
let begin;
let running = 0;
const begun = new Promise((resolve) => {
    begin = resolve;
});
const answer = (data) => {
    if (data !== "never") return data;
    if (++running === 2) begin();
    return new Promise(() => {});
};
const server = listenUdsRequest("a", answer, options);
const stream = postUdsStream("a", "never", options);
await stream.accepted();
const client = await connect("a", options);
await client.request("x");
const waiting = client.request("never");
waiting.catch(() => {});
await begun;
const publisher = listenUdsPublish("p", options);
const events = await subscribeUds("p", options);

addon.end(environment, false);

const calls = {
    listen: async () => listenUdsBroadcast("b", () => {}, options),
    post: () => postUdsRequest("a", 1, options),
    connect: () => connect("a", options),
    request: () => client.request(1),
    broadcast: () => client.broadcast(1),
    flush: () => client.flush(),
    ping: () => client.ping(),
    closeClient: () => client.close(),
    publish: () => publisher.publish(1),
    subscribe: () => subscribeUds("p", options),
    next: () => events.next(),
    postStream: () => postUdsStream("a", 1, options).next(),
    nextItem: () => stream.next(),
    send: () => stream.send(1),
    closeStream: () => stream.close(),
    closeServer: () => server.close(),
    closeSubscription: () => events.close(),
    channels: () => channels(options),
};
for (const [name, call] of Object.entries(calls)) {
    console.log(
        name,
        await call().then(
            (value) => JSON.stringify(value) ?? "done",
            (error) => error.code,
        ),
    );
}
console.log("counters", server.counters.messages);
// What timers and collectors may still call, of this environment and of one that is gone.
for (const number of [environment, 4_000_000_000]) {
    addon.resume(number);
    addon.cancel(number, 1);
    addon.answer(number, 1, "null");
    addon.settle(number, 1);
    addon.fail(number, 1, "why");
    addon.watch(number, 1);
    addon.release(number, 1);
    addon.releaseClient(number, 1);
    addon.releaseSubscription(number, 1);
    addon.reply(number, 1);
    addon.endReply(number, 1);
    addon.streamEnd(number, 1);
    addon.releaseStream(number, 1);
    addon.keepAlive(number, false);
    addon.counters(number, 1);
    addon.end(number, false);
}
console.log("over");
process.exit(0);
