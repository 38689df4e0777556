/* A plug-in: code that the library calls, and that is gone from the process once its host has unloaded it. Each function
 * begins and ends one use of the library; whatever is called after it has returned ends the process. */
#define _POSIX_C_SOURCE 200809L

#include "../c/check.h"

#include <simple_ipc.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CALLS = 4 };

/* What belongs to one use; the library has it as user data. */
struct use {
    char channel[64];
    sipc_listener *listener;
    pthread_mutex_t lock;
    int given, called, dropped;
};

static struct use *use_new(const char *channel) {
    struct use *use = calloc(1, sizeof *use);
    CHECK(use && pthread_mutex_init(&use->lock, NULL) == 0);
    snprintf(use->channel, sizeof use->channel, "%s", channel);
    return use;
}

static void add(struct use *use, int *number) {
    CHECK(pthread_mutex_lock(&use->lock) == 0);
    ++*number;
    CHECK(pthread_mutex_unlock(&use->lock) == 0);
}

static int read_now(struct use *use, const int *number) {
    CHECK(pthread_mutex_lock(&use->lock) == 0);
    int now = *number;
    CHECK(pthread_mutex_unlock(&use->lock) == 0);
    return now;
}

static void drop(void *user_data) {
    struct use *use = user_data;
    sched_yield();
    add(use, &use->dropped);
}

/* Returns some time after its caller has the answer. */
static void on_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct use *use = user_data;
    (void)message;
    add(use, &use->given);
    sipc_respond(responder, sipc_json("1"), NULL);
    for (int i = 0; i < 20; i++)
        sched_yield();
    add(use, &use->called);
}

static void on_broadcast(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct use *use = user_data;
    (void)message;
    add(use, &use->given);
    sipc_respond_error(responder, "on purpose", NULL);
}

static void on_failure(const sipc_handler_report *report, void *user_data) {
    struct use *use = user_data;
    CHECK(report->status == SIPC_HANDLER_FAILED);
    add(use, &use->called);
}

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct use *use = user_data;
    (void)status;
    sipc_message_free(reply);
    sipc_error_free(error);
    sched_yield();
    add(use, &use->called);
}

static void end(struct use *use) {
    CHECK(sipc_listener_close(use->listener, NULL) == SIPC_OK);
    sipc_listener_free(use->listener);
    use->listener = NULL;
}

static void use_free(struct use *use) {
    CHECK(pthread_mutex_destroy(&use->lock) == 0);
    free(use);
}

void use_listener(const char *channel) {
    struct use *use = use_new(channel);
    CHECK(sipc_listen_uds_request(use->channel, on_request, use, drop, NULL, &use->listener, NULL) == SIPC_OK);
    sipc_client *client = NULL;
    CHECK(sipc_client_connect_uds(use->channel, NULL, &client, NULL) == SIPC_OK);
    for (int i = 0; i < CALLS; i++) {
        CHECK(sipc_post_uds_request(use->channel, sipc_json("1"), NULL, NULL, NULL) == SIPC_OK);
        CHECK(sipc_client_request(client, sipc_json("1"), NULL, NULL, NULL) == SIPC_OK);
    }
    end(use);
    CHECK(use->dropped == 1 && use->called == 2 * CALLS);
    sipc_client_free(client);
    use_free(use);
}

static void on_stop(const sipc_message *message, sipc_responder *responder, void *user_data) {
    CHECK(sipc_listener_close(((struct use *)user_data)->listener, NULL) == SIPC_OK);
    on_request(message, responder, user_data);
}

void use_listener_that_closes_itself(const char *channel) {
    struct use *use = use_new(channel);
    CHECK(sipc_listen_uds_request(use->channel, on_stop, use, drop, NULL, &use->listener, NULL) == SIPC_OK);
    CHECK(sipc_post_uds_request(use->channel, sipc_json("1"), NULL, NULL, NULL) == SIPC_OK);
    end(use);
    CHECK(use->dropped == 1 && use->called == 1);
    use_free(use);
}

void use_failures(const char *channel) {
    struct use *use = use_new(channel);
    sipc_options *options = sipc_options_new();
    CHECK(sipc_options_on_handler_failure(options, on_failure, use, drop) == SIPC_OK);
    CHECK(sipc_listen_uds_broadcast(use->channel, on_broadcast, use, drop, options, &use->listener, NULL) == SIPC_OK);
    sipc_options_free(options);
    for (int i = 0; i < CALLS; i++)
        CHECK(sipc_post_uds_broadcast(use->channel, sipc_json("1"), NULL, NULL) == SIPC_OK);
    end(use);
    CHECK(use->dropped == 2 && use->called == CALLS);
    use_free(use);
}

