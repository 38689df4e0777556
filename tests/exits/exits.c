/* Ways to end a process, to fork and to be interrupted while the library is at work; each a scenario that ends with 0.
 *
 *     exits SCENARIO
 *     exits --list
 *
 * run.py runs each many times and looks at what is left behind. C99 and POSIX. */
#include "testing.h"

#include <dirent.h>
#include <signal.h>
#include <sys/time.h>

static char *program;
static struct count begun = COUNT_FROM_ZERO;

static void on_counted_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    count_up(user_data);
    sipc_respond(responder, sipc_json("null"), NULL);
}

/* Never answers while the process lives. */
static void on_kept(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data, (void)responder;
    count_up(&begun);
    for (;;)
        pause();
}

static void on_exit_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)responder, (void)user_data;
    exit(0);
}

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)status, (void)user_data;
    sipc_message_free(reply);
    sipc_error_free(error);
}

static sipc_listener *listen_with(const char *channel, sipc_handler handler, void *user_data) {
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request(channel, handler, user_data, NULL, NULL, &listener, NULL));
    return listener;
}

static void ask(const char *channel) {
    CHECK_OK(sipc_post_uds_request(channel, sipc_text("x"), NULL, NULL, NULL));
}

static void *ask_for_ever(void *client) {
    for (;;)
        sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL);
    return NULL;
}

static void *ask_the_keeper(void *unused) {
    sipc_post_uds_request("exits", sipc_text("x"), NULL, NULL, NULL);
    return unused;
}

static void exit_with_a_listener(void) {
    listen_echo("exits");
    ask("exits");
}

static void exit_with_a_client_of_a_listener(void) {
    listen_echo("exits");
    sipc_client *client = connect_to("exits");
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
}

static void leave_at_once_with_a_listener(void) {
    listen_echo("exits");
    ask("exits");
    _exit(0);
}

static void exit_with_calls_in_flight(void) {
    listen_with("exits", on_kept, NULL);
    sipc_client *client = connect_to("exits");
    for (int i = 0; i < 8; i++)
        CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, NULL, NULL, NULL, NULL));
    thread_start(ask_the_keeper, NULL);
    count_await(&begun, 9);
}

static void exit_while_threads_call(void) {
    listen_echo("exits");
    sipc_client *client = connect_to("exits");
    for (int i = 0; i < 4; i++)
        thread_start(ask_for_ever, client);
    ask("exits");
}

static void exit_with_broadcasts_on_their_way(void) {
    static struct count heard = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("exits", on_counted, &heard, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("exits");
    for (int i = 0; i < 1000; i++)
        CHECK_OK(sipc_client_broadcast(client, sipc_text("x"), NULL));
}

static void exit_with_a_queue(void) {
    static struct count answered = COUNT_FROM_ZERO;
    listen_with("exits", on_counted_request, &answered);
    sipc_queue *queue = NULL;
    CHECK_OK(sipc_queue_new(&queue, NULL));
    uint64_t client = 0;
    CHECK_OK(sipc_queue_connect_uds(queue, "exits", NULL, &client, NULL));
    for (int i = 0; i < 16; i++)
        CHECK_OK(sipc_queue_request(queue, client, sipc_text("x"), NULL, NULL, NULL, NULL, NULL, NULL));
    sipc_queue_submit(queue);
    count_await(&answered, 1);
}

static void *take_for_ever(void *stream) {
    for (;;) {
        sipc_message *event = NULL;
        sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, NULL);
        sipc_message_free(event);
    }
    return NULL;
}

static void exit_with_streams_that_are_waited_for(void) {
    sipc_listener *listener = NULL;
    sipc_stream *taken = NULL, *awaited = NULL;
    CHECK_OK(sipc_listen_uds_publish("exits", NULL, &listener, NULL));
    CHECK_OK(sipc_subscribe_uds("exits", NULL, &taken, NULL));
    CHECK_OK(sipc_subscribe_uds("exits", NULL, &awaited, NULL));
    thread_start(take_for_ever, taken);
    for (int i = 0; i < 8; i++) {
        CHECK_OK(sipc_stream_next_async(awaited, SIPC_NO_TIMEOUT, on_reply, NULL, NULL, NULL, NULL));
        CHECK_OK(sipc_publish(listener, NULL, sipc_text("x"), NULL, NULL));
    }
    CHECK_OK(sipc_stream_next_async(awaited, SIPC_NO_TIMEOUT, on_reply, NULL, NULL, NULL, NULL));
}

static void exit_from_a_handler(void) {
    listen_with("exits", on_exit_request, NULL);
    ask("exits");
    CHECK(!"the handler ended the process");
}

