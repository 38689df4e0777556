// One side of a measurement in Node: bench.mjs serve KIND ADDRESS, bench.mjs measure KIND ADDRESS SIZE IN_FLIGHT SECONDS.
// As bench.py beside it. Kinds that carry JSON are measured with strings, those that carry bytes with a Buffer.

import { createRequire } from "node:module";
import net from "node:net";
import process from "node:process";

const peers = createRequire(`${process.env.PEERS ?? "."}/`);
const answer = (data) => (data.length <= 64 ? data : data.slice(0, 8));
const BYTES = ["simple-ipc-bytes", "net-bytes", "zeromq"];

/** Calls `each` with every line. */
function lines(socket, each) {
  let pieces = [];
  socket.setEncoding("utf8");
  socket.on("data", (text) => {
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      pieces.push(text.slice(0, end));
      each(pieces.join(""));
      pieces = [];
      text = text.slice(end + 1);
    }
    if (text !== "") pieces.push(text);
  });
}

/** Calls `each` with every message that has its length, in four bytes, before it. */
function pieces(socket, each) {
  let [got, length] = [[], 0];
  socket.on("data", (data) => {
    got.push(data);
    length += data.length;
    while (length >= 4) {
      if (got[0].length < 4) got = [Buffer.concat(got)];
      const size = got[0].readUInt32LE() + 4;
      if (length < size) return;
      const all = got.length === 1 ? got[0] : Buffer.concat(got);
      each(all.subarray(4, size));
      length -= size;
      got = length > 0 ? [all.subarray(size)] : [];
    }
  });
}

function sendPiece(socket, data) {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(data.length);
  socket.cork();
  socket.write(length);
  socket.write(data);
  socket.uncork();
}

const ours = {
  async serve(address) {
    const ipc = await import(process.env.SIMPLE_IPC_MODULE);
    ipc.listenUdsRequest(address, answer);
  },
  async request(address) {
    const ipc = await import(process.env.SIMPLE_IPC_MODULE);
    const client = await ipc.connect(address);
    return (data) => client.request(data);
  },
};

const kinds = {
  "simple-ipc": ours,
  "simple-ipc-bytes": ours,
  "net-bytes": {
    serve: (address) => new Promise((ready) => {
      net.createServer((socket) => {
        pieces(socket, (data) => sendPiece(socket, answer(data)));
        socket.on("error", () => {});
      }).listen(address, ready);
    }),
    async request(address) {
      const socket = net.connect(address);
      const waiting = [];
      pieces(socket, (data) => waiting.shift()(data));
      return (data) => new Promise((resolve) => {
        waiting.push(resolve);
        sendPiece(socket, data);
      });
    },
  },
  net: {
    serve: (address) => new Promise((ready) => {
      net.createServer((socket) => {
        lines(socket, (line) => socket.write(`${JSON.stringify(answer(JSON.parse(line)))}\n`));
        socket.on("error", () => {});
      }).listen(address, ready);
    }),
    async request(address) {
      const socket = net.connect(address);
      const waiting = [];
      lines(socket, (line) => waiting.shift()(JSON.parse(line)));
      return (data) => new Promise((resolve) => {
        waiting.push(resolve);
        socket.write(`${JSON.stringify(data)}\n`);
      });
    },
  },
  "node-ipc": {
    serve: (address) => new Promise((ready) => {
      const ipc = peers("node-ipc").default ?? peers("node-ipc");
      ipc.config.silent = true;
      ipc.serve(address, () => {
        ipc.server.on("request", (data, socket) => ipc.server.emit(socket, "reply", answer(data)));
        ready();
      });
      ipc.server.start();
    }),
    request: (address) => new Promise((connected) => {
      const ipc = peers("node-ipc").default ?? peers("node-ipc");
      ipc.config.silent = true;
      ipc.connectTo("bench", address, () => {
        const waiting = [];
        ipc.of.bench.on("reply", (data) => waiting.shift()(data));
        ipc.of.bench.on("connect", () => connected((data) => new Promise((resolve) => {
          waiting.push(resolve);
          ipc.of.bench.emit("request", data);
        })));
      });
    }),
  },
  zeromq: {
    async serve(address) {
      const router = new (peers("zeromq").Router)();
      await router.bind(`ipc://${address}`);
      (async () => {
        for await (const [peer, data] of router) await router.send([peer, answer(data)]);
      })();
    },
    async request(address) {
      const dealer = new (peers("zeromq").Dealer)();
      dealer.connect(`ipc://${address}`);
      const waiting = [];
      (async () => {
        for await (const [data] of dealer) waiting.shift()(data);
      })();
      // One send at a time is what a socket of zeromq takes.
      let sent = Promise.resolve();
      return (data) => new Promise((resolve) => {
        waiting.push(resolve);
        sent = sent.then(() => dealer.send(data));
      });
    },
  },
};

const [role, kind, address, size, inFlight, seconds] = process.argv.slice(2);
if (role === "serve") {
  await kinds[kind].serve(address);
  console.log("ready");
  process.stdin.on("end", () => process.exit(0)).resume();
} else {
  const request = await kinds[kind].request(address);
  const text = "x".repeat(Number(size));
  const data = BYTES.includes(kind) ? Buffer.from(text) : text;
  const milliseconds = Number(seconds) * 1000;
  let [count, over] = [0, false];
  const lane = async () => {
    while (!over) {
      await request(data);
      count += 1;
    }
  };
  const lanes = Array.from({ length: Number(inFlight) }, lane);
  await new Promise((resolve) => setTimeout(resolve, milliseconds / 5));
  count = 0;
  const began = performance.now();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  const result = count / ((performance.now() - began) / 1000);
  over = true;
  await Promise.all(lanes);
  console.log(result);
  process.exit(0);
}
