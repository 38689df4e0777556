/*
 * Simple IPC: processes on one machine talk by naming a channel.
 *
 * One process listens (`sipc_listen_…`: its handler runs on threads of the library; `sipc_queue_listen_…`: in the thread of
 * the program's event loop), others send. There are five ways to send; a program may mix them:
 *
 *     calls                for                                 waits in          many at once by    given up by
 *     sipc_post_…          a message now and then              the calling       threads            its timeout
 *                                                              thread
 *     sipc_client_…        many messages on one channel:       the calling       threads            `sipc_client_close`,
 *                          faster, and broadcasts in order     thread                               its timeout
 *     …_async              a thread that must not wait; a      a callback on     operations         `sipc_operation_cancel`,
 *                          call that another thread may end    another thread                       `sipc_client_close`
 *     sipc_queue           an event loop; the most messages    a callback in     one queue          `sipc_queue_cancel`
 *                          a second from one thread            the loop's thread
 *     …_stream             an answer, or a question, that is   the calling       streams            `sipc_stream_close`
 *                          a sequence of items                 thread
 *
 * A broadcast goes to the one process that listens. What a listener publishes (`sipc_listen_uds_publish`,
 * `sipc_publish`) goes to all who subscribe (`sipc_subscribe_uds`): they take it from a `sipc_stream` in the calling
 * thread, in a callback on another thread, or when an event loop says that its descriptor is readable.
 *
 *     sipc_stream *events = NULL;
 *     sipc_message *event = NULL;
 *     if (sipc_subscribe_uds("clock", NULL, &events, &error) == SIPC_OK)
 *         while (sipc_stream_next(events, SIPC_NO_TIMEOUT, &event, &error) == SIPC_OK && event) {
 *             printf("%s %lld\n", sipc_message_json(event), (long long)sipc_message_missed(event));
 *             sipc_message_free(event);
 *         }
 *     sipc_stream_free(events);
 *
 * A handler may answer with a sequence, and read items that its caller sends. Each side holds at most 256 KiB and one
 * item that its program has not taken: a side that is ahead waits. A caller that leaves is noticed by the handler's next
 * call, also by one that waits:
 *
 *     static void on_count(const sipc_message *request, sipc_responder *responder, void *user_data) {
 *         sipc_stream *answer = NULL;
 *         if (sipc_responder_stream(responder, &answer, NULL) != SIPC_OK) // uses the responder up
 *             return;
 *         for (int i = 0; i < 3 && sipc_stream_send(answer, sipc_text("item"), SIPC_NO_TIMEOUT, NULL) == SIPC_OK; i++) {}
 *         sipc_stream_end(answer, NULL);                                  // sipc_stream_fail instead: SIPC_HANDLER_FAILED
 *         sipc_stream_free(answer);                                       // without an end: SIPC_HANDLER_FAILED
 *     }
 *
 *     sipc_stream *items = NULL;
 *     sipc_message *item = NULL;
 *     if (sipc_post_uds_stream("count", sipc_json("null"), NULL, &items, &error) == SIPC_OK)
 *         while (sipc_stream_next(items, SIPC_NO_TIMEOUT, &item, &error) == SIPC_OK && item) {
 *             printf("%s\n", sipc_message_text(item));
 *             sipc_message_free(item);
 *         }
 *     sipc_stream_free(items);                                            // before the end: the handler learns of it
 *
 * Eight calls, `sipc_listen_` and `sipc_post_` by `uds_` and `ip_` by `request` and `broadcast`, are all that most
 * programs need:
 *
 *     #include "simple_ipc.h"
 *     #include <stdio.h>
 *
 *     static void on_request(const sipc_message *request, sipc_responder *responder, void *user_data) {
 *         (void)request, (void)user_data;
 *         sipc_respond(responder, sipc_text("response-bar"), NULL);
 *     }
 *
 *     int main(void) {
 *         sipc_listener *listener = NULL;
 *         sipc_message *reply = NULL;
 *         sipc_error *error = NULL;
 *         if (sipc_listen_uds_request("example_channel", on_request, NULL, NULL, NULL, &listener, &error) == SIPC_OK
 *             && sipc_post_uds_request("example_channel", sipc_text("request-foo"), NULL, &reply, &error) == SIPC_OK)
 *             printf("%s\n", sipc_message_text(reply));
 *         if (error)
 *             fprintf(stderr, "%s\n", sipc_error_message(error));
 *         sipc_message_free(reply);
 *         sipc_listener_free(listener);
 *         int failed = error != NULL;
 *         sipc_error_free(error);
 *         return failed;
 *     }
 *
 * A blocking call that another thread is to end is an asynchronous one: start it with `_async`, wait with
 * `sipc_operation_wait`, and end it from anywhere with `sipc_operation_cancel`. Asynchronous calls leave in the thread
 * that makes them, and share one thread of the library, which is started with the first of them, receives the answers
 * and runs all callbacks: one that does not return holds up the others. Those of streams have another such thread.
 *
 * Ownership. What a function stores through a `T **` belongs to the caller, who frees it with the
 * `_free` of its noun; every `_free` takes NULL. What is passed in stays the caller's and is copied
 * where it is needed later; the exceptions are responders, which answering uses up, and `user_data`,
 * which is released by the `drop` given beside it: exactly once, after the last use, also when the
 * call itself fails. A `const` pointer that is returned lives as long as the object it was asked of.
 *
 * Threads. A `const T *` may be used by any number of threads at once, a `T *` by one at a time.
 * Handlers, callbacks and drops run on the library's threads, those of a `sipc_queue` in the thread that
 * drives it; they must return, and neither throw nor `longjmp` out. After `fork` the child's inherited
 * objects answer `SIPC_FORKED`, or NULL, and can only be freed, which calls nothing back; new ones work.
 *
 * Unloading. Code that the library calls may be unloaded (`dlclose`) once nothing is left that could call it:
 * `sipc_listener_close` has returned `SIPC_OK` (handler and its `drop`); responders that were kept are used
 * up, and handlers' streams freed (`sipc_responder_on_cancel`); `sipc_client_close`, or `sipc_operation_wait` for each
 * post, each `sipc_stream_next_async` and `sipc_stream_send_async`, has returned `SIPC_OK` (callbacks and their `drop`);
 * `sipc_queue_free` has returned (callbacks, handlers and their `drop`); options with a callback are freed.
 * All that on a thread of one's own: inside handlers and callbacks closing only begins. A `_free` alone
 * does not wait. The library itself stays loaded.
 *
 * Errors. A function that can fail returns a `sipc_status`. Its last parameter, `sipc_error **error`,
 * may be NULL; on failure an owned error is stored there, over whatever was there before, and on
 * success it is left alone. Results are stored only on success. A NULL where none is allowed is
 * `SIPC_INVALID_ARGUMENT`. Setters of options return a status and store no error.
 *
 * Compatibility. Within one `SIPC_ABI_VERSION`, which is in the shared library's name, a program that was built
 * with an older header runs with a newer library: functions, constants and the meaning of their numbers stay
 * as they are, and fields of a struct stay where they are. What may come: functions, statuses (treat an
 * unknown one by its category), and fields at the end of `sipc_counters`, `sipc_channel_info` and
 * `sipc_handler_report`. A program makes none of them but `sipc_counters`, of which it tells the size;
 * `sipc_body`, which programs make, does not change. A program that was built with a newer header finds a
 * missing function when it is linked or loaded. Whatever breaks this changes the number. Until version 1.0
 * a minor version may do so, with a line in the changelog.
 *
 * Strings end with a NUL and are UTF-8; paths are whatever bytes the system takes. Strings that are
 * returned are never to be freed or changed.
 *
 * Generated from the library's sources (ffi/src) by `make header`; changes belong there.
 */

#ifndef SIMPLE_IPC_H
#define SIMPLE_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of the library that this header belongs to; `sipc_version` gives the library's.
 */
#define SIPC_VERSION "0.1.0"

/**
 * A category: the call succeeded.
 */
#define SIPC_CATEGORY_OK 0

/**
 * A category: the caller's own mistake.
 */
#define SIPC_CATEGORY_CALLER 1

/**
 * A category: the channel.
 */
#define SIPC_CATEGORY_CHANNEL 2

/**
 * A category: the peer or the message.
 */
#define SIPC_CATEGORY_PEER 3

/**
 * A category: the wire.
 */
#define SIPC_CATEGORY_WIRE 4

/**
 * A category: this machine.
 */
#define SIPC_CATEGORY_MACHINE 5

/**
 * The kind of a body: JSON text.
 */
#define SIPC_KIND_JSON 1

/**
 * The kind of a body: bytes, as they are.
 */
#define SIPC_KIND_BYTES 2

/**
 * The kind of a `sipc_body` only: text, which becomes a JSON string. It arrives as `SIPC_KIND_JSON`.
 */
#define SIPC_KIND_TEXT 3

/**
 * The kind of a body: a JSON text with bytes beside it.
 */
#define SIPC_KIND_ATTACHED 4

/**
 * No limit of time, where a call takes milliseconds.
 */
#define SIPC_NO_TIMEOUT (-1)

/**
 * Native where the listener is this library, else the Deno wire. The default.
 */
#define SIPC_WIRE_AUTO 0

/**
 * Native sessions only: `SIPC_NOT_LISTENING` where no listener of this library is there.
 */
#define SIPC_WIRE_NATIVE 1

/**
 * The Deno original's wire only: one connection per message.
 */
#define SIPC_WIRE_DENO 2

/**
 * `.deno.{name}.socket`: this library; the Deno original's v0.0.1 and v0.0.2. The default.
 */
#define SIPC_PATH_V0_0_1 0

/**
 * `.{name}.socket`: the original's v0.0.3 and v0.0.4.
 */
#define SIPC_PATH_V0_0_3 1

/**
 * `.{name}.sock`: the original's v0.0.5 to v0.0.13.
 */
#define SIPC_PATH_V0_0_5 2

/**
 * `{name}.sock`: the original's v0.0.14.
 */
#define SIPC_PATH_V0_0_14 3

/**
 * The subscription ends with `SIPC_TOO_SLOW`. The default.
 */
#define SIPC_OVERFLOW_FAIL 0

/**
 * The oldest events that wait for it are dropped; the next event tells how many were missed.
 */
#define SIPC_OVERFLOW_DROP_OLDEST 1

/**
 * `sipc_publish` waits, for as long as the publisher's `patience` says; then the subscription ends with
 * `SIPC_TOO_SLOW`.
 */
#define SIPC_OVERFLOW_BLOCK 2

/**
 * The mode of a listener that does not say, or names one that this version does not know.
 */
#define SIPC_MODE_UNKNOWN 0

/**
 * The mode of a listener: requests.
 */
#define SIPC_MODE_REQUEST 1

/**
 * The mode of a listener: broadcasts.
 */
#define SIPC_MODE_BROADCAST 2

/**
 * The mode of a listener: it publishes, and takes no messages.
 */
#define SIPC_MODE_PUBLISH 3

/**
 * The number of the binary interface that the header describes; `sipc_abi_version` gives the
 * library's. It is part of the shared library's name.
 */
#define SIPC_ABI_VERSION 0

/**
 * A list of live channels.
 */
typedef struct sipc_channel_list sipc_channel_list;

/**
 * One channel kept open, for any number of threads at once. Blocking and asynchronous calls may be
 * mixed; there is no order between those two kinds.
 */
typedef struct sipc_client sipc_client;

/**
 * Why a call failed. Owned by whoever got it; `sipc_error_free` frees it.
 */
typedef struct sipc_error sipc_error;

/**
 * A channel that this process serves. Made by the `sipc_listen_` calls.
 */
typedef struct sipc_listener sipc_listener;

/**
 * A body that arrived: one JSON text, bytes, or both. Never changes, so any number of threads may read it.
 */
typedef struct sipc_message sipc_message;

/**
 * An asynchronous call under way. Any thread may cancel it and wait for it.
 */
typedef struct sipc_operation sipc_operation;

/**
 * Limits and choices for listening, posting, connecting and subscribing. What does not concern a call is ignored
 * by it. Calls copy what they need: options may be changed or freed right after.
 *
 * A setter that is given nonsense returns `SIPC_INVALID_ARGUMENT`, and so does every call that is
 * given such options afterwards, with the text: a program may ignore what setters return.
 */
typedef struct sipc_options sipc_options;