static void on_exit_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)status, (void)reply, (void)error, (void)user_data;
    exit(0);
}

static void exit_from_a_callback(void) {
    listen_echo("exits");
    CHECK_OK(sipc_post_uds_request_async("exits", sipc_text("x"), NULL, on_exit_reply, NULL, NULL, NULL, NULL));
    for (;;)
        pause();
}

static void exit_from_an_events_callback(void) {
    sipc_listener *listener = NULL;
    sipc_stream *stream = NULL;
    CHECK_OK(sipc_listen_uds_publish("exits", NULL, &listener, NULL));
    CHECK_OK(sipc_subscribe_uds("exits", NULL, &stream, NULL));
    CHECK_OK(sipc_stream_next_async(stream, SIPC_NO_TIMEOUT, on_exit_reply, NULL, NULL, NULL, NULL));
    CHECK_OK(sipc_publish(listener, NULL, sipc_text("x"), NULL, NULL));
    for (;;)
        pause();
}

static void *exit_once_begun(void *unused) {
    count_await(&begun, 1);
    exit(0);
    return unused;
}

static void exit_from_a_second_thread(void) {
    listen_with("exits", on_kept, NULL);
    thread_start(exit_once_begun, NULL);
    ask("exits");
    CHECK(!"the other thread ended the process");
}

static void end_the_first_thread(void) {
    listen_echo("exits");
    count_up(&begun);
    thread_start(exit_once_begun, NULL);
    pthread_exit(NULL);
}

static sipc_listener *closed_late;
static sipc_client *freed_late;

static void free_late(void) {
    sipc_client_free(freed_late);
    CHECK_OK(sipc_listener_close(closed_late, NULL));
    sipc_listener_free(closed_late);
}

/* Its destructors run after the library's, or before: either is legal. */
__attribute__((destructor)) static void call_in_a_destructor(void) {
    if (closed_late)
        sipc_post_uds_request("exits_nobody", sipc_text("x"), NULL, NULL, NULL);
}

static void free_in_atexit(void) {
    CHECK(atexit(free_late) == 0);
    closed_late = listen_echo("exits");
    freed_late = connect_to("exits");
    CHECK_OK(sipc_client_request(freed_late, sipc_text("x"), NULL, NULL, NULL));
}

static void check_child(pid_t child) {
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fork_and_exit_both(void) {
    listen_echo("exits");
    sipc_client *client = connect_to("exits");
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, NULL, NULL, NULL, NULL));
    pid_t child = fork();
    if (child == 0)
        exit(0);
    check_child(child);
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
}

static void fork_many_while_threads_call(void) {
    listen_echo("exits");
    sipc_client *client = connect_to("exits");
    for (int i = 0; i < 3; i++)
        thread_start(ask_for_ever, client);
    pid_t children[8];
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            CHECK_STATUS(SIPC_FORKED, sipc_client_ping(client, NULL, NULL));
            ask("exits");
            exit(0);
        }
    }
    for (int i = 0; i < 8; i++)
        check_child(children[i]);
}

static void fork_and_exec(void) {
    listen_echo("exits");
    sipc_client *client = connect_to("exits");
    thread_start(ask_for_ever, client);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0) {
            execl(program, program, "--descriptors", (char *)NULL);
            _exit(127);
        }
        check_child(child);
    }
}

static void on_fork_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            if (i == 0)
                execl(program, program, "--descriptors", (char *)NULL);
            exit(i == 0 ? 127 : 0);
        }
        check_child(child);
    }
    sipc_respond(responder, sipc_json("null"), NULL);
}

static void fork_in_a_handler(void) {
    listen_with("exits", on_fork_request, NULL);
    ask("exits");
    ask("exits");
}

static void on_signal(int number) {
    (void)number;
}

static volatile sig_atomic_t storming = 1;

