/* What the C tests have in common: a runner that gives each test a process, a scratch directory and a watchdog of its
 * own, and checks that say where they failed. C99 and POSIX.
 *
 * The runner itself never calls the library, so that each test's process starts without any of its threads. */
#ifndef TESTING_H
#define TESTING_H

#include "check.h"

#include <simple_ipc.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Long enough for valgrind on a busy machine; a test that hangs is ended by SIGALRM. */
enum { WATCHDOG_SECONDS = 300 };

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(name) {#name, name}

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

/* A test's own process: a scratch directory for its channels, a watchdog, the test. */
static inline void run_alone(const struct test *test) {
    char scratch[] = "/tmp/sipc-c-XXXXXX";
    if (!mkdtemp(scratch)) {
        perror("mkdtemp");
        _exit(1);
    }
    pid_t process = fork();
    if (process == 0) {
        alarm(WATCHDOG_SECONDS);
        setenv("SIMPLE_IPC_DIR", scratch, 1);
        test->run();
        /* So that valgrind and LeakSanitizer look for leaks. */
        exit(0);
    }
    int status = 0;
    if (process < 0 || waitpid(process, &status, 0) < 0)
        perror(test->name);
    /* A test that failed left its files behind. */
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    if (system(command) != 0)
        printf("# cannot remove %s\n", scratch);
    if (WIFSIGNALED(status))
        printf("# ended by signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (the watchdog)" : "");
    else if (WEXITSTATUS(status) != 0)
        printf("# ended with %d\n", WEXITSTATUS(status));
    fflush(stdout);
    _exit(status == 0 ? 0 : 1);
}

/* Runs each test, or those whose names are given; prints TAP and `N passed, N failed`. */
static inline int run_tests(const struct test *tests, size_t len, int argc, char **argv) {
    size_t passed = 0, failed = 0;
    for (size_t i = 0; i < len; i++) {
        bool wanted = argc < 2;
        for (int name = 1; name < argc; name++)
            wanted = wanted || strcmp(argv[name], tests[i].name) == 0;
        if (!wanted)
            continue;
        fflush(stdout);
        pid_t process = fork();
        if (process == 0)
            run_alone(&tests[i]);
        int status = 0;
        if (process < 0 || waitpid(process, &status, 0) < 0)
            perror(tests[i].name);
        bool good = process > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (good)
            passed++;
        else
            failed++;
        printf("%s %zu - %s\n", good ? "ok" : "not ok", passed + failed, tests[i].name);
        fflush(stdout);
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed != 0;
}

#define RUN_TESTS(tests) run_tests(tests, sizeof(tests) / sizeof(tests)[0], argc, argv)

#endif
