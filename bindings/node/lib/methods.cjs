"use strict";

const { HandlerError, invalidArgument } = require("./error.cjs");

// Handlers by name: a table of functions that is one listener's handler.

/** Fails a call with one of the codes that every language has for it. */
function refuse(code, message, method) {
    throw new HandlerError(message, { code, data: method === undefined ? undefined : { method } });
}

/** The handler that calls the function which a message `{"method": …, "params": …}` names, with its parameters. */
function dispatch(table) {
    // A map, so that no name finds what an object has by itself; a copy, so that later changes have no part in it.
    const functions = new Map(table instanceof Map ? table : Object.entries(table));
    if (functions.size === 0) {
        throw invalidArgument("the table of methods is empty: give at least one name and its function");
    }
    for (const [name, method] of functions) {
        if (typeof name !== "string")
            throw invalidArgument(`the name of a method is of type ${typeof name}: pass a string`);
        if (typeof method !== "function") {
            throw invalidArgument(`the method ${JSON.stringify(name)} is of type ${typeof method}: pass a function`);
        }
    }
    return function methods(message, context) {
        const name = message?.method;
        if (typeof name !== "string" || !Object.hasOwn(message, "method")) {
            const text = 'a call is an object with the name of a method: {"method": "name", "params": [...]}';
            refuse("invalid_request", text);
        }
        const method = functions.get(name);
        const quoted = JSON.stringify(name);
        if (method === undefined) refuse("method_not_found", `there is no method ${quoted}`, name);
        let { params = [] } = message;
        if (typeof params !== "object" || params === null) {
            refuse("invalid_request", `the params of method ${quoted} are neither an array nor an object`, name);
        }
        if (!Array.isArray(params)) params = [params];
        if (params.length < method.length) {
            const takes = method.length === 1 ? "1 parameter" : `${method.length} parameters`;
            refuse("invalid_params", `method ${quoted} takes ${takes}, not ${params.length}`, name);
        }
        return method.apply(context, params);
    };
}

/** The function that a listener calls: the one that was given, or one that calls those of a table. */
function handlerOf(given) {
    if (typeof given === "function") return given;
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
        const type = given === null ? "null" : Array.isArray(given) ? "an array" : `of type ${typeof given}`;
        throw invalidArgument(`the handler is ${type}: pass a function, or an object of functions by their names`);
    }
    return dispatch(given);
}

/** The message that calls a method; without parameters it has no `params`. */
function callOf(method, params) {
    if (typeof method !== "string") {
        throw invalidArgument(`the name of a method is of type ${typeof method}: pass a string`);
    }
    return params.length === 0 ? { method } : { method, params };
}

module.exports = { handlerOf, callOf };
