#define _GNU_SOURCE
#include "scenarios.h"
#include "shim.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

/* A call that was lost ends after this; it is waited for, so it is short. */
enum { TIMEOUT_MS = 2000, GRACE_MS = 1000 };

/* At most six calls with a timeout, two of which may wait for a listener as long again, and a close. */
const unsigned scenario_deadlines_ms = 8 * TIMEOUT_MS + GRACE_MS;

/* Takes the place of the error and not the error, which the call that is another argument has yet to make. */
static bool keep(struct result *result, const char *doing, sipc_status status, sipc_error **error) {
    if (status != SIPC_OK && result->status == SIPC_OK) {
        result->status = status;
        snprintf(result->text, sizeof result->text, "%s: %s: %s", doing, sipc_status_name(status),
                 *error ? sipc_error_message(*error) : "(no text)");
    }
    sipc_error_free(*error);
    *error = NULL;
    return status == SIPC_OK;
}

static sipc_options *options_for(const struct scenario *scenario, const char *directory) {
    sipc_options *options = sipc_options_new();
    sipc_options_set_directory(options, directory);
    sipc_options_set_timeout_ms(options, TIMEOUT_MS);
    sipc_options_set_grace_ms(options, GRACE_MS);
    sipc_options_set_wire(options, scenario->wire);
    /* Polling is the same call over and over. */
    sipc_options_set_spin_us(options, scenario->spins ? 50 : 0);
    return options;
}

/* Messages. */

struct numbered {
    unsigned number;
    char text[24];
};

static struct numbered next_message(struct shared *shared) {
    struct numbered message = {.number = atomic_fetch_add(&shared->next_message, 1)};
    if (message.number >= MOST_MESSAGES)
        abort();
    snprintf(message.text, sizeof message.text, "%u", message.number);
    return message;
}

static void settle(struct shared *shared, unsigned number, sipc_status status, const sipc_error *error) {
    shared->fate[number] = status == SIPC_OK                               ? DONE
                           : error && sipc_error_may_have_been_handled(error) ? UNKNOWN
                                                                             : CERTAINLY_NOT;
}

static void count_and_echo(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct shared *shared = user_data;
    unsigned number = (unsigned)strtoul(sipc_message_json(message), NULL, 10);
    if (number < MOST_MESSAGES)
        shared->handled[number]++;
    sipc_respond(responder, sipc_json_n(sipc_message_json(message), sipc_message_len(message)), NULL);
}

static void check_reply(const struct numbered *message, sipc_message *reply, struct result *result) {
    if (result->status == SIPC_OK && (!sipc_message_json(reply) || strcmp(sipc_message_json(reply), message->text) != 0)) {
        result->status = SIPC_INTERNAL;
        snprintf(result->text, sizeof result->text, "the reply to %s is wrong", message->text);
    }
    sipc_message_free(reply);
}

/* One-shot posts. */

static void post(const struct scenario *scenario, struct shared *shared, const char *directory, struct result *result,
                 int64_t wait_ms) {
    sipc_options *options = options_for(scenario, directory);
    sipc_options_set_wait_ms(options, wait_ms);
    struct numbered message = next_message(shared);
    sipc_body body = sipc_json(message.text);
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    sipc_status status;
    if (scenario->mode == SIPC_MODE_REQUEST)
        status = scenario->tcp ? sipc_post_ip_request(shared->port, body, options, &reply, &error)
                               : sipc_post_uds_request("channel", body, options, &reply, &error);
    else
        status = scenario->tcp ? sipc_post_ip_broadcast(shared->port, body, options, &error)
                               : sipc_post_uds_broadcast("channel", body, options, &error);
    settle(shared, message.number, status, error);
    keep(result, "post", status, &error);
    if (scenario->mode == SIPC_MODE_REQUEST)
        check_reply(&message, reply, result);
    sipc_options_free(options);
}

static void one_post(const struct scenario *scenario, struct shared *shared, const char *directory,
                     struct result *result) {
    post(scenario, shared, directory, result, 0);
}

