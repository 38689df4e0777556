// The JavaScript peer of the chaos and soak runs; ../README.md says what it does and writes.
//
//     peer.mjs listen JOURNAL            until standard input ends
//     peer.mjs post JOURNAL NAME STOP    until the file STOP exists; rests for $PAUSE_MS after each round
//
// On Unix sockets, or on the two ports in $PORTS: `0,0` are ports that the system picks. SIMPLE_IPC_MODULE is the address of
// the module.

import { existsSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";

const ipc = await import(process.env.SIMPLE_IPC_MODULE);
const [role, journalPath, name, stop] = process.argv.slice(2);
const journal = openSync(journalPath, "a", 0o600);
const PATIENCE = 30_000;
const PADDING = "x".repeat(200_000);
const BATCH = 16;
const PAUSE = Number(process.env.PAUSE_MS ?? 0);
const onPorts = "PORTS" in process.env;
const [requestsAt, broadcastsAt] = onPorts ? process.env.PORTS.split(",").map(Number) : ["chaos_requests", "chaos_broadcasts"];

function note(...words) {
  const line = Buffer.from(`${process.hrtime.bigint()} ${words.join(" ")}\n`);
  if (writeSync(journal, line) !== line.length) throw new Error("a line of the journal could not be written");
}

const textOf = (error) => String(error.message).slice(0, 200);
const mayHave = (error) => {
  if (typeof error.mayHaveBeenHandled !== "boolean") throw error;
  return error.mayHaveBeenHandled;
};
const noteError = (kind, number, error) =>
  note(mayHave(error) ? "may" : "not", kind, number, error.code, textOf(error));

async function call(kind, number, large, post) {
  const head = `${kind} ${name} ${number}`;
  note("try", kind, number);
  try {
    const reply = await post(large ? `${head} ${PADDING}` : head);
    if ("hrtk".includes(kind) && reply !== head) note("wrong", kind, number, String(reply).slice(0, 200));
    else note("ok", kind, number);
  } catch (error) {
    noteError(kind, number, error);
  }
}

/** A batch of one-way messages on the kept session, and the flush that confirms them. */
async function stream(client, number) {
  let first = number + 1;
  for (let count = 0; count < BATCH; count++) {
    number++;
    note("try", "s", number);
    try {
      await client.broadcast(`s ${name} ${number}`);
    } catch (error) {
      if (mayHave(error)) {
        note("lost", "s", first, number, textOf(error));
        first = number + 1;
      } else {
        noteError("s", number, error);
      }
    }
  }
  try {
    await client.flush();
    note("flushed", "s", first, number);
  } catch (error) {
    mayHave(error);
    note("lost", "s", first, number, textOf(error));
  }
  return number;
}

/** Takes messages until standard input ends, and answers requests with their first three words. */
async function listen() {
  const handle = (data) => {
    const head = data.split(" ", 3).join(" ");
    note("handled", head);
    return head;
  };
  const servers = onPorts
    ? [ipc.listenIpRequest(requestsAt, handle), ipc.listenIpBroadcast(broadcastsAt, handle)]
    : [ipc.listenUdsRequest(requestsAt, handle), ipc.listenUdsBroadcast(broadcastsAt, handle)];
  note("ready");
  console.log(`ready ${servers.map((server) => server.port ?? 0).join(",")}`);
  for await (const _ of process.stdin);
  for (const server of servers) await server.close();
  note("closed");
}

async function post() {
  const request = (options) => (body) => (onPorts ? ipc.postIpRequest : ipc.postUdsRequest)(requestsAt, body, options);
  const broadcast = (options) => (body) => (onPorts ? ipc.postIpBroadcast : ipc.postUdsBroadcast)(broadcastsAt, body, options);
  const waiting = { wait: PATIENCE, timeout: PATIENCE };
  const hasty = { timeout: PATIENCE };
  const brief = { wait: PATIENCE, timeout: 20 };
  const requests = await ipc.connect(requestsAt, waiting);
  const broadcasts = await ipc.connect(broadcastsAt, waiting);
  const calls = [
    ["h", request(hasty)],
    ["r", request(waiting)],
    ["t", request(brief)],
    ["b", broadcast(waiting)],
    ["g", broadcast(hasty)],
    ["k", (body) => requests.request(body)],
    ["b", broadcast(waiting)],
  ];

  let streamed = 0;
  for (let number = 1; !existsSync(stop); number++) {
    if (number % 8 === 7) {
      streamed = await stream(broadcasts, streamed);
      if (PAUSE > 0) await setTimeout(PAUSE);
    } else {
      const large = number % 32 < 8 && number % 8 < 6 && Math.floor(number / 32) % 2 === 0;
      const [kind, post] = calls[number % 8];
      await call(kind, number, large, post);
    }
  }
  await requests.close();
  await broadcasts.close().catch(mayHave);
  note("done");
}

await (role === "listen" ? listen() : post());
