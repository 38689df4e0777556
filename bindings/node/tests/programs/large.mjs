// Posts a JSON string of more than half a gibibyte, which only a program without such strings can write: the wire, by hand.
import { connect } from "node:net";

const socket = connect(`${process.argv[2]}/.deno.a.socket`);
const part = Buffer.alloc(1 << 20, "x");
socket.write(Buffer.from('\0"'));
for (let sent = 0; sent < 560; sent++) {
    if (!socket.write(part)) await new Promise((resolve) => socket.once("drain", resolve));
}
socket.end('"');
let said = "";
socket.setEncoding("utf8").on("data", (text) => {
    said += text;
});
socket.on("error", (error) => console.log(error.message));
socket.on("close", () => console.log(said));
