// Compiled with `tsc --strict`, never run: what programs may write, and what they may not.
import { ReadableStream as WebStream } from "node:stream/web";
import {
    Attached,
    type ChannelInfo,
    type Client,
    type Context,
    channels,
    connect,
    HandlerError,
    type IpServer,
    IpcError,
    type IpcErrorCode,
    type IpcEvent,
    type IpcStream,
    type Items,
    listenIpBroadcast,
    listenIpPublish,
    listenIpRequest,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postIpRequest,
    postIpStream,
    postUdsBroadcast,
    postUdsRequest,
    postUdsStream,
    type Subscription,
    subscribeIp,
    subscribeUds,
} from "simple-ipc";

interface Order {
    id: number;
    items: string[];
}

// The original's signatures.
const server = listenUdsRequest("example_channel", (data: string) => {
    console.log(data);
    return "response-bar";
});
const path: string = server.path;
const reply: string = await postUdsRequest<string, string>("example_channel", "request-foo");
const inferred: string = await postUdsRequest("example_channel", "request-foo");
listenUdsRequest<Order, Uint8Array>("a", async (order, context: Context) => {
    const uid: number | undefined = context.peer.uid;
    context.signal.throwIfAborted();
    return new Uint8Array(order.id + (uid ?? 0));
});
listenUdsBroadcast<Order>("b", (order) => console.log(order.items));
listenUdsBroadcast("b", async (_order: Order) => {}, { grace: 10, onError: (_error: unknown) => {} });
const ip: IpServer = listenIpRequest(0, (data: number) => data + 1);
const port: number = ip.port;
listenIpBroadcast(0, () => {});
const sum: number = await postIpRequest<number, number>(port, 1, { timeout: 100, signal: AbortSignal.timeout(5) });
await postUdsBroadcast<Order>("b", { id: 1, items: [] }, { wire: "deno", wait: 5 });
const anything = await postUdsRequest("a", null);

{
    await using client: Client = await connect("a", { peers: [1000] });
    const order = await client.request<string, Order>("x", { timeout: Number.POSITIVE_INFINITY });
    await client.broadcast(order.items);
    await client.flush({ timeout: 5 });
    const took: number = await client.ping({ timeout: null, signal: AbortSignal.timeout(5) });
    await client.close({ timeout: Number.POSITIVE_INFINITY });
    client.unref().ref();
    console.log(took);
}
const found: ChannelInfo[] = await channels({ directory: "/tmp" });
try {
    await server.close();
} catch (error) {
    if (error instanceof IpcError) {
        const code: IpcErrorCode | "native_library" = error.code;
        const shown: [string | undefined, unknown] = [error.handlerCode, error.handlerData];
        console.log(shown);
        if (error.code === "timed_out" && error.mayHaveBeenHandled) console.log(code, error.cause);
    }
}

listenUdsRequest("c", () => {
    throw new HandlerError("only 3 are left", { code: "out_of_stock", data: { left: 3 } });
});
console.log(server.counters.inFlight + server.counters.abandoned);

const clock = listenUdsPublish("clock", { retain: true, patience: 5 });
const queued: number = await clock.publish<Order>(
    { id: 1, items: [] },
    { topic: "tick", signal: AbortSignal.timeout(5) },
);
for await (const event of await subscribeUds<Order>("clock", { topics: ["tick"], overflow: "drop_oldest", queue: 1 })) {
    const seen: IpcEvent<Order> = event;
    console.log(seen.data.items, seen.topic, seen.missed, seen.retained, queued);
}
{
    await using events: Subscription<Order> = await subscribeIp(listenIpPublish(0).port, { reconnect: null, wait: 5 });
    const step = await events.next({ timeout: 5, signal: AbortSignal.timeout(5) });
    if (!step.done) console.log(step.value.data.id);
    await events.unref().ref().close();
}
const chat = listenUdsBroadcast("chat", (line: string) => void chat.publish(line), { publish: true });
console.log(clock.counters.subscribers + clock.counters.tooSlow, found[0]?.publishes, found[0]?.subscribers);

