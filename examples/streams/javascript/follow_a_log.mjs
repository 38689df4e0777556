// A log is followed as it is written, until the reader has seen enough.
import { appendFile, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenUdsRequest, postUdsStream } from "simple-ipc";

const directory = await mkdtemp(join(tmpdir(), "follow-a-log-"));
const log = join(directory, "log");
await appendFile(log, "started\n");

/** The lines of a file: those that it has, and those that come. */
async function* follow(path, { signal }) {
    const file = await open(path);
    try {
        let rest = "";
        while (!signal.aborted) {
            const { bytesRead, buffer } = await file.read();
            const lines = (rest + buffer.toString("utf8", 0, bytesRead)).split("\n");
            rest = lines.pop();
            yield* lines;
            if (bytesRead === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        }
    } finally {
        await file.close();
        console.log("the log is no longer followed");
    }
}

const server = listenUdsRequest("follow_a_log", follow);

for await (const line of postUdsStream("follow_a_log", log)) {
    console.log(line);
    if (line === "started") await appendFile(log, "working\nstopped\n");
    if (line === "stopped") break; // the handler is told at once
}
await server.close();
await rm(directory, { recursive: true });