static void two_posts(const struct scenario *scenario, struct shared *shared, const char *directory,
                      struct result *result) {
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

static void kept_requests(const struct scenario *scenario, struct shared *shared, const char *directory,
                          struct result *result) {
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

static void kept_broadcasts(const struct scenario *scenario, struct shared *shared, const char *directory,
                            struct result *result) {
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

static void asynchronous_request(const struct scenario *scenario, struct shared *shared, const char *directory,
                                 struct result *result) {
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

static void queued_requests(const struct scenario *scenario, struct shared *shared, const char *directory,
                            struct result *result) {
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

static void list_channels(const struct scenario *scenario, struct shared *shared, const char *directory,
                          struct result *result) {
    (void)scenario, (void)shared;
    sipc_channel_list *list = NULL;
    sipc_error *error = NULL;
    if (keep(result, "channels", sipc_channels(directory, &list, &error), &error) && sipc_channel_list_len(list) > 1) {
        result->status = SIPC_INTERNAL;
        snprintf(result->text, sizeof result->text, "%zu channels instead of 1", sipc_channel_list_len(list));
    }
    sipc_channel_list_free(list);
}

/* Listeners. */

static sipc_listener *listen_with(const struct scenario *scenario, struct shared *shared, const sipc_options *options,
                                  sipc_handler handler, void *user_data, struct result *result) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_status status;
    faults_hold(scenario->late);
    if (scenario->mode == SIPC_MODE_REQUEST)
        status = scenario->tcp ? sipc_listen_ip_request(0, handler, user_data, NULL, options, &listener, &error)
                               : sipc_listen_uds_request("channel", handler, user_data, NULL, options, &listener, &error);
    else
        status = scenario->tcp ? sipc_listen_ip_broadcast(0, handler, user_data, NULL, options, &listener, &error)
                               : sipc_listen_uds_broadcast("channel", handler, user_data, NULL, options, &listener, &error);
    faults_hold(false);
    if (keep(result, "listen", status, &error))
        shared->port = sipc_listener_port(listener);
    return listener;
}

sipc_listener *serve(const struct scenario *scenario, struct shared *shared, const char *directory,
                     struct result *result) {
    sipc_options *options = options_for(scenario, directory);
    sipc_listener *listener = listen_with(scenario, shared, options, count_and_echo, shared, result);
    sipc_options_free(options);
    return listener;
}

/* A process that is well and posts when it is told to. Made before the subject touches the library. */
struct client {
    pid_t process;
    int go, done;
};

static struct client client_start(const struct scenario *scenario, struct shared *shared, const char *directory,
                                  int posts, int64_t wait_ms) {
    int go[2], done[2];
    if (pipe2(go, O_CLOEXEC) || pipe2(done, O_CLOEXEC))
        abort();
    struct client client = {fork(), go[1], done[0]};
    if (client.process < 0)
        abort();
    if (client.process == 0) {
        struct faults_report unused;
        faults_disarm(&unused);
        close(go[1]);
        close(done[0]);
        char byte;
        struct result ignored = {0};
        /* The end of the pipe: nobody listens. */
        if (read(go[0], &byte, 1) == 1)
            for (int i = 0; i < posts; i++)
                post(scenario, shared, directory, &ignored, wait_ms);
        _exit(0);
    }
    close(go[0]);
    close(done[1]);
    return client;
}

static void client_go(const struct client *client) {
    if (write(client->go, "g", 1) != 1)
        abort();
}

static void client_end(const struct client *client) {
    char byte;
    while (read(client->done, &byte, 1) > 0) {
    }
    close(client->go);
    close(client->done);
    waitpid(client->process, NULL, 0);
}

static void close_listener(sipc_listener *listener, struct result *result) {
    sipc_error *error = NULL;
    if (listener)
        keep(result, "close", sipc_listener_close(listener, &error), &error);
    sipc_listener_free(listener);
}

/* Time for a listener that looks after its files every few milliseconds to put this one back, if it can. */
static void let_it_come_back(const char *path) {
    for (int i = 0; i < 30 && access(path, F_OK) != 0; i++) {
        struct timespec time = {0, 10000000};
        nanosleep(&time, NULL);
    }
}

/* With an interval the listener looks after its files that often, and loses the one whose path is its socket's and this. */
static void listen_with_client(const struct scenario *scenario, struct shared *shared, const char *directory,
                               struct result *result, int64_t check_ms, const char *loses) {
    faults_exempt(true);
    struct client client = client_start(scenario, shared, directory, 2, check_ms ? TIMEOUT_MS : 0);
    sipc_options *options = options_for(scenario, directory);
    if (check_ms)
        sipc_options_set_check_interval_ms(options, check_ms);
    faults_exempt(false);
    sipc_listener *listener = listen_with(scenario, shared, options, count_and_echo, shared, result);
    faults_exempt(true);
    if (listener) {
        char path[300];
        snprintf(path, sizeof path, "%s%s", sipc_listener_path(listener) ? sipc_listener_path(listener) : "", loses);
        if (check_ms) {
            unlink(path);
            let_it_come_back(path);
        }
        client_go(&client);
    } else {
        close(client.go);
        client.go = -1;
    }
    client_end(&client);
    faults_exempt(false);
    close_listener(listener, result);
    sipc_options_free(options);
}

/* Posts, and waits for the listener, which another process becomes a while later. */
static void waits_for_listener(const struct scenario *scenario, struct shared *shared, const char *directory,
                               struct result *result) {
    faults_exempt(true);
    int end[2];
    if (pipe2(end, O_CLOEXEC))
        abort();
    pid_t process = fork();
    if (process < 0)
        abort();
    if (process == 0) {
        struct faults_report unused;
        faults_disarm(&unused);
        close(end[1]);
        struct timespec later = {0, 300000000};
        nanosleep(&later, NULL);
        struct result ignored = {0};
        sipc_listener *listener = serve(scenario, shared, directory, &ignored);
        char byte;
        while (read(end[0], &byte, 1) > 0) {
        }
        sipc_listener_close(listener, NULL);
        _exit(0);
    }
    close(end[0]);
    faults_exempt(false);
    post(scenario, shared, directory, result, TIMEOUT_MS);
    faults_exempt(true);
    close(end[1]);
    waitpid(process, NULL, 0);
    faults_exempt(false);
}

static void listens(const struct scenario *scenario, struct shared *shared, const char *directory,
                    struct result *result) {
    listen_with_client(scenario, shared, directory, result, 0, "");
}

/* Its socket is removed under it, and it puts it back. */
static void heals(const struct scenario *scenario, struct shared *shared, const char *directory, struct result *result) {
    listen_with_client(scenario, shared, directory, result, 5, "");
}

/* Its lock file is. */
static void heals_lock(const struct scenario *scenario, struct shared *shared, const char *directory,
                       struct result *result) {
    listen_with_client(scenario, shared, directory, result, 5, ".lock");
}

/* What a listener that was killed leaves behind. */
static void leave_files(const char *directory) {
    char path[200];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.deno.channel.socket", directory);
    unlink(address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1))
        abort();
    close(fd);
    snprintf(path, sizeof path, "%s.lock", address.sun_path);
    FILE *file = fopen(path, "we");
    if (!file)
        abort();
    fprintf(file, "{\"pid\":1999999999,\"version\":\"0.1.0\",\"channel\":\"channel\",\"mode\":\"request\",\"started\":1}\n");
    fclose(file);
}

static void takes_over(const struct scenario *scenario, struct shared *shared, const char *directory,
                       struct result *result) {
    faults_exempt(true);
    leave_files(directory);
    faults_exempt(false);
    listen_with_client(scenario, shared, directory, result, 0, "");
}

/* Closing while a handler runs. */
struct gate {
    struct shared *shared;
    int begun;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
};

static void wait_at_gate(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct gate *gate = user_data;
    faults_exempt(true);
    if (write(gate->begun, "h", 1) != 1)
        abort();
    faults_exempt(false);
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    count_and_echo(message, responder, gate->shared);
}

static void *open_gate(void *argument) {
    struct gate *gate = argument;
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
    return NULL;
}

static void closes_in_flight(const struct scenario *scenario, struct shared *shared, const char *directory,
                             struct result *result) {
    faults_exempt(true);
    struct client client = client_start(scenario, shared, directory, 1, 0);
    int begun[2];
    if (pipe2(begun, O_CLOEXEC))
        abort();
    /* On the heap and never freed: a handler may outlive a close that failed. */
    struct gate *gate = calloc(1, sizeof *gate);
    gate->shared = shared;
    gate->begun = begun[1];
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->changed, NULL);
    sipc_options *options = options_for(scenario, directory);
    faults_exempt(false);
    sipc_listener *listener = listen_with(scenario, shared, options, wait_at_gate, gate, result);
    faults_exempt(true);
    pthread_t opener;
    bool opening = false;
    if (listener) {
        client_go(&client);
        /* The handler has begun, or its client has given up. */
        fd_set ready;
        FD_ZERO(&ready);
        FD_SET(begun[0], &ready);
        FD_SET(client.done, &ready);
        select((begun[0] > client.done ? begun[0] : client.done) + 1, &ready, NULL, NULL, NULL);
        opening = pthread_create(&opener, NULL, open_gate, gate) == 0;
    } else {
        close(client.go);
        client.go = -1;
    }
    faults_exempt(false);
    close_listener(listener, result);
    faults_exempt(true);
    client_end(&client);
    if (opening)
        pthread_join(opener, NULL);
    close(begun[0]);
    close(begun[1]);
    sipc_options_free(options);
    faults_exempt(false);
}

#define NATIVE SIPC_WIRE_AUTO
#define DENO SIPC_WIRE_DENO
#define REQUEST SIPC_MODE_REQUEST
#define BROADCAST SIPC_MODE_BROADCAST

const struct scenario scenarios[] = {
    {"requests over a Unix socket, native wire", false, false, NATIVE, REQUEST, two_posts, true, false},
    {"requests over TCP, native wire", false, true, NATIVE, REQUEST, two_posts, false, false},
    {"a request over a Unix socket, Deno wire", false, false, DENO, REQUEST, one_post, false, false},
    {"a request over TCP, Deno wire", false, true, DENO, REQUEST, one_post, false, false},
    {"broadcasts over a Unix socket, native wire", false, false, NATIVE, BROADCAST, two_posts, false, false},
    {"a broadcast over a Unix socket, Deno wire", false, false, DENO, BROADCAST, one_post, false, false},
    {"a kept client's requests, Unix socket", false, false, NATIVE, REQUEST, kept_requests, false, false},
    {"a kept client's requests, TCP", false, true, NATIVE, REQUEST, kept_requests, false, false},
    {"a kept client's broadcasts and flush", false, false, NATIVE, BROADCAST, kept_broadcasts, false, false},
    {"an asynchronous request, native wire", false, false, NATIVE, REQUEST, asynchronous_request, false, false},
    {"an asynchronous request over TCP, Deno wire", false, true, DENO, REQUEST, asynchronous_request, false, false},
    {"a queue's requests, Unix socket", false, false, NATIVE, REQUEST, queued_requests, false, false},
    {"a queue's requests over TCP, Deno wire", false, true, DENO, REQUEST, queued_requests, false, false},
    {"the list of channels", false, false, NATIVE, REQUEST, list_channels, false, false},
    {"a post that waits for its listener", true, false, NATIVE, REQUEST, waits_for_listener, false, false},
    {"a listener on a Unix socket, native wire", true, false, NATIVE, REQUEST, listens, false, false},
    {"a listener on TCP, native wire", true, true, NATIVE, REQUEST, listens, false, false},
    {"a listener on a Unix socket, Deno wire", true, false, DENO, REQUEST, listens, false, false},
    {"a listener on TCP, Deno wire", true, true, DENO, REQUEST, listens, false, false},
    {"a listener to broadcasts, native wire", true, false, NATIVE, BROADCAST, listens, false, false},
    {"a listener that closes with a call in flight", true, false, NATIVE, REQUEST, closes_in_flight, false, false},
    {"a listener that takes over from a dead one", true, false, NATIVE, REQUEST, takes_over, false, false},
    {"a listener whose socket is removed", true, false, NATIVE, REQUEST, heals, false, false},
    {"a listener whose lock file is removed", true, false, NATIVE, REQUEST, heals_lock, false, false},
    /* What would keep the one above from getting as far goes wrong later. */
    {"a kept client's requests, connected before", false, false, NATIVE, REQUEST, kept_requests, false, true},
    {"a kept client's requests over TCP, connected before", false, true, NATIVE, REQUEST, kept_requests, false, true},
    {"a kept client's broadcasts, connected before", false, false, NATIVE, BROADCAST, kept_broadcasts, false, true},
    {"a listener on a Unix socket, there before", true, false, NATIVE, REQUEST, listens, false, true},
    {"a listener on TCP, there before", true, true, NATIVE, REQUEST, listens, false, true},
    {"a listener on a Unix socket, Deno wire, there before", true, false, DENO, REQUEST, listens, false, true},
    {"a listener to broadcasts, there before", true, false, NATIVE, BROADCAST, listens, false, true},
    {"a listener that closes with a call in flight, there before", true, false, NATIVE, REQUEST, closes_in_flight, false, true},
    {"a listener whose socket is removed, there before", true, false, NATIVE, REQUEST, heals, false, true},
    {"a listener whose lock file is removed, there before", true, false, NATIVE, REQUEST, heals_lock, false, true},
};
const size_t scenarios_len = sizeof scenarios / sizeof scenarios[0];
