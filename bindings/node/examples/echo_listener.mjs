// Answers each request with its own body until Ctrl-C: node echo_listener.mjs [channel]
import { listenUdsRequest } from "simple-ipc";

const channel = process.argv[2] ?? "example_channel";
const server = listenUdsRequest(channel, (data) => data);
process.once("SIGINT", async () => {
    await server.close();
    process.exit();
});
console.log(`listening on ${server.path}`);
