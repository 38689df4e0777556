// The same functions for `import`: one instance, however a program loads them.
import simpleIpc from "./index.cjs";

export const {
    Client,
    HandlerError,
    IpcError,
    Server,
    channels,
    connect,
    errorCodes,
    listenIpBroadcast,
    listenIpRequest,
    listenUdsBroadcast,
    listenUdsRequest,
    postIpBroadcast,
    postIpRequest,
    postUdsBroadcast,
    postUdsRequest,
    version,
} = simpleIpc;
