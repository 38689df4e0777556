"use strict";

const { isAnyArrayBuffer } = require("node:util/types");
const { IpcError } = require("./error.cjs");

/** What a value is of, where that is a typed array: asked of the value itself, whatever it pretends. */
const tagOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;

/** A JSON value with bytes beside it, in one body. */
class Attached {
    #value;
    #data;

    constructor(value, data = new Uint8Array(0)) {
        this.#value = value;
        this.#data = view(data);
    }

    get value() {
        return this.#value;
    }

    get data() {
        return this.#data;
    }

    /** What it is, without looking up a class in its prototypes: whatever else is asked has not made one. */
    static is(value) {
        return #data in value;
    }
}

/** The bytes of a view or a buffer, where they lie. */
function view(data) {
    if (tagOf.call(data) === "Uint8Array") return data;
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (isAnyArrayBuffer(data)) return new Uint8Array(data);
    const text = "cannot attach what is no bytes; attach a Uint8Array, another view of bytes, or an ArrayBuffer";
    throw new IpcError("invalid_argument", text);
}

module.exports = { Attached, tagOf };