/**
 * Calls under way, for a program with an event loop, or for one that wants many at once. The library
 * starts no thread for it: all of it happens inside the calls below, and callbacks run there too, in
 * the calling thread. For one thread at a time.
 *
 * One descriptor tells when there is something to do. A program returns to its event loop after
 * `sipc_queue_submit`, and calls `sipc_queue_process` when the descriptor is readable; or it waits in
 * `sipc_queue_wait`. Callbacks may start and cancel calls of the same queue, but not process, wait or
 * free it. Listeners of a queue (`sipc_queue_listen_uds_request`) have their handlers called there, too.
 */
typedef struct sipc_queue sipc_queue;

/**
 * Where the answer to one message goes, and who sent it.
 */
typedef struct sipc_responder sipc_responder;

/**
 * Messages, one after the other. What it is depends on who made it:
 *
 * - `sipc_subscribe_uds` and `sipc_subscribe_ip`: the events of a publisher. Nothing is sent on it.
 * - `sipc_post_uds_stream` and its like: the items that a handler answers with. `sipc_stream_send` sends items to it.
 * - `sipc_responder_stream`: a handler's side of the same; the items are the caller's, and what is sent goes to it.
 * - `sipc_responder_items`: the caller's items alone, for a handler that answers with one message.
 *
 * Any number of threads may use it at once; each message comes to one of them. Those of callers and subscribers have
 * no thread: they receive inside the calls below. It never holds more than 256 KiB and one message that were not
 * taken, and the other side sends no more until some are taken.
 */
typedef struct sipc_stream sipc_stream;

/**
 * What became of a call: `SIPC_OK` or the reason why it failed. `status / 100` is its category.
 * Numbers are never changed or used again; new ones may be added, so treat an unknown number by
 * its category.
 */
typedef int32_t sipc_status;

/**
 * What is to be sent. Made by `sipc_json`, `sipc_text`, `sipc_bytes` or `sipc_attached_body`; it points at the caller's
 * memory, which is copied or written before the call that takes the body returns.
 */
typedef struct {
    /**
     * `SIPC_KIND_JSON`, `SIPC_KIND_BYTES`, `SIPC_KIND_TEXT` or `SIPC_KIND_ATTACHED`.
     */
    int32_t kind;
    /**
     * The text or bytes, or the `sipc_attached`; not changed.
     */
    const void *data;
    /**
     * Its length in bytes, without a terminating zero.
     */
    size_t len;
} sipc_body;

/**
 * A JSON value with bytes beside it, to be sent: `sipc_attached_body` makes a body of it. Made by `sipc_attach` or
 * `sipc_attach_n`; it points at the caller's memory, as a `sipc_body` does.
 */
typedef struct {
    /**
     * The JSON text; not changed.
     */
    const char *json;
    /**
     * Its length in bytes, without a terminating zero.
     */
    size_t json_len;
    /**
     * The bytes; not changed.
     */
    const void *data;
    /**
     * How many there are.
     */
    size_t data_len;
} sipc_attached;

/**
 * A failure of a handler that no caller hears of. Later versions may have more fields at the end.
 */
typedef struct {
    /**
     * The listener's channel, as `sipc_listener_channel` gives it.
     */
    const char *channel;
    /**
     * `SIPC_MODE_REQUEST` or `SIPC_MODE_BROADCAST`.
     */
    int32_t mode;
    /**
     * `SIPC_HANDLER_FAILED`; `SIPC_TOO_MANY_CONNECTIONS` for the warning that the listener has as many
     * messages in flight as it may.
     */
    sipc_status status;
    /**
     * What the handler failed with, or the warning, in one line of UTF-8.
     */
    const char *message;
    /**
     * Ids of the sender: user, group and process; -1 where one is not known.
     */
    int64_t uid;
    /**
     * As `uid`.
     */
    int64_t gid;
    /**
     * As `uid`.
     */
    int64_t pid;
} sipc_handler_report;

/**
 * Called once for each failure of a handler that no caller hears of: see
 * `sipc_options_on_handler_failure`. It should be brief, and must neither throw nor jump out.
 *
 * `report`: borrowed for the call. `user_data`: what was given beside the callback.
 */
typedef void (*sipc_failure_callback)(const sipc_handler_report *report, void *user_data);

/**
 * Releases a `user_data`. May be NULL. Called exactly once, after the last use, on any thread; also
 * when the call that it was given to fails.
 */
typedef void (*sipc_drop)(void *user_data);

/**
 * Called for each message of a listener, on the library's threads: several at once where several
 * messages arrive at once. It may block; other callers are not delayed by that. For a listener of a `sipc_queue`
 * in the thread that processes the queue, one message at a time.
 *
 * `message`: borrowed for the call; `sipc_message_clone` keeps it.
 * `responder`: in a request listener owned by the handler, which must use it up, now or later and
 * on any thread, with `sipc_respond`, `sipc_respond_error`, `sipc_respond_failure`, `sipc_reject`,
 * `sipc_responder_stream` or `sipc_responder_free`. In a broadcast listener borrowed for the call: it tells who sent,
 * answering it sends nothing, `sipc_respond_error` and its like have the listener count the message as failed and tell
 * `sipc_options_on_handler_failure`, and nothing uses it up.
 * `user_data`: what was given beside the handler.
 *
 * A handler must return: it must neither throw nor jump out.
 */
typedef void (*sipc_handler)(const sipc_message *message, sipc_responder *responder, void *user_data);

/**
 * What a listener has counted since its start. Later versions may have more fields at the end; the
 * order of those that are there does not change.
 */
typedef struct {
    /**
     * Set by the caller to `sizeof(sipc_counters)`, which tells how much the program knows of; set by the
     * library to how much it has written: what lies beyond that is as it was.
     */
    size_t size;
    /**
     * Connections accepted.
     */
    uint64_t connections;
    /**
     * Connections open now.
     */
    uint64_t open;
    /**
     * Messages handed to the handler.
     */
    uint64_t messages;
    /**
     * Messages whose handler failed.
     */
    uint64_t failed;
    /**
     * Connections closed because what arrived was no message of any dialect.
     */
    uint64_t malformed;
    /**
     * Connections refused because of who was at the other end.
     */
    uint64_t refused;
    /**
     * Connections that ended, or went stale, before a whole message had come.
     */
    uint64_t incomplete;
    /**
     * Messages that were taken and are not yet answered, now.
     */
    uint64_t in_flight;
    /**
     * Requests that nobody waits for any more and whose responder has not been used up, now.
     */
    uint64_t abandoned;
    /**
     * Subscribers, now.
     */
    uint64_t subscribers;
    /**
     * Events published.
     */
    uint64_t published;
    /**
     * Events that were dropped for a subscriber with `SIPC_OVERFLOW_DROP_OLDEST`, each counted for each of them.
     */
    uint64_t dropped;
    /**
     * Subscribers that were cut off with `SIPC_TOO_SLOW`.
     */
    uint64_t too_slow;
    /**
     * Streams, now: opened by a caller, and either not ended or with a handler that has not used its stream up.
     */
    uint64_t streams;
} sipc_counters;

/**
 * Called at most once for each `sipc_responder_on_cancel` that returned `SIPC_OK`, on a thread of the
 * library, when the caller no longer waits: it has cancelled, its time is over, or it is gone.
 *
 * `user_data`: what was given beside the callback.
 *
 * It should be brief, as a `sipc_reply_callback`, and must neither throw nor jump out. The responder
 * may be answered and freed inside it.
 */
typedef void (*sipc_cancel_callback)(void *user_data);

/**
 * Called exactly once for each asynchronous call that returned `SIPC_OK`, on a thread of the library;
 * for a call of a `sipc_queue`, in the thread that drives the queue.
 *
 * `status`: `SIPC_OK`, or why it failed; `SIPC_CANCELLED` after `sipc_operation_cancel`
 * or `sipc_queue_cancel`.
 * `reply`: the reply of a request that succeeded, or the message that `sipc_stream_next_async` waited for; else
 * NULL. The callback owns it.
 * `error`: NULL on `SIPC_OK`. The callback owns it.
 * `user_data`: what was given beside the callback.
 *
 * Callbacks of one process may wait for each other, so a callback should be brief: inside one
 * `sipc_operation_wait` and `sipc_client_flush` refuse to wait, and `sipc_client_close` begins to close
 * and returns. It must neither throw nor jump out.
 */
typedef void (*sipc_reply_callback)(sipc_status status,
                                    sipc_message *reply,
                                    sipc_error *error,
                                    void *user_data);

/**
 * A live channel. Owned by its list; later versions may have more fields at the end.
 */
typedef struct {
    /**
     * Its name, `:port`, or the path of its socket.
     */
    const char *channel;
    /**
     * The path of its socket, or `127.0.0.1:port`.
     */
    const char *address;
    /**
     * `SIPC_MODE_REQUEST`, `SIPC_MODE_BROADCAST`, `SIPC_MODE_PUBLISH` or `SIPC_MODE_UNKNOWN`.
     */
    int32_t mode;
    /**
     * The process that listens; 0 where its lock file does not say.
     */
    int64_t pid;
    /**
     * Since when it listens, in milliseconds since 1970-01-01 00:00 UTC; 0 where its lock file does not say.
     */
    int64_t started_ms;
    /**
     * The version of the library that it uses; empty where its lock file does not say.
     */
    const char *version;
    /**
     * Whether it publishes, also beside requests or broadcasts.
     */
    bool publishes;
    /**
     * How many subscribers it had a tenth of a second ago; -1 where it takes none, or its lock file does not say.
     */
    int64_t subscribers;
} sipc_channel_info;

/**
 * The call succeeded.
 */
#define SIPC_OK 0

/**
 * 1xx, the caller's mistake: an argument or option does not make sense; the message says which.
 */
#define SIPC_INVALID_ARGUMENT 101

/**
 * A channel name is not 1 to 85 characters of `A-Z a-z 0-9 _`.
 */
#define SIPC_INVALID_NAME 102

/**
 * A port is outside 1 to 65535 (0 is allowed to listen only).
 */
#define SIPC_INVALID_PORT 103

/**
 * The socket's whole path does not fit a Unix socket address.
 */
#define SIPC_PATH_TOO_LONG 104

/**
 * The body that was given to be sent is not JSON, or not UTF-8.
 */
#define SIPC_INVALID_JSON 105

/**
 * The listener or client was closed before this call, or the stream takes nothing more: the other side has ended it, or
 * it was ended here.
 */
#define SIPC_CLOSED 106

/**
 * The listener or client was made before a `fork` and is used in the child.
 */
#define SIPC_FORKED 107

/**
 * 2xx, the channel: nobody listens on it.
 */
#define SIPC_NOT_LISTENING 201

/**
 * Another process (or listener) already listens on the channel.
 */
#define SIPC_IN_USE 202

/**
 * The operating system does not permit the access.
 */
#define SIPC_PERMISSION_DENIED 203

/**
 * Something that is not our socket or lock file stands at the path; it was left alone.
 */
#define SIPC_PATH_OCCUPIED 204

/**
 * The directory of the socket does not exist.
 */
#define SIPC_NO_DIRECTORY 205

/**
 * The process at the other end belongs to a user that is not trusted here.
 */
#define SIPC_PEER_NOT_ALLOWED 206

/**
 * The listener does not take what was sent: a request where it takes broadcasts, or the other way round; a
 * subscription where it does not publish; a plain request where the handler answers with a stream. Or this process
 * publishes on a listener that does not.
 */
#define SIPC_WRONG_MODE 207

/**
 * The listener takes no more connections or messages just now.
 */
#define SIPC_TOO_MANY_CONNECTIONS 208

/**
 * 3xx, the peer or the message: no answer within the timeout; the message may have been handled.
 */
#define SIPC_TIMED_OUT 301

/**
 * The call was cancelled.
 */
#define SIPC_CANCELLED 302

/**
 * The connection broke before the answer came.
 */
#define SIPC_CONNECTION_LOST 303

/**
 * The handler failed; its text is in the message.
 */
#define SIPC_HANDLER_FAILED 304

/**
 * The message is larger than one of the two sides takes.
 */
#define SIPC_TOO_LARGE 305

/**
 * The listener closed the connection without an answer (Deno wire).
 */
#define SIPC_NO_REPLY 306

/**
 * The listener is closing and did not take the message.
 */
#define SIPC_CLOSING 307

