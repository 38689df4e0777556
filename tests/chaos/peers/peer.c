/* The C peer of the chaos and soak runs; ../README.md says what it does and writes.
 *
 *     peer listen JOURNAL            until standard input ends
 *     peer post JOURNAL NAME STOP    until the file STOP exists; rests for $PAUSE_MS after each round *
 * On Unix sockets, or on the two ports in $PORTS: `0,0` are ports that the system picks. */

#define _POSIX_C_SOURCE 200809L

#include "simple_ipc.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How the journal is opened besides: every byte is written as it is, and nobody inherits it. */
#ifdef _WIN32
enum { AS_IT_IS = O_BINARY | O_NOINHERIT };
#else
enum { AS_IT_IS = O_CLOEXEC };
#endif

enum { LINE = 512, PADDING = 200000, BATCH = 16, PATIENCE_MS = 30000 };

static int journal;
static bool on_ports;
static uint32_t request_port, broadcast_port;

static void die(const char *what, const char *why) {
    fprintf(stderr, "peer: %s: %s\n", what, why);
    exit(1);
}

/* One line of the journal in one write, which a killed process either did or did not do. */
static void note(const char *line) {
    struct timespec now;
    char whole[LINE + 32];
    clock_gettime(CLOCK_MONOTONIC, &now);
    int len = snprintf(whole, sizeof whole, "%lld %s\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec, line);
    if (len < 0 || (size_t)len >= sizeof whole || write(journal, whole, (size_t)len) != len)
        die("journal", "a line could not be written");
}

/* The first three words of a message: what kind, whose, which number. */
static size_t head_of(const char *text, size_t len) {
    size_t words = 0, end = 0;
    while (end < len && !(text[end] == ' ' && ++words == 3))
        end++;
    return end;
}

static void on_message(const sipc_message *message, sipc_responder *responder, void *is_request) {
    const char *text = sipc_message_text(message);
    if (text == NULL)
        die("listener", "a message is no text");
    size_t len = head_of(text, strlen(text));
    char line[LINE];
    snprintf(line, sizeof line, "handled %.*s", (int)len, text);
    note(line);
    if (is_request != NULL)
        sipc_respond(responder, sipc_text_n(text, len), NULL);
}

static void must(sipc_status status, const char *what, const sipc_error *error) {
    if (status != SIPC_OK)
        die(what, sipc_error_message(error));
}

static int listen_until_end(void) {
    static char yes;
    sipc_listener *requests = NULL, *broadcasts = NULL;
    sipc_error *error = NULL;
    must(on_ports ? sipc_listen_ip_request(request_port, on_message, &yes, NULL, NULL, &requests, &error)
                  : sipc_listen_uds_request("chaos_requests", on_message, &yes, NULL, NULL, &requests, &error),
         "listen", error);
    must(on_ports ? sipc_listen_ip_broadcast(broadcast_port, on_message, NULL, NULL, NULL, &broadcasts, &error)
                  : sipc_listen_uds_broadcast("chaos_broadcasts", on_message, NULL, NULL, NULL, &broadcasts, &error),
         "listen", error);
    note("ready");
    printf("ready %" PRIu32 ",%" PRIu32 "\n", sipc_listener_port(requests), sipc_listener_port(broadcasts));
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    must(sipc_listener_close(requests, &error), "close", error);
    must(sipc_listener_close(broadcasts, &error), "close", error);
    sipc_listener_free(requests);
    sipc_listener_free(broadcasts);
    note("closed");
    return 0;
}

static const char *name;
static char *padding;

static void note_call(const char *verb, char kind, uint64_t number, const char *rest) {
    char line[LINE];
    snprintf(line, sizeof line, "%s %c %" PRIu64 "%s%.300s", verb, kind, number, *rest ? " " : "", rest);
    note(line);
}

/* The message in memory of its own. */
static char *message_of(char kind, uint64_t number, bool large, size_t *head) {
    char text[LINE];
    int len = snprintf(text, sizeof text, "%c %s %" PRIu64, kind, name, number);
    char *whole = malloc((size_t)len + 2 + (large ? PADDING : 0));
    if (whole == NULL)
        die("post", "out of memory");
    memcpy(whole, text, (size_t)len + 1);
    *head = (size_t)len;
    if (large) {
        whole[len] = ' ';
        memcpy(whole + len + 1, padding, PADDING);
        whole[len + 1 + PADDING] = '\0';
    }
    return whole;
}

static void note_error(char kind, uint64_t number, sipc_error *error) {
    char rest[LINE];
    snprintf(rest, sizeof rest, "%s %.200s", sipc_status_name(sipc_error_status(error)), sipc_error_message(error));
    note_call(sipc_error_may_have_been_handled(error) ? "may" : "not", kind, number, rest);
    sipc_error_free(error);
}

static void note_result(char kind, uint64_t number, const char *due, size_t head, sipc_message *reply,
                        sipc_error *error) {
    const char *text = reply != NULL ? sipc_message_text(reply) : NULL;
    if (error != NULL)
        note_error(kind, number, error);
    else if (reply != NULL && (text == NULL || strlen(text) != head || memcmp(text, due, head) != 0))
        note_call("wrong", kind, number, text != NULL ? text : "no text");
    else
        note_call("ok", kind, number, "");
    sipc_message_free(reply);
}

static void post_request(const sipc_client *client, char kind, uint64_t number, bool large,
                         const sipc_options *options) {
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    size_t head;
    char *text = message_of(kind, number, large, &head);
    note_call("try", kind, number, "");
    if (client != NULL)
        sipc_client_request(client, sipc_text(text), NULL, &reply, &error);
    else if (on_ports)
        sipc_post_ip_request(request_port, sipc_text(text), options, &reply, &error);
    else
        sipc_post_uds_request("chaos_requests", sipc_text(text), options, &reply, &error);
    note_result(kind, number, text, head, reply, error);
    free(text);
}

static void post_broadcast(char kind, uint64_t number, bool large, const sipc_options *options) {
    sipc_error *error = NULL;
    size_t head;
    char *text = message_of(kind, number, large, &head);
    note_call("try", kind, number, "");
    if (on_ports)
        sipc_post_ip_broadcast(broadcast_port, sipc_text(text), options, &error);
    else
        sipc_post_uds_broadcast("chaos_broadcasts", sipc_text(text), options, &error);
    note_result(kind, number, text, head, NULL, error);
    free(text);
}

/* A batch of one-way messages on the kept session, and the flush that confirms them. */
static void stream(const sipc_client *client, uint64_t *number) {
    uint64_t first = *number + 1;
    sipc_error *error = NULL;
    char range[LINE];
    for (int i = 0; i < BATCH; i++) {
        size_t head;
        char *text = message_of('s', ++*number, false, &head);
        note_call("try", 's', *number, "");
        sipc_client_broadcast(client, sipc_text(text), &error);
        free(text);
        if (error == NULL)
            continue;
        if (sipc_error_may_have_been_handled(error)) {
            snprintf(range, sizeof range, "%" PRIu64 " %.200s", *number, sipc_error_message(error));
            note_call("lost", 's', first, range);
            first = *number + 1;
            sipc_error_free(error);
        } else {
            note_error('s', *number, error);
        }
        error = NULL;
    }
    sipc_client_flush(client, &error);
    snprintf(range, sizeof range, "%" PRIu64 " %.200s", *number, error != NULL ? sipc_error_message(error) : "");
    note_call(error != NULL ? "lost" : "flushed", 's', first, range);
    sipc_error_free(error);
}

static sipc_options *options_of(int64_t wait_ms, int64_t timeout_ms) {
    sipc_options *options = sipc_options_new();
    sipc_options_set_wait_ms(options, wait_ms);
    sipc_options_set_timeout_ms(options, timeout_ms);
    return options;
}

static int post_until_stopped(const char *stop) {
    padding = malloc(PADDING);
    if (padding == NULL)
        die("post", "out of memory");
    memset(padding, 'x', PADDING);
    sipc_options *waiting = options_of(PATIENCE_MS, PATIENCE_MS), *hasty = options_of(0, PATIENCE_MS),
                 *brief = options_of(PATIENCE_MS, 20);
    sipc_client *requests = NULL, *broadcasts = NULL;
    sipc_error *error = NULL;
    must(on_ports ? sipc_client_connect_ip(request_port, waiting, &requests, &error)
                  : sipc_client_connect_uds("chaos_requests", waiting, &requests, &error),
         "connect", error);
    must(on_ports ? sipc_client_connect_ip(broadcast_port, waiting, &broadcasts, &error)
                  : sipc_client_connect_uds("chaos_broadcasts", waiting, &broadcasts, &error),
         "connect", error);
    const char *pause = getenv("PAUSE_MS");
    long pause_ms = pause != NULL ? strtol(pause, NULL, 10) : 0;
    struct timespec rest = {pause_ms / 1000, pause_ms % 1000 * 1000000};
    uint64_t streamed = 0;
    for (uint64_t number = 1; access(stop, F_OK) != 0; number++) {
        bool large = number % 32 < 8 && number % 8 < 6 && number / 32 % 2 == 0;
        switch (number % 8) {
        case 0: post_request(NULL, 'h', number, large, hasty); break;
        case 1: post_request(NULL, 'r', number, large, waiting); break;
        case 2: post_request(NULL, 't', number, large, brief); break;
        case 3: post_broadcast('b', number, large, waiting); break;
        case 4: post_broadcast('g', number, large, hasty); break;
        case 5: post_request(requests, 'k', number, large, NULL); break;
        case 6: post_broadcast('b', number, large, waiting); break;
        default:
            stream(broadcasts, &streamed);
            if (pause_ms > 0)
                nanosleep(&rest, NULL);
        }
    }
    sipc_client_free(requests);
    sipc_client_free(broadcasts);
    sipc_options_free(waiting);
    sipc_options_free(hasty);
    sipc_options_free(brief);
    free(padding);
    note("done");
    return 0;
}

int main(int count, char **arguments) {
    if (count < 3)
        die("usage", "peer listen JOURNAL | peer post JOURNAL NAME STOP");
    journal = open(arguments[2], O_WRONLY | O_CREAT | O_APPEND | AS_IT_IS, 0600);
    if (journal < 0)
        die("journal", "it cannot be opened");
    const char *ports = getenv("PORTS");
    on_ports = ports != NULL;
    if (on_ports && sscanf(ports, "%" SCNu32 ",%" SCNu32, &request_port, &broadcast_port) != 2)
        die("usage", "PORTS is two numbers with a comma between them");
    if (strcmp(arguments[1], "listen") == 0)
        return listen_until_end();
    if (count != 5)
        die("usage", "peer post JOURNAL NAME STOP");
    name = arguments[3];
    return post_until_stopped(arguments[4]);
}
