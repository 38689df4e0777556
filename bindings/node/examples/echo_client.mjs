// Posts "hello" and prints the reply: node echo_client.mjs [channel]
import { postUdsRequest } from "simple-ipc";

const channel = process.argv[2] ?? "example_channel";
console.log(await postUdsRequest(channel, "hello"));