/**
 * The publisher cut the subscription off, as more waited for it than may; what was sent before came.
 */
#define SIPC_TOO_SLOW 308

/**
 * 4xx, the wire: the peer broke the protocol.
 */
#define SIPC_PROTOCOL 401

/**
 * The peer speaks another version of the protocol.
 */
#define SIPC_UNSUPPORTED_VERSION 402

/**
 * A body that arrived is not JSON where JSON is due.
 */
#define SIPC_INVALID_BODY 403

/**
 * 5xx, this machine: the operating system reported an error that fits no other status.
 */
#define SIPC_OS 501

/**
 * Out of file descriptors, memory, disk or threads.
 */
#define SIPC_OUT_OF_RESOURCES 502

/**
 * A defect of this library; please report it.
 */
#define SIPC_INTERNAL 503

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The stable name of a status, such as "not_listening"; "ok" for `SIPC_OK`, "unknown" for a number
 * that is not a status of this version. Never NULL; static.
 */
const char *sipc_status_name(sipc_status status);

/**
 * The category of a status, `status / 100`: one of the `SIPC_CATEGORY_` constants.
 */
int32_t sipc_status_category(sipc_status status);

/**
 * The error in one line of UTF-8: what was attempted, what stood in the way, what to do.
 *
 * `error`: may be NULL, which is "no error". The text lives as long as `error`. Never NULL.
 */
const char *sipc_error_message(const sipc_error *error);

/**
 * The status that the failed call returned.
 *
 * `error`: may be NULL, which is `SIPC_OK`.
 */
sipc_status sipc_error_status(const sipc_error *error);

/**
 * The operating system's error number (`errno`) behind the error, or 0 where there is none.
 *
 * `error`: may be NULL.
 */
int32_t sipc_error_os_code(const sipc_error *error);

/**
 * Whether the message can have been handled in spite of the error. `false` means that it certainly
 * was not: sending it again cannot do the work twice.
 *
 * `error`: may be NULL, which is `false`.
 */
bool sipc_error_may_have_been_handled(const sipc_error *error);

/**
 * The code that a handler failed with on purpose (`sipc_respond_failure`), such as "out_of_stock". Lives as
 * long as `error`.
 *
 * `error`: may be NULL. NULL where the handler gave none, and for every other error.
 */
const char *sipc_error_handler_code(const sipc_error *error);

/**
 * The data that a handler failed with on purpose, as JSON text. Lives as long as `error`.
 *
 * `error`: may be NULL. NULL where the handler gave none, where it did not fit the caller's largest
 * message, and for every other error.
 */
const char *sipc_error_handler_data(const sipc_error *error);

/**
 * Frees an error.
 *
 * `error`: may be NULL; not to be used again.
 */
void sipc_error_free(sipc_error *error);

/**
 * `SIPC_KIND_JSON`, `SIPC_KIND_BYTES` or `SIPC_KIND_ATTACHED`; later versions may have others.
 *
 * `message`: NULL gives 0.
 */
int32_t sipc_message_kind(const sipc_message *message);

/**
 * The JSON text (UTF-8) or the bytes: `sipc_message_len` of them, without a terminating zero. Of JSON with bytes they are the
 * bytes, which a sender of this library puts where numbers of eight bytes may lie.
 *
 * `message`: NULL gives NULL; else the result is not NULL, even if there are no bytes. It lives as
 * long as `message`.
 */
const void *sipc_message_data(const sipc_message *message);

/**
 * The length of `sipc_message_data` in bytes.
 *
 * `message`: NULL gives 0.
 */
size_t sipc_message_len(const sipc_message *message);

/**
 * The text of a JSON string, unquoted: NUL-terminated UTF-8, owned by `message`.
 *
 * `message`: NULL gives NULL. NULL also for bytes, for JSON with bytes, for JSON that is no string, and for a string
 * that has a NUL in it, which `sipc_message_data` shows.
 */
const char *sipc_message_text(const sipc_message *message);

/**
 * The JSON text, as it arrived: NUL-terminated UTF-8, owned by `message`. Of JSON with bytes it is the JSON.
 *
 * `message`: NULL gives NULL. NULL also for bytes.
 */
const char *sipc_message_json(const sipc_message *message);

/**
 * The JSON text, as it arrived, where it lies: UTF-8 without a terminating zero, as long as `message`. Of JSON with bytes it is
 * the JSON.
 *
 * `message`: NULL gives NULL. NULL also for bytes.
 * `len`: set to the length of the text in bytes, 0 where the result is NULL; may be NULL.
 */
const char *sipc_message_json_n(const sipc_message *message,
                                size_t *len);

/**
 * The topic that an event was published to: NUL-terminated UTF-8 of at most 255 bytes, owned by `message`;
 * empty where it has none. A zero inside a topic, which other languages may have put there, is shown as
 * U+FFFD.
 *
 * `message`: NULL gives NULL. NULL also for a message that is no event of a subscription.
 */
const char *sipc_message_topic(const sipc_message *message);

/**
 * How many events this subscription missed right before this one, of those that its topics let through:
 * 0 for none; -1 where nobody knows, as the publisher was replaced by another.
 *
 * `message`: NULL gives 0. 0 also for a message that is no event of a subscription.
 */
int64_t sipc_message_missed(const sipc_message *message);

/**
 * Whether an event was published before the subscription began, and kept for it: the last one of its topic,
 * at a publisher with the option `retain`.
 *
 * `message`: NULL gives `false`. `false` also for a message that is no event of a subscription.
 */
bool sipc_message_retained(const sipc_message *message);

/**
 * A copy of a message, owned by the caller; it keeps a message that a handler was lent.
 *
 * `message`: NULL gives NULL.
 */
sipc_message *sipc_message_clone(const sipc_message *message);

/**
 * Frees a message that the caller owns: a reply, an event or a clone. Not the one that a handler is lent.
 *
 * `message`: may be NULL; not to be used again.
 */
void sipc_message_free(sipc_message *message);

/**
 * A body that is one JSON text, such as `{"n":1}`. It is checked by the call that takes it.
 *
 * `text`: NUL-terminated UTF-8; NULL makes that call return `SIPC_INVALID_ARGUMENT`.
 */
sipc_body sipc_json(const char *text);

/**
 * As `sipc_json`, for a text of `len` bytes that needs no terminating zero.
 *
 * `text`: NULL makes the call that takes the body return `SIPC_INVALID_ARGUMENT`.
 */
sipc_body sipc_json_n(const char *text, size_t len);

/**
 * A body that is a string: it is quoted as JSON for the wire.
 *
 * `text`: NUL-terminated UTF-8; NULL makes the call that takes it return `SIPC_INVALID_ARGUMENT`.
 */
sipc_body sipc_text(const char *text);

/**
 * As `sipc_text`, for a text of `len` bytes, which may contain zeros.
 *
 * `text`: NULL makes the call that takes the body return `SIPC_INVALID_ARGUMENT`.
 */
sipc_body sipc_text_n(const char *text, size_t len);

/**
 * A body that is bytes, as they are.
 *
 * `data`: may be NULL when `len` is 0.
 */
sipc_body sipc_bytes(const void *data, size_t len);

/**
 * A JSON value with bytes beside it: an array with its shape, a picture with its name. `sipc_attached_body` makes a body of it.
 *
 * `json`: NUL-terminated UTF-8, one JSON text, checked by the call that takes the body; NULL makes that call return
 * `SIPC_INVALID_ARGUMENT`.
 * `data`: `len` bytes; may be NULL when `len` is 0.
 */
sipc_attached sipc_attach(const char *json,
                          const void *data,
                          size_t len);

/**
 * As `sipc_attach`, for a JSON text of `json_len` bytes that needs no terminating zero.
 */
sipc_attached sipc_attach_n(const char *json, size_t json_len, const void *data, size_t len);

/**
 * A body that is a JSON value with bytes beside it. Its largest message counts both, with up to 11 bytes between them.
 *
 * Listeners of version 0.1.0 do not know it, and the Deno wire does not have it: the call that takes the body fails there with
 * `SIPC_UNSUPPORTED_VERSION`, and nothing is sent.
 *
 * `parts`: must live until the call that takes the body has returned; NULL makes that call return `SIPC_INVALID_ARGUMENT`.
 */
sipc_body sipc_attached_body(const sipc_attached *parts);

/**
 * The defaults, which suit most programs. Owned by the caller.
 */
sipc_options *sipc_options_new(void);

/**
 * A copy, owned by the caller.
 *
 * `options`: NULL gives the defaults.
 */
sipc_options *sipc_options_clone(const sipc_options *options);

/**
 * Frees options.
 *
 * `options`: may be NULL; not to be used again.
 */
void sipc_options_free(sipc_options *options);

/**
 * How long a call may take from being made to its answer: 30000 unless set, `SIPC_NO_TIMEOUT` for
 * no limit. Of a stream it is the time of the whole stream, which has no limit unless this is set.
 */
sipc_status sipc_options_set_timeout_ms(sipc_options *options, int64_t timeout_ms);

/**
 * The longest that the caller of a stream waits for the handler to begin, for an item, and for room to send one: then the
 * stream ends with `SIPC_TIMED_OUT`. Unless set, 30000 for the beginning, and no limit for the other two.
 */
sipc_status sipc_options_set_idle_timeout_ms(sipc_options *options,
                                             int64_t idle_timeout_ms);

/**
 * Which dialect a client speaks: one of the `SIPC_WIRE_` constants, `SIPC_WIRE_AUTO` unless set.
 */
sipc_status sipc_options_set_wire(sipc_options *options, int32_t wire);

/**
 * The directory of sockets and lock files, instead of that in the environment variable
 * `SIMPLE_IPC_DIR` or `/tmp`. Copied.
 *
 * `directory`: NULL gives `SIPC_INVALID_ARGUMENT`.
 */
sipc_status sipc_options_set_directory(sipc_options *options, const char *directory);

/**
 * The socket's full path, instead of one made from the directory and the channel's name. Copied.
 *
 * `path`: NULL gives `SIPC_INVALID_ARGUMENT`.
 */
sipc_status sipc_options_set_path(sipc_options *options, const char *path);

/**
 * How the socket's file is called: one of the `SIPC_PATH_` constants, `SIPC_PATH_V0_0_1` unless set.
 */
sipc_status sipc_options_set_path_style(sipc_options *options,
                                        int32_t path_style);

/**
 * The permission bits of a listener's socket file, 0 to 0777: 0600 unless set. Letting another user
 * in needs `sipc_options_allow_user` too.
 */
sipc_status sipc_options_set_socket_mode(sipc_options *options, uint32_t mode);

/**
 * The largest body, in bytes, that is sent or taken: 64 MiB unless set, at most 4 GiB - 1.
 */
sipc_status sipc_options_set_max_message(sipc_options *options, size_t bytes);

/**
 * The most connections that a listener holds at once: 1024 unless set.
 */
sipc_status sipc_options_set_max_connections(sipc_options *options, size_t connections);

/**
 * The most requests of one session that a listener has in flight, and broadcasts that wait in it: 1024
 * unless set. At the limit the listener stops reading the session.
 */
sipc_status sipc_options_set_max_session_in_flight(sipc_options *options,
                                                   size_t messages);

/**
 * The most messages that a listener has in flight on all connections together: 16384 unless set. At the
 * limit it stops reading those who send more. Threads that take messages at the same moment may
 * exceed it by one each.
 */
sipc_status sipc_options_set_max_in_flight(sipc_options *options,
                                           size_t messages);

/**
 * The most bytes of one session's messages that wait for handlers, and of its answers that wait for the
 * client to read, each: 4 MiB unless set. At the limit the listener stops reading the session. A single
 * larger message still passes.
 */
sipc_status sipc_options_set_max_session_waiting(sipc_options *options,
                                                 size_t bytes);

/**
 * The most bytes, on all connections of a listener together, of messages that wait for handlers, and of
 * answers that wait for clients to read, each: 256 MiB unless set. At the limit for messages the
 * listener stops reading; at that for answers, only those clients that do not read.
 */
sipc_status sipc_options_set_max_waiting(sipc_options *options,
                                         size_t bytes);

/**
 * How long a new connection to a listener may take to its first byte, and then to the end of its hello:
 * 10000 each unless set, more than 0. It is closed then.
 */
sipc_status sipc_options_set_hello_timeout_ms(sipc_options *options,
                                              int64_t hello_timeout_ms);

