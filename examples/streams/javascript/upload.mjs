// A sequence goes up, and one answer comes back. The sender waits whenever the receiver falls behind.
import { listenUdsRequest, postUdsStream } from "simple-ipc";

const store = listenUdsRequest("upload", async (name, { items }) => {
    let [chunks, bytes] = [0, 0];
    for await (const chunk of items) {
        chunks += 1;
        bytes += chunk.length;
    }
    return { name, chunks, bytes };
});

const upload = postUdsStream("upload", "a film");
const chunk = new Uint8Array(64 * 1024);
for (let sent = 0; sent < 100; sent++) await upload.send(chunk);
upload.end();

const { value } = await upload.next();
console.log(`${value.name}: ${value.chunks} chunks, ${value.bytes} bytes`);
await store.close();
