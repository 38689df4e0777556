// One side of a measurement in JavaScript: bench.mjs serve KIND ADDRESS, bench.mjs measure KIND ADDRESS WHAT SIZE SECONDS.
// README.md beside this file says what is measured. ADDRESS is a channel's name, or the path of a Unix socket.

import { createRequire } from "node:module";
import net from "node:net";
import path from "node:path";

const [role, kind, address, what, size, seconds] = process.argv.slice(2);
const nanoseconds = () => process.hrtime.bigint();

const clean = {
    count: 0n,
    at: 0n,
    note() {
        this.at = nanoseconds();
        this.count += 1n;
    },
    answer(body) {
        if (body.length !== 1) return body;
        const answer = Buffer.alloc(16);
        answer.writeBigUInt64LE(this.count, 0);
        answer.writeBigUInt64LE(this.at, 8);
        return answer;
    },
};

async function* forever(opening) {
    const item = Buffer.alloc(Number(Buffer.from(opening).readBigUInt64LE(0)));
    try {
        for (;;) yield item;
    } finally {
        clean.note();
    }
}

function serveUntilEnd() {
    process.stdout.write("ready\n");
    process.stdin.resume();
    process.stdin.on("end", () => process.exit(0));
}

function opening() {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(size), 0);
    return bytes;
}

async function timed(once) {
    const span = BigInt(Math.round(Number(seconds) * 1e9));
    for (const end = nanoseconds() + span / 5n; nanoseconds() < end; ) await once();
    const took = [];
    for (const end = nanoseconds() + span; nanoseconds() < end || took.length === 0; ) took.push(Number(await once()));
    took.sort((a, b) => a - b);
    return { p50_us: took[took.length >> 1] / 1e3 };
}

async function rate(items) {
    const iterator = items[Symbol.asyncIterator]();
    const span = BigInt(Math.round(Number(seconds) * 1e9));
    for (const end = nanoseconds() + span / 5n; nanoseconds() < end; ) await iterator.next();
    const began = nanoseconds();
    let count = 0;
    let now = began;
    for (; now < began + span; now = nanoseconds()) {
        // The clock is looked at now and then.
        for (let number = 0; number < 16; number++) await iterator.next();
        count += 16;
    }
    await iterator.return?.();
    return { rate: count / (Number(now - began) / 1e9) };
}

const cleaned = (answer) => {
    const bytes = Buffer.from(answer);
    return { count: bytes.readBigUInt64LE(0), at: bytes.readBigUInt64LE(8) };
};

/** What a client does: `open` gives an async iterable, `leave` gives it up, `request` is a plain request. */
async function measure({ open, leave, request }) {
    if (what === "down") return rate(open(opening()));
    if (what === "request") {
        const body = Buffer.alloc(Number(size));
        return timed(async () => {
            const began = nanoseconds();
            await request(body);
            return nanoseconds() - began;
        });
    }
    if (what === "first") {
        return timed(async () => {
            const began = nanoseconds();
            const stream = open(opening());
            await stream[Symbol.asyncIterator]().next();
            const took = nanoseconds() - began;
            await leave(stream);
            return took;
        });
    }
    return timed(async () => {
        const before = cleaned(await request(Buffer.from("?")));
        const stream = open(opening());
        const iterator = stream[Symbol.asyncIterator]();
        for (let number = 0; number < 5; number++) await iterator.next();
        const began = nanoseconds();
        await leave(stream);
        for (;;) {
            const now = cleaned(await request(Buffer.from("?")));
            if (now.count > before.count) return now.at - began;
        }
    });
}

async function simpleIpc() {
    const ipc = await import(process.env.SIMPLE_IPC_MODULE);
    return {
        async serve() {
            const handler = (body) => (body.length === 8 ? forever(body) : clean.answer(Buffer.from(body)));
            await ipc.listenUdsRequest(address, handler);
            serveUntilEnd();
        },
        async measure() {
            const client = await ipc.connect(address);
            return measure({
                open: (body) => client.stream(body),
                leave: (stream) => stream.close(),
                request: (body) => client.request(body),
            });
        },
    };
}

async function grpcJs() {
    const grpc = createRequire(path.join(process.env.PEERS, "index.js"))("@grpc/grpc-js");
    const method = (name, responseStream) => ({
        path: `/bench.Items/${name}`,
        requestStream: false,
        responseStream,
        requestSerialize: (value) => value,
        requestDeserialize: (value) => value,
        responseSerialize: (value) => value,
        responseDeserialize: (value) => value,
    });
    const service = { down: method("Down", true), one: method("One", false) };
    return {
        serve() {
            const server = new grpc.Server();
            server.addService(service, {
                one: (call, answer) => answer(null, clean.answer(call.request)),
                async down(call) {
                    const items = forever(call.request);
                    let leave;
                    const left = new Promise((resolve) => (leave = resolve));
                    call.on("cancelled", leave);
                    for await (const item of items) {
                        if (call.cancelled) break;
                        if (!call.write(item)) await Promise.race([new Promise((room) => call.once("drain", room)), left]);
                    }
                    call.end();
                },
            });
            server.bindAsync(`unix:${address}`, grpc.ServerCredentials.createInsecure(), serveUntilEnd);
        },
        measure() {
            const Client = grpc.makeGenericClientConstructor(service, "Items");
            const client = new Client(`unix:${address}`, grpc.credentials.createInsecure());
            return measure({
                open(body) {
                    const call = client.down(body);
                    // It ends with an error when it is cancelled.
                    call.on("error", () => {});
                    return call;
                },
                leave: (call) => call.cancel(),
                request: (body) =>
                    new Promise((resolve, reject) => client.one(body, (error, answer) => (error ? reject(error) : resolve(answer)))),
            });
        },
    };
}

/** The language's own socket: lengths and bodies, one stream a connection. */
async function sockets() {
    return {
        serve() {
            const server = net.createServer((connection) => {
                connection.on("error", () => {});
                connection.once("data", async (bytes) => {
                    const item = Buffer.alloc(Number(bytes.readBigUInt64LE(0)));
                    const frame = Buffer.concat([Buffer.alloc(4), item]);
                    frame.writeUInt32LE(item.length, 0);
                    while (!connection.destroyed) {
                        if (!connection.write(frame)) {
                            await new Promise((room) => connection.once("drain", room));
                        }
                    }
                });
            });
            server.listen(address, serveUntilEnd);
        },
        async measure() {
            const connection = net.connect(address);
            await new Promise((connected) => connection.once("connect", connected));
            connection.write(opening());
            async function* items() {
                let rest = Buffer.alloc(0);
                for await (const piece of connection) {
                    rest = rest.length ? Buffer.concat([rest, piece]) : piece;
                    let at = 0;
                    while (rest.length - at >= 4) {
                        const length = rest.readUInt32LE(at);
                        if (rest.length - at - 4 < length) break;
                        yield rest.subarray(at + 4, at + 4 + length);
                        at += 4 + length;
                    }
                    rest = rest.subarray(at);
                }
            }
            return rate(items());
        },
    };
}

const kinds = { "simple-ipc": simpleIpc, "grpc-js": grpcJs, net: sockets };
const one = await kinds[kind]();
if (role === "serve") {
    await one.serve();
} else {
    console.log(JSON.stringify(await one.measure()));
    process.exit(0);
}
