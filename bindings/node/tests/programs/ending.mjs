// Ends in the way that its first argument names, with a listener open, a handler running and calls in flight.
import { connect, listenUdsBroadcast, listenUdsRequest, postUdsRequest } from "../../lib/index.mjs";

const [, , way, directory] = process.argv;
const options = { directory };
let begun = 0;
listenUdsRequest(
    "a",
    () => {
        begun += 1;
        return new Promise(() => {});
    },
    options,
);
listenUdsBroadcast("b", () => new Promise(() => {}), options);
const client = await connect("a", options);
const caster = await connect("b", options);
const calls = [postUdsRequest("a", 1, options), client.request(2), client.request(new Uint8Array(1 << 20))];
for (let cast = 0; cast < 100; cast++) calls.push(caster.broadcast("x".repeat(1 << 16)));
// They end with the process; where they end before, that is no error of this program's.
for (const call of calls) call.catch(() => {});
while (begun < 3) await new Promise((resolve) => setTimeout(resolve, 1));
console.log("ready");

switch (way) {
    case "exit":
        process.exit(7);
        break;
    case "throw":
        setTimeout(() => {
            throw new Error("uncaught on purpose");
        });
        break;
    default:
        break; // It is ended from outside.
}
