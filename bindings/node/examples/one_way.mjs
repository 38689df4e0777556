// A client streams a thousand messages that nobody answers, and makes sure of all at the end.
import { connect, listenUdsBroadcast } from "simple-ipc";

let count = 0;
const server = listenUdsBroadcast("one_way", () => {
    count += 1;
});

const client = await connect("one_way");
for (let number = 0; number < 1000; number++) await client.broadcast(number);
await client.flush();
console.log(count);

await client.close();
await server.close();
