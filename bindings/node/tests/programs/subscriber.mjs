// subscriber.mjs DIRECTORY idle|waits|flood: subscribes to `clock`, and does with it what the word says.
import { readFileSync } from "node:fs";
import { subscribeUds } from "../../lib/index.mjs";

const [, , directory, how] = process.argv;
const resident = (name) => Number(readFileSync("/proc/self/status", "utf8").match(`${name}:\\s+(\\d+) kB`)[1]) * 1024;

if (how === "idle") {
    // Neither one that nobody waits for nor one that is unref'd keeps the process alive.
    const events = await subscribeUds("clock", { directory });
    await events.next({ timeout: 1 }).catch((error) => {
        if (error.code !== "timed_out") throw error;
    });
    const unreferenced = (await subscribeUds("clock", { directory })).unref();
    unreferenced.ref().next();
    unreferenced.unref();
    console.log("idle");
} else if (how === "waits") {
    const events = await subscribeUds("clock", { directory });
    const waiting = events.next();
    console.log("waits");
    console.log((await waiting).value.data);
} else {
    // Takes the first event, and the rest when its standard input has ended; says how much memory it has taken meanwhile.
    const events = await subscribeUds("clock", { directory, overflow: "drop_oldest" });
    console.log("ready");
    let [delivered, missed, before] = [0, 0, 0];
    for await (const event of events) {
        missed += event.missed;
        if (event.data === "over") break;
        delivered += 1;
        if (delivered > 1) continue;
        before = resident("VmRSS");
        await new Promise((resolve) => process.stdin.on("end", resolve).resume());
    }
    console.log(JSON.stringify({ delivered, missed, grown: resident("VmHWM") - before }));
}
