#define _GNU_SOURCE
#include "steps.h"
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 4 };

/* Sends back each item that comes, to their end. */
static void echo_items(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    (void)opening;
    (void)user_data;
    sipc_stream *stream = NULL;
    if (sipc_responder_stream(responder, &stream, NULL) != SIPC_OK)
        return;
    for (;;) {
        sipc_message *item = NULL;
        if (sipc_stream_next(stream, TIMEOUT_MS, &item, NULL) != SIPC_OK)
            break;
        if (!item) {
            sipc_stream_end(stream, NULL);
            break;
        }
        sipc_status sent =
            sipc_stream_send(stream, sipc_json_n(sipc_message_json(item), sipc_message_len(item)), TIMEOUT_MS, NULL);
        sipc_message_free(item);
        if (sent != SIPC_OK)
            break;
    }
    sipc_stream_free(stream);
}

/* Takes what comes back, to the end. Whatever fails, items are in order and none is left out before an ending. */
static void take_items(const sipc_stream *stream, struct result *result) {
    for (unsigned taken = 0;; taken++) {
        sipc_message *item = NULL;
        sipc_error *error = NULL;
        if (!keep(result, "next", sipc_stream_next(stream, TIMEOUT_MS, &item, &error), &error))
            return;
        unsigned number = item ? (unsigned)strtoul(sipc_message_json(item), NULL, 10) : ITEMS;
        sipc_message_free(item);
        if (number != taken) {
            result->status = SIPC_INTERNAL;
            snprintf(result->text, sizeof result->text, "item %u, or the end, came where %u was due", number, taken);
        }
        if (number == ITEMS)
            return;
    }
}

/* A stream both ways within one process: either side may fail. */
ACT(streams) {
    sipc_options *options = options_for(scenario, directory);
    /* Of a stream that is the time of the whole of it, which is several waits. */
    sipc_options_set_timeout_ms(options, 4 * TIMEOUT_MS);
    sipc_options_set_idle_timeout_ms(options, TIMEOUT_MS);
    sipc_listener *listener = NULL;
    sipc_stream *stream = NULL;
    sipc_error *error = NULL;
    (void)shared;
    faults_hold(scenario->late);
    sipc_status status = scenario->tcp
                             ? sipc_listen_ip_request(0, echo_items, NULL, NULL, options, &listener, &error)
                             : sipc_listen_uds_request("channel", echo_items, NULL, NULL, options, &listener, &error);
    bool good = keep(result, "listen", status, &error);
    faults_hold(false);
    error = NULL;
    if (good) {
        status = scenario->tcp
                     ? sipc_post_ip_stream(sipc_listener_port(listener), sipc_text("echo"), options, &stream, &error)
                     : sipc_post_uds_stream("channel", sipc_text("echo"), options, &stream, &error);
        good = keep(result, "open", status, &error);
    }
    for (unsigned number = 0; good && number < ITEMS; number++) {
        char text[12];
        snprintf(text, sizeof text, "%u", number);
        error = NULL;
        status = sipc_stream_send(stream, sipc_json(text), TIMEOUT_MS, &error);
        good = keep(result, "send", status, &error);
    }
    error = NULL;
    if (good && keep(result, "end", sipc_stream_end(stream, &error), &error))
        take_items(stream, result);
    sipc_stream_close(stream);
    sipc_stream_free(stream);
    error = NULL;
    if (listener)
        keep(result, "close", sipc_listener_close(listener, &error), &error);
    sipc_listener_free(listener);
    sipc_options_free(options);
}
