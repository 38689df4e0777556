/**
 * Processes on one machine talk by naming a channel. A name is a Unix-domain socket, a port is TCP on 127.0.0.1; a
 * request gets an answer, a broadcast gets none; an event that is published reaches everybody who has subscribed. A stream is a
 * request whose answer, and what its caller sends after it, are sequences of items.
 *
 * **Bodies.** A `Uint8Array` (so a `Buffer` too, and any view of one) is bytes; everything else is JSON, as
 * `JSON.stringify` writes it, except that what it would change without a word is refused with `invalid_json`, at every
 * depth and with the path: `cannot send data.items[3].image: a Uint8Array inside JSON; …`. Refused are `undefined` (but for
 * an object's members, which are then not there), holes in arrays, functions, symbols, `BigInt`, `NaN` and infinities,
 * invalid `Date`s, `Map`, `Set`, `RegExp`, `Error`, promises, circles, instances of classes that have no fields of their
 * own, and typed arrays and buffers inside other values or of another kind than `Uint8Array`. `toJSON` is called once. A
 * body has at most 64 MiB unless told otherwise.
 *
 * **Errors** are {@link IpcError}. A call whose `signal` is aborted rejects with the signal's reason, as in Node.
 *
 * **Staying alive.** An open listener and a call in flight, `next` of a subscription or stream and `send` among them, keep the
 * process alive; an idle client, and a subscription or stream that nobody waits for, do not.
 */

/** The stable name of an error kind. */
export type IpcErrorCode =
    | "invalid_argument"
    | "invalid_name"
    | "invalid_port"
    | "path_too_long"
    | "invalid_json"
    | "closed"
    | "forked"
    | "not_listening"
    | "in_use"
    | "permission_denied"
    | "path_occupied"
    | "no_directory"
    | "peer_not_allowed"
    | "wrong_mode"
    | "too_many_connections"
    | "timed_out"
    | "cancelled"
    | "connection_lost"
    | "handler_failed"
    | "too_large"
    | "no_reply"
    | "closing"
    | "too_slow"
    | "protocol"
    | "unsupported_version"
    | "invalid_body"
    | "os"
    | "out_of_resources"
    | "internal";

/** Why a call failed. */
export class IpcError extends Error {
    readonly name: "IpcError";
    /**
     * What a program decides by. `native_library`: this platform has no add-on, or it cannot be loaded; the message says what
     * was tried and what to do. See {@link supported}.
     */
    readonly code: IpcErrorCode | "native_library";
    /**
     * Whether the message may have been handled in spite of this error. `false` is certain: sending it again cannot do
     * the work twice.
     */
    readonly mayHaveBeenHandled: boolean;
    /** What caused it, where the system reported something: then `errno` is its number. */
    readonly cause?: unknown;
    /** `handler_failed` alone: the code with which the handler failed on purpose. */
    readonly handlerCode?: string;
    /** `handler_failed` alone: the data with which the handler failed on purpose. */
    readonly handlerData?: unknown;
    constructor(
        code: IpcErrorCode | "native_library",
        message: string,
        options?: { cause?: unknown; mayHaveBeenHandled?: boolean; handlerCode?: string; handlerData?: unknown },
    );
}

/**
 * What a handler throws (or rejects with) to fail on purpose. Its caller gets the message as `handler_failed`, with
 * `handlerCode` and `handlerData`. Code and data reach callers on native sessions of this version or later, where they fit
 * into what the caller takes.
 */
export class HandlerError extends Error {
    readonly name: "HandlerError";
    /** What the caller's program decides by. */
    readonly code: string | undefined;
    /** What else it is to know: a value that can be sent as JSON. */
    readonly data: unknown;
    /** @throws {IpcError} `invalid_argument` where the code is no string. */
    constructor(message: string, options?: { code?: string; data?: unknown; cause?: unknown });
}

/**
 * Whether the library can work here: its add-on for this platform was found and loaded. Where it is `false` the package can
 * be imported all the same, and every call fails with `native_library`.
 */