/**
 * How long the other end of a connection without a session (Deno wire, plain text) may be silent inside
 * a message, or take nothing of its answer: 30000 unless set, more than 0. It is closed then.
 */
sipc_status sipc_options_set_stall_timeout_ms(sipc_options *options,
                                              int64_t stall_timeout_ms);

/**
 * Lets only the user of this process (and root) be at the other end: the default. Takes back what
 * `sipc_options_allow_user` and `sipc_options_allow_anyone` allowed.
 */
sipc_status sipc_options_allow_same_user(sipc_options *options);

/**
 * Lets this user be at the other end, besides root and those allowed by earlier calls. The user of
 * this process is no longer allowed by default then; name it too if it is to be.
 */
sipc_status sipc_options_allow_user(sipc_options *options, uint32_t uid);

/**
 * Lets every user of this machine be at the other end.
 */
sipc_status sipc_options_allow_anyone(sipc_options *options);

/**
 * How long a closing listener waits for handlers that are running: 5000 unless set.
 */
sipc_status sipc_options_set_grace_ms(sipc_options *options, int64_t grace_ms);

/**
 * How long a post waits for a listener to appear before it fails with `SIPC_NOT_LISTENING`: 0 unless
 * set. The timeout starts after it.
 */
sipc_status sipc_options_set_wait_ms(sipc_options *options,
                                     int64_t wait_ms);

/**
 * Whether a listener takes plain text: yes on Unix sockets and no on TCP unless set.
 */
sipc_status sipc_options_set_plain_text(sipc_options *options, bool accept);

/**
 * Whether a listener lets processes of its own user and root see what passes (messages, answers, and the items of streams), with
 * `simple-ipc tap`: no unless set.
 */
sipc_status sipc_options_set_tap(sipc_options *options,
                                 bool allow);

/**
 * The most threads that a listener runs handlers on: 256 unless set. Beyond them messages wait for
 * a thread.
 */
sipc_status sipc_options_set_threads(sipc_options *options, size_t threads);

/**
 * How long, in microseconds, a thread that owns a session polls for the next message before it
 * blocks, where polling has lately paid: 100 unless set, 0 for never.
 */
sipc_status sipc_options_set_spin_us(sipc_options *options, int64_t spin_us);

/**
 * How many bytes of memory a listener shares with its clients, all sessions together, and whether a client asks for any,
 * which it does unless this is 0: what the environment variable `SIMPLE_IPC_SHARED_MEMORY` says unless set, a number of bytes,
 * and without that 0. Between processes of one user, on Linux, a busy session on a Unix socket then goes over to memory, of
 * which it takes 516 KiB; elsewhere, and where no memory can be had, it goes on by its socket.
 */
sipc_status sipc_options_set_shared_memory(sipc_options *options,
                                           size_t bytes);

/**
 * How often a listener looks whether its socket and lock file still stand, and puts them back if
 * something removed them: 30000 unless set.
 */
sipc_status sipc_options_set_check_interval_ms(sipc_options *options, int64_t check_interval_ms);

/**
 * Has a listener call back once for each failure of its handler that no caller hears of: of a broadcast, or
 * of a request whose caller has gone, has given up, or speaks a wire that carries no text. It is called,
 * too, when the listener first has as many messages in flight as it may. Not called unless set.
 *
 * `callback`: not NULL; on the thread of the handler or another one of the library, several at once where
 * several fail at once. `user_data`: handed to it; may be NULL. `drop`: releases it; may be NULL: called
 * when these options, their clones and all listeners that were given them are gone, or have another
 * callback; at once if this fails.
 */
sipc_status sipc_options_on_handler_failure(sipc_options *options,
                                            sipc_failure_callback callback,
                                            void *user_data,
                                            sipc_drop drop);

/**
 * Whether a listener for requests or broadcasts publishes besides, so that others may subscribe to the same
 * channel: no unless set. A listener of `sipc_listen_uds_publish` always does.
 */
sipc_status sipc_options_set_publish(sipc_options *options,
                                     bool publish);

/**
 * Whether a publisher keeps the last event of each topic for those who subscribe later: no unless set. They get
 * it first, marked `sipc_message_retained`. What is kept counts against `max_waiting`; a publication beyond it
 * fails with `SIPC_OUT_OF_RESOURCES`. Empty bytes on a topic forget it.
 */
sipc_status sipc_options_set_retain(sipc_options *options,
                                    bool retain);

/**
 * How long one `sipc_publish` waits for subscribers with `SIPC_OVERFLOW_BLOCK` that have no room: 0 unless set,
 * which refuses such subscribers with `SIPC_WRONG_MODE`. Those without room afterwards are cut off.
 */
sipc_status sipc_options_set_patience_ms(sipc_options *options,
                                         int64_t patience_ms);

/**
 * The topics that a subscriber wants, each as a whole: an event comes if it was published to one of them. All
 * events unless set. Copied.
 *
 * `topics`: `count` texts of at most 255 bytes of UTF-8; the empty one stands for events without a topic.
 * `count`: 1 to 1024. NULL, as `topics` or in it, and 0 give `SIPC_INVALID_ARGUMENT`.
 */
sipc_status sipc_options_set_topics(sipc_options *options,
                                    const char *const *topics,
                                    size_t count);

/**
 * What becomes of a subscription for which more waits than its queue holds: one of the `SIPC_OVERFLOW_`
 * constants, `SIPC_OVERFLOW_FAIL` unless set.
 */
sipc_status sipc_options_set_overflow(sipc_options *options,
                                      int32_t overflow);

/**
 * The most bytes that may wait at the publisher for a subscriber: 4 MiB unless set, more than 0, at most the
 * publisher's `max_session_waiting`, to which more is lowered. A single larger event still passes.
 */
sipc_status sipc_options_set_queue(sipc_options *options,
                                   size_t bytes);

/**
 * How long a subscription looks for its publisher again, once that has closed or died: `SIPC_NO_TIMEOUT`, no
 * limit, unless set. 0 does not look: the end of the publisher's own accord is the end of the stream, and its
 * death `SIPC_CONNECTION_LOST`.
 */
sipc_status sipc_options_set_reconnect_ms(sipc_options *options,
                                          int64_t reconnect_ms);

/**
 * Listens for requests on a named channel.
 *
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `handler`: called for each request; not NULL.
 * `user_data`: handed to the handler; may be NULL. `drop`: releases it; may be NULL.
 * `options`: may be NULL.
 * `listener`: where the listener is stored, owned by the caller; not NULL.
 * `error`: may be NULL.
 *
 * Handle `SIPC_IN_USE` (the error names the process), `SIPC_INVALID_NAME`, `SIPC_NO_DIRECTORY`,
 * `SIPC_PATH_TOO_LONG`, `SIPC_PATH_OCCUPIED`, `SIPC_PERMISSION_DENIED`.
 */
sipc_status sipc_listen_uds_request(const char *channel,
                                    sipc_handler handler,
                                    void *user_data,
                                    sipc_drop drop,
                                    const sipc_options *options,
                                    sipc_listener **listener,
                                    sipc_error **error);

/**
 * Listens for broadcasts on a named channel. The parameters and statuses are those of
 * `sipc_listen_uds_request`; the handler has nothing to answer.
 */
sipc_status sipc_listen_uds_broadcast(const char *channel,
                                      sipc_handler handler,
                                      void *user_data,
                                      sipc_drop drop,
                                      const sipc_options *options,
                                      sipc_listener **listener,
                                      sipc_error **error);

/**
 * Listens for requests on a TCP port of 127.0.0.1.
 *
 * `port`: 1 to 65535, or 0 to let the system choose one, which `sipc_listener_port` tells. The other
 * parameters are those of `sipc_listen_uds_request`.
 *
 * Handle `SIPC_IN_USE`, `SIPC_INVALID_PORT`, `SIPC_PERMISSION_DENIED`.
 */
sipc_status sipc_listen_ip_request(uint32_t port,
                                   sipc_handler handler,
                                   void *user_data,
                                   sipc_drop drop,
                                   const sipc_options *options,
                                   sipc_listener **listener,
                                   sipc_error **error);

/**
 * Listens for broadcasts on a TCP port of 127.0.0.1. The parameters and statuses are those of
 * `sipc_listen_ip_request`; the handler has nothing to answer.
 */
sipc_status sipc_listen_ip_broadcast(uint32_t port,
                                     sipc_handler handler,
                                     void *user_data,
                                     sipc_drop drop,
                                     const sipc_options *options,
                                     sipc_listener **listener,
                                     sipc_error **error);

/**
 * Sends a request to a named channel and waits for the reply.
 *
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
 * `options`: may be NULL.
 * `reply`: where the reply is stored, owned by the caller; NULL if it is not wanted.
 * `error`: may be NULL.
 *
 * Handle `SIPC_NOT_LISTENING`, `SIPC_TIMED_OUT`, `SIPC_HANDLER_FAILED`, `SIPC_CONNECTION_LOST`,
 * `SIPC_TOO_LARGE`, `SIPC_WRONG_MODE`; `sipc_error_may_have_been_handled` tells whether sending
 * again is safe.
 */
sipc_status sipc_post_uds_request(const char *channel,
                                  sipc_body body,
                                  const sipc_options *options,
                                  sipc_message **reply,
                                  sipc_error **error);

/**
 * Sends a broadcast to a named channel. `SIPC_OK` means that a listener has handed it to its
 * handler (on the Deno wire: that a listener took it).
 *
 * The parameters and statuses are those of `sipc_post_uds_request`, without a reply.
 */
sipc_status sipc_post_uds_broadcast(const char *channel,
                                    sipc_body body,
                                    const sipc_options *options,
                                    sipc_error **error);

/**
 * Sends a request to a TCP port of 127.0.0.1 and waits for the reply.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_post_uds_request`.
 */
sipc_status sipc_post_ip_request(uint32_t port,
                                 sipc_body body,
                                 const sipc_options *options,
                                 sipc_message **reply,
                                 sipc_error **error);

/**
 * Sends a broadcast to a TCP port of 127.0.0.1.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_post_uds_broadcast`.
 */
sipc_status sipc_post_ip_broadcast(uint32_t port,
                                   sipc_body body,
                                   const sipc_options *options,
                                   sipc_error **error);

/**
 * The channel as the command line writes it: its name, `:port`, or its path. Lives as long as
 * `listener`.
 *
 * `listener`: NULL gives NULL. NULL also in a forked child, which does not listen.
 */
const char *sipc_listener_channel(const sipc_listener *listener);

/**
 * Where it listens: the socket's path, or `127.0.0.1:port`. Lives as long as `listener`.
 *
 * `listener`: NULL gives NULL. NULL also in a forked child.
 */
const char *sipc_listener_address(const sipc_listener *listener);

/**
 * The socket's path, or NULL for a TCP listener. Lives as long as `listener`.
 *
 * `listener`: NULL gives NULL. NULL also in a forked child.
 */
const char *sipc_listener_path(const sipc_listener *listener);

/**
 * The TCP port, also one that the system chose; 0 for a Unix socket.
 *
 * `listener`: NULL gives 0. 0 also in a forked child.
 */
uint32_t sipc_listener_port(const sipc_listener *listener);

/**
 * What the listener has counted.
 *
 * `listener`: not NULL.
 * `counters`: filled in; not NULL. Its `size` must be set to `sizeof(sipc_counters)` before the call. A
 * program that was built with an older header is given the counters that it knows; one that was built
 * with a newer header than the library's finds in `size` which ones it was given.
 * `error`: may be NULL.
 *
 * Handle `SIPC_FORKED`.
 */
sipc_status sipc_listener_counters(const sipc_listener *listener,
                                   sipc_counters *counters,
                                   sipc_error **error);

/**
 * Stops accepting, answers what it has within the options' grace period, then returns. The listener
 * stays to be asked and freed.
 *
 * `SIPC_OK` means that nothing of the handler is left: it does not run, and its `user_data` has been
 * dropped, so that its code may be unloaded. `SIPC_TIMED_OUT` means that the channel is closed and a
 * handler still runs, to which `user_data` belongs until it returns; to close again asks whether it has.
 * Closing again does nothing else.
 *
 * Inside a handler of the listener itself, and inside a callback or `drop` on a thread of the library, it
 * would wait for itself: there it begins to close and returns `SIPC_OK` at once; the handler's answer
 * still goes out. To close again elsewhere waits for the end.
 *
 * `listener`: not NULL. `error`: may be NULL.
 *
 * Handle `SIPC_TIMED_OUT`, `SIPC_FORKED`.
 */
