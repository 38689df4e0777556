// Both sides talk at once, on one stream.
import { listenUdsRequest, postUdsStream } from "simple-ipc";

const server = listenUdsRequest("chat", async function* (name, { items }) {
    yield `hello, ${name}`;
    for await (const line of items) yield `you said: ${line}`;
    yield "goodbye";
});

const chat = postUdsStream("chat", "Ada");
const lines = ["how are you?", "see you"];
for await (const line of chat) {
    console.log(line);
    if (lines.length > 0) await chat.send(lines.shift());
    else chat.end();
}
await server.close();
