// streamer.mjs DIRECTORY CHANNEL fast|quiet|idle|waits|COUNT: opens a stream, and does with it what the word says.
import { readFileSync } from "node:fs";
import { postUdsStream } from "../../lib/index.mjs";

const [, , directory, channel, how] = process.argv;
const resident = (name) => Number(readFileSync("/proc/self/status", "utf8").match(`${name}:\\s+(\\d+) kB`)[1]) * 1024;
const stream = postUdsStream(channel, how, { directory });

if (how === "fast" || how === "quiet") {
    // Until it is killed.
    for await (const item of stream) if (item === "begun") console.log(item);
} else if (how === "idle") {
    // Neither one that nobody waits for nor one that is unref'd keeps the process alive.
    await stream.next();
    stream.unref().next();
    stream.ref().unref();
    postUdsStream("nobody", 1, { directory, wait: null }).unref();
    console.log("idle");
} else if (how === "waits") {
    await stream.next();
    const waiting = stream.next();
    console.log("waits");
    console.log((await waiting).value);
    await stream.close();
} else {
    // Has so many chunks echoed, and says how much memory that took.
    const chunk = new Uint8Array(1 << 18).fill(7);
    await stream.send(chunk);
    let taken = (await stream.next()).value.length;
    const before = resident("VmRSS");
    const sending = (async () => {
        for (let sent = 1; sent < Number(how); sent++) await stream.send(chunk);
        stream.end();
    })();
    for await (const item of stream) taken += item.length;
    await sending;
    console.log(JSON.stringify({ taken, grown: resident("VmHWM") - before }));
}
