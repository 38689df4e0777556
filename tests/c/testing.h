/* What the C tests have in common: a runner that gives each test a process, a scratch directory and a watchdog of its
 * own, and checks that say where they failed. C99; what a system does in its own way is in system_unix.h and system_windows.h.
 *
 * The runner itself never calls the library, so that each test's process starts without any of its threads. */
#ifndef TESTING_H
#define TESTING_H

#include "check.h"

#include <simple_ipc.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for valgrind on a busy machine; a test that hangs is ended. */
enum { WATCHDOG_SECONDS = 300 };

struct test {
    const char *name;
    /* NULL where the test is left out. */
    void (*run)(void);
    /* Why it is left out. */
    const char *left_out;
};

#define TEST(name) {#name, name, NULL}

#ifdef _WIN32
#include "system_windows.h"
#else
#include "system_unix.h"
#endif

/* Compares a status, and shows both by name. */
#define CHECK_STATUS(expected, call)                                                                                   \
    do {                                                                                                               \
        sipc_status check_expected = (expected), check_found = (call);                                                 \
        if (check_found != check_expected) {                                                                           \
            printf("# %s:%d: %s instead of %s: %s\n", __FILE__, __LINE__, sipc_status_name(check_found),               \
                   sipc_status_name(check_expected), #call);                                                           \
            fflush(stdout);                                                                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(SIPC_OK, call)

#define CHECK_TEXT(expected, text)                                                                                     \
    do {                                                                                                               \
        const char *check_expected = (expected), *check_found = (text);                                                \
        if (!check_found || strcmp(check_expected, check_found) != 0) {                                                \
            printf("# %s:%d: \"%s\" instead of \"%s\"\n", __FILE__, __LINE__, check_found ? check_found : "(NULL)",    \
                   check_expected);                                                                                    \
            fflush(stdout);                                                                                            \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* Something that threads count up and wait for. */
struct count {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int value;
};

#define COUNT_FROM_ZERO {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void count_up(struct count *count) {
    pthread_mutex_lock(&count->lock);
    count->value++;
    pthread_cond_broadcast(&count->changed);
    pthread_mutex_unlock(&count->lock);
}

static inline void count_await(struct count *count, int value) {
    pthread_mutex_lock(&count->lock);
    while (count->value < value)
        pthread_cond_wait(&count->changed, &count->lock);
    pthread_mutex_unlock(&count->lock);
}

static inline int count_now(struct count *count) {
    pthread_mutex_lock(&count->lock);
    int value = count->value;
    pthread_mutex_unlock(&count->lock);
    return value;
}

/* A `drop` for a `struct count`. */
static inline void drop_count(void *count) {
    count_up(count);
}

static inline pthread_t thread_start(void *(*run)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, run, argument) == 0);
    return thread;
}

static inline void thread_join(pthread_t thread) {
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Answers each request with its own body. */
static inline void on_echo(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)user_data;
    const char *data = sipc_message_data(message);
    size_t len = sipc_message_len(message);
    if (sipc_message_kind(message) == SIPC_KIND_ATTACHED) {
        size_t json_len = 0;
        const char *json = sipc_message_json_n(message, &json_len);
        sipc_attached parts = sipc_attach_n(json, json_len, data, len);
        sipc_respond(responder, sipc_attached_body(&parts), NULL);
        return;
    }
    sipc_respond(responder, sipc_message_kind(message) == SIPC_KIND_BYTES ? sipc_bytes(data, len) : sipc_json_n(data, len),
                 NULL);
}

/* Counts messages in a `struct count`; nothing to answer. */
static inline void on_counted(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)responder;
    count_up(user_data);
}

static inline sipc_listener *listen_echo(const char *channel) {
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request(channel, on_echo, NULL, NULL, NULL, &listener, NULL));
    CHECK(listener);
    return listener;
}

static inline sipc_client *connect_to(const char *channel) {
    sipc_client *client = NULL;
    CHECK_OK(sipc_client_connect_uds(channel, NULL, &client, NULL));
    CHECK(client);
    return client;
}

/* Checks an error's form: one line, lower-case first letter, that names what it is about. */
static inline void check_error(sipc_error *error, sipc_status status, const char *part) {
    CHECK(error);
    CHECK_STATUS(status, sipc_error_status(error));
    const char *text = sipc_error_message(error);
    if (!strstr(text, part))
        printf("# \"%s\" does not say \"%s\"\n", text, part);
    CHECK(strstr(text, part));
    CHECK(!strchr(text, '\n'));
    CHECK(text[0] && !(text[0] >= 'A' && text[0] <= 'Z'));
    sipc_error_free(error);
}

/* Runs each test, or those whose names are given; prints TAP and `N passed, N failed`, and `N skipped` where some are left out. */
static inline int run_tests(const struct test *tests, size_t len, int argc, char **argv) {
    const char *alone = wanted_alone(argc, argv);
    size_t passed = 0, failed = 0, skipped = 0;
    for (size_t i = 0; i < len; i++) {
        if (alone && strcmp(alone, tests[i].name) == 0) {
            begin_alone();
            tests[i].run();
            return 0;
        }
        bool wanted = argc < 2;
        for (int name = 1; name < argc; name++)
            wanted = wanted || strcmp(argv[name], tests[i].name) == 0;
        if (!wanted)
            continue;
        if (tests[i].left_out) {
            printf("# left out: %s: %s\n", tests[i].name, tests[i].left_out);
            skipped++;
            continue;
        }
        fflush(stdout);
        bool good = passes_alone(&tests[i], argv[0]);
        if (good)
            passed++;
        else
            failed++;
        printf("%s %zu - %s\n", good ? "ok" : "not ok", passed + failed, tests[i].name);
        fflush(stdout);
    }
    printf("%zu passed, %zu failed", passed, failed);
    if (skipped)
        printf(", %zu skipped", skipped);
    printf("\n");
    return failed != 0;
}

#define RUN_TESTS(tests) run_tests(tests, sizeof(tests) / sizeof(tests)[0], argc, argv)

static inline sipc_queue *new_queue(void) {
    sipc_queue *queue = NULL;
    CHECK_OK(sipc_queue_new(&queue, NULL));
    return queue;
}

static inline sipc_counters counters_of(const sipc_listener *listener) {
    sipc_counters counters;
    counters.size = sizeof counters;
    CHECK_OK(sipc_listener_counters(listener, &counters, NULL));
    CHECK(counters.size == sizeof counters);
    return counters;
}

#endif