export const supported: boolean;

/** Every {@link IpcErrorCode}, in the order of their numbers; empty where the library is not {@link supported}. */
export const errorCodes: readonly IpcErrorCode[];

/** The package's version. */
export const version: string;

/** Where channels are, and what may go over them. */
export interface ChannelOptions {
    /** The directory of sockets and lock files, instead of `SIMPLE_IPC_DIR` or `/tmp`. */
    directory?: string | undefined;
    /** The socket's full path, instead of one made from the directory and the name. */
    path?: string | undefined;
    /** How the socket's file is called: as by this version of the Deno original. Default: `v0.0.1`. */
    pathStyle?: "v0.0.1" | "v0.0.3" | "v0.0.5" | "v0.0.14" | undefined;
    /** The largest body that is sent or taken, in bytes. Default: 64 MiB; at most 4 GiB - 1. */
    maxMessage?: number | undefined;
    /** Which users may be at the other end, besides root. Default: `same-user`. */
    peers?: "same-user" | "anyone" | readonly number[] | undefined;
    /**
     * How many bytes of memory a listener shares with its clients, all together, and whether a client asks for any: not where
     * it is 0; a whole number below 4 GiB. On Linux, between processes of one user. Default: what
     * `SIMPLE_IPC_SHARED_MEMORY` says, else 0.
     */
    sharedMemory?: number | undefined;
}

/** How long a call may take. */
export interface CallOptions {
    /** Milliseconds from the call to its answer; `null` or `Infinity` for no limit. Default: 30,000. */
    timeout?: number | null | undefined;
    /** Aborting it ends the call, tells the handler, and rejects the promise with the signal's reason. */
    signal?: AbortSignal | undefined;
}

/** Choices for a post or a client. */
export interface PostOptions extends ChannelOptions, CallOptions {
    /** `auto` (default): native where the listener is of this library, else the Deno original's wire. */
    wire?: "auto" | "native" | "deno" | undefined;
    /**
     * Milliseconds to wait for a listener to appear; the timeout starts after it; `null` or `Infinity` for as long as it
     * takes. Default: 0.
     */
    wait?: number | null | undefined;
}

/** How long a stream of a client may take. */
export interface CallStreamOptions {
    /** Milliseconds from the call to the stream's end; `null` or `Infinity`, as by default, for no limit. */
    timeout?: number | null | undefined;
    /**
     * The longest that the stream waits, in milliseconds: for its acceptance (30,000 where this is not set), for an item that
     * is asked for, and for room for one that is sent (both without limit where it is not set). What takes longer ends the stream
     * with `timed_out`. `null` or `Infinity` for no limit.
     */
    idleTimeout?: number | null | undefined;
    /** Aborting it closes the stream, tells the handler, and rejects `next` and `send` with the signal's reason. */
    signal?: AbortSignal | undefined;
}

/** Choices for a stream. */
export interface StreamOptions extends ChannelOptions, CallStreamOptions {
    /** Only native sessions have streams: with `deno` one fails with `unsupported_version`. Default: `auto`. */
    wire?: "auto" | "native" | "deno" | undefined;
    /**
     * Milliseconds to wait for a listener to appear; the other times start after it; `null` or `Infinity` for as long as it
     * takes. Default: 0.
     */
    wait?: number | null | undefined;
}

/** Choices for a subscription. Its `timeout` is that of subscribing: an event may take as long as it likes. */
export interface SubscribeOptions extends PostOptions {
    /**
     * The topics that are wanted, each exactly as it is published: 1 to 1,024 of at most 255 bytes of UTF-8 each. Default:
     * everything that is published, on whatever topic.
     */
    topics?: readonly string[] | undefined;
    /**
     * What happens when more waits for this subscriber than its `queue`. `fail` (default): it is cut off, and `next` rejects
     * with `too_slow` after what was sent. `drop_oldest`: it misses the oldest of what waits, and the next event says how
     * many. `block`: the publisher waits for it, as long as its `patience` lasts; then as `fail`. A publisher without patience
     * refuses `block` with `wrong_mode`.
     */
    overflow?: "fail" | "drop_oldest" | "block" | undefined;
    /** The most bytes that wait at the publisher, which takes at most its `maxSessionWaiting`. Default: 4 MiB. */
    queue?: number | undefined;
    /**
     * Milliseconds to look for the publisher, or the one that takes its place, after it was lost; `null` or `Infinity`, as by
     * default, for as long as it takes. With 0 a publisher that closes ends the iteration, and one that dies is
     * `connection_lost`.
     */
    reconnect?: number | null | undefined;
}

