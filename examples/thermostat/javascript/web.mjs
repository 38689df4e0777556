// A small web server before the thermostat: a page that shows its readings as they come, and sets its target.
//
// web.mjs [PORT]             any free port unless given; prints the page's address
//
// Every page in a browser can send requests to this machine's ports, and a name that its owner points here passes for one of ours.
// So the server answers only to its own address, and takes a target only from its own page.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import process from "node:process";
import { connect, subscribeUds } from "simple-ipc";

const page = readFileSync(new URL("page.html", import.meta.url));
const thermostat = await connect("thermostat", { wait: 60_000 });

/** One subscription for each page, so that a page that is slow holds up no other. Its end, and the page's, end both. */
async function readings(request, response) {
    const leaving = new AbortController();
    response.on("close", () => leaving.abort());
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    try {
        const events = await subscribeUds("thermostat", { topics: ["reading"], overflow: "drop_oldest" });
        // Ends the loop below when the page is gone.
        leaving.signal.addEventListener("abort", () => events.close());
        if (leaving.signal.aborted) events.close();
        for await (const event of events) {
            // What the browser has not taken yet waits for it here; the rest at the publisher, which drops the oldest.
            if (!response.write(`data: ${JSON.stringify(event.data)}\n\n`)) {
                await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
            }
        }
    } catch (error) {
        console.error(error.message);
    }
    response.end();
}

async function set(request, response) {
    let text = "";
    for await (const piece of request) {
        text += piece;
        if (text.length > 1000) return end(response, 413);
    }
    try {
        return end(response, 200, await thermostat.call("set", JSON.parse(text)));
    } catch (error) {
        return end(response, 400, { error: error.message });
    }
}

function end(response, status, value) {
    response.writeHead(status, { "content-type": "application/json" }).end(value && JSON.stringify(value));
}

const server = createServer(async (request, response) => {
    const own = `127.0.0.1:${server.address().port}`;
    if (request.headers.host !== own) return end(response, 421);
    switch (`${request.method} ${request.url}`) {
        case "GET /":
            return response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page);
        case "GET /readings":
            return readings(request, response);
        case "POST /target":
            if (request.headers.origin !== `http://${own}`) return end(response, 403);
            return set(request, response);
        default:
            return end(response, 404);
    }
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () =>
    console.log(`http://127.0.0.1:${server.address().port}/`),
);

async function leave() {
    server.close();
    server.closeAllConnections();
    await thermostat.close();
}
process.on("SIGTERM", leave).on("SIGINT", leave);
