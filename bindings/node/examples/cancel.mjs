// A request to a slow handler is given up after 100 ms; the handler hears of it and stops.
import { listenUdsRequest, postUdsRequest } from "simple-ipc";

let hasHeard;
const heard = new Promise((resolve) => {
    hasHeard = resolve;
});
const server = listenUdsRequest("cancel", async (_data, { signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    hasHeard();
    return null;
});

try {
    await postUdsRequest("cancel", "take your time", { signal: AbortSignal.timeout(100) });
} catch {
    await heard;
    console.log("cancelled");
}
await server.close();
