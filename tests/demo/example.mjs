// Listens, posts or subscribes in JavaScript: example.mjs listen NAME|:PORT, post NAME|:PORT TEXT, subscribe NAME.
// Node, Deno and Bun run it as it is; SIMPLE_IPC_MODULE is the address of the module in this checkout.

import process from "node:process";

const ipc = await import(process.env.SIMPLE_IPC_MODULE ?? "simple-ipc");
const [role, channel, text] = process.argv.slice(2);
const port = channel.startsWith(":") ? Number(channel.slice(1)) : undefined;

if (role === "listen") {
  const answer = (data) => {
    console.log(data);
    return "response-bar";
  };
  // Plain text is off on TCP unless it is asked for.
  const server = port === undefined
    ? ipc.listenUdsRequest(channel, answer)
    : ipc.listenIpRequest(port, answer, { plainText: true });
  console.error(`ready on ${server.path ?? `127.0.0.1:${server.port}`}`);
  for await (const _ of process.stdin);
  await server.close();
} else if (role === "subscribe") {
  for await (const event of await ipc.subscribeUds(channel, { wait: 60_000, reconnect: 0 })) console.log(event.data);
} else {
  const began = performance.now();
  const reply = await (port === undefined ? ipc.postUdsRequest(channel, text) : ipc.postIpRequest(port, text));
  console.error(Math.round((performance.now() - began) * 1000));
  console.log(reply);
}