/** Choices for a listener that takes subscribers and no messages. */
export interface ListenPublishOptions extends ChannelOptions {
    /** The permission bits of the socket's file. Default: `0o600`. */
    socketMode?: number | undefined;
    /** The most connections at once. Default: 1024. */
    maxConnections?: number | undefined;
    /** The most requests of one client in flight, and broadcasts that wait; then it is not read. Default: 1024. */
    maxSessionInFlight?: number | undefined;
    /** The most messages in flight, of all clients together; then nobody is read. Default: 16,384. */
    maxInFlight?: number | undefined;
    /** The most bytes of one client that wait for handlers, or for it to read its answers. Default: 4 MiB. */
    maxSessionWaiting?: number | undefined;
    /** The same, of all clients together. Default: 256 MiB. */
    maxWaiting?: number | undefined;
    /** Milliseconds that a new connection may take to its first byte, and to the end of its hello. Default: 10,000. */
    helloTimeout?: number | undefined;
    /** Milliseconds that a sender may be silent inside a message. Default: 30,000. */
    stallTimeout?: number | undefined;
    /** Milliseconds that `close` waits for handlers that are running. Default: 5,000. */
    grace?: number | undefined;
    /** Whether plain text is taken. Default: yes on Unix sockets, no on TCP. */
    plainText?: boolean | undefined;
    /** Milliseconds between looks whether socket and lock file still stand. Default: 30,000. */
    checkInterval?: number | undefined;
    /**
     * Whether the last event of each topic is kept for subscribers who come later, within `maxWaiting`. Publishing an empty
     * `Uint8Array` on a topic forgets its event. Default: false.
     */
    retain?: boolean | undefined;
    /** Milliseconds that one `publish` waits for subscribers with `overflow: "block"`. Default: 0, and they are refused. */
    patience?: number | undefined;
}

/** Choices for a listener with a handler. */
export interface ListenOptions extends ListenPublishOptions {
    /** Whether it takes subscribers beside its messages, for {@link Server.publish}. Default: false. */
    publish?: boolean | undefined;
    /** Whether processes of the same user, and root, may see what passes, with `simple-ipc tap`. Default: false. */
    tap?: boolean | undefined;
    /**
     * Gets what a handler throws or rejects with. A request's caller is told its type and message in any case. Without it,
     * a failure that no caller hears of (a broadcast's, or a request's whose caller has gone) is said by `console.error`,
     * once.
     */
    onError?: ((error: unknown, context: Context) => void) | undefined;
}

/**
 * A JSON value with bytes beside it, in one body: an array with its shape, a picture with its name. It is sent where any other
 * value is; inside JSON it is refused, as bytes are. Listeners of version 0.1.0 and the Deno wire take none: a call rejects with
 * `unsupported_version` before anything is sent.
 */
export class Attached<T = unknown> {
    /**
     * `data` is taken as it is, and copied when it is sent: the bytes of any view or buffer. Throws `invalid_argument` where it
     * is neither.
     */
    constructor(value: T, data?: ArrayBufferView | ArrayBufferLike);
    /** What becomes JSON. */
    readonly value: T;
    /** The bytes. Of what has arrived they are in memory of their own. */
    readonly data: Uint8Array;
}

/** Who sent a message, as far as the system tells: all of it on Unix sockets, on TCP the user at most. */
export interface Peer {
    readonly pid: number | undefined;
    readonly uid: number | undefined;
    readonly gid: number | undefined;
}

