"use strict";

// Finds the add-on: beside this file in a checkout, in the platform's own package where it was installed. A program can load
// this package where there is none: its first call fails then, with what was tried and what to do.

const { IpcError } = require("./error.cjs");
const platforms = require("./platforms.json");
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
            tried.push({ candidate, why: firstLine(error), advice: adviceFor(error), error });
            continue;
        }
        const found = typeof native.version === "function" ? native.version() : "unknown";
        if (found === version) return { addon: native, supported: true };
        const advice = "install simple-ipc and its add-on again, in one version";
        const why = `is of version ${found}, but simple-ipc is ${version}: install both again`;
        tried.push({ candidate, why, advice });
    }
    const list = tried.map(({ candidate, why }) => `${candidate}: ${why}`).join("; ");
    // What is there and cannot be loaded tells more than what is not there.
    const reason = tried.find(({ advice }) => advice !== undefined) ?? tried.at(-1);
    const text = `cannot load the add-on of simple-ipc for ${platform}-${arch}: ${reason.advice ?? absent(fitting)} (tried ${list})`;
    return { addon: missing(text, reason.error), supported: false };
}

/** What stands in the add-on's place where there is none: whatever is called of it throws, with the stack of the call. */
function missing(text, cause) {
    const fail = () => {
        throw new IpcError("native_library", text, { cause });
    };
    return new Proxy({}, { get: () => fail });
}

/** Whether this process's C library is `libc`; one that does not tell may be any. It takes long, and is asked after a failure only. */
function hasLibc(libc) {
    if (libc === undefined) return true;
    let header;
    try {
        ({ header } = process.report.getReport());
    } catch {
        return true;
    }
    if (header === undefined || process.versions.bun !== undefined) return true;
    return (header.glibcVersionRuntime !== undefined) === (libc === "glibc");
}

/** What to do where no file of the add-on was found. */
function absent(fitting) {
    const installable = fitting.find(({ libc }) => hasLibc(libc));
    if (installable === undefined) {
        return `there is none for this platform; there are ${platforms.map(({ name }) => name).join(", ")}`;
    }
    return `install simple-ipc-${installable.name}, which package managers leave out with --omit=optional`;
}

/** What to do where the add-on was found and cannot be loaded; undefined where it was not found. */
function adviceFor(error) {
    const text = String(error?.message ?? error);
    if (error?.code === "ERR_DLOPEN_DISABLED") {
        return "this process may not load add-ons: run node with --allow-addons, and without --no-addons";
    }
    if (error?.code === "ERR_ACCESS_DENIED") {
        return "this process may not read the add-on's file: run node with --allow-fs-read for the package's folder";
    }
    if (error?.name === "NotCapable" || error?.name === "PermissionDenied") {
        return "this process may not load the add-on: run deno with --allow-ffi, --allow-read and --allow-env";
    }
    if (error?.code === "MODULE_NOT_FOUND" || /Cannot find (module|package)/.test(text)) return undefined;
    if (/GLIBC_[\d.]+' not found/.test(text)) return "it needs a newer glibc than this system has";
    if (/ELF|file too short|not a valid|truncated/i.test(text)) {
        return "its file is damaged or not for this machine: install simple-ipc and its add-on again";
    }
    return "the system refused to load it, for the reason given here";
}

function firstLine(error) {
    return String(error?.message ?? error).split("\n", 1)[0];
}

module.exports = load();