listenUdsRequest("count", async function* (n: number) {
    for (let i = 0; i < n; i++) yield i;
});
listenUdsRequest("count", function* (n: number) {
    for (let i = 0; i < n; i++) yield i;
});
listenIpRequest<number, string>(
    0,
    (_n, { signal }) => new ReadableStream<string>({ cancel: () => signal.throwIfAborted() }),
);
listenUdsRequest<number, string>("any", async () => WebStream.from(["a", "b"]));
listenUdsRequest("total", async (_data: null, context: Context<number>) => {
    const items: Items<number> = context.items;
    let total = 0;
    for await (const n of items) total += n;
    const step = await items.next({ timeout: 5 });
    return step.done ? total : step.value;
});
const numbers: IpcStream<number, number> = postUdsStream<number, number>("count", 3, { idleTimeout: 5, timeout: null });
for await (const n of numbers) console.log(n + 1);
const upload = postIpStream<null, number, number>(1, null, {
    signal: AbortSignal.timeout(5),
    wait: 5,
    peers: "anyone",
});
await upload.accepted();
const sent: void = await upload.send(5, { timeout: 5 });
upload.end();
const web: WebStream<number> = WebStream.from(upload);
console.log(sent, web, server.counters.streams);
{
    await using talk = (await connect("a")).stream<Order, Order>({ id: 1, items: [] }, { idleTimeout: null });
    await talk.unref().ref().send({ id: 2, items: [] });
    const step = await talk.next({ timeout: 5 });
    if (!step.done) console.log(step.value.items);
    await talk.close();
}

// @ts-expect-error: an item of another type
upload.send("five");
// @ts-expect-error: a stream has no overflow
postUdsStream("count", 3, { overflow: "fail" });
// @ts-expect-error: a request has no idle timeout
postUdsRequest("count", 3, { idleTimeout: 5 });
// @ts-expect-error: a publisher has no handler
listenUdsPublish("clock", { onError: () => {} });
// @ts-expect-error: there is no such way
subscribeUds("clock", { overflow: "drop_newest" });
// @ts-expect-error: topics are several
subscribeUds("clock", { topics: "tick" });
// @ts-expect-error: a code is a string
new HandlerError("x", { code: 5 });
// @ts-expect-error: a name is a string
postUdsRequest(5, "x");
// @ts-expect-error: a port is a number
listenIpRequest("a", () => 1);
// @ts-expect-error: the answer of nobody knows what has no type
const untyped: string = anything;
// @ts-expect-error: there is no such wire
postUdsRequest("a", 1, { wire: "carrier-pigeon" });
// @ts-expect-error: there is no such option
postUdsRequest("a", 1, { timeOut: 1 });
// @ts-expect-error: there is no such code
new IpcError("no_such_code", "x");
// @ts-expect-error: a TCP listener has no path
const noPath: string = ip.path;

console.log(path, reply, inferred, sum, found, untyped, noPath);

// Tables of functions.
const methods = listenUdsRequest("calc", {
    add: (a: number, b: number) => a + b,
    async *count(n: number) {
        for (let i = 0; i < n; i++) yield i;
    },
    whose() {
        const pid: number | undefined = this.peer.pid;
        return pid ?? null;
    },
});
const methodsPath: string = methods.path;
listenIpRequest(0, new Map([["one", () => 1]]), { grace: 1 });
listenUdsBroadcast("log", { log: (line: string) => console.log(line) });
// @ts-expect-error
listenUdsRequest("calc", { add: 1 });
async function callMethods(calc: Client): Promise<number> {
    // @ts-expect-error
    await calc.call(1);
    return (await calc.call<number>("add", 1, 2)) + methodsPath.length;
}
void callMethods;

// JSON with bytes.
const attached: Attached<{ shape: number[] }> = new Attached({ shape: [2, 3] }, new Float64Array(6));
const beside: Uint8Array = attached.data;
new Attached(null, beside.buffer);
// @ts-expect-error: a text is no bytes.
new Attached(1, "text");