sipc_status sipc_listener_close(const sipc_listener *listener,
                                sipc_error **error);

/**
 * Frees a listener. If it is not closed, it stops at once and closes in the background: handlers may
 * still run, and `user_data` be dropped, after this has returned; what is to be unloaded is closed first.
 * Legal inside a handler or callback.
 *
 * `listener`: may be NULL; not to be used again.
 */
void sipc_listener_free(sipc_listener *listener);

/**
 * Listens for subscribers on a named channel: `sipc_publish` sends each of them what is published.
 *
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `options`: may be NULL.
 * `listener`: where the listener is stored, owned by the caller; not NULL.
 * `error`: may be NULL.
 *
 * A listener for requests or broadcasts publishes, too, if `sipc_options_set_publish` says so. Handle what
 * `sipc_listen_uds_request` says.
 */
sipc_status sipc_listen_uds_publish(const char *channel,
                                    const sipc_options *options,
                                    sipc_listener **listener,
                                    sipc_error **error);

/**
 * Listens for subscribers on a TCP port of 127.0.0.1.
 *
 * `port`: 1 to 65535, or 0 to let the system choose one, which `sipc_listener_port` tells. The other
 * parameters are those of `sipc_listen_uds_publish`; handle what `sipc_listen_ip_request` says.
 */
sipc_status sipc_listen_ip_publish(uint32_t port,
                                   const sipc_options *options,
                                   sipc_listener **listener,
                                   sipc_error **error);

/**
 * Publishes one event: to each subscriber whose topics let it through, in the order of the calls, which is the
 * same for all subscribers. Nothing is kept for those who subscribe later, unless the listener retains.
 *
 * `listener`: of `sipc_listen_uds_publish` or `sipc_listen_ip_publish`, or one with the option `publish`; not NULL.
 * `topic`: at most 255 bytes of UTF-8; NULL and the empty text are an event without a topic.
 * `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
 * `queued`: where the number of subscribers is stored for which it was queued, or to which it was sent
 * already; NULL if it is not wanted.
 * `error`: may be NULL.
 *
 * Any number of threads may publish at once, also in handlers. It waits only for subscribers with
 * `SIPC_OVERFLOW_BLOCK` that have no room, at most for the listener's `patience`, and cuts off those without
 * room then; a subscriber that does not read holds up nobody else. `SIPC_OK` does not say that a subscriber has
 * read it: what a subscriber misses, its next event tells.
 *
 * On another status nothing was published. Handle `SIPC_TOO_LARGE`, `SIPC_CLOSED`, `SIPC_OUT_OF_RESOURCES` (the
 * listener retains all that it may), `SIPC_WRONG_MODE` (the listener does not publish), `SIPC_FORKED`.
 */
sipc_status sipc_publish(const sipc_listener *listener,
                         const char *topic,
                         sipc_body body,
                         size_t *queued,
                         sipc_error **error);

/**
 * Answers a request.
 *
 * `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`.
 * `body`: the reply. One that is not JSON gives `SIPC_INVALID_JSON` here and 'handler failed' to
 * the caller, one over the limit `SIPC_TOO_LARGE`.
 * `error`: may be NULL.
 *
 * `SIPC_CONNECTION_LOST` and `SIPC_CLOSED` mean that the caller is gone; most handlers ignore that.
 * For a broadcast nothing is sent and `SIPC_OK` returned.
 */
sipc_status sipc_respond(sipc_responder *responder, sipc_body body, sipc_error **error);

/**
 * Answers a request with an error: the caller gets `SIPC_HANDLER_FAILED` with this text.
 *
 * `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`.
 * `text`: NUL-terminated UTF-8, of which control characters become spaces; broken UTF-8 is replaced.
 * NULL gives `SIPC_INVALID_ARGUMENT` here and 'handler failed' without a text to the caller.
 * `error`: may be NULL.
 *
 * An error means that the caller cannot be told, which `sipc_options_on_handler_failure` hears of:
 * `SIPC_CONNECTION_LOST`, `SIPC_CANCELLED` and `SIPC_CLOSED` that it is gone or does not wait,
 * `SIPC_NO_REPLY` that its wire carries no text. For a broadcast nothing is sent and `SIPC_OK`
 * returned; the listener counts it as failed.
 */
sipc_status sipc_respond_error(sipc_responder *responder,
                               const char *text,
                               sipc_error **error);

/**
 * Answers a request with an error that the caller's program can act on: besides the text it gets a code
 * (`sipc_error_handler_code`) and data (`sipc_error_handler_data`). Where they do not fit its largest
 * message, the data is left out first, then the code.
 *
 * `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`.
 * `message`: as the text of `sipc_respond_error`.
 * `code`: one word, such as "out_of_stock"; NULL for none.
 * `data_json`: one JSON text; NULL for none. What is not JSON gives `SIPC_INVALID_JSON` here; the caller
 * is told the rest.
 * `error`: may be NULL.
 *
 * The statuses are those of `sipc_respond_error`.
 */
sipc_status sipc_respond_failure(sipc_responder *responder,
                                 const char *message,
                                 const char *code,
                                 const char *data_json,
                                 sipc_error **error);

/**
 * Refuses a request whose body is not what the handler takes: the caller gets `SIPC_INVALID_BODY` with
 * this text, and knows that it was not handled.
 *
 * The parameters and statuses are those of `sipc_respond_error`.
 */
sipc_status sipc_reject(sipc_responder *responder,
                        const char *text,
                        sipc_error **error);

/**
 * Whether the caller no longer waits: it has cancelled, or it is gone.
 *
 * `responder`: NULL gives `true`. `true` also in a forked child, for which nobody waits.
 */
bool sipc_responder_is_cancelled(const sipc_responder *responder);

/**
 * Asks to be told when the caller no longer waits, which `sipc_responder_is_cancelled` tells when
 * asked: for handlers that keep their responder, or work for long.
 *
 * `responder`: not NULL. `callback`: not NULL; called at most once, at once if nobody waits already,
 * and perhaps before this returns. `user_data`: handed to the callback; may be NULL. `drop`: releases
 * it; may be NULL. `error`: may be NULL.
 *
 * Once `sipc_respond`, `sipc_respond_error` or `sipc_responder_free` of this responder has returned,
 * the callback does not run, nor begin to, and `user_data` has been dropped; for the responder of a
 * broadcast, once the handler has returned. They wait for a callback that is running, except inside
 * it: do not hold a lock around them that the callback takes.
 *
 * A second time for the same responder it returns `SIPC_INVALID_ARGUMENT`. Not to be called while
 * another thread uses the responder up.
 */
sipc_status sipc_responder_on_cancel(const sipc_responder *responder,
                                     sipc_cancel_callback callback,
                                     void *user_data,
                                     sipc_drop drop,
                                     sipc_error **error);

/**
 * How long the caller still waits, in milliseconds; `SIPC_NO_TIMEOUT` if it does not say.
 *
 * `responder`: NULL gives 0. 0 also in a forked child.
 */
int64_t sipc_responder_time_left_ms(const sipc_responder *responder);

/**
 * The user id of the sender, or -1 where it is not known (TCP).
 *
 * `responder`: NULL gives -1.
 */
int64_t sipc_responder_peer_uid(const sipc_responder *responder);

/**
 * The group id of the sender, or -1 where it is not known (TCP).
 *
 * `responder`: NULL gives -1.
 */
int64_t sipc_responder_peer_gid(const sipc_responder *responder);

/**
 * The process id of the sender, or -1 where it is not known (TCP). It may have ended meanwhile and
 * its number may have been given to another process.
 *
 * `responder`: NULL gives -1.
 */
int64_t sipc_responder_peer_pid(const sipc_responder *responder);

/**
 * Frees a responder. If it has not been answered, its caller gets `SIPC_HANDLER_FAILED`. In a forked
 * child it does nothing: the parent answers.
 *
 * `responder`: may be NULL; not to be used again.
 */
void sipc_responder_free(sipc_responder *responder);

/**
 * Whether the caller has opened a stream: it takes a sequence for an answer, and may send items.
 *
 * `responder`: NULL gives `false`. `false` also in a forked child, and for a broadcast.
 */
bool sipc_responder_is_stream(const sipc_responder *responder);

/**
 * The items that the caller sends, for `sipc_stream_next`: for a handler that answers with one message
 * (`sipc_respond`), or that reads before it begins to answer. Of a plain request, which has none, the end comes first.
 *
 * `responder`: not NULL; stays to be used up. Another call gives the same items: each comes to one of those who ask.
 * `stream`: where the stream is stored, owned by the caller; not NULL. It may outlive the responder.
 * `error`: may be NULL.
 *
 * Nothing is sent on it: `sipc_responder_stream` gives the stream for that, which delivers the same items.
 */
sipc_status sipc_responder_items(const sipc_responder *responder,
                                 sipc_stream **stream,
                                 sipc_error **error);

/**
 * Answers a request with a sequence: `sipc_stream_send` sends its items, now or later and on any thread,
 * `sipc_stream_end` completes it, `sipc_stream_fail` and `sipc_stream_fail_with` end it with an error. A stream that is
 * freed or closed before tells the caller that the handler failed. `sipc_stream_next` takes what the caller sends.
 *
 * `responder`: used up, whatever is returned. NULL gives `SIPC_INVALID_ARGUMENT`. A callback of
 * `sipc_responder_on_cancel` goes on to hold for the stream: once that is ended, failed, closed or freed, it does not
 * run.
 * `stream`: where the stream is stored, owned by the caller, who frees it; not NULL.
 * `error`: may be NULL.
 *
 * `SIPC_WRONG_MODE` where the caller has sent a plain request, which it is told, too, or a broadcast. When the caller
 * leaves, calls of the stream return `SIPC_CANCELLED` or `SIPC_CONNECTION_LOST` at once, also those that wait in other
 * threads.
 */
sipc_status sipc_responder_stream(sipc_responder *responder,
                                  sipc_stream **stream,
                                  sipc_error **error);

/**
 * Opens a named channel to send on.
 *
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `options`: may be NULL.
 * `client`: where the client is stored, owned by the caller; not NULL.
 * `error`: may be NULL.
 *
 * Handle `SIPC_NOT_LISTENING`, `SIPC_PERMISSION_DENIED`, `SIPC_PEER_NOT_ALLOWED`. A listener of the
 * Deno original is only looked for; whether it answers shows with the first message.
 */
sipc_status sipc_client_connect_uds(const char *channel,
                                    const sipc_options *options,
                                    sipc_client **client,
                                    sipc_error **error);

/**
 * Opens a TCP port of 127.0.0.1 to send on.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_client_connect_uds`.
 */
sipc_status sipc_client_connect_ip(uint32_t port,
                                   const sipc_options *options,
                                   sipc_client **client,
                                   sipc_error **error);

/**
 * Opens the Unix socket at a path to send on.
 *
 * `path`: at most 107 bytes, else `SIPC_PATH_TOO_LONG`; not NULL. The other parameters and statuses
 * are those of `sipc_client_connect_uds`.
 */
sipc_status sipc_client_connect_path(const char *path,
                                     const sipc_options *options,
                                     sipc_client **client,
                                     sipc_error **error);

/**
 * Sends a request and waits for the reply.
 *
 * `client`: not NULL.
 * `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
 * `options`: their timeout is this call's, the rest does not concern it; NULL for the timeout that
 * the client was opened with.
 * `reply`: where the reply is stored, owned by the caller; NULL if it is not wanted.
 * `error`: may be NULL.
 *
 * Handle `SIPC_TIMED_OUT`, `SIPC_HANDLER_FAILED`, `SIPC_CONNECTION_LOST`, `SIPC_NOT_LISTENING`,
 * `SIPC_TOO_LARGE`, `SIPC_CLOSED`, `SIPC_FORKED`; `sipc_error_may_have_been_handled` tells whether
 * sending again is safe.
 */
sipc_status sipc_client_request(const sipc_client *client,
                                sipc_body body,
                                const sipc_options *options,
                                sipc_message **reply,
                                sipc_error **error);

/**
 * Sends a broadcast. `SIPC_OK` means that it was sent; `sipc_client_flush` waits until it, and all
 * before it, have reached the handler.
 *
 * `client`: not NULL. `body`: as for `sipc_client_request`. `error`: may be NULL.
 */
