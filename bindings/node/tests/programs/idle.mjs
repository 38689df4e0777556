// Ends by itself: an idle client, an unref'd listener and a call of an unref'd client keep nothing alive.
import { connect, listenUdsRequest } from "../../lib/index.mjs";

const options = { directory: process.argv[2] };
const server = listenUdsRequest("a", (data) => (data === "never" ? new Promise(() => {}) : data), options).unref();
const client = await connect("a", options);
console.log(await client.request("answered"));
client.unref();
client.request("never").then(
    () => console.log("it was answered"),
    () => console.log("it failed"),
);
server.ref().unref();
console.log("idle");
