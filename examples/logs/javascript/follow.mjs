// Prints lines as they are collected.
//
// follow.mjs LEVEL [COUNT]   of one level; ends after COUNT lines, or at Ctrl-C
import process from "node:process";
import { subscribeUds } from "simple-ipc";

const [level, count = "Infinity"] = process.argv.slice(2);
// A follower that is slow loses the oldest lines and is told how many: it must hold up nobody.
const lines = await subscribeUds("logs", { topics: [level], overflow: "drop_oldest", wait: 60_000 });
console.log("following");
let seen = 0;
for await (const line of lines) {
    if (line.missed) console.log(`(${line.missed} lines were missed)`);
    console.log(`${line.data.source}: ${line.data.text}`);
    if (++seen >= Number(count)) break;
}
