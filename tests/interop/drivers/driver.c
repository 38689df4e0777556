/* The C driver of the interop matrix; ../README.md says what it reads and prints.
 *
 *     driver listen PREFIX    listens until standard input ends
 *     driver post             posts what standard input says
 *     driver publish PREFIX   publishes what standard input says
 *     driver subscribe        subscribes, and takes events, as standard input says
 *     driver streams PREFIX   listens for streams until standard input ends
 *     driver stream           opens streams, and uses them, as standard input says
 *     driver handle           handles one message for `simple-ipc listen --exec`; events go to the FIFO $EVENTS */

#define _POSIX_C_SOURCE 200809L

#include "simple_ipc.h"

#include <fcntl.h>
#include <inttypes.h>
#ifdef _WIN32
#include <io.h>
#endif
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD = 251, BLOCK = PERIOD * 1024, WAITERS = 64 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char *released[WAITERS];
static unsigned meeting;

static void die(const char *why) {
    fprintf(stderr, "driver: %s\n", why);
    exit(1);
}

/* One line of output, whole. */
static void say(const char *first, const char *second, size_t len) {
    static pthread_mutex_t one_writer = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_writer);
    fputs(first, stdout);
    fwrite(second, 1, len, stdout);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&one_writer);
}

static void say_id(const char *event, const char *id) { say(event, id, strlen(id)); }

/* Bytes that count 0 to 250 over and over. */
static unsigned char *pattern(size_t len) {
    unsigned char *data = malloc(len + 1);
    if (data == NULL)
        die("out of memory");
    for (size_t i = 0; i < len && i < BLOCK; i++)
        data[i] = (unsigned char)(i % PERIOD);
    for (size_t i = BLOCK; i < len; i += BLOCK)
        memcpy(data + i, data, len - i < BLOCK ? len - i : BLOCK);
    return data;
}

static bool is_pattern(const unsigned char *data, size_t len) {
    for (size_t i = 0; i < len && i < BLOCK; i++)
        if (data[i] != i % PERIOD)
            return false;
    return len <= BLOCK || memcmp(data + BLOCK, data, len - BLOCK) == 0;
}

/* What arrived, as C hands it to its user: JSON text, or bytes. */
static void say_body(const char *event, int kind, const void *data, size_t len) {
    char head[64];
    if (kind == SIPC_KIND_BYTES) {
        const char *verdict = is_pattern(data, len) ? "good" : "bad";
        snprintf(head, sizeof head, "%s\tbytes:%zu:", event, len);
        say(head, verdict, strlen(verdict));
    } else {
        snprintf(head, sizeof head, "%s\tjson:", event);
        say(head, data, len);
    }
}

static void say_message(const char *event, const sipc_message *message) {
    if (sipc_message_kind(message) == SIPC_KIND_ATTACHED) {
        char head[96];
        size_t len = sipc_message_len(message);
        const char *verdict = is_pattern(sipc_message_data(message), len) ? "good" : "bad";
        snprintf(head, sizeof head, "%s\tattached:%zu:%s:", event, len, verdict);
        say(head, sipc_message_json(message), strlen(sipc_message_json(message)));
        return;
    }
    say_body(event, sipc_message_kind(message), sipc_message_data(message), sipc_message_len(message));
}

/* It points at memory of the message, and of the thread. */
static sipc_body body_of(const sipc_message *message) {
    static _Thread_local sipc_attached parts;
    if (sipc_message_kind(message) == SIPC_KIND_ATTACHED) {
        size_t json_len = 0;
        const char *json = sipc_message_json_n(message, &json_len);
        parts = sipc_attach_n(json, json_len, sipc_message_data(message), sipc_message_len(message));
        return sipc_attached_body(&parts);
    }
    if (sipc_message_kind(message) == SIPC_KIND_BYTES)
        return sipc_bytes(sipc_message_data(message), sipc_message_len(message));
    return sipc_json_n(sipc_message_data(message), sipc_message_len(message));
}

static const char *after(const char *text, const char *prefix) {
    return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : NULL;
}

static bool is_released(const char *id) {
    for (int i = 0; i < WAITERS; i++)
        if (released[i] != NULL && strcmp(released[i], id) == 0)
            return true;
    return false;
}

static void nap(void) {
    struct timespec moment = {0, 2000000};
    nanosleep(&moment, NULL);
}