sipc_status sipc_client_broadcast(const sipc_client *client, sipc_body body, sipc_error **error);

/**
 * Waits until all broadcasts sent so far have been handed to the listener's handler, as long as the
 * timeout that the client was opened with.
 *
 * `client`: not NULL. `error`: may be NULL.
 *
 * Handle `SIPC_WRONG_MODE` (a request listener was sent broadcasts), `SIPC_TIMED_OUT`,
 * `SIPC_CONNECTION_LOST`: then some may not have got there.
 */
sipc_status sipc_client_flush(const sipc_client *client, sipc_error **error);

/**
 * As `sipc_client_flush`, with a timeout of its own.
 *
 * `timeout_ms`: how long it may wait, or `SIPC_NO_TIMEOUT`. What is not confirmed by then may arrive all
 * the same.
 */
sipc_status sipc_client_flush_within(const sipc_client *client,
                                     int64_t timeout_ms,
                                     sipc_error **error);

/**
 * Asks the listener for a sign of life, and waits for it as long as the timeout that the client was
 * opened with. No handler is involved.
 *
 * `client`: not NULL.
 * `nanoseconds`: where the length of the round trip is stored; may be NULL.
 * `error`: may be NULL.
 */
sipc_status sipc_client_ping(const sipc_client *client, uint64_t *nanoseconds, sipc_error **error);

/**
 * As `sipc_client_ping`, with a timeout of its own.
 *
 * `timeout_ms`: how long it may wait, or `SIPC_NO_TIMEOUT`.
 */
sipc_status sipc_client_ping_within(const sipc_client *client,
                                    int64_t timeout_ms,
                                    uint64_t *nanoseconds,
                                    sipc_error **error);

/**
 * Sends a request without waiting; the callback gets the reply, or `SIPC_TIMED_OUT` after the
 * timeout. Any number may be under way at once.
 *
 * `client`: not NULL; may be freed before the callback runs.
 * `body`, `options`: as for `sipc_client_request`. Copied.
 * `callback`: not NULL. If this call returns another status than `SIPC_OK`, it never runs; else it
 * runs exactly once, and may do so before this call returns.
 * `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
 * `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
 * `error`: may be NULL.
 *
 * This call itself reports the caller's mistakes, `SIPC_CLOSED` and `SIPC_FORKED`; what happens on
 * the channel goes to the callback.
 */
sipc_status sipc_client_request_async(const sipc_client *client,
                                      sipc_body body,
                                      const sipc_options *options,
                                      sipc_reply_callback callback,
                                      void *user_data,
                                      sipc_drop drop,
                                      sipc_operation **operation,
                                      sipc_error **error);

/**
 * Sends a broadcast without waiting; the callback gets no reply, and `SIPC_OK` when it was sent.
 * `sipc_client_flush` waits until it has reached the handler.
 *
 * The parameters and statuses are those of `sipc_client_request_async`, without options.
 */
sipc_status sipc_client_broadcast_async(const sipc_client *client,
                                        sipc_body body,
                                        sipc_reply_callback callback,
                                        void *user_data,
                                        sipc_drop drop,
                                        sipc_operation **operation,
                                        sipc_error **error);

/**
 * Ends the calls of the client that wait, flushes as `sipc_client_flush` does, then closes the connection.
 * The client stays to be freed.
 *
 * Requests and pings that other threads wait in return `SIPC_CANCELLED`, asynchronous requests call back
 * with it, and handlers that have them are told. When it has returned, every asynchronous call of the
 * client has called back and its `user_data` has been dropped, so that the callbacks' code may be
 * unloaded; `SIPC_TIMED_OUT` says that one has not. Inside a callback, which would wait for itself, it
 * waits for the broadcasts of blocking calls only; the rest of closing goes on after it has returned.
 *
 * Closing again waits for callbacks only; sending afterwards gives `SIPC_CLOSED`.
 *
 * `client`: not NULL. `error`: may be NULL; the client is closed whatever is returned.
 */
sipc_status sipc_client_close(const sipc_client *client,
                              sipc_error **error);

/**
 * As `sipc_client_close`, with a timeout of its own for what is to be flushed and called back.
 *
 * `timeout_ms`: how long it may wait, or `SIPC_NO_TIMEOUT`.
 */
sipc_status sipc_client_close_within(const sipc_client *client,
                                     int64_t timeout_ms,
                                     sipc_error **error);

/**
 * Frees a client without waiting. Operations that are under way go on. Legal inside a callback.
 *
 * `client`: may be NULL; not to be used again.
 */
void sipc_client_free(sipc_client *client);

/**
 * Cancels a call: its callback gets `SIPC_CANCELLED`, unless it has ended already or is just ending.
 * Does not wait. May be called at any time before the operation is freed, any number of times.
 *
 * `operation`: may be NULL.
 */
void sipc_operation_cancel(const sipc_operation *operation);

/**
 * Waits until the call's callback has returned and its user data has been dropped.
 *
 * `operation`: not NULL.
 * `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. Afterwards `SIPC_TIMED_OUT` is returned; the
 * call goes on.
 * `error`: may be NULL.
 *
 * Inside a callback it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
 */
sipc_status sipc_operation_wait(const sipc_operation *operation,
                                int64_t timeout_ms,
                                sipc_error **error);

/**
 * Frees an operation. Neither cancels it nor waits for it: its callback runs all the same. Legal
 * inside the callback.
 *
 * `operation`: may be NULL; not to be used again.
 */
void sipc_operation_free(sipc_operation *operation);

/**
 * Sends a request to a named channel without waiting; the callback gets the reply.
 *
 * `channel`, `body`, `options`: as for `sipc_post_uds_request`. All are copied.
 * `callback`: not NULL. If this call returns another status than `SIPC_OK`, it never runs; else it
 * runs exactly once, and may do so before this call returns.
 * `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
 * `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
 * `error`: may be NULL.
 *
 * This call itself reports the caller's mistakes; what happens on the channel goes to the callback.
 */
sipc_status sipc_post_uds_request_async(const char *channel,
                                        sipc_body body,
                                        const sipc_options *options,
                                        sipc_reply_callback callback,
                                        void *user_data,
                                        sipc_drop drop,
                                        sipc_operation **operation,
                                        sipc_error **error);

/**
 * Sends a broadcast to a named channel without waiting; the callback gets no reply, and `SIPC_OK`
 * when a listener has handed it to its handler.
 *
 * The parameters and statuses are those of `sipc_post_uds_request_async`.
 */
sipc_status sipc_post_uds_broadcast_async(const char *channel,
                                          sipc_body body,
                                          const sipc_options *options,
                                          sipc_reply_callback callback,
                                          void *user_data,
                                          sipc_drop drop,
                                          sipc_operation **operation,
                                          sipc_error **error);

/**
 * Sends a request to a TCP port of 127.0.0.1 without waiting; the callback gets the reply.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_post_uds_request_async`.
 */
sipc_status sipc_post_ip_request_async(uint32_t port,
                                       sipc_body body,
                                       const sipc_options *options,
                                       sipc_reply_callback callback,
                                       void *user_data,
                                       sipc_drop drop,
                                       sipc_operation **operation,
                                       sipc_error **error);

/**
 * Sends a broadcast to a TCP port of 127.0.0.1 without waiting.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_post_uds_broadcast_async`.
 */
sipc_status sipc_post_ip_broadcast_async(uint32_t port,
                                         sipc_body body,
                                         const sipc_options *options,
                                         sipc_reply_callback callback,
                                         void *user_data,
                                         sipc_drop drop,
                                         sipc_operation **operation,
                                         sipc_error **error);

/**
 * Subscribes to what a named channel publishes. Once this returned `SIPC_OK`, every event whose `sipc_publish`
 * begins afterwards comes, or is counted by `sipc_message_missed`.
 *
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `options`: `topics`, `overflow`, `queue` and `reconnect` are for subscribers, and `wait` and `timeout` hold
 * as for a post; may be NULL.
 * `stream`: where the stream of events is stored, owned by the caller; not NULL.
 * `error`: may be NULL.
 *
 * Handle `SIPC_NOT_LISTENING`, `SIPC_WRONG_MODE` (nobody publishes there, or `SIPC_OVERFLOW_BLOCK` without the
 * publisher's `patience`), `SIPC_TIMED_OUT`, `SIPC_PERMISSION_DENIED`, `SIPC_PEER_NOT_ALLOWED`,
 * `SIPC_UNSUPPORTED_VERSION` (the listener's library is older than subscriptions).
 */
sipc_status sipc_subscribe_uds(const char *channel,
                               const sipc_options *options,
                               sipc_stream **stream,
                               sipc_error **error);

/**
 * Subscribes to what a TCP port of 127.0.0.1 publishes.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_subscribe_uds`.
 */
sipc_status sipc_subscribe_ip(uint32_t port,
                              const sipc_options *options,
                              sipc_stream **stream,
                              sipc_error **error);

/**
 * Sends a request to a named channel whose answer is a sequence: `sipc_stream_next` takes its items. More items may
 * be sent to the handler (`sipc_stream_send`, `sipc_stream_end`). Waits until the handler has begun.
 *
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `data`: what opens the stream, which the handler gets as its message; from `sipc_json`, `sipc_text` or `sipc_bytes`.
 * `options`: `timeout` is the time of the whole stream, and none unless it was set; `idle_timeout` ends a stream on which
 * nothing moves; may be NULL.
 * `stream`: where the stream is stored, owned by the caller; not NULL.
 * `error`: may be NULL.
 *
 * A handler that answers with one message gives a stream of one item. A stream that is closed or freed before its end
 * tells the handler at once that its caller has left. Each stream has a connection to itself while it lasts.
 *
 * Handle `SIPC_NOT_LISTENING`, `SIPC_TIMED_OUT`, `SIPC_HANDLER_FAILED`, `SIPC_CONNECTION_LOST`, `SIPC_TOO_LARGE`,
 * `SIPC_WRONG_MODE` (the listener takes no requests), `SIPC_UNSUPPORTED_VERSION` (its library is older than streams, or
 * it speaks the Deno wire only); `sipc_error_may_have_been_handled` tells whether opening it again is safe.
 */
sipc_status sipc_post_uds_stream(const char *channel,
                                 sipc_body data,
                                 const sipc_options *options,
                                 sipc_stream **stream,
                                 sipc_error **error);

/**
 * Opens a stream on a TCP port of 127.0.0.1.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_post_uds_stream`.
 */
sipc_status sipc_post_ip_stream(uint32_t port,
                                sipc_body data,
                                const sipc_options *options,
                                sipc_stream **stream,
                                sipc_error **error);

/**
 * As `sipc_post_uds_stream`, without waiting: what opening it comes to is told by the first call of `sipc_stream_next`
 * or `sipc_stream_send`, or of their `_async` forms, and repeated by later ones. It goes on inside the calls of the
 * stream, whose descriptor tells when there is something to do.
 *
 * `SIPC_NOT_LISTENING` comes here where that is clear at once.
 */
sipc_status sipc_begin_uds_stream(const char *channel,
                                  sipc_body data,
                                  const sipc_options *options,
                                  sipc_stream **stream,
                                  sipc_error **error);

/**
 * As `sipc_begin_uds_stream`, on a TCP port of 127.0.0.1.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`.
 */
sipc_status sipc_begin_ip_stream(uint32_t port,
                                 sipc_body data,
                                 const sipc_options *options,
                                 sipc_stream **stream,
                                 sipc_error **error);

/**
 * Opens a stream on the channel of a client, and waits until the handler has begun.
 *
 * `client`: not NULL. To close or free it does not end its streams.
 * `options`: their `timeout` and `idle_timeout` are the stream's, the rest does not concern it; NULL for those that the
 * client was opened with. The other parameters and the statuses are those of `sipc_post_uds_stream`; handle
 * `SIPC_CLOSED` and `SIPC_FORKED`, too.
 */
sipc_status sipc_client_stream(const sipc_client *client,
                               sipc_body data,
                               const sipc_options *options,
                               sipc_stream **stream,
                               sipc_error **error);

/**
 * As `sipc_client_stream`, without waiting, as `sipc_begin_uds_stream`.
 */
sipc_status sipc_client_begin_stream(const sipc_client *client,
                                     sipc_body data,
                                     const sipc_options *options,
                                     sipc_stream **stream,
                                     sipc_error **error);

