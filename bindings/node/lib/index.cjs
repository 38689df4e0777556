"use strict";

const { isMainThread } = require("node:worker_threads");
const { addon, native } = require("./calls.cjs");
const { Client, connect } = require("./client.cjs");
const { IpcError, fromNative } = require("./error.cjs");
const listener = require("./listener.cjs");
const { check, CHANNELS } = require("./options.cjs");
const post = require("./post.cjs");
const { version } = require("../package.json");

async function channels(options) {
    const directory = check(options, CHANNELS)?.directory;
    const [found, error] = native.channels(directory);
    if (error !== undefined) throw fromNative(error);
    return found;
}

// `process.exit` and the end of the program: listeners remove their files. A worker that is terminated does it in the
// add-on's own hook.
process.on("exit", () => native.end(isMainThread));

exports.Client = Client;
exports.IpcError = IpcError;
exports.Server = listener.Server;
exports.channels = channels;
exports.connect = connect;
exports.errorCodes = Object.freeze(addon.errorKinds());
exports.listenIpBroadcast = listener.listenIpBroadcast;
exports.listenIpRequest = listener.listenIpRequest;
exports.listenUdsBroadcast = listener.listenUdsBroadcast;
exports.listenUdsRequest = listener.listenUdsRequest;
exports.postIpBroadcast = post.postIpBroadcast;
exports.postIpRequest = post.postIpRequest;
exports.postUdsBroadcast = post.postUdsBroadcast;
exports.postUdsRequest = post.postUdsRequest;
exports.version = version;
