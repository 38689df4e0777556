"use strict";

// Finds the add-on: beside this file in a checkout, in the platform's own package where it was installed.

const platforms = require("./platforms.cjs");
const { version } = require("../package.json");

/** The file in which a checkout's own build lies. */
const BUILT = "./simple-ipc.node";

function load() {
    const { platform, arch } = process;
    const fitting = platforms.filter(({ os, cpu }) => os === platform && cpu === arch);
    const candidates = [BUILT, ...fitting.map(({ name }) => `simple-ipc-${name}`)];
    const tried = [];
    for (const candidate of candidates) {
        let native;
        try {
            native = require(candidate);
        } catch (error) {
            tried.push({ candidate, why: firstLine(error), error });
            continue;
        }
        const found = typeof native.version === "function" ? native.version() : "unknown";
        if (found === version) return native;
        const why = `is of version ${found}, but simple-ipc is ${version}: install both again`;
        tried.push({ candidate, why, error: undefined });
    }
    const list = tried.map(({ candidate, why }) => `${candidate}: ${why}`).join("; ");
    const advice = fitting.length
        ? `install simple-ipc-${fitting[0].name}, which package managers leave out with --omit=optional`
        : `there is none for this platform; there are ${platforms.map(({ name }) => name).join(", ")}`;
    const text = `cannot load the add-on of simple-ipc for ${platform}-${arch}: ${advice} (tried ${list})`;
    const error = new Error(text, { cause: tried.at(-1)?.error });
    error.code = "native_library";
    throw error;
}

function firstLine(error) {
    return String(error?.message ?? error).split("\n", 1)[0];
}

module.exports = load();
