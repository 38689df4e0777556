"use strict";

const { isMainThread } = require("node:worker_threads");
const { Attached } = require("./attached.cjs");
const { addon, environment, supported } = require("./calls.cjs");
const { Client, connect } = require("./client.cjs");
const { HandlerError, IpcError, fromNative } = require("./error.cjs");
const listener = require("./listener.cjs");
const { check, CHANNELS } = require("./options.cjs");
const post = require("./post.cjs");
const stream = require("./stream.cjs");
const subscription = require("./subscription.cjs");
const { version } = require("../package.json");

async function channels(options) {
    const directory = check(options, CHANNELS)?.directory;
    const [found, error] = addon.channels(directory);
    if (error !== undefined) throw fromNative(error);
    return found;
}

/**
 * What is to be ended at the end of the process or worker: one listener of its event serves every copy of this package,
 * of which a test runner loads one for each file.
 */
const ENDS = Symbol.for("simple-ipc.ends");

function endsOfProcess() {
    const ends = new Set();
    process.on("exit", () => {
        for (const end of ends) end();
    });
    return ends;
}

// `process.exit` and the end of the program: listeners remove their files. A worker that is terminated does it in the
// add-on's own hook.
if (supported) {
    process[ENDS] ??= endsOfProcess();
    process[ENDS].add(() => addon.end(environment, isMainThread));
}

exports.Attached = Attached;
exports.Client = Client;
exports.HandlerError = HandlerError;
exports.IpcError = IpcError;
exports.IpcStream = stream.IpcStream;
exports.Server = listener.Server;
exports.Subscription = subscription.Subscription;
exports.channels = channels;
exports.connect = connect;
exports.errorCodes = Object.freeze(supported ? addon.errorKinds() : []);
exports.listenIpBroadcast = listener.listenIpBroadcast;
exports.listenIpPublish = listener.listenIpPublish;
exports.listenIpRequest = listener.listenIpRequest;
exports.listenUdsBroadcast = listener.listenUdsBroadcast;
exports.listenUdsPublish = listener.listenUdsPublish;
exports.listenUdsRequest = listener.listenUdsRequest;
exports.postIpBroadcast = post.postIpBroadcast;
exports.postIpRequest = post.postIpRequest;
exports.postIpStream = stream.postIpStream;
exports.postUdsBroadcast = post.postUdsBroadcast;
exports.postUdsRequest = post.postUdsRequest;
exports.postUdsStream = stream.postUdsStream;
exports.subscribeIp = subscription.subscribeIp;
exports.subscribeUds = subscription.subscribeUds;
exports.supported = supported;
exports.version = version;
