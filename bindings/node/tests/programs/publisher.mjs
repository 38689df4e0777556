// publisher.mjs DIRECTORY: a publisher on `clock`, until it is killed.
import { listenUdsPublish } from "../../lib/index.mjs";

listenUdsPublish("clock", { directory: process.argv[2] });
console.log("ready");