/** What a handler gets beside the data; `TItem` is what the caller of a stream sends. */
export interface Context<TItem = unknown> {
    readonly peer: Peer;
    /**
     * Aborted when nobody waits for the answer any more, for whatever reason: the caller has given up, was aborted or has
     * gone, or the listener has closed and its grace period is over. It is made when it is first asked for, which a
     * handler does before it returns or awaits to the end. A handler that rejects with the signal's reason has not failed.
     */
    readonly signal: AbortSignal;
    /**
     * What the caller of a stream sends after its opening; of every other message it is empty. It may be gone through in several
     * loops, which share it: leaving one leaves the rest for the next.
     */
    readonly items: Items<TItem>;
}

/**
 * The items that a handler's caller sends, in order. They are taken from the caller as they are asked for: at most 256 KiB and one
 * item wait in this process. Once the message is settled there are none.
 */
export interface Items<T = unknown> extends AsyncIterableIterator<T, undefined, NextOptions | undefined> {
    /**
     * The next item; `done` where the caller has said that no more come. Several calls are served in their order. With a
     * `timeout` it rejects with `timed_out` where none has come by then, and with a `signal` with the signal's reason: nothing is
     * lost by that. It rejects with `cancelled` or `connection_lost` when the caller has left, and with `invalid_body` for an item
     * that cannot be read, which ends the caller's stream.
     */
    next(options?: NextOptions): Promise<IteratorResult<T, undefined>>;
    /** Leaves a loop. The rest is still there. */
    return(): Promise<IteratorReturnResult<undefined>>;
    [Symbol.asyncIterator](): this;
}

/**
 * An answer that is a sequence: the caller of a stream gets its values as items, one after the other, and as fast as it takes
 * them. A generator, an async generator, a `ReadableStream`, a `Readable` of Node's, or any other object that can be gone through with
 * `for await`, or that is an iterator; an array is a value.
 *
 * When the caller leaves, the sequence is ended where it is, by its `return` (a `ReadableStream` by `cancel`, a `Readable` by `destroy`): the `finally` blocks
 * of a generator that has come to a `yield` run at once. One that waits for something else goes on when it has that; it waits for
 * `context.signal` as well, or for `context.items`, to be told at once. What it throws is the caller's `handler_failed`, after
 * the items before it.
 */
export type Sequence<U> = AsyncIterable<U> | Iterator<U, unknown, undefined> | ReadableStream<U>;

/**
 * Takes one message. It may return a promise, and for the callers of streams a sequence. What it throws or rejects with is the
 * caller's `handler_failed`, with its type and message in one line (`TypeError: x is not a function`), or what a
 * {@link HandlerError} says; so is an answer that JSON cannot hold, `undefined` among them: return `null` for nothing. A value is the only item of a stream. A sequence for a
 * caller that wants one answer is the caller's `wrong_mode`, and is ended before it has begun.
 */
export type MessageHandler<T, U, TItem = unknown> = (
    data: T,
    context: Context<TItem>,
) => U | Promise<U> | Sequence<U> | Promise<Sequence<U>>;

/** A function of {@link Methods}: called with the parameters, and with the message's context as `this`. */
export type Method = (this: Context, ...params: never[]) => unknown;

/**
 * A handler that is a table of functions: the message `{"method": "add", "params": [1, 2]}` calls its `add` with 1 and 2, and
 * params that are an object with that one object. What a function returns is the answer, as of any handler. Only an object's
 * own functions are called. It is looked at once, when the listener starts.
 *
 * A method that is not there, fewer parameters than the function declares before the first with a default, and any other
 * message fail with the `handlerCode`s `method_not_found`, `invalid_params` and `invalid_request`.
 */
export type Methods = Readonly<Record<string, Method>> | ReadonlyMap<string, Method>;

