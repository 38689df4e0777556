// A program that says what it does: so many lines, every tenth of them an error.
//
// source.mjs NAME COUNT
import process from "node:process";
import { connect } from "simple-ipc";

const [name, count] = process.argv.slice(2);
const logs = await connect("logs", { wait: 60_000 });
for (let number = 1; number <= Number(count); number++) {
    const level = number % 10 === 0 ? "error" : "info";
    // Resolves at once, unless the collector is far behind.
    await logs.broadcast({ source: name, level, text: `line ${number}` });
}
// All lines are in the collector's file when this resolves; else it says how many may not be.
await logs.flush();
await logs.close();
