// Takes broadcasts more slowly than they come, until its standard input ends; says how much memory that took.
import { readFileSync } from "node:fs";
import { listenUdsBroadcast } from "../../lib/index.mjs";

let messages = 0;
const server = listenUdsBroadcast(
    "flood",
    async (data) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (data.length === 1 << 20) messages += 1;
    },
    { directory: process.argv[2] },
);
console.log("ready");
process.stdin.on("end", async () => {
    await server.close();
    const [, peak] = readFileSync("/proc/self/status", "utf8").match(/VmHWM:\s+(\d+) kB/);
    console.log(JSON.stringify({ messages, peak: peak * 1024 }));
    process.exit();
});
process.stdin.resume();
