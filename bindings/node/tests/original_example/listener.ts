import { listenUdsRequest } from "simple-ipc";

const ipc = listenUdsRequest("example_channel", (data: string) => {
    console.log(data); // => "request-foo"
    ipc.close();
    return "response-bar";
});
