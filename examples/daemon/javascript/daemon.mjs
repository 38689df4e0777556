// A service and its command: keeps notes as long as it runs.
//
// daemon.mjs start           in the foreground, until Ctrl-C, SIGTERM or `stop`
// daemon.mjs add TEXT…       adds a note
// daemon.mjs list            prints them
// daemon.mjs status          says whether it runs, and how many notes it has
// daemon.mjs stop            has it end when it has answered what it took
import process from "node:process";
import { connect, listenUdsRequest } from "simple-ipc";

const CHANNEL = "notes";

async function start() {
    const notes = [];
    let stop;
    const stopped = new Promise((resolve) => (stop = resolve));
    let server;
    try {
        server = listenUdsRequest(CHANNEL, {
            add: (text) => notes.push(text),
            list: () => notes,
            status: () => ({ notes: notes.length, requests: server.counters.messages }),
            stop: () => {
                stop();
                return null;
            },
        });
    } catch (error) {
        if (error.code !== "in_use") throw error;
        // One instance: listening is the lock.
        fail(`already running: ${error.message}`);
    }
    process.on("SIGTERM", stop).on("SIGINT", stop);
    console.log("ready");
    await stopped;
    await server.close(); // what was taken is answered, the channel's files are gone
    console.log("stopped");
    process.exit(0);
}

function fail(text) {
    console.error(text);
    process.exit(1);
}

async function call(method, ...parameters) {
    const client = await connect(CHANNEL).catch((error) => {
        if (error.code !== "not_listening") throw error;
        fail("not running: daemon.mjs start");
    });
    try {
        return await client.call(method, ...parameters);
    } finally {
        await client.close();
    }
}

const [verb, ...words] = process.argv.slice(2);
if (verb === "start" && words.length === 0) {
    await start();
} else if (verb === "add" && words.length > 0) {
    console.log(`note ${await call("add", words.join(" "))}`);
} else if (verb === "list" && words.length === 0) {
    for (const [index, note] of (await call("list")).entries()) console.log(`${index + 1}. ${note}`);
} else if (verb === "status" && words.length === 0) {
    console.log(`running with ${(await call("status")).notes} notes`);
} else if (verb === "stop" && words.length === 0) {
    await call("stop");
    console.log("stopping");
} else {
    fail("usage: daemon.mjs start | add TEXT… | list | status | stop");
}
