"use strict";

/** What calls fail with; documented in index.d.ts. */
class IpcError extends Error {
    constructor(code, message, { cause, mayHaveBeenHandled = false } = {}) {
        super(message, cause === undefined ? undefined : { cause });
        this.code = code;
        this.mayHaveBeenHandled = mayHaveBeenHandled;
    }
}
Object.defineProperty(IpcError.prototype, "name", {
    value: "IpcError",
    configurable: true,
    writable: true,
});

/** An error from the add-on's five parts. */
function fromNative([code, message, mayHaveBeenHandled, errno, source]) {
    let cause;
    if (source !== null && source !== undefined) {
        cause = new Error(source);
        if (errno !== null && errno !== undefined) cause.errno = errno;
    }
    return new IpcError(code, message, { cause, mayHaveBeenHandled });
}

function invalidArgument(message, cause) {
    return new IpcError("invalid_argument", message, { cause });
}

module.exports = { IpcError, fromNative, invalidArgument };
