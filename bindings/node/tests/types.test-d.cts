// The same types from CommonJS. Compiled, never run.
import simpleIpc = require("simple-ipc");

const server: simpleIpc.UdsServer = simpleIpc.listenUdsRequest("a", (data: string) => data.length);
simpleIpc.postUdsRequest<string, number>("a", "x").then((length: number) => console.log(length, server.path));
