// The JavaScript driver of the interop matrix, for Node, Deno and Bun; ../README.md says what it reads and prints.
//
//     driver.mjs listen PREFIX | post | publish PREFIX | subscribe | streams PREFIX | stream
//
// SIMPLE_IPC_MODULE is the address of the module.

import { writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

import * as roles from "./driver_streams.mjs";

const ipc = await import(process.env.SIMPLE_IPC_MODULE);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const nextLine = async () => (await lines.next()).value;

function say(...fields) {
  let rest = Buffer.from(`${fields.join("\t")}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
}

let block = Buffer.alloc(0);
/** Bytes that count 0 to 250 over and over. */
function pattern(length) {
  if (block.length < length) block = Buffer.alloc(length, Uint8Array.from({ length: 251 }, (_, index) => index));
  return block.subarray(0, length);
}

const units = (text) => Array.from({ length: text.length }, (_, at) => text.charCodeAt(at).toString(16).padStart(4, "0")).join("");
const fromUnits = (text) => (text.match(/..../g) ?? []).map((unit) => String.fromCharCode(Number.parseInt(unit, 16))).join("");

function fromDescription(value) {
  if (typeof value !== "object" || value === null) return value;
  if ("s" in value) return fromUnits(value.s);
  if ("n" in value) return Number(value.n);
  if ("a" in value) return value.a.map(fromDescription);
  return Object.fromEntries(value.o.map(([key, item]) => [fromUnits(key), fromDescription(item)]));
}

function toDescription(value) {
  if (typeof value === "string") return { s: units(value) };
  if (typeof value === "number") return { n: Object.is(value, -0) ? "-0" : String(value) };
  if (Array.isArray(value)) return { a: value.map(toDescription) };
  if (typeof value === "object" && value !== null) {
    return { o: Object.entries(value).map(([key, item]) => [units(key), toDescription(item)]) };
  }
  return value;
}

function build(text) {
  if (text.startsWith("bytes:")) return pattern(Number(text.slice(6)));
  if (text.startsWith("attached:")) {
    const [, length, json] = /^attached:(\d+):(.*)$/s.exec(text);
    return new ipc.Attached(JSON.parse(json), pattern(Number(length)));
  }
  if (text.startsWith("json:")) return JSON.parse(text.slice(5));
  return fromDescription(JSON.parse(text.slice(6)));
}

function describe(value) {
  if (value instanceof Uint8Array) {
    return `bytes:${value.length}:${pattern(value.length).equals(value) ? "good" : "bad"}`;
  }
  if (value instanceof ipc.Attached) {
    const { length } = value.data;
    return `attached:${length}:${pattern(length).equals(value.data) ? "good" : "bad"}:${JSON.stringify(value.value)}`;
  }
  return `value:${JSON.stringify(toDescription(value))}`;
}

const releases = new Map();
let met = [];

async function answer(data, context) {
  const [order, verb, ...rest] = typeof data === "string" ? data.split(":") : [];
  if (order !== "do") {
    say("heard", describe(data));
  } else if (verb === "fail") {
    throw new Error(rest.join(":"));
  } else if (verb === "wait") {
    const id = rest.join(":");
    const event = await new Promise((resolve) => {
      releases.set(id, () => resolve("released"));
      context.signal.addEventListener("abort", () => resolve("cancelled"));
      say("started", id);
    });
    releases.delete(id);
    say(event, id);
  } else if (verb === "meet") {
    await new Promise((resolve) => {
      met.push(resolve);
      if (met.length === Number(rest[0])) {
        for (const go of met) go();
        met = [];
      }
    });
  }
  return data;
}

async function listen() {
  const hear = (data) => say("heard", describe(data));
  const options = { plainText: true };
  const servers = [
    ipc.listenUdsRequest(`${prefix}_requests`, answer, options),
    ipc.listenUdsBroadcast(`${prefix}_broadcasts`, hear, options),
    ipc.listenIpRequest(0, answer, options),
    ipc.listenIpBroadcast(0, hear, options),
  ];
  say("ready", servers[2].port, servers[3].port);
  for (let line = await nextLine(); line !== undefined; line = await nextLine()) {
    releases.get(line.split("\t")[1])();
  }
  for (const server of servers) await server.close();
}

function calls(address) {
  if (address.startsWith(":")) {
    const port = Number(address.slice(1));
    return [(...more) => ipc.postIpRequest(port, ...more), (...more) => ipc.postIpBroadcast(port, ...more)];
  }
  return [(...more) => ipc.postUdsRequest(address, ...more), (...more) => ipc.postUdsBroadcast(address, ...more)];
}

async function obey(verb, address, milliseconds, value, count) {
  const [request, broadcast] = calls(address);
  const timeout = Number(milliseconds);
  if (verb === "broadcast") {
    await broadcast(build(value), { timeout });
    return say("ok");
  }
  if (verb === "many") {
    const texts = Array.from({ length: Number(count) }, (_, number) => value + number);
    const replies = await Promise.all(texts.map((text) => request(text, { timeout })));
    if (replies.some((reply, number) => reply !== texts[number])) throw new Error("got another answer");
    return say("ok");
  }
  if (verb === "cancel") {
    const controller = new AbortController();
    const call = request(build(value), { timeout, signal: controller.signal });
    call.catch(() => {});
    await nextLine();
    controller.abort();
    try {
      await call;
      return say("ok");
    } catch (error) {
      // An aborted call rejects with the signal's reason, as everywhere in JavaScript.
      return say("error", error === controller.signal.reason ? "cancelled" : error.code, "maybe", error.message);
    }
  }
  return say("ok", describe(await request(build(value), { timeout })));
}

/** Does what each line says, until there is none. */
async function obeyAll(obey) {
  for (let line = await nextLine(); line !== undefined; line = await nextLine()) {
    try {
      await obey(...line.split("\t"));
    } catch (error) {
      say("error", error.code ?? "other", error.mayHaveBeenHandled === false ? "no" : "maybe", error.message);
    }
  }
}

async function post() {
  say("ready");
  await obeyAll(obey);
}

async function publish() {
  const options = { retain: true, patience: 20_000 };
  const named = ipc.listenUdsPublish(`${prefix}_publications`, options);
  const numbered = ipc.listenIpPublish(0, options);
  const verbs = {
    publish: (publisher, topic, value) => publisher.publish(build(value), topic === "-" ? {} : { topic }),
    async flood(publisher, count, size) {
      for (let index = 0; index < Number(count); index++) await publisher.publish(`flood:${index}:`.padEnd(Number(size), "x"));
    },
    counters({ counters }) {
      return [counters.subscribers, counters.published, counters.dropped, counters.tooSlow];
    },
  };
  say("ready", numbered.port);
  await obeyAll(async (verb, address, ...rest) => {
    const result = await verbs[verb](address.startsWith(":") ? numbered : named, ...rest);
    say(...["ok", result ?? []].flat());
  });
  await named.close();
  await numbered.close();
}

async function subscribe() {
  let events;
  const verbs = {
    async subscribe(address, milliseconds, overflow, queue, topics) {
      const options = { timeout: Number(milliseconds), overflow };
      if (queue !== "-") options.queue = Number(queue);
      if (topics !== "*") options.topics = topics.split(",");
      const isPort = address.startsWith(":");
      events = isPort ? await ipc.subscribeIp(Number(address.slice(1)), options) : await ipc.subscribeUds(address, options);
      return [];
    },
    async next(milliseconds) {
      const { done, value } = await events.next({ timeout: Number(milliseconds) });
      if (done) return ["end"];
      return [value.missed, Number(value.retained), value.topic || "-", describe(value.data)];
    },
    async take(last, pause) {
      let [delivered, missed, latest, inOrder] = [0, 0, -1, 1];
      while (delivered + missed < Number(last)) {
        const { done, value } = await events.next();
        if (done) throw new Error("the subscription has ended");
        delivered += 1;
        missed += value.missed;
        const [, index] = /^flood:(\d+):/.exec(value.data) ?? [];
        if (index !== undefined) {
          if (Number(index) <= latest) inOrder = 0;
          latest = Number(index);
        }
        if (Number(pause) > 0) await new Promise((resolve) => setTimeout(resolve, Number(pause) / 1000));
      }
      return [delivered, missed, inOrder];
    },
    async close() {
      await events.close();
      return [];
    },
  };
  say("ready");
  await obeyAll(async (verb, ...rest) => say("ok", ...(await verbs[verb](...rest))));
}

const [role, prefix] = process.argv.slice(2);
const tools = { say, obeyAll, build, describe };
const streams = () => roles.streams(ipc, tools, prefix);
const stream = () => roles.stream(ipc, tools);
await { listen, post, publish, subscribe, streams, stream }[role]();