/* Until nobody waits for the answer, or the runner lets go. C asks; nothing calls back. */
static void wait_for_cancellation(const char *id, sipc_responder *responder) {
    say_id("started\t", id);
    for (;;) {
        pthread_mutex_lock(&mutex);
        bool let_go = is_released(id);
        pthread_mutex_unlock(&mutex);
        if (let_go || sipc_responder_is_cancelled(responder)) {
            say_id(let_go ? "released\t" : "cancelled\t", id);
            return;
        }
        nap();
    }
}

static void meet(unsigned guests) {
    pthread_mutex_lock(&mutex);
    unsigned rounds = meeting++ / guests + 1;
    pthread_cond_broadcast(&changed);
    while (meeting < rounds * guests)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void on_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)user_data;
    const char *text = sipc_message_text(message);
    const char *rest;
    if ((rest = after(text, "do:fail:")) != NULL) {
        sipc_respond_error(responder, rest, NULL);
        return;
    }
    if ((rest = after(text, "do:wait:")) != NULL)
        wait_for_cancellation(rest, responder);
    else if ((rest = after(text, "do:meet:")) != NULL)
        meet((unsigned)strtoul(rest, NULL, 10));
    else
        say_message("heard", message);
    sipc_respond(responder, body_of(message), NULL);
}

static void on_broadcast(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)responder, (void)user_data;
    say_message("heard", message);
}

static void must(sipc_status status, sipc_error *error) {
    if (status != SIPC_OK)
        die(sipc_error_message(error));
}

#ifdef _WIN32
/* As POSIX has it; `*line` may have been given back by an earlier call. */
static ssize_t getline(char **line, size_t *room, FILE *file) {
    size_t len = 0;
    for (int c; (c = getc(file)) != EOF;) {
        if (len + 2 > *room) {
            *room = *room < 128 ? 256 : *room * 2;
            *line = realloc(*line, *room);
            if (*line == NULL)
                die("out of memory");
        }
        (*line)[len++] = (char)c;
        if (c == '\n')
            break;
    }
    if (len == 0)
        return -1;
    (*line)[len] = '\0';
    return (ssize_t)len;
}
#endif

static char *read_line(void) {
    static char *line = NULL;
    static size_t room = 0;
    ssize_t len = getline(&line, &room, stdin);
    if (len <= 0)
        return NULL;
    line[strcspn(line, "\n")] = '\0';
    return line;
}

static int listen_until_end(const char *prefix) {
    char requests[128], broadcasts[128], ports[64];
    snprintf(requests, sizeof requests, "%s_requests", prefix);
    snprintf(broadcasts, sizeof broadcasts, "%s_broadcasts", prefix);
    sipc_options *options = sipc_options_new();
    sipc_options_set_plain_text(options, true);
    sipc_listener *listeners[4];
    sipc_error *error = NULL;
    must(sipc_listen_uds_request(requests, on_request, NULL, NULL, options, &listeners[0], &error), error);
    must(sipc_listen_uds_broadcast(broadcasts, on_broadcast, NULL, NULL, options, &listeners[1], &error), error);
    must(sipc_listen_ip_request(0, on_request, NULL, NULL, options, &listeners[2], &error), error);
    must(sipc_listen_ip_broadcast(0, on_broadcast, NULL, NULL, options, &listeners[3], &error), error);
    sipc_options_free(options);
    snprintf(ports, sizeof ports, "%" PRIu32 "\t%" PRIu32, sipc_listener_port(listeners[2]),
             sipc_listener_port(listeners[3]));
    say_id("ready\t", ports);
    for (char *line; (line = read_line()) != NULL;) {
        const char *id = after(line, "release\t");
        if (id == NULL)
            die("unknown command");
        pthread_mutex_lock(&mutex);
        static int next = 0;
        free(released[next]);
        released[next] = strdup(id);
        next = (next + 1) % WAITERS;
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < 4; i++) {
        must(sipc_listener_close(listeners[i], &error), error);
        sipc_listener_free(listeners[i]);
    }
    return 0;
}

static void say_error(const sipc_error *error) {
    char head[128];
    snprintf(head, sizeof head, "error\t%s\t%s\t", sipc_status_name(sipc_error_status(error)),
             sipc_error_may_have_been_handled(error) ? "maybe" : "no");
    say_id(head, sipc_error_message(error));
}