static void *storm(void *threads) {
    while (storming) {
        for (int i = 0; i < 2; i++)
            pthread_kill(((pthread_t *)threads)[i], SIGUSR1);
        struct timespec moment = {0, 200000};
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static void *call_in_the_storm(void *client) {
    /* Large enough that sending and receiving have to wait. */
    enum { LARGE = 1 << 20 };
    char *data = calloc(1, LARGE);
    CHECK(data);
    for (int i = 0; i < 40; i++) {
        sipc_message *reply = NULL;
        bool large = i % 10 == 0;
        CHECK_OK(sipc_client_request(client, sipc_bytes(data, large ? LARGE : 10), NULL, &reply, NULL));
        CHECK(sipc_message_len(reply) == (large ? LARGE : 10));
        sipc_message_free(reply);
        ask("exits");
    }
    free(data);
    return NULL;
}

/* Signals whose handlers do not restart system calls, to the process and to the threads that call. */
static void calls_in_a_storm_of_signals(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    struct itimerval often = {{0, 500}, {0, 500}};
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    sipc_listener *listener = listen_echo("exits");
    sipc_client *client = connect_to("exits");
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = thread_start(call_in_the_storm, client);
    pthread_t stormer = thread_start(storm, threads);
    /* The storm must end before the threads are joined: a joined thread gets no signals. */
    for (int i = 0; i < 40; i++)
        ask("exits");
    storming = 0;
    thread_join(stormer);
    for (int i = 0; i < 2; i++)
        thread_join(threads[i]);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_client_free(client);
    sipc_listener_free(listener);
}

/* A peer that is killed while there is a session, and SIGPIPE is at its default, which ends a process. */
static void a_peer_dies_and_sigpipe_kills(void) {
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    int ready[2];
    CHECK(pipe(ready) == 0);
    pid_t child = fork();
    if (child == 0) {
        listen_echo("exits");
        CHECK(write(ready[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    sipc_client *client = connect_to("exits"), *streaming = connect_to("exits");
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    CHECK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL) != SIPC_OK);
    for (int i = 0; i < 3; i++)
        sipc_client_broadcast(streaming, sipc_text("x"), NULL);
    CHECK(sipc_client_ping(client, NULL, NULL) != SIPC_OK);
    sipc_client_free(streaming);
    sipc_client_free(client);
}

static void a_caller_dies_and_sigpipe_kills(void) {
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    static struct count answered = COUNT_FROM_ZERO;
    pid_t child = fork();
    if (child == 0) {
        sipc_options *options = sipc_options_new();
        CHECK_OK(sipc_options_set_wait_ms(options, 60000));
        sipc_client *client = NULL;
        CHECK_OK(sipc_client_connect_uds("exits", options, &client, NULL));
        for (int i = 0; i < 4; i++)
            thread_start(ask_for_ever, client);
        for (;;)
            pause();
    }
    listen_with("exits", on_counted_request, &answered);
    count_await(&answered, 50);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    ask("exits");
}

/* Listens where a scenario has left its files, and leaves none. */
static void take_over(void) {
    sipc_listener *listener = listen_echo("exits");
    ask("exits");
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

/* What a program that was started inherits beside the standard three. */
static int descriptors(void) {
    DIR *open = opendir("/proc/self/fd");
    CHECK(open);
    int inherited = 0;
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        int number = atoi(entry->d_name);
        char link[64], target[256];
        snprintf(link, sizeof link, "/proc/self/fd/%d", number);
        ssize_t len = number > 2 && number != dirfd(open) ? readlink(link, target, sizeof target - 1) : -1;
        if (len > 0) {
            target[len] = '\0';
            printf("# inherited: %d is %s\n", number, target);
            inherited++;
        }
    }
    closedir(open);
    return inherited != 0;
}

static const struct test scenarios[] = {
    TEST(exit_with_a_listener),
    TEST(exit_with_a_client_of_a_listener),
    TEST(leave_at_once_with_a_listener),
    TEST(exit_with_calls_in_flight),
    TEST(exit_while_threads_call),
    TEST(exit_with_broadcasts_on_their_way),
    TEST(exit_with_a_queue),
    TEST(exit_with_streams_that_are_waited_for),
    TEST(exit_from_a_handler),
    TEST(exit_from_a_callback),
    TEST(exit_from_an_events_callback),
    TEST(exit_from_a_second_thread),
    TEST(end_the_first_thread),
    TEST(free_in_atexit),
    TEST(fork_and_exit_both),
    TEST(fork_many_while_threads_call),
    TEST(fork_and_exec),
    TEST(fork_in_a_handler),
    TEST(calls_in_a_storm_of_signals),
    TEST(a_peer_dies_and_sigpipe_kills),
    TEST(a_caller_dies_and_sigpipe_kills),
};

int main(int argc, char **argv) {
    program = argv[0];
    const char *wanted = argc == 2 ? argv[1] : "";
    size_t len = sizeof scenarios / sizeof *scenarios;
    if (strcmp(wanted, "--descriptors") == 0)
        return descriptors();
    if (strcmp(wanted, "--take-over") == 0) {
        take_over();
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (strcmp(wanted, "--list") == 0)
            puts(scenarios[i].name);
        else if (strcmp(wanted, scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    }
    return strcmp(wanted, "--list") == 0 ? 0 : 2;
}