/** What a listener has counted. */
export interface Counters {
    /** Connections accepted so far. */
    readonly connections: number;
    /** Connections open now. */
    readonly open: number;
    /** Messages handed to the handler. */
    readonly messages: number;
    /** Messages whose handler failed. */
    readonly failed: number;
    /** Connections that did not follow the protocol. */
    readonly malformed: number;
    /** Connections of users who may not connect. */
    readonly refused: number;
    /** Connections that ended inside a message. */
    readonly incomplete: number;
    /** Messages that are taken and not yet answered, now. */
    readonly inFlight: number;
    /** Requests that nobody waits for any more and whose handlers still run, now. */
    readonly abandoned: number;
    /** Subscribers, now. */
    readonly subscribers: number;
    /** Events published, whoever heard them. */
    readonly published: number;
    /** Events that subscribers missed because they were too slow, counted once for each of them. */
    readonly dropped: number;
    /** Subscribers that were cut off because they were too slow. */
    readonly tooSlow: number;
    /** Streams, now: those that have not ended, or whose handlers have not. */
    readonly streams: number;
}

/** Choices for one event. */
export interface PublishOptions {
    /** At most 255 bytes of UTF-8. Default: the empty topic. */
    topic?: string | undefined;
    /** Aborting it gives up an event that waits for `block` subscribers: it is then published to nobody. */
    signal?: AbortSignal | undefined;
}

/** A listener, made by one of the `listen…` functions. It listens until it is closed or its environment ends. */
export class Server {
    private constructor();
    /** The socket's path; `undefined` on TCP. */
    readonly path: string | undefined;
    /** The port; `undefined` on Unix sockets. */
    readonly port: number | undefined;
    /** What it has counted so far; after `close`, what it had counted then. */
    readonly counters: Counters;
    /**
     * Publishes an event to everybody who has subscribed to it by now, in the order of the calls. Resolves with the number of
     * subscribers for whom it was queued, 0 where there are none: nothing is kept for nobody.
     *
     * Where no subscriber has `overflow: "block"` the event is published when this returns. One that has it and no room makes
     * it wait, for the listener's `patience` at most. What is not awaited meanwhile gathers, up to `maxSessionWaiting` bytes;
     * beyond that it rejects with `out_of_resources`. Other rejections: `wrong_mode` where the listener was made without
     * `publish: true`, `too_large`, `invalid_argument` for the topic, `closed`.
     */
    publish<T = unknown>(data: T, options?: PublishOptions): Promise<number>;
    /**
     * Takes nothing new from now on (the channel is free at once), waits until what it has is answered and what it has
     * published is sent, for the grace period at most, and ends. It rejects with `timed_out` where a handler still runs then: its caller has been cut off.
     * Closing again returns the same promise.
     *
     * Awaited in one of its own handlers it begins to close and resolves at once, since it would wait for itself: the
     * handler's answer still goes out. That is known of the handler's own code and of what it awaits; a handler that
     * waits for a timer, an event or another program that closes its listener waits for the grace period.
     */
    close(): Promise<void>;
    /** Keeps the process alive while it listens, as it does unless told otherwise. */
    ref(): this;
    /** Does not keep the process alive. */
    unref(): this;
    [Symbol.asyncDispose](): Promise<void>;
}

/** A Unix-socket listener. */
export interface UdsServer extends Server {
    readonly path: string;
    readonly port: undefined;
}

/** A TCP listener. */
export interface IpServer extends Server {
    readonly path: undefined;
    readonly port: number;
}

/**
 * Answers requests on a Unix-socket channel; it listens when it returns.
 *
 * @param channel 1 to 85 characters of `A-Z a-z 0-9 _`.
 * @throws {IpcError} `in_use` where another listener lives, `invalid_name`, …
 */
export function listenUdsRequest<T = unknown, U = unknown, TItem = unknown>(
    channel: string,
    onMessage: MessageHandler<T, U, TItem>,
    options?: ListenOptions,
): UdsServer;
/** With {@link Methods}: see the same function above. */
export function listenUdsRequest(channel: string, methods: Methods, options?: ListenOptions): UdsServer;