/* Asynchronous calls of a client of which no operation is kept, some of them given up by closing, and posts. */
void use_callbacks(const char *channel) {
    struct use *use = use_new(channel), *calls = use_new(channel);
    CHECK(sipc_listen_uds_request(use->channel, on_request, use, drop, NULL, &use->listener, NULL) == SIPC_OK);
    sipc_client *client = NULL;
    sipc_operation *posts[CALLS];
    CHECK(sipc_client_connect_uds(use->channel, NULL, &client, NULL) == SIPC_OK);
    for (int i = 0; i < CALLS; i++) {
        CHECK(sipc_client_request_async(client, sipc_json("1"), NULL, on_reply, calls, drop, NULL, NULL) == SIPC_OK);
        CHECK(sipc_post_uds_request_async(use->channel, sipc_json("1"), NULL, on_reply, calls, drop, &posts[i], NULL) ==
              SIPC_OK);
    }
    CHECK(sipc_client_close(client, NULL) == SIPC_OK);
    sipc_client_free(client);
    for (int i = 0; i < CALLS; i++) {
        sipc_operation_cancel(posts[i]);
        CHECK(sipc_operation_wait(posts[i], SIPC_NO_TIMEOUT, NULL) == SIPC_OK);
        sipc_operation_free(posts[i]);
    }
    CHECK(calls->called == 2 * CALLS && calls->dropped == 2 * CALLS);
    end(use);
    CHECK(use->dropped == 1);
    use_free(calls);
    use_free(use);
}

void use_queue(const char *channel) {
    struct use *use = use_new(channel), *calls = use_new(channel);
    CHECK(sipc_listen_uds_request(use->channel, on_request, use, drop, NULL, &use->listener, NULL) == SIPC_OK);
    sipc_queue *queue = NULL;
    CHECK(sipc_queue_new(&queue, NULL) == SIPC_OK);
    for (int i = 0; i < CALLS; i++)
        CHECK(sipc_queue_post_uds_request(queue, use->channel, sipc_json("1"), NULL, on_reply, calls, drop, NULL, NULL) ==
              SIPC_OK);
    CHECK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL) == SIPC_OK);
    sipc_queue_free(queue);
    CHECK(calls->called == CALLS && calls->dropped == CALLS);
    end(use);
    CHECK(use->dropped == 1);
    use_free(calls);
    use_free(use);
}

/* Calls that wait for an event: some get one, some are cancelled, the others end with their stream. */
void use_stream(const char *channel) {
    struct use *use = use_new(channel), *calls = use_new(channel);
    sipc_stream *stream = NULL;
    sipc_operation *waiting[3 * CALLS];
    CHECK(sipc_listen_uds_publish(use->channel, NULL, &use->listener, NULL) == SIPC_OK);
    CHECK(sipc_subscribe_uds(use->channel, NULL, &stream, NULL) == SIPC_OK);
    for (int i = 0; i < 3 * CALLS; i++)
        CHECK(sipc_stream_next_async(stream, SIPC_NO_TIMEOUT, on_reply, calls, drop, &waiting[i], NULL) == SIPC_OK);
    for (int i = 0; i < CALLS; i++) {
        CHECK(sipc_publish(use->listener, NULL, sipc_json("1"), NULL, NULL) == SIPC_OK);
        sipc_operation_cancel(waiting[3 * i]);
    }
    sipc_stream_free(stream);
    for (int i = 0; i < 3 * CALLS; i++) {
        CHECK(sipc_operation_wait(waiting[i], SIPC_NO_TIMEOUT, NULL) == SIPC_OK);
        sipc_operation_free(waiting[i]);
    }
    CHECK(calls->called == 3 * CALLS && calls->dropped == 3 * CALLS);
    end(use);
    use_free(calls);
    use_free(use);
}

/* A responder that is used up in the callback that says that nobody waits for it: the callback outlives it. */
struct unwanted {
    struct use *use;
    sipc_responder *responder;
};

static void on_unwanted(void *user_data) {
    struct unwanted *unwanted = user_data;
    sipc_responder_free(unwanted->responder);
    add(unwanted->use, &unwanted->use->called);
    for (int i = 0; i < 20; i++)
        sched_yield();
}

static void drop_unwanted(void *user_data) {
    drop(((struct unwanted *)user_data)->use);
    free(user_data);
}

static void on_kept(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct unwanted *unwanted = calloc(1, sizeof *unwanted);
    (void)message;
    CHECK(unwanted);
    unwanted->use = user_data;
    unwanted->responder = responder;
    CHECK(sipc_responder_on_cancel(responder, on_unwanted, unwanted, drop_unwanted, NULL) == SIPC_OK);
}

void use_cancel_callbacks(const char *channel) {
    struct use *use = use_new(channel);
    CHECK(sipc_listen_uds_request(use->channel, on_kept, use, drop, NULL, &use->listener, NULL) == SIPC_OK);
    sipc_options *options = sipc_options_new();
    CHECK(sipc_options_set_timeout_ms(options, 2) == SIPC_OK);
    CHECK(sipc_post_uds_request(use->channel, sipc_json("1"), options, NULL, NULL) == SIPC_TIMED_OUT);
    sipc_options_free(options);
    while (read_now(use, &use->called) < 1)
        sched_yield();
    end(use);
    CHECK(use->dropped == 2);
    use_free(use);
}