/**
 * Takes the next message, and waits for one if there is none.
 *
 * `stream`: not NULL.
 * `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. 0 takes what is there. Afterwards `SIPC_TIMED_OUT` is
 * returned, which leaves the stream as it was: nothing is lost, call again.
 * `item`: where the message is stored, owned by the caller; NULL is stored at the end of the stream, which comes
 * when the other side has ended it or it was closed here; of a subscription, when its publisher has closed and
 * `reconnect` is 0; not NULL.
 * `error`: may be NULL.
 *
 * `SIPC_INVALID_BODY` of a subscription and of a caller's stream may be about one message that says it is JSON and is
 * not: the next call goes on behind it. Every other status but the `SIPC_TIMED_OUT` of `timeout_ms` ends the stream, and is returned again by later calls;
 * `sipc_stream_is_over` tells. All that was sent before an error comes before it.
 *
 * Of a caller's stream handle `SIPC_HANDLER_FAILED` (`sipc_error_handler_code` and `_data` as for a request),
 * `SIPC_CONNECTION_LOST`, `SIPC_TIMED_OUT` (`timeout` or `idle_timeout` of its options is over), `SIPC_TOO_LARGE`, and
 * what `sipc_post_uds_stream` says where `sipc_begin_uds_stream` has opened it. Of a handler's: `SIPC_CANCELLED` and
 * `SIPC_CONNECTION_LOST`, its caller has left.
 *
 * Of a subscription: while its publisher is gone, the stream looks for the next one inside this call and does not fail;
 * `sipc_message_missed` of the event after that tells what was missed. Handle `SIPC_TOO_SLOW`, `SIPC_TOO_LARGE`,
 * `SIPC_CONNECTION_LOST` (`reconnect` is over), `SIPC_FORKED`.
 */
sipc_status sipc_stream_next(const sipc_stream *stream,
                             int64_t timeout_ms,
                             sipc_message **item,
                             sipc_error **error);

/**
 * Takes the next message without waiting; the callback gets it, or NULL at the end of the stream. Calls of one
 * stream are served in their order.
 *
 * `stream`, `timeout_ms`: as for `sipc_stream_next`.
 * `callback`: not NULL. If this call returns another status than `SIPC_OK`, it never runs; else it runs exactly
 * once, and may do so before this call returns. It may make the next such call.
 * `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
 * `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
 * `error`: may be NULL.
 *
 * The callback's statuses are those of `sipc_stream_next`, and `SIPC_CANCELLED` after `sipc_operation_cancel`; a
 * call that is cancelled or timed out takes nothing. All streams' callbacks run on one thread, started with the
 * first such call: one that does not return holds up the others. A program that wants many messages takes those that
 * are there by `sipc_stream_next` with `timeout_ms` 0, and makes this call when there is none.
 */
sipc_status sipc_stream_next_async(const sipc_stream *stream,
                                   int64_t timeout_ms,
                                   sipc_reply_callback callback,
                                   void *user_data,
                                   sipc_drop drop,
                                   sipc_operation **operation,
                                   sipc_error **error);

/**
 * The caller's items once more, as `sipc_responder_items` gives them, of a handler's stream: so that one thread or part of
 * the handler takes them while another one sends.
 *
 * `stream`: of `sipc_responder_stream` or `sipc_responder_items`; not NULL.
 * `items`: where the stream of items is stored, owned by the caller; not NULL.
 * `error`: may be NULL. `SIPC_INVALID_ARGUMENT` of any other stream.
 */
sipc_status sipc_stream_items(const sipc_stream *stream,
                              sipc_stream **items,
                              sipc_error **error);

/**
 * The descriptor that is readable while `sipc_stream_next` with `timeout_ms` 0 has something to do, or
 * `sipc_stream_send` after it has found no room: for `poll`, `epoll` or an event loop, level-triggered. It stays the
 * same, also while a subscription looks for its publisher again, and the library's; only watch it. It may be readable
 * though nothing is there yet: then that call returns `SIPC_TIMED_OUT`.
 *
 * `stream`: NULL gives -1. -1 also for a handler's stream, which has none, and in a forked child, in which the
 * descriptor is closed.
 */
int32_t sipc_stream_descriptor(const sipc_stream *stream);

/**
 * Whether a stream is over: it has ended, failed, or was closed, and nothing is left to take; a handler's, too, when
 * its caller has left. Where it is not, `SIPC_TIMED_OUT` says that there is nothing yet.
 *
 * `stream`: NULL gives `true`. `true` also in a forked child.
 */
bool sipc_stream_is_over(const sipc_stream *stream);

/**
 * Closes a stream. Calls that wait for a message, here or in other threads, get the end of the stream; those that send
 * get `SIPC_CLOSED`. Does not wait and does not fail. May be called in any thread, any number of times.
 *
 * A publisher forgets the subscription. A handler learns at once that its caller has left. A handler that closes its
 * stream without `sipc_stream_end` has failed: its caller gets `SIPC_HANDLER_FAILED`. Closing a stream of
 * `sipc_responder_items` concerns that stream alone.
 *
 * `stream`: may be NULL.
 */
void sipc_stream_close(const sipc_stream *stream);

/**
 * Closes and frees a stream. Asynchronous calls that are under way end as for `sipc_stream_close`; no other call may
 * be using it. Legal inside a callback.
 *
 * `stream`: may be NULL; not to be used again.
 */
void sipc_stream_free(sipc_stream *stream);

/**
 * Sends an item, and waits until the other side has room for it.
 *
 * `stream`: of `sipc_post_uds_stream` or its like, or of `sipc_responder_stream`; not NULL.
 * `data`: from `sipc_json`, `sipc_text` or `sipc_bytes`.
 * `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. 0 sends if there is room. Afterwards `SIPC_TIMED_OUT` is
 * returned, which leaves the stream as it was: the item was not sent, call again.
 * `error`: may be NULL.
 *
 * There is room for 256 KiB that the other side's program has not taken, and for one item more. `SIPC_OK` says that the
 * item was sent, in the order of the calls, and not that it was taken; of a large one that was sent with `timeout_ms` 0, the
 * rest may leave inside the stream's next calls. Where both sides only send and neither takes, both wait, until a
 * `timeout_ms` or the caller's `idle_timeout` is over.
 *
 * Handle `SIPC_CLOSED`: the listener has ended the stream first, whose items and end, or error, `sipc_stream_next` still
 * gives; or it was ended or closed here. Of a handler's stream `SIPC_CANCELLED` and `SIPC_CONNECTION_LOST`: its caller has left.
 * `SIPC_TOO_LARGE` (the other side takes no item of that size) and `SIPC_INVALID_JSON`: nothing was sent, the stream
 * goes on. Else what `sipc_stream_next` says.
 */
sipc_status sipc_stream_send(const sipc_stream *stream,
                             sipc_body data,
                             int64_t timeout_ms,
                             sipc_error **error);

/**
 * Sends an item without waiting; the callback gets `SIPC_OK` when it was sent. Calls of one stream send in their
 * order; there is no order between them and those of `sipc_stream_send`.
 *
 * `stream`, `data`, `timeout_ms`: as for `sipc_stream_send`. The data is copied.
 * `callback`: not NULL; gets no reply. If this call returns another status than `SIPC_OK`, it never runs; else it runs
 * exactly once, and may do so before this call returns.
 * `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
 * `operation`: where the operation is stored, owned by the caller; NULL if it is not wanted.
 * `error`: may be NULL.
 *
 * The callback's statuses are those of `sipc_stream_send`, and `SIPC_CANCELLED` after `sipc_operation_cancel`; a call that
 * is cancelled or timed out sends nothing. The callbacks run where those of `sipc_stream_next_async` do. Each call keeps
 * a copy of its item: a program that sends many sends with `sipc_stream_send` and `timeout_ms` 0, makes this call when
 * there is no room, and the next one after its callback.
 */
sipc_status sipc_stream_send_async(const sipc_stream *stream,
                                   sipc_body data,
                                   int64_t timeout_ms,
                                   sipc_reply_callback callback,
                                   void *user_data,
                                   sipc_drop drop,
                                   sipc_operation **operation,
                                   sipc_error **error);

/**
 * Says that no more items come from here. Does not wait. A caller goes on to take the handler's items; a handler's
 * answer is complete, and its stream over.
 *
 * `stream`: as for `sipc_stream_send`; not NULL.
 * `error`: may be NULL.
 *
 * Calls of `sipc_stream_send_async` that are under way get `SIPC_CLOSED`: wait for their callbacks first. Of a caller's
 * stream it does nothing a second time. Of a handler's an error means that the caller has left (`SIPC_CANCELLED`,
 * `SIPC_CONNECTION_LOST`), or that it was ended, failed or closed before (`SIPC_CLOSED`).
 */
sipc_status sipc_stream_end(const sipc_stream *stream,
                            sipc_error **error);

/**
 * Ends a handler's stream with an error: after the items that were sent the caller gets `SIPC_HANDLER_FAILED` with this
 * text.
 *
 * `stream`: of `sipc_responder_stream`; not NULL. It is over, whatever is returned, and stays to be freed.
 * `text`: as that of `sipc_respond_error`.
 * `error`: may be NULL.
 *
 * The statuses are those of `sipc_respond_error`, and `SIPC_CLOSED` where it was ended, failed or closed before.
 */
sipc_status sipc_stream_fail(const sipc_stream *stream,
                             const char *text,
                             sipc_error **error);

/**
 * Ends a handler's stream with an error that the caller's program can act on, as `sipc_respond_failure` does for a
 * request.
 *
 * `stream`: of `sipc_responder_stream`; not NULL. It is over, whatever is returned, and stays to be freed.
 * `message`, `code`, `data_json`: as those of `sipc_respond_failure`.
 * `error`: may be NULL.
 *
 * The statuses are those of `sipc_respond_failure`, and `SIPC_CLOSED` where it was ended, failed or closed before.
 */
sipc_status sipc_stream_fail_with(const sipc_stream *stream,
                                  const char *message,
                                  const char *code,
                                  const char *data_json,
                                  sipc_error **error);

/**
 * Makes an empty queue. It takes two descriptors.
 *
 * `queue`: where it is stored, owned by the caller; not NULL. `error`: may be NULL.
 */
sipc_status sipc_queue_new(sipc_queue **queue, sipc_error **error);

/**
 * The descriptor that is readable while there is something for `sipc_queue_process` to do, messages for
 * handlers among it: for
 * `poll`, `epoll` or an event loop, level-triggered. It stays the library's; only watch it.
 *
 * `queue`: NULL gives -1. -1 also in a forked child, in which the descriptor is closed.
 */
int32_t sipc_queue_descriptor(const sipc_queue *queue);

/**
 * How many calls are under way: their callbacks have not run yet.
 *
 * `queue`: NULL gives 0. 0 also in a forked child, in which no callback comes.
 */
size_t sipc_queue_under_way(const sipc_queue *queue);

/**
 * Sends what has gathered. The first call on a session with nothing under way is sent at once; those
 * that follow gather until this, `sipc_queue_process` or `sipc_queue_wait`, or until 64 KiB have
 * gathered, 2 KiB where the listener seems to work on another core meanwhile. Costs nothing when there
 * is nothing to send, and does nothing in a forked child.
 *
 * `queue`: may be NULL.
 */
void sipc_queue_submit(sipc_queue *queue);

/**
 * Does what there is to do without waiting, and runs the callbacks that are due and the handlers of the queue's
 * listeners for which messages have come.
 *
 * `queue`: not NULL.
 * `completed`: where the number of calls that were completed is stored, in which messages of listeners are not
 * counted; may be NULL.
 * `error`: may be NULL.
 *
 * Inside a callback or handler of the queue it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
 */
sipc_status sipc_queue_process(sipc_queue *queue,
                               size_t *completed,
                               sipc_error **error);

/**
 * Waits until a call is completed or messages have come for a listener of the queue, then does as
 * `sipc_queue_process`. Sends what has gathered first.
 *
 * `queue`: not NULL.
 * `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. Afterwards `SIPC_OK` is returned with
 * `completed` 0, as it is where there were messages alone.
 * `completed`: where the number of calls that were completed is stored; may be NULL.
 * `error`: may be NULL.
 *
 * Inside a callback or handler of the queue it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
 */
sipc_status sipc_queue_wait(sipc_queue *queue,
                            int64_t timeout_ms,
                            size_t *completed,
                            sipc_error **error);

