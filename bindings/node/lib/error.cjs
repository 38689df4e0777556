"use strict";

/** What calls fail with; documented in index.d.ts. */
class IpcError extends Error {
    constructor(code, message, { cause, mayHaveBeenHandled = false, handlerCode, handlerData } = {}) {
        super(message, cause === undefined ? undefined : { cause });
        this.code = code;
        this.mayHaveBeenHandled = mayHaveBeenHandled;
        if (handlerCode !== undefined) this.handlerCode = handlerCode;
        if (handlerData !== undefined) this.handlerData = handlerData;
    }
}

/** Marks a handler's error of whatever copy of this package. */
const IS_HANDLER_ERROR = Symbol.for("simple-ipc.HandlerError");

/** What a handler throws on purpose; documented in index.d.ts. */
class HandlerError extends Error {
    constructor(message, { code, data, cause } = {}) {
        super(message, cause === undefined ? undefined : { cause });
        if (code !== undefined && typeof code !== "string") {
            throw invalidArgument(`a handler error's code is of type ${typeof code}: pass a string`);
        }
        this.code = code;
        this.data = data;
    }
}

for (const [type, name] of [
    [IpcError, "IpcError"],
    [HandlerError, "HandlerError"],
]) {
    Object.defineProperty(type.prototype, "name", { value: name, configurable: true, writable: true });
}
Object.defineProperty(HandlerError.prototype, IS_HANDLER_ERROR, { value: true });

/** An error from the add-on's parts. */
function fromNative([code, message, mayHaveBeenHandled, errno, source, handlerCode, handlerData]) {
    let cause;
    if (source !== null && source !== undefined) {
        cause = new Error(source);
        if (errno !== null && errno !== undefined) cause.errno = errno;
    }
    return new IpcError(code, message, {
        cause,
        mayHaveBeenHandled,
        handlerCode: handlerCode ?? undefined,
        handlerData: typeof handlerData === "string" ? JSON.parse(handlerData) : undefined,
    });
}

function invalidArgument(message, cause) {
    return new IpcError("invalid_argument", message, { cause });
}

/** The longest text of an error that is passed on. */
const MOST_TEXT = 4096;

/** A text for whatever was thrown: `TypeError: x is not a function`. Nothing that was thrown can make it fail. */
function textOf(error) {
    try {
        if (typeof error !== "object" || error === null) return String(error).slice(0, MOST_TEXT);
        const { message } = error;
        if (typeof message !== "string") return String(error).slice(0, MOST_TEXT);
        const name = typeName(error);
        return (message === "" ? name : `${name}: ${message}`).slice(0, MOST_TEXT);
    } catch {
        return "something was thrown that has no text";
    }
}

/** An error's name, or its class's where it has none of its own. */
function typeName(error) {
    const { name } = error;
    if (typeof name === "string" && name !== "" && name !== "Error") return name;
    const own = error.constructor?.name;
    return typeof own === "string" && own !== "" ? own : "Error";
}

function isHandlerError(error) {
    try {
        return error[IS_HANDLER_ERROR] === true;
    } catch {
        return false;
    }
}

module.exports = { IpcError, HandlerError, isHandlerError, fromNative, invalidArgument, textOf };
