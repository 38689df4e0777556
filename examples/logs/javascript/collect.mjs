// Collects the lines of all sources into a file, and publishes each, by its level, to whoever follows.
//
// collect.mjs FILE           until Ctrl-C or SIGTERM
import { closeSync, openSync, writeSync } from "node:fs";
import process from "node:process";
import { listenUdsBroadcast } from "simple-ipc";

const file = openSync(process.argv[2], "a");

const server = listenUdsBroadcast(
    "logs",
    (line) => {
        writeSync(file, `${JSON.stringify(line)}\n`);
        return server.publish(line, { topic: line.level });
    },
    { publish: true },
);

async function end() {
    await server.close();
    closeSync(file);
}
process.on("SIGTERM", end).on("SIGINT", end);
console.log("ready");
