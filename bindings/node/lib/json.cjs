"use strict";

// JavaScript's values to JSON text. What JSON.stringify would change without a word is refused, at every depth.

const { types } = require("node:util");
const { IpcError, textOf } = require("./error.cjs");

const OBJECT = Object.prototype;
const ARRAY = Array.prototype;
const { isArray } = Array;
const { getPrototypeOf } = Object;
const TypedArray = getPrototypeOf(Uint8Array);

/** How deep the quick look goes; what lies deeper may be a circle. */
const QUICK_DEPTH = 64;

/** The JSON text of a value; `root` is what errors call it. */
function toJson(value, root) {
    if (isSurelyJson(value, QUICK_DEPTH)) {
        try {
            return JSON.stringify(value);
        } catch {
            // A getter that fails: the careful look tells which.
        }
    }
    return new Careful(root).text(value);
}

/**
 * Whether JSON.stringify writes all of this value as it is. It decides quickly for what most programs send: plain objects
 * and arrays of this realm; a "no" only means that a careful look is due.
 */
function isSurelyJson(value, depth) {
    switch (typeof value) {
        case "string":
        case "boolean":
            return true;
        case "number":
            return value - value === 0;
        case "object":
            break;
        default:
            return false;
    }
    if (value === null) return true;
    if (depth === 0) return false;
    try {
        return isArray(value) ? isPlainArray(value, depth - 1) : isPlainObject(value, depth - 1);
    } catch {
        return false;
    }
}

function isPlainArray(array, depth) {
    if (getPrototypeOf(array) !== ARRAY || array.toJSON !== undefined) return false;
    for (let at = 0; at < array.length; at++) {
        const item = array[at];
        if (typeof item === "string") continue;
        if (typeof item === "number") {
            if (item - item !== 0) return false;
        } else if (typeof item === "object") {
            if (item !== null && !isPlain(item, depth)) return false;
        } else if (typeof item !== "boolean") return false;
    }
    return true;
}

function isPlainObject(object, depth) {
    const prototype = getPrototypeOf(object);
    if (prototype !== OBJECT && prototype !== null) return false;
    for (const name in object) {
        const item = object[name];
        if (typeof item === "string") continue;
        if (typeof item === "number") {
            if (item - item !== 0) return false;
        } else if (typeof item === "object") {
            if (item !== null && !isPlain(item, depth)) return false;
        } else if (typeof item !== "boolean" && item !== undefined) return false;
    }
    return true;
}

function isPlain(item, depth) {
    if (depth === 0) return false;
    return isArray(item) ? isPlainArray(item, depth - 1) : isPlainObject(item, depth - 1);
}

/** Looks at each part of a value once, and copies what JSON has of it. */
class Careful {
    constructor(root) {
        this.root = root;
        /** The names and indices that lead to the part that is looked at. */
        this.keys = [];
        /** The objects that it lies in. */
        this.around = new Set();
    }

    text(value) {
        let copy;
        try {
            copy = this.part(value, "");
        } catch (error) {
            if (error instanceof Refusal) throw refused(this.path(), error.what, error.advice);
            if (error instanceof RangeError && /call stack/i.test(error.message)) {
                throw refused(this.root, "a value that is nested too deeply", "send it in a flatter form", error);
            }
            throw refused(this.path(), `reading it failed with ${textOf(error)}`, "send what can be read", error);
        }
        if (copy === undefined) throw refused(this.root, ...NOTHING);
        return JSON.stringify(copy);
    }

    path() {
        const { keys } = this;
        const parts = keys.map(part);
        // What is far too long is shown by its ends.
        if (parts.length > 20) parts.splice(10, parts.length - 20, " … ");
        return this.root + parts.join("");
    }

    part(given, key) {
        let value = given;
        switch (typeof value) {
            case "string":
            case "boolean":
            case "undefined":
                return value;
            case "number":
                return finite(value);
            case "function":
                throw new Refusal(`the function ${value.name || "(anonymous)"}`, "JSON has no functions: leave it out");
            case "symbol":
                throw new Refusal("a symbol", "JSON has no symbols: send its description");
            case "bigint":
                if (typeof value.toJSON !== "function") throw new Refusal(...BIGINT);
                break;
            default:
                if (value === null) return null;
                refuseBytes(value);
        }
        const { toJSON } = value;
        if (typeof toJSON === "function") {
            if (types.isDate(value) && Number.isNaN(Date.prototype.getTime.call(value))) {
                throw new Refusal("an invalid Date", "send null or a text");
            }
            // As JSON.stringify does: once, and what it returns is not asked again.
            value = toJSON.call(value, key);
            if (typeof value !== "object" || value === null) {
                if (typeof value === "bigint") throw new Refusal(...BIGINT);
                return this.part(value, key);
            }
            refuseBytes(value);
        }
        return this.object(value);
    }

