#define _GNU_SOURCE
#include "steps.h"
#include "shim.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
ACT(waits_for_listener) {
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

ACT(listens) {
    listen_with_client(scenario, shared, directory, result, 0, "");
}

/* Its socket is removed under it, and it puts it back. */
ACT(heals) {
    listen_with_client(scenario, shared, directory, result, 5, "");
}

/* Its lock file is. */
ACT(heals_lock) {
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

ACT(takes_over) {
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

ACT(closes_in_flight) {
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
