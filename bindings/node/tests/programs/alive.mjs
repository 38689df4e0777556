// Stays alive: for its listener, and after that for its call in flight.
import { listenUdsRequest, postUdsRequest } from "../../lib/index.mjs";

const options = { directory: process.argv[2] };
const server = listenUdsRequest("alive", () => "answer", options);
postUdsRequest("later", 1, { ...options, wait: 60_000 }).then((reply) => {
    console.log(reply);
});
server.close();
console.log("ready");
