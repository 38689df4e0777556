#define _GNU_SOURCE
#include "steps.h"
#include "shim.h"

#include <pthread.h>
#include <stdio.h>

/* One-shot posts. */

ACT(one_post) {
    post(scenario, shared, directory, result, 0);
}

ACT(two_posts) {
    post(scenario, shared, directory, result, 0);
    post(scenario, shared, directory, result, 0);
}

/* A client that keeps its channel open. */

static sipc_client *connect_to(const struct scenario *scenario, struct shared *shared, const sipc_options *options,
                               struct result *result) {
    sipc_client *client = NULL;
    sipc_error *error = NULL;
    faults_hold(scenario->late);
    sipc_status status = scenario->tcp ? sipc_client_connect_ip(shared->port, options, &client, &error)
                                       : sipc_client_connect_uds("channel", options, &client, &error);
    faults_hold(false);
    keep(result, "connect", status, &error);
    return client;
}

ACT(kept_requests) {
    sipc_options *options = options_for(scenario, directory);
    sipc_client *client = connect_to(scenario, shared, options, result);
    for (int i = 0; client && i < 2; i++) {
        struct numbered message = next_message(shared);
        sipc_message *reply = NULL;
        sipc_error *error = NULL;
        sipc_status status = sipc_client_request(client, sipc_json(message.text), NULL, &reply, &error);
        settle(shared, message.number, status, error);
        keep(result, "request", status, &error);
        check_reply(&message, reply, result);
    }
    sipc_error *error = NULL;
    if (client)
        keep(result, "ping", sipc_client_ping(client, NULL, &error), &error);
    error = NULL;
    if (client)
        keep(result, "close", sipc_client_close(client, &error), &error);
    sipc_client_free(client);
    sipc_options_free(options);
}

ACT(kept_broadcasts) {
    sipc_options *options = options_for(scenario, directory);
    sipc_client *client = connect_to(scenario, shared, options, result);
    unsigned numbers[4], sent = 0;
    bool good = true;
    sipc_error *error = NULL;
    for (; client && good && sent < 4; sent++) {
        struct numbered message = next_message(shared);
        numbers[sent] = message.number;
        error = NULL;
        /* Until it is confirmed nobody knows. */
        shared->fate[message.number] = UNKNOWN;
        good = keep(result, "broadcast", sipc_client_broadcast(client, sipc_json(message.text), &error), &error);
    }
    error = NULL;
    if (client && keep(result, "flush", sipc_client_flush(client, &error), &error) && good)
        for (unsigned i = 0; i < sent; i++)
            shared->fate[numbers[i]] = DONE;
    error = NULL;
    if (client)
        keep(result, "close", sipc_client_close(client, &error), &error);
    sipc_client_free(client);
    sipc_options_free(options);
}

/* An asynchronous request. */

struct asynchronous {
    struct shared *shared;
    struct numbered message;
    struct result *result;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int called, dropped;
};

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct asynchronous *call = user_data;
    pthread_mutex_lock(&call->lock);
    settle(call->shared, call->message.number, status, error);
    keep(call->result, "asynchronous request", status, &error);
    check_reply(&call->message, reply, call->result);
    call->called++;
    pthread_mutex_unlock(&call->lock);
}

static void on_drop(void *user_data) {
    struct asynchronous *call = user_data;
    pthread_mutex_lock(&call->lock);
    call->dropped++;
    pthread_cond_signal(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

ACT(asynchronous_request) {
    sipc_options *options = options_for(scenario, directory);
    struct asynchronous call = {.shared = shared, .message = next_message(shared), .result = result,
                                .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    sipc_error *error = NULL;
    sipc_operation *operation = NULL;
    sipc_body body = sipc_json(call.message.text);
    sipc_status status =
        scenario->tcp ? sipc_post_ip_request_async(shared->port, body, options, on_reply, &call, on_drop, &operation, &error)
                      : sipc_post_uds_request_async("channel", body, options, on_reply, &call, on_drop, &operation, &error);
    if (status != SIPC_OK)
        settle(shared, call.message.number, status, error);
    keep(result, "starting a request", status, &error);
    pthread_mutex_lock(&call.lock);
    while (!call.dropped)
        pthread_cond_wait(&call.changed, &call.lock);
    if (call.called != (status == SIPC_OK) || call.dropped != 1) {
        result->status = SIPC_INTERNAL;
        snprintf(result->text, sizeof result->text, "the callback ran %d times and the drop %d times", call.called,
                 call.dropped);
    }
    pthread_mutex_unlock(&call.lock);
    sipc_operation_free(operation);
    sipc_options_free(options);
}

/* Two requests in a queue. */

struct queued {
    struct shared *shared;
    struct numbered message;
    struct result *result;
};

static void on_queued(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct queued *call = user_data;
    settle(call->shared, call->message.number, status, error);
    keep(call->result, "queued request", status, &error);
    if (status == SIPC_OK)
        check_reply(&call->message, reply, call->result);
    else
        sipc_message_free(reply);
}

ACT(queued_requests) {
    sipc_options *options = options_for(scenario, directory);
    sipc_queue *queue = NULL;
    sipc_error *error = NULL;
    keep(result, "making a queue", sipc_queue_new(&queue, &error), &error);
    struct queued calls[2];
    for (int i = 0; queue && i < 2; i++) {
        struct queued *call = &calls[i];
        *call = (struct queued){shared, next_message(shared), result};
        sipc_body body = sipc_json(call->message.text);
        sipc_status status = scenario->tcp ? sipc_queue_post_ip_request(queue, shared->port, body, options, on_queued, call,
                                                                        NULL, NULL, &error)
                                           : sipc_queue_post_uds_request(queue, "channel", body, options, on_queued, call,
                                                                         NULL, NULL, &error);
        if (status != SIPC_OK)
            settle(shared, call->message.number, status, error);
        keep(result, "queueing a request", status, &error);
    }
    while (sipc_queue_under_way(queue) > 0)
        if (!keep(result, "waiting in a queue", sipc_queue_wait(queue, 2 * TIMEOUT_MS, NULL, &error), &error))
            break;
    sipc_queue_free(queue);
    sipc_options_free(options);
}

ACT(list_channels) {
    (void)scenario, (void)shared;
    sipc_channel_list *list = NULL;
    sipc_error *error = NULL;
    if (keep(result, "channels", sipc_channels(directory, &list, &error), &error) && sipc_channel_list_len(list) > 1) {
        result->status = SIPC_INTERNAL;
        snprintf(result->text, sizeof result->text, "%zu channels instead of 1", sipc_channel_list_len(list));
    }
    sipc_channel_list_free(list);
}
