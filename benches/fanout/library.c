/* Simple IPC through its C interface, as its users would write it. Subscribers ask to be waited for, so that none is lost. */
#define _GNU_SOURCE
#include "fanout.h"

#include <simple_ipc.h>

#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

static sipc_listener *publisher;
static sipc_stream *events;

static void check(sipc_status status, const sipc_error *error, const char *attempted) {
    if (status != SIPC_OK)
        fail(attempted, error ? sipc_error_message(error) : sipc_status_name(status));
}

void publisher_open(const char *name) {
    sipc_options *options = sipc_options_new();
    sipc_error *error = NULL;
    sipc_options_set_patience_ms(options, PATIENCE_MS);
    check(sipc_listen_uds_publish(name, options, &publisher, &error), error, "publish");
    sipc_options_free(options);
}

void publisher_wait_for(unsigned subscribers) {
    for (;;) {
        sipc_counters counters = {.size = sizeof counters};
        check(sipc_listener_counters(publisher, &counters, NULL), NULL, "count subscribers");
        if (counters.subscribers >= subscribers)
            return;
        usleep(1000);
    }
}

void publisher_send(const void *body, size_t bytes) {
    sipc_error *error = NULL;
    check(sipc_publish(publisher, NULL, sipc_bytes(body, bytes), NULL, &error), error, "publish an event");
}

void publisher_send_alone(const void *body, size_t bytes) {
    publisher_send(body, bytes);
}

void subscriber_open(const char *name, size_t bytes) {
    (void)bytes;
    sipc_options *options = sipc_options_new();
    sipc_error *error = NULL;
    sipc_options_set_wait_ms(options, 10000);
    sipc_options_set_overflow(options, SIPC_OVERFLOW_BLOCK);
    check(sipc_subscribe_uds(name, options, &events, &error), error, "subscribe");
    sipc_options_free(options);
}

size_t subscriber_next(void) {
    sipc_message *event = NULL;
    sipc_error *error = NULL;
    check(sipc_stream_next(events, SIPC_NO_TIMEOUT, &event, &error), error, "receive an event");
    if (!event)
        exit(0);
    sipc_message_free(event);
    return 1;
}
