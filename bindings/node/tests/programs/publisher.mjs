// publisher.mjs DIRECTORY: publishes on `clock` what it is asked to, until it is killed.
import { listenUdsRequest } from "../../lib/index.mjs";

const clock = listenUdsRequest("clock", (data) => clock.publish(data), { directory: process.argv[2], publish: true });
console.log("ready");
