// sizes.mjs DIRECTORY: answers each request on `a` with its length, until its input ends.
import { listenUdsRequest } from "../../lib/index.mjs";

const server = listenUdsRequest("a", (data) => data.length, { directory: process.argv[2] });
process.stdin.on("end", () => server.close()).resume();
console.log("ready");
