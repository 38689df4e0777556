// A worker reports how far it is while it works. Leaving the loop would stop it at its next `yield`.
import { listenUdsRequest, postUdsStream } from "simple-ipc";

const worker = listenUdsRequest("progress", async function* (files) {
    for (let done = 1; done <= files.length; done++) {
        await new Promise((resolve) => setTimeout(resolve, 1)); // the work
        yield { done, of: files.length };
    }
});

for await (const { done, of } of postUdsStream("progress", ["a", "b", "c"])) {
    console.log(`${done} of ${of}`);
}
await worker.close();
