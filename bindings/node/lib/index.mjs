// The same functions for `import`: one instance, however a program loads them.
import simpleIpc from "./index.cjs";

export const {
    Client,
    HandlerError,
    IpcError,
    Server,
    Subscription,
    channels,
    connect,
    errorCodes,
    listenIpBroadcast,
    listenIpPublish,
    listenIpRequest,
    listenUdsBroadcast,
    listenUdsPublish,
    listenUdsRequest,
    postIpBroadcast,
    postIpRequest,
    postUdsBroadcast,
    postUdsRequest,
    subscribeIp,
    subscribeUds,
    supported,
    version,
} = simpleIpc;
