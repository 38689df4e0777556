// streaming.mjs DIRECTORY: answers on `streaming` with so many numbers, and then waits, until it is killed.
import { listenUdsRequest } from "../../lib/index.mjs";

const handler = async function* (n) {
    for (let i = 0; i < n; i++) yield i;
    await new Promise(() => {});
};
listenUdsRequest("streaming", handler, { directory: process.argv[2] });
console.log("ready");
