import assert from "node:assert/strict";
import { connect } from "../lib/index.mjs";
import { file, Program, test } from "./harness.mjs";

test("however fast answers come, timers and other sockets have their turn between them", async ({ options, use }) => {
    const listener = new Program(file("tests/programs/sizes.mjs"), [options.directory]);
    await listener.says("ready");
    const client = use(await connect("a", options));
    const body = "x".repeat(1 << 20);
    const lanes = 4;
    let [answers, last, most, turns] = [0, 0, 0, 0];
    const turned = () => {
        most = Math.max(most, answers - last);
        last = answers;
        turns += 1;
        if (answers < 400) setTimeout(turned, 0);
    };
    setTimeout(turned, 0);
    async function lane() {
        while (answers < 400) {
            assert.equal(await client.request(body), body.length);
            answers += 1;
        }
    }
    await Promise.all(Array.from({ length: lanes }, lane));
    listener.child.stdin.end();
    assert.equal((await listener.ended).status, 0);
    assert.equal(most < 40, true, `${most} answers came while the loop stood still, in ${turns} turns`);
});