/* A body from `json:TEXT`, `bytes:LEN` or `attached:LEN:TEXT`; what it points at goes to *memory, or lies in `value`. */
static sipc_body parse_value(const char *value, void **memory) {
    const char *rest;
    *memory = NULL;
    if ((rest = after(value, "bytes:")) != NULL) {
        size_t len = strtoull(rest, NULL, 10);
        *memory = pattern(len);
        return sipc_bytes(*memory, len);
    }
    if ((rest = after(value, "attached:")) != NULL) {
        static sipc_attached parts;
        char *colon = NULL;
        size_t len = strtoull(rest, &colon, 10);
        *memory = pattern(len);
        parts = sipc_attach(colon + 1, *memory, len);
        return sipc_attached_body(&parts);
    }
    if ((rest = after(value, "json:")) == NULL)
        die("a value is json:TEXT, bytes:LEN or attached:LEN:TEXT");
    return sipc_json(rest);
}

static void post(const char *address, const char *value, const sipc_options *options, bool broadcast) {
    void *memory;
    sipc_body body = parse_value(value, &memory);
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    sipc_status status;
    unsigned port = (unsigned)strtoul(address + 1, NULL, 10);
    if (broadcast && address[0] == ':')
        status = sipc_post_ip_broadcast(port, body, options, &error);
    else if (broadcast)
        status = sipc_post_uds_broadcast(address, body, options, &error);
    else if (address[0] == ':')
        status = sipc_post_ip_request(port, body, options, &reply, &error);
    else
        status = sipc_post_uds_request(address, body, options, &reply, &error);
    if (status != SIPC_OK)
        say_error(error);
    else if (broadcast)
        say_id("ok", "");
    else
        say_message("ok", reply);
    sipc_error_free(error);
    sipc_message_free(reply);
    free(memory);
}

static sipc_status start(const char *address, sipc_body body, const sipc_options *options, sipc_reply_callback callback,
                         void *user_data, sipc_operation **operation, sipc_error **error) {
    if (address[0] == ':')
        return sipc_post_ip_request_async((uint32_t)strtoul(address + 1, NULL, 10), body, options, callback, user_data,
                                          NULL, operation, error);
    return sipc_post_uds_request_async(address, body, options, callback, user_data, NULL, operation, error);
}

static void say_result(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)user_data;
    if (status == SIPC_OK)
        say_message("ok", reply);
    else
        say_error(error);
    sipc_message_free(reply);
    sipc_error_free(error);
}

static void cancel(const char *address, const char *value, const sipc_options *options) {
    void *memory;
    sipc_operation *operation = NULL;
    sipc_error *error = NULL;
    must(start(address, parse_value(value, &memory), options, say_result, NULL, &operation, &error), error);
    free(memory);
    if (read_line() == NULL)
        die("standard input ended in a call that was to be cancelled");
    sipc_operation_cancel(operation);
    must(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, &error), error);
    sipc_operation_free(operation);
}

struct one_of_many {
    char text[128];
    bool same;
    char why[256];
};

static void compare(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct one_of_many *one = user_data;
    const char *text = status == SIPC_OK ? sipc_message_text(reply) : NULL;
    one->same = text != NULL && strcmp(text, one->text) == 0;
    snprintf(one->why, sizeof one->why, "%s", status == SIPC_OK ? "got another answer" : sipc_error_message(error));
    sipc_message_free(reply);
    sipc_error_free(error);
}

static void many(const char *address, const char *prefix, unsigned count, const sipc_options *options) {
    struct one_of_many *all = calloc(count, sizeof *all);
    sipc_operation **operations = calloc(count, sizeof *operations);
    sipc_error *error = NULL;
    if (all == NULL || operations == NULL)
        die("out of memory");
    for (unsigned i = 0; i < count; i++) {
        snprintf(all[i].text, sizeof all[i].text, "%s%u", prefix, i);
        must(start(address, sipc_text(all[i].text), options, compare, &all[i], &operations[i], &error), error);
    }
    const char *wrong = NULL;
    for (unsigned i = 0; i < count; i++) {
        must(sipc_operation_wait(operations[i], SIPC_NO_TIMEOUT, &error), error);
        sipc_operation_free(operations[i]);
        if (!all[i].same)
            wrong = all[i].why;
    }
    if (wrong == NULL)
        say_id("ok", "");
    else
        say_id("error\tother\tmaybe\t", wrong);
    free(operations);
    free(all);
}

