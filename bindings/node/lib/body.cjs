"use strict";

// JavaScript's values to bodies and back: a Uint8Array is bytes, an Attached JSON with bytes, everything else JSON.

const { Attached, tagOf } = require("./attached.cjs");
const { addon } = require("./load.cjs");
const { toJson, refused } = require("./json.cjs");

/** From this length on, asking the add-on whether a string needs escapes is quicker than JSON.stringify's own look. */
const LONG = 4096;

/** A body for the add-on: a Uint8Array as it is, JSON text, or an array of the two, JSON first; `root` is what errors call the value. */
function encode(value, root = "data") {
    if (typeof value === "string") {
        return value.length >= LONG && addon.isPlain(value) ? `"${value}"` : JSON.stringify(value);
    }
    // Of every realm and every subclass, and nothing that only looks like one: the add-on takes no other object.
    if (typeof value === "object" && value !== null) {
        if (tagOf.call(value) === "Uint8Array") return bytes(value, root);
        if (Attached.is(value)) return [toJson(value.value, `${root}.value`), bytes(value.data, `${root}.data`)];
    }
    return toJson(value, root);
}

function bytes(value, root) {
    if (value.length === 0 && isDetached(value)) {
        throw refused(root, "a Uint8Array whose buffer was transferred away", "send a copy made before");
    }
    return value;
}

function isDetached(value) {
    try {
        new Uint8Array(value.buffer);
        return false;
    } catch {
        return true;
    }
}

/** The value of a body that has arrived; the core has checked that it is JSON where it is not bytes. */
function decode(body) {
    if (typeof body === "string") return JSON.parse(body);
    return Array.isArray(body) ? new Attached(JSON.parse(body[0]), body[1]) : body;
}

module.exports = { encode, decode };
