"use strict";

// JavaScript's values to bodies and back: a Uint8Array is bytes, everything else JSON.

const addon = require("./load.cjs");
const { IpcError } = require("./error.cjs");

/** From this length on, asking the add-on whether a string needs escapes is quicker than JSON.stringify's own look. */
const LONG = 4096;

const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

/** Whether this is a Uint8Array or a subclass such as Buffer, also of another realm. */
function isBytes(value) {
    return value instanceof Uint8Array || tagOf.call(value) === "Uint8Array";
}

/** A body for the add-on: a Uint8Array as it is, or JSON text. */
function encode(value) {
    if (typeof value === "object" && value !== null) {
        if (isBytes(value)) return value;
        const isBuffer =
            ArrayBuffer.isView(value) ||
            value instanceof ArrayBuffer ||
            (typeof SharedArrayBuffer !== "undefined" && value instanceof SharedArrayBuffer);
        if (isBuffer) {
            const name = value.constructor?.name ?? "buffer";
            throw refused(`a value of type ${name}`, "only a Uint8Array is bytes; make one over its buffer");
        }
    }
    let text;
    try {
        if (typeof value === "string" && value.length >= LONG && addon.isPlain(value)) return `"${value}"`;
        text = JSON.stringify(value);
        // JSON.stringify writes NaN and infinities as null: where there is a null, each value is looked at.
        if (typeof value !== "string" && text?.includes("null")) JSON.stringify(value, refuseNaN);
    } catch (error) {
        if (error instanceof IpcError) throw error;
        throw refused("this value", reason(error), error);
    }
    if (text === undefined) {
        const what = typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
        throw refused(what, "JSON has no such value; null stands for nothing");
    }
    return text;
}

function refuseNaN(_key, value) {
    const number = value instanceof Number ? Number(value) : value;
    if (typeof number === "number" && !Number.isFinite(number)) {
        throw refused(String(number), "JSON has no such number; send null or a string");
    }
    return value;
}

function refused(what, why, cause) {
    return new IpcError("invalid_json", `cannot send ${what}: ${why}`, { cause });
}

/** Why JSON.stringify failed, in one line: its own text for a circular object has several. */
function reason(error) {
    const text = String(error?.message ?? error).split("\n", 1)[0];
    return /circular|cyclic/i.test(text) ? "it refers to itself; send a value without circles" : text;
}

/** The value of a body that has arrived; the core has checked that it is JSON where it is not bytes. */
function decode(body) {
    return typeof body === "string" ? JSON.parse(body) : body;
}

module.exports = { encode, decode };