/** Takes broadcasts on a Unix-socket channel. Those of one client come one after another, as the handler's promises settle. */
export function listenUdsBroadcast<T = unknown>(
    channel: string,
    onMessage: (data: T, context: Context) => void | Promise<void>,
    options?: ListenOptions,
): UdsServer;
/** With {@link Methods}: see the same function above. */
export function listenUdsBroadcast(channel: string, methods: Methods, options?: ListenOptions): UdsServer;

/** Answers requests on a port of 127.0.0.1; 0 lets the system pick one. */
export function listenIpRequest<T = unknown, U = unknown, TItem = unknown>(
    port: number,
    onMessage: MessageHandler<T, U, TItem>,
    options?: ListenOptions,
): IpServer;
/** With {@link Methods}: see the same function above. */
export function listenIpRequest(port: number, methods: Methods, options?: ListenOptions): IpServer;

/** Takes broadcasts on a port of 127.0.0.1; 0 lets the system pick one. */
export function listenIpBroadcast<T = unknown>(
    port: number,
    onMessage: (data: T, context: Context) => void | Promise<void>,
    options?: ListenOptions,
): IpServer;
/** With {@link Methods}: see the same function above. */
export function listenIpBroadcast(port: number, methods: Methods, options?: ListenOptions): IpServer;

/** Publishes on a Unix-socket channel, and takes no messages there; {@link Server.publish}. It listens when it returns. */
export function listenUdsPublish(channel: string, options?: ListenPublishOptions): UdsServer;

/** Publishes on a port of 127.0.0.1; 0 lets the system pick one. */
export function listenIpPublish(port: number, options?: ListenPublishOptions): IpServer;

/** What was published, as a subscriber gets it. */
export interface IpcEvent<T = unknown> {
    readonly data: T;
    /** The topic it was published on; empty where there was none. */
    readonly topic: string;
    /**
     * How many events this subscriber was due to get and missed right before this one: 0, or how many, or -1 where that is
     * not known, because the publisher was replaced.
     */
    readonly missed: number;
    /** Whether it was published before this subscriber came, and kept as its topic's last. */
    readonly retained: boolean;
}

/**
 * What is published on a channel from the subscription on, made by {@link subscribeUds} or {@link subscribeIp}.
 *
 * It is meant for `for await`, and is closed by leaving the loop. It connects again by itself where the publisher is lost.
 * Events are taken from the publisher as the program asks for them: at most 256 KiB and one event wait in this process.
 */
export class Subscription<T = unknown> implements AsyncIterableIterator<
    IpcEvent<T>,
    undefined,
    NextOptions | undefined
> {
    private constructor();
    /**
     * The next event; `done` where the subscription was closed, or the publisher has closed and `reconnect` is 0. Several
     * calls are served in their order. With a `timeout` it rejects with `timed_out` where no event has come by then, and with
     * a `signal` with the signal's reason: nothing is lost by that, and it can be called again. It rejects with `invalid_body`
     * for an event that cannot be read, and the next one can be asked for. Any other rejection is the end, and every further
     * call rejects with it: `too_slow`, `too_large`, `connection_lost`, …
     */
    next(options?: NextOptions): Promise<IteratorResult<IpcEvent<T>, undefined>>;
    /** Closes it, as `for await` does when the loop is left. */
    return(): Promise<IteratorReturnResult<undefined>>;
    /** Closes it, at any time: every `next` that waits is `done`. Closing again does nothing. */
    close(): Promise<void>;
    /** A `next` that waits keeps the process alive, as it does unless told otherwise. */
    ref(): this;
    /** A `next` that waits does not keep the process alive. */
    unref(): this;
    [Symbol.asyncIterator](): this;
    [Symbol.asyncDispose](): Promise<void>;
}

/** How long one event, one item, or room for one is waited for. */
export interface NextOptions {
    /** Milliseconds; 0 only looks whether one is there. `null` or `Infinity`, as by default, for no limit. */
    timeout?: number | null | undefined;
    /** Aborting it ends this wait alone. */
    signal?: AbortSignal | undefined;
}

