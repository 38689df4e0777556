#define _GNU_SOURCE
#include "steps.h"
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 4 };

/* Takes events until all that were due have come or were told as missed, or a call fails. */
static void take_events(const sipc_stream *events, unsigned first, unsigned due, struct result *result) {
    unsigned seen = 0;
    while (seen < due) {
        sipc_message *event = NULL;
        sipc_error *error = NULL;
        if (!keep(result, "next", sipc_stream_next(events, TIMEOUT_MS / 4, &event, &error), &error))
            return;
        if (!event) {
            error = NULL;
            keep(result, "next ended", SIPC_CLOSED, &error);
            return;
        }
        unsigned number = (unsigned)strtoul(sipc_message_json(event), NULL, 10);
        int64_t missed = sipc_message_missed(event);
        /* The publisher is the same one all the time: it knows how many were missed. */
        if (missed < 0 || number != first + seen + (unsigned)missed) {
            result->status = SIPC_INTERNAL;
            snprintf(result->text, sizeof result->text, "event %u came with %lld missed behind %u of %u", number - first,
                     (long long)missed, seen, due);
        }
        seen = number - first + 1;
        sipc_message_free(event);
    }
}

/* Publishes to a subscriber in the same process: either side may fail. */
ACT(publishes) {
    sipc_options *options = options_for(scenario, directory);
    sipc_options_set_reconnect_ms(options, TIMEOUT_MS);
    sipc_listener *publisher = NULL;
    sipc_stream *events = NULL;
    sipc_error *error = NULL;
    faults_hold(scenario->late);
    sipc_status status = scenario->tcp ? sipc_listen_ip_publish(0, options, &publisher, &error)
                                       : sipc_listen_uds_publish("channel", options, &publisher, &error);
    bool good = keep(result, "listen", status, &error);
    error = NULL;
    if (good) {
        status = scenario->tcp ? sipc_subscribe_ip(sipc_listener_port(publisher), options, &events, &error)
                               : sipc_subscribe_uds("channel", options, &events, &error);
        good = keep(result, "subscribe", status, &error);
    }
    faults_hold(false);
    unsigned first = shared->next_message, due = 0;
    for (; good && due < EVENTS; due++) {
        struct numbered message = next_message(shared);
        error = NULL;
        good = keep(result, "publish", sipc_publish(publisher, "topic", sipc_json(message.text), NULL, &error), &error);
        if (!good)
            break;
    }
    if (events)
        take_events(events, first, due, result);
    sipc_stream_close(events);
    sipc_stream_free(events);
    error = NULL;
    if (publisher)
        keep(result, "close", sipc_listener_close(publisher, &error), &error);
    sipc_listener_free(publisher);
    sipc_options_free(options);
}