/**
 * Gives a call up: its callback gets `SIPC_CANCELLED` before this returns, and a handler that has the
 * request is told. A ticket that is no longer under way is left alone.
 *
 * `queue`: may be NULL. `ticket`: as a call of the queue stored it.
 */
void sipc_queue_cancel(sipc_queue *queue,
                       uint64_t ticket);

/**
 * Frees a queue with its clients. Calls that are under way are given up: their callbacks get
 * `SIPC_CANCELLED`. Broadcasts that have gathered are still sent, for which it may wait up to a
 * second. Its listeners close at once: their handlers are not called again and their `user_data` is dropped, callers
 * that wait get `SIPC_CONNECTION_LOST`, and the listeners stay to be freed.
 * Not legal inside a callback or handler of the queue. In a forked child nothing is called or sent: the
 * calls are the parent's, and what belongs to them is left to it.
 *
 * `queue`: may be NULL; not to be used again.
 */
void sipc_queue_free(sipc_queue *queue);

/**
 * Opens a named channel in a queue: one session, on which messages keep their order.
 *
 * `queue`: not NULL.
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `options`: may be NULL. With `wait_ms` it may wait for the listener inside the queue: messages may
 * be sent meanwhile.
 * `client`: where a number for the client is stored, good until it is closed or its queue is freed;
 * not NULL.
 * `error`: may be NULL.
 *
 * `SIPC_NOT_LISTENING` and the caller's mistakes are returned at once.
 */
sipc_status sipc_queue_connect_uds(sipc_queue *queue,
                                   const char *channel,
                                   const sipc_options *options,
                                   uint64_t *client,
                                   sipc_error **error);

/**
 * Opens a TCP port of 127.0.0.1 in a queue.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_queue_connect_uds`.
 */
sipc_status sipc_queue_connect_ip(sipc_queue *queue,
                                  uint32_t port,
                                  const sipc_options *options,
                                  uint64_t *client,
                                  sipc_error **error);

/**
 * Opens the Unix socket at a path in a queue.
 *
 * `path`: at most 107 bytes, else `SIPC_PATH_TOO_LONG`; not NULL. The other parameters and statuses
 * are those of `sipc_queue_connect_uds`.
 */
sipc_status sipc_queue_connect_path(sipc_queue *queue,
                                    const char *path,
                                    const sipc_options *options,
                                    uint64_t *client,
                                    sipc_error **error);

/**
 * Sends a request; the callback gets the reply.
 *
 * `client`: as `sipc_queue_connect_uds` stored it.
 * `options`: their timeout is this call's, the rest does not concern it; NULL for the timeout that
 * the client was opened with.
 * The other parameters and statuses are those of `sipc_queue_post_uds_request`.
 */
sipc_status sipc_queue_request(sipc_queue *queue,
                               uint64_t client,
                               sipc_body body,
                               const sipc_options *options,
                               sipc_reply_callback callback,
                               void *user_data,
                               sipc_drop drop,
                               uint64_t *ticket,
                               sipc_error **error);

/**
 * Sends a broadcast; `sipc_queue_flush` makes sure that it, and all before it, have reached the
 * handler. While more than 1 MiB waits to be sent it waits in the queue, and counts as under way.
 *
 * `client`: as `sipc_queue_connect_uds` stored it.
 * `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`. Copied. `error`: may be NULL.
 *
 * An error of earlier broadcasts is told by the next call that involves the client.
 */
sipc_status sipc_queue_broadcast(sipc_queue *queue,
                                 uint64_t client,
                                 sipc_body body,
                                 sipc_error **error);

/**
 * Has the callback called when all broadcasts of a client so far have been handed to the listener's
 * handler.
 *
 * The parameters are those of `sipc_queue_request`, without body and options. The callback's statuses
 * are those of `sipc_client_flush`.
 */
sipc_status sipc_queue_flush(sipc_queue *queue,
                             uint64_t client,
                             sipc_reply_callback callback,
                             void *user_data,
                             sipc_drop drop,
                             uint64_t *ticket,
                             sipc_error **error);

/**
 * Asks the listener for a sign of life, of which the callback hears. No handler is involved.
 *
 * The parameters are those of `sipc_queue_flush`.
 */
sipc_status sipc_queue_ping(sipc_queue *queue,
                            uint64_t client,
                            sipc_reply_callback callback,
                            void *user_data,
                            sipc_drop drop,
                            uint64_t *ticket,
                            sipc_error **error);

/**
 * Flushes a client, then closes it, of which the callback hears. Requests and pings of it that are still
 * under way end with `SIPC_CANCELLED`, and a handler that has such a request is told.
 *
 * The parameters are those of `sipc_queue_flush`.
 */
sipc_status sipc_queue_close(sipc_queue *queue,
                             uint64_t client,
                             sipc_reply_callback callback,
                             void *user_data,
                             sipc_drop drop,
                             uint64_t *ticket,
                             sipc_error **error);

/**
 * Listens for requests on a named channel, with a handler that runs inside `sipc_queue_process` and
 * `sipc_queue_wait`: for a program with an event loop, which needs no lock for what its handlers use.
 *
 * The queue's descriptor is readable when messages have come; they wait, as far as the listener's limits go,
 * until the queue is processed. The handler is called for one message at a time, and for at most 64 of a
 * session before others have their turn. While it runs the loop does nothing else: a handler that has to wait
 * for something returns, keeps its responder, and answers later. Inside it calls of the same queue may be
 * started and cancelled, and any listener closed or freed; the queue must not be processed, waited for or freed.
 * A call that waits for the answer of a listener of this queue waits in vain. Answers wait for no caller.
 *
 * A caller's stream comes as any request. `sipc_stream_next` and `sipc_stream_send` of a handler wait, and the
 * loop with them: their `_async` forms do not. Their callbacks, and that of `sipc_responder_on_cancel`, run on a
 * thread of the library.
 *
 * `sipc_listener_close` takes what has come to the handler itself where it is called in the thread that
 * processes the queue; a responder that is kept is waited for, at most for the grace period. In another thread it
 * waits for the queue to be processed. `sipc_listener_free` does not wait: what has come is still taken to
 * the handler by `sipc_queue_process`, which calls `drop` when the listener has closed. `sipc_queue_free` closes the
 * listener without calling the handler again, and calls `drop`; the listener itself stays to be freed.
 *
 * `queue`: not NULL. The first listener of a queue takes a descriptor for it. The other parameters and
 * statuses are those of `sipc_listen_uds_request`.
 */
sipc_status sipc_queue_listen_uds_request(sipc_queue *queue,
                                          const char *channel,
                                          sipc_handler handler,
                                          void *user_data,
                                          sipc_drop drop,
                                          const sipc_options *options,
                                          sipc_listener **listener,
                                          sipc_error **error);

/**
 * Listens for broadcasts on a named channel. The parameters and statuses are those of
 * `sipc_queue_listen_uds_request`; the handler has nothing to answer.
 */
sipc_status sipc_queue_listen_uds_broadcast(sipc_queue *queue,
                                            const char *channel,
                                            sipc_handler handler,
                                            void *user_data,
                                            sipc_drop drop,
                                            const sipc_options *options,
                                            sipc_listener **listener,
                                            sipc_error **error);

/**
 * Listens for requests on a TCP port of 127.0.0.1.
 *
 * `port`: 1 to 65535, or 0 to let the system choose one, which `sipc_listener_port` tells. The other
 * parameters are those of `sipc_queue_listen_uds_request`, the statuses those of `sipc_listen_ip_request`.
 */
sipc_status sipc_queue_listen_ip_request(sipc_queue *queue,
                                         uint32_t port,
                                         sipc_handler handler,
                                         void *user_data,
                                         sipc_drop drop,
                                         const sipc_options *options,
                                         sipc_listener **listener,
                                         sipc_error **error);

/**
 * Listens for broadcasts on a TCP port of 127.0.0.1. The parameters and statuses are those of
 * `sipc_queue_listen_ip_request`; the handler has nothing to answer.
 */
sipc_status sipc_queue_listen_ip_broadcast(sipc_queue *queue,
                                           uint32_t port,
                                           sipc_handler handler,
                                           void *user_data,
                                           sipc_drop drop,
                                           const sipc_options *options,
                                           sipc_listener **listener,
                                           sipc_error **error);

/**
 * Sends a request to a named channel; the callback gets the reply.
 *
 * `queue`: not NULL.
 * `channel`: 1 to 85 characters of `A-Z a-z 0-9 _`; not NULL.
 * `body`: from `sipc_json`, `sipc_text` or `sipc_bytes`. Copied.
 * `options`: may be NULL.
 * `callback`: runs exactly once inside a later call of the queue if this one returns `SIPC_OK`, else
 * never; may be NULL.
 * `user_data`: handed to the callback; may be NULL. `drop`: releases it; may be NULL.
 * `ticket`: where a number for `sipc_queue_cancel` is stored; may be NULL.
 * `error`: may be NULL.
 *
 * What is clear at once is returned at once: the caller's mistakes, `SIPC_TOO_LARGE`,
 * `SIPC_NOT_LISTENING`; the rest goes to the callback.
 */
sipc_status sipc_queue_post_uds_request(sipc_queue *queue,
                                        const char *channel,
                                        sipc_body body,
                                        const sipc_options *options,
                                        sipc_reply_callback callback,
                                        void *user_data,
                                        sipc_drop drop,
                                        uint64_t *ticket,
                                        sipc_error **error);

/**
 * Sends a broadcast to a named channel; the callback hears when it has reached the handler.
 *
 * The parameters and statuses are those of `sipc_queue_post_uds_request`.
 */
sipc_status sipc_queue_post_uds_broadcast(sipc_queue *queue,
                                          const char *channel,
                                          sipc_body body,
                                          const sipc_options *options,
                                          sipc_reply_callback callback,
                                          void *user_data,
                                          sipc_drop drop,
                                          uint64_t *ticket,
                                          sipc_error **error);

/**
 * Sends a request to a TCP port of 127.0.0.1; the callback gets the reply.
 *
 * `port`: 1 to 65535, else `SIPC_INVALID_PORT`. The other parameters and statuses are those of
 * `sipc_queue_post_uds_request`.
 */
sipc_status sipc_queue_post_ip_request(sipc_queue *queue,
                                       uint32_t port,
                                       sipc_body body,
                                       const sipc_options *options,
                                       sipc_reply_callback callback,
                                       void *user_data,
                                       sipc_drop drop,
                                       uint64_t *ticket,
                                       sipc_error **error);

/**
 * Sends a broadcast to a TCP port of 127.0.0.1; the callback hears when it has reached the handler.
 *
 * The parameters and statuses are those of `sipc_queue_post_ip_request`.
 */
sipc_status sipc_queue_post_ip_broadcast(sipc_queue *queue,
                                         uint32_t port,
                                         sipc_body body,
                                         const sipc_options *options,
                                         sipc_reply_callback callback,
                                         void *user_data,
                                         sipc_drop drop,
                                         uint64_t *ticket,
                                         sipc_error **error);

/**
 * Finds the live channels.
 *
 * `directory`: where to look; NULL for the default (the environment variable `SIMPLE_IPC_DIR`, or
 * `/tmp`).
 * `list`: where the list is stored, owned by the caller; not NULL.
 * `error`: may be NULL.
 *
 * Handle `SIPC_NO_DIRECTORY`, `SIPC_PERMISSION_DENIED`.
 */
sipc_status sipc_channels(const char *directory, sipc_channel_list **list, sipc_error **error);

/**
 * How many channels a list has.
 *
 * `list`: NULL gives 0.
 */
size_t sipc_channel_list_len(const sipc_channel_list *list);

/**
 * One channel of a list; it lives as long as the list. NULL beyond its end.
 *
 * `list`: NULL gives NULL. `index`: from 0.
 */
const sipc_channel_info *sipc_channel_list_get(const sipc_channel_list *list, size_t index);

/**
 * Frees a list.
 *
 * `list`: may be NULL; not to be used again.
 */
void sipc_channel_list_free(sipc_channel_list *list);

/**
 * The library's version, such as "0.1.0". Never NULL; static.
 */
const char *sipc_version(void);

/**
 * The library's binary interface. A program that finds another number than its header's
 * `SIPC_ABI_VERSION` must not call anything else.
 */
uint32_t sipc_abi_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SIMPLE_IPC_H */