/**
 * Subscribes to what a Unix-socket channel publishes. Every event whose `publish` begins after this has resolved is due.
 *
 * Rejects with `not_listening` where nobody publishes there (`wait` waits for somebody), `wrong_mode` where the listener does
 * not publish, `unsupported_version` where it is of a version that cannot.
 */
export function subscribeUds<T = unknown>(channel: string, options?: SubscribeOptions): Promise<Subscription<T>>;

/** Subscribes to what a port of 127.0.0.1 publishes. */
export function subscribeIp<T = unknown>(port: number, options?: SubscribeOptions): Promise<Subscription<T>>;

/** Posts a request to a Unix-socket channel; resolves with its answer. */
export function postUdsRequest<T = unknown, U = unknown>(channel: string, data: T, options?: PostOptions): Promise<U>;

/** Posts a broadcast to a Unix-socket channel; resolves when the handler has it. */
export function postUdsBroadcast<T = unknown>(channel: string, data: T, options?: PostOptions): Promise<void>;

/** Posts a request to a port of 127.0.0.1; resolves with its answer. */
export function postIpRequest<T = unknown, U = unknown>(port: number, data: T, options?: PostOptions): Promise<U>;

/** Posts a broadcast to a port of 127.0.0.1; resolves when the handler has it. */
export function postIpBroadcast<T = unknown>(port: number, data: T, options?: PostOptions): Promise<void>;

/**
 * A stream, made by {@link postUdsStream}, {@link postIpStream} or {@link Client.stream}: the items that the handler answers
 * with, and a way to send it items.
 *
 * It is meant for `for await`, and is closed by leaving the loop. Items come in order, each once; all that were sent before the
 * end, or before an error, come before it. They are taken from the other side as the program asks for them: at most 256 KiB and
 * one item wait on each side, in each direction. One that nobody has any more is closed when it is collected.
 *
 * It is returned before it is open. What goes wrong with that is what the first `next` or `send` rejects with: `not_listening`,
 * `wrong_mode`, `unsupported_version` where the listener is of a version without streams, …
 */
export class IpcStream<TItem = unknown, TReply = unknown> implements AsyncIterableIterator<
    TReply,
    undefined,
    NextOptions | undefined
