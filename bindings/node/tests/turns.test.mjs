import assert from "node:assert/strict";
import { connect as dial, createServer } from "node:net";
import { connect } from "../lib/index.mjs";
import { file, Program, runtime, test } from "./harness.mjs";

/** How many turns timers and other sockets are to have while answers come without a pause. */
const TURNS = 50;

test("however fast answers come, timers and other sockets have their turn between them", async ({ options, use }) => {
    const listener = new Program(file("tests/programs/sizes.mjs"), [options.directory]);
    await listener.says("ready");
    const client = use(await connect("a", options));
    const body = "x".repeat(1 << 20);
    let [answers, timers, echoes] = [0, 0, 0];
    const isOver = () => timers >= TURNS && echoes >= TURNS;
    const turned = () => {
        timers += 1;
        if (!isOver()) setTimeout(turned, 0);
    };
    // Its last echo may find nobody.
    const echo = createServer((peer) => peer.on("error", () => {}).pipe(peer));
    await new Promise((resolve) => echo.listen(0, "127.0.0.1", resolve));
    const socket = dial(echo.address().port, "127.0.0.1", () => socket.write("x"));
    socket.on("data", () => {
        echoes += 1;
        if (!isOver()) socket.write("x");
    });
    setTimeout(turned, 0);
    // Without turns between the answers this goes on for ever.
    async function lane() {
        while (!isOver()) {
            assert.equal(await client.request(body), body.length);
            answers += 1;
        }
    }
    await Promise.all(Array.from({ length: 4 }, lane));
    socket.destroy();
    echo.close();
    console.log(`# ${runtime}: ${answers} answers, ${timers} timers and ${echoes} echoes in turn`);
    listener.child.stdin.end();
    assert.equal((await listener.ended).status, 0);
});
