import assert from "node:assert/strict";
import { connect as dial, createServer } from "node:net";
import { connect, listenUdsRequest } from "../lib/index.mjs";
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

test("answers that come at once, in the same turn and in later ones each reach their caller", async ({
    options,
    use,
}) => {
    const handler = async (n) => {
        if (n % 4 === 1) await undefined;
        if (n % 4 === 2) await new Promise((resolve) => setImmediate(resolve));
        if (n % 4 === 3) await new Promise((resolve) => setTimeout(resolve, 1));
        return n;
    };
    const atOnce = (n) => n;
    for (const [name, each] of [
        ["turns", handler],
        ["at_once", atOnce],
    ]) {
        const server = use(listenUdsRequest(name, each, options));
        const clients = await Promise.all([use(await connect(name, options)), use(await connect(name, options))]);
        for (let round = 0; round < 3; round += 1) {
            const numbers = Array.from({ length: 400 }, (_, n) => n);
            const answers = await Promise.all(numbers.map((n) => clients[n % 2].request(n)));
            assert.deepEqual(answers, numbers);
        }
        assert.equal(server.counters.messages, 1200);
        assert.equal(server.counters.failed, 0);
    }
});