> {
    private constructor();
    /** Resolves when the handler has begun, and rejects where it cannot, as the first `next` does. Nobody needs to ask. */
    accepted(): Promise<void>;
    /**
     * The next item; `done` where the handler has ended, or the stream was closed. Several calls are served in their order. With a
     * `timeout` it rejects with `timed_out` where none has come by then, and with a `signal` with the signal's reason: nothing
     * is lost by that, and it can be called again. It rejects with `invalid_body` for an item that cannot be read, and the
     * next one can be asked for. Any other rejection is the end, and every further call rejects with it: `handler_failed`, with
     * the handler's code and data, `connection_lost`, `too_large`, `timed_out` by `timeout` or `idleTimeout` of the stream, …
     */
    next(options?: NextOptions): Promise<IteratorResult<TReply, undefined>>;
    /**
     * Sends an item; resolves when there was room for it, and it is on its way. Items go in the order of the calls. A `timeout`
     * or `signal` gives up an item that has not been sent, and leaves the stream as it is.
     *
     * Await each: what waits gathers, up to 4 MiB; beyond that it rejects with `out_of_resources`. Where nobody on either side
     * takes items both wait, as long as `idleTimeout` allows. It rejects with `closed` where the handler has ended (what it
     * sent can still be read), after {@link IpcStream.end}, and after {@link IpcStream.close}; with `too_large` for an item that is
     * larger than one side takes, and with `invalid_json`, which leave the stream as it is.
     */
    send(item: TItem, options?: NextOptions): Promise<void>;
    /** Says that no more items come from here, after those that wait to be sent. It never fails; `next` tells what has. */
    end(): void;
    /** Closes it, as `for await` does when the loop is left. */
    return(): Promise<IteratorReturnResult<undefined>>;
    /**
     * Closes it, at any time: the handler is told at once, every `next` that waits is `done`, and every `send` rejects with
     * `closed`. It never fails and does not wait. Closing again does nothing.
     */
    close(): Promise<void>;
    /** A `next` or `send` that waits keeps the process alive, as it does unless told otherwise. */
    ref(): this;
    /** A `next` or `send` that waits does not keep the process alive. */
    unref(): this;
    [Symbol.asyncIterator](): this;
    [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a stream with a request to a Unix-socket channel, and returns at once. Its handler's sequence is what comes of it; an
 * answer that is a value is its one item.
 */
export function postUdsStream<T = unknown, U = unknown, TItem = T>(
    channel: string,
    data: T,
    options?: StreamOptions,
): IpcStream<TItem, U>;

/** Opens a stream with a request to a port of 127.0.0.1, and returns at once. */
export function postIpStream<T = unknown, U = unknown, TItem = T>(
    port: number,
    data: T,
    options?: StreamOptions,
): IpcStream<TItem, U>;

/** A channel kept open, made by {@link connect}. A session that breaks is replaced by the next call. */
export class Client {
    private constructor();
    /** Sends a request and resolves with its answer. */
    request<T = unknown, U = unknown>(data: T, options?: CallOptions): Promise<U>;
    /**
     * Calls a method of a listener that has {@link Methods}: `client.call("add", 1, 2)`. The same as
     * `client.request({ method: "add", params: [1, 2] })`, which takes options, and parameters by name.
     */
    call<U = unknown>(method: string, ...params: readonly unknown[]): Promise<U>;
    /** Opens a stream, on a connection of its own, and returns at once. Closing the client does not end it. */
    stream<T = unknown, U = unknown, TItem = T>(data: T, options?: CallStreamOptions): IpcStream<TItem, U>;
    /**
     * Sends a message that nobody answers, in the order of the calls; resolves when it is on its way, which takes long only
     * while too much waits to be sent. {@link Client.flush} makes sure of all.
     */
    broadcast<T = unknown>(data: T): Promise<void>;
    /** Resolves when the handler has every broadcast called before. In the broadcasts' own handler it waits for itself. */
    flush(options?: CallOptions): Promise<void>;
    /** Asks the listener whether it is there; resolves with how long that took, in milliseconds. */
    ping(options?: CallOptions): Promise<number>;
    /**
     * Flushes and closes; calls that wait for an answer end with `cancelled`, and their handlers are told. It is closed,
     * too, where the timeout ends what is left to be flushed. Closing again returns the same promise; other calls fail
     * with `closed`.
     */
    close(options?: CallOptions): Promise<void>;
    /** Its calls in flight keep the process alive, as they do unless told otherwise. */
    ref(): this;
    /** Its calls in flight do not keep the process alive. */
    unref(): this;
    [Symbol.asyncDispose](): Promise<void>;
}

/** Connects to a channel by its name or port and keeps it open. */
export function connect(channel: string | number, options?: PostOptions): Promise<Client>;

/** A live channel. */
export interface ChannelInfo {
    /** The name, `:port`, or the full path. */
    readonly channel: string;
    /** The path of the socket, or `127.0.0.1:port`. */
    readonly address: string;
    /** `null`, as the rest, where its lock file does not say or cannot be read. */
    readonly mode: "request" | "broadcast" | "publish" | null;
    /** The process that listens. */
    readonly pid: number | null;
    /** When it began to, in milliseconds since 1970. */
    readonly started: number | null;
    /** The version of the listener's library. */
    readonly version: string | null;
    /** Whether it takes subscribers. */
    readonly publishes: boolean;
    /** How many subscribers it has, as of at most a tenth of a second ago; `null` where it takes none. */
    readonly subscribers: number | null;
}

/** The live channels whose lock files are in a directory (or `SIMPLE_IPC_DIR`, or `/tmp`), by name. */
export function channels(options?: { directory?: string | undefined }): Promise<ChannelInfo[]>;
