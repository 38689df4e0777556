import { postUdsRequest } from "simple-ipc";

const response = await postUdsRequest<string, string>("example_channel", "request-foo");
console.log(response); // => "response-bar"