static int post_until_end(void) {
    say_id("ready", "");
    for (char *line; (line = read_line()) != NULL;) {
        char *copy = strdup(line), *place = NULL;
        const char *verb = strtok_r(copy, "\t", &place);
        const char *address = strtok_r(NULL, "\t", &place);
        const char *timeout = strtok_r(NULL, "\t", &place);
        const char *value = strtok_r(NULL, "\t", &place);
        if (value == NULL)
            die("a command has a verb, an address, a timeout and a value");
        sipc_options *options = sipc_options_new();
        sipc_options_set_timeout_ms(options, strtoll(timeout, NULL, 10));
        const char *count = strtok_r(NULL, "\t", &place);
        if (strcmp(verb, "request") == 0)
            post(address, value, options, false);
        else if (strcmp(verb, "broadcast") == 0)
            post(address, value, options, true);
        else if (strcmp(verb, "cancel") == 0)
            cancel(address, value, options);
        else if (strcmp(verb, "many") == 0 && count != NULL)
            many(address, value, (unsigned)strtoul(count, NULL, 10), options);
        else
            die("unknown command");
        sipc_options_free(options);
        free(copy);
    }
    return 0;
}

#include "publications.h"
#include "streams.h"

/* As a command of `simple-ipc listen --exec`, which takes a FIFO and signals. */
#ifndef _WIN32

static volatile sig_atomic_t let_go, gone;

static void on_signal(int number) {
    if (number == SIGTERM)
        gone = 1;
    else
        let_go = 1;
}

/* The command terminates a handler whose caller has gone; the runner lets one go by another signal. */
static void wait_as_process(const char *id) {
    sigset_t both, before;
    sigemptyset(&both);
    sigaddset(&both, SIGTERM);
    sigaddset(&both, SIGUSR1);
    sigprocmask(SIG_BLOCK, &both, &before);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    char line[256];
    snprintf(line, sizeof line, "%s\t%ld", id, (long)getpid());
    say_id("waiting\t", line);
    say_id("started\t", id);
    while (!gone && !let_go)
        sigsuspend(&before);
    say_id(gone ? "cancelled\t" : "released\t", id);
}

static int handle(void) {
    size_t len = 0, room = 1 << 16;
    char *data = malloc(room + 1);
    for (ssize_t got; data != NULL && (got = read(STDIN_FILENO, data + len, room - len)) > 0;)
        if ((len += (size_t)got) == room)
            data = realloc(data, (room *= 4) + 1);
    if (data == NULL)
        die("out of memory");
    data[len] = '\0';
    int reply = dup(STDOUT_FILENO), events = open(getenv("EVENTS"), O_WRONLY);
    if (reply < 0 || events < 0 || dup2(events, STDOUT_FILENO) < 0)
        die("cannot open the FIFO that EVENTS names");
    bool is_bytes = strcmp(getenv("SIMPLE_IPC_KIND"), "bytes") == 0;
    char *rest;
    if (!is_bytes && (rest = strstr(data, "do:fail:")) != NULL) {
        rest[strcspn(rest, "\"")] = '\0';
        fprintf(stderr, "%s\n", rest + strlen("do:fail:"));
        return 1;
    }
    if (!is_bytes && (rest = strstr(data, "do:wait:")) != NULL) {
        rest[strcspn(rest, "\"")] = '\0';
        wait_as_process(rest + strlen("do:wait:"));
        return 0;
    }
    if (is_bytes || strstr(data, "do:meet:") == NULL)
        say_body("heard", is_bytes ? SIPC_KIND_BYTES : SIPC_KIND_JSON, data, len);
    for (size_t sent = 0; sent < len;) {
        ssize_t some = write(reply, data + sent, len - sent);
        if (some < 0)
            die("cannot write the reply");
        sent += (size_t)some;
    }
    free(data);
    return 0;
}

#endif

int main(int argc, char **argv) {
#ifdef _WIN32
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
#endif
    if (argc == 3 && strcmp(argv[1], "listen") == 0)
        return listen_until_end(argv[2]);
    if (argc == 2 && strcmp(argv[1], "post") == 0)
        return post_until_end();
    if (argc == 3 && strcmp(argv[1], "publish") == 0)
        return publish_until_end(argv[2]);
    if (argc == 2 && strcmp(argv[1], "subscribe") == 0)
        return subscribe_until_end();
    if (argc == 3 && strcmp(argv[1], "streams") == 0)
        return listen_for_streams(argv[2]);
    if (argc == 2 && strcmp(argv[1], "stream") == 0)
        return call_streams();
#ifndef _WIN32
    if (argc == 2 && strcmp(argv[1], "handle") == 0)
        return handle();
#endif
    fprintf(stderr, "usage: driver listen PREFIX | post | publish PREFIX | subscribe | streams PREFIX | stream | handle\n");
    return 2;
}