    object(value) {
        if (types.isBoxedPrimitive(value)) return this.part(value.valueOf(), "");
        if (this.around.has(value)) throw new Refusal("a circle, an object that holds itself", "send a value without");
        this.around.add(value);
        const copy = isArray(value) ? this.array(value) : this.members(value);
        this.around.delete(value);
        return copy;
    }

    array(array) {
        const copy = [];
        for (let at = 0; at < array.length; at++) {
            this.keys.push(at);
            const item = this.part(array[at], String(at));
            if (item === undefined) {
                if (!(at in array)) throw new Refusal("a hole in an array", "null stands for nothing");
                throw new Refusal(...NOTHING);
            }
            copy.push(item);
            this.keys.pop();
        }
        return copy;
    }

    members(object) {
        const isPlainOne = isPlainPrototype(getPrototypeOf(object));
        if (!isPlainOne) refuseKind(object);
        const names = Object.keys(object);
        if (names.length === 0 && !isPlainOne) {
            throw new Refusal(
                `${article(nameOf(object))} without fields of its own`,
                "it would arrive as {}: send what it holds",
            );
        }
        const copy = Object.create(null);
        for (const name of names) {
            this.keys.push(name);
            const item = this.part(object[name], name);
            // As everywhere in JSON: a member that is undefined is a member that is not there.
            if (item !== undefined) copy[name] = item;
            this.keys.pop();
        }
        return copy;
    }
}

const NOTHING = ["undefined", "JSON has no such value: null stands for nothing"];
const BIGINT = ["a BigInt", "JSON has no such number: send it as a text"];

/** Why a part cannot be sent; the path comes later. */
class Refusal {
    constructor(what, advice) {
        this.what = what;
        this.advice = advice;
    }
}

function finite(value) {
    if (Number.isFinite(value)) return value;
    throw new Refusal(String(value), "JSON has no such number: send null or a text");
}

/** Whether an object with this prototype is a plain one, of whatever realm. */
function isPlainPrototype(prototype) {
    return prototype === null || (getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf"));
}

function refuseBytes(value) {
    if (types.isArrayBufferView(value)) {
        const isWhole = tagOf(value) === "Uint8Array";
        const advice = isWhole ? "send bytes as a body of their own, or as base64 text" : ONLY_UINT8ARRAY;
        throw new Refusal(`${article(kindOf(value))} inside JSON`, advice);
    }
    if (types.isAnyArrayBuffer(value)) throw new Refusal(`${article(tagOf(value))} inside JSON`, ONLY_UINT8ARRAY);
    if (value instanceof TypedArray) {
        throw new Refusal("what looks like a typed array and is none (a Proxy?)", "send the array itself");
    }
}

const ONLY_UINT8ARRAY = "only a Uint8Array can be sent as bytes, as a body of its own: make one over its buffer";

/** What JSON.stringify writes as an object without what it holds. */
const KINDS = [
    ["a Promise", "await it first", (value) => types.isPromise(value) || typeof value.then === "function"],
    ["a Map", "send Object.fromEntries(map) or [...map]", (value) => types.isMap(value) || value instanceof Map],
    ["a Set", "send [...set]", (value) => types.isSet(value) || value instanceof Set],
    ["a RegExp", "send its source", (value) => types.isRegExp(value) || value instanceof RegExp],
    [
        "an Error",
        "send its message, or an object with what matters of it",
        (value) => types.isNativeError(value) || value instanceof Error,
    ],
    ["a Date that is none (a Proxy?)", "send the Date itself", (value) => value instanceof Date],
];

function refuseKind(object) {
    for (const [what, advice, is] of KINDS) {
        if (is(object)) throw new Refusal(what, advice);
    }
}

function article(name) {
    return `${/^[AEIO]/i.test(name) ? "an" : "a"} ${name}`;
}

function tagOf(value) {
    return OBJECT.toString.call(value).slice(8, -1);
}

/** A view's kind: Buffer and other subclasses by the name of what they are. */
function kindOf(view) {
    return typeof Buffer === "function" && view instanceof Buffer ? "Buffer" : tagOf(view);
}

function nameOf(object) {
    const name = object.constructor?.name;
    return typeof name === "string" && name !== "" ? name : "value of a class";
}

/** A key as it is written behind a path. */
function part(key) {
    if (typeof key === "number") return `[${key}]`;
    const short = key.length > 60 ? `${key.slice(0, 60)}…` : key;
    return /^[A-Za-z_$][\w$]*$/.test(short) ? `.${short}` : `[${JSON.stringify(short)}]`;
}

function refused(path, what, advice, cause) {
    return new IpcError("invalid_json", `cannot send ${path}: ${what}; ${advice}`, { cause });
}

module.exports = { toJson, refused };
