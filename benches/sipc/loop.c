/* A fixed number of messages, for counting instructions: listener and client in processes of their own, so that each
 * side can be counted by itself. Nothing here goes by time. Neither side polls (the option is 0), since how often a
 * poll finds nothing is up to the machine.
 *
 *   loop listen request|broadcast                until its standard input ends
 *   loop blocking|post|queue|oneway COUNT        COUNT messages of 64 B to the listener
 *
 * Both need SIMPLE_IPC_DIR. The listener writes one byte to its standard output when it listens.
 */
#define _GNU_SOURCE
#include "channel.h"
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_EVERY = 64 };

static sipc_options *options;
static const char body[SMALL_BYTES];

static void ignore(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)responder, (void)user_data;
}

static int serve(bool broadcast) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_status status =
        broadcast ? sipc_listen_uds_broadcast(CHANNEL, ignore, NULL, NULL, options, &listener, &error)
                  : sipc_listen_uds_request(CHANNEL, answer_with_body, NULL, NULL, options, &listener, &error);
    if (status != SIPC_OK)
        die_of("listen", status, error);
    write_byte(STDOUT_FILENO);
    read_byte(STDIN_FILENO);
    status = sipc_listener_close(listener, &error);
    if (status != SIPC_OK)
        die_of("close the listener", status, error);
    sipc_listener_free(listener);
    sipc_options_free(options);
    return 0;
}

static void blocking(long count) {
    sipc_client *client = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_client_connect_uds(CHANNEL, options, &client, &error);
    for (long i = 0; status == SIPC_OK && i < count; i++) {
        sipc_message *reply = NULL;
        status = sipc_client_request(client, sipc_bytes(body, sizeof body), NULL, &reply, &error);
        if (status == SIPC_OK)
            sipc_message_free(reply);
    }
    if (status != SIPC_OK)
        die_of("request", status, error);
    sipc_client_free(client);
}

static void post(long count) {
    sipc_error *error = NULL;
    sipc_status status = SIPC_OK;
    for (long i = 0; status == SIPC_OK && i < count; i++) {
        sipc_message *reply = NULL;
        status = sipc_post_uds_request(CHANNEL, sipc_bytes(body, sizeof body), options, &reply, &error);
        if (status == SIPC_OK)
            sipc_message_free(reply);
    }
    if (status != SIPC_OK)
        die_of("post", status, error);
}

static void oneway(long count) {
    sipc_client *client = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_client_connect_uds(CHANNEL, options, &client, &error);
    /* A flush now and then makes the batches the same size in each run. */
    for (long i = 1; status == SIPC_OK && i <= count; i++) {
        status = sipc_client_broadcast(client, sipc_bytes(body, sizeof body), &error);
        if (status == SIPC_OK && (i % FLUSH_EVERY == 0 || i == count))
            status = sipc_client_flush(client, &error);
    }
    if (status != SIPC_OK)
        die_of("broadcast", status, error);
    sipc_client_free(client);
}

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)user_data;
    if (status != SIPC_OK)
        die_of("request", status, error);
    sipc_message_free(reply);
}

/* 64 go out together and the next 64 when all of these have come back: the same batches in each run. */
static void queue(long count) {
    sipc_queue *queue = NULL;
    uint64_t client;
    sipc_error *error = NULL;
    sipc_status status = sipc_queue_new(&queue, &error);
    if (status == SIPC_OK)
        status = sipc_queue_connect_uds(queue, CHANNEL, options, &client, &error);
    for (long sent = 0; status == SIPC_OK && sent < count;) {
        for (int i = 0; status == SIPC_OK && i < IN_FLIGHT && sent < count; i++, sent++)
            status = sipc_queue_request(queue, client, sipc_bytes(body, sizeof body), NULL, on_reply, NULL, NULL, NULL,
                                        &error);
        while (status == SIPC_OK && sipc_queue_under_way(queue) > 0)
            status = sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, &error);
    }
    if (status != SIPC_OK)
        die_of("request", status, error);
    sipc_queue_free(queue);
}

int main(int argc, char **argv) {
    alarm(600); /* counting makes it fifty times slower */
    options = sipc_options_new();
    if (!options || sipc_options_set_spin_us(options, 0) != SIPC_OK ||
        sipc_options_set_check_interval_ms(options, 3600 * 1000) != SIPC_OK)
        die("set options");
    if (argc == 3 && strcmp(argv[1], "listen") == 0)
        return serve(strcmp(argv[2], "broadcast") == 0);
    long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (count > 0 && strcmp(argv[1], "blocking") == 0)
        blocking(count);
    else if (count > 0 && strcmp(argv[1], "post") == 0)
        post(count);
    else if (count > 0 && strcmp(argv[1], "queue") == 0)
        queue(count);
    else if (count > 0 && strcmp(argv[1], "oneway") == 0)
        oneway(count);
    else {
        fprintf(stderr, "usage: %s listen request|broadcast, or blocking|post|queue|oneway COUNT\n", argv[0]);
        return 2;
    }
    sipc_options_free(options);
    return 0;
}
