/* Listeners of a queue: their handlers run in the thread that processes it. */
#include "testing.h"

#ifndef _WIN32
#include <sys/resource.h>
#endif

struct served {
    sipc_queue *queue;
    pthread_t thread;
    int handled;
    int drops;
    sipc_listener *listener;
    sipc_responder *kept;
    sipc_status inside;
    int next;
};

static struct served serve_in(sipc_queue *queue) {
    struct served served = {queue, pthread_self(), 0, 0, NULL, NULL, SIPC_OK, 0};
    return served;
}

static void on_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct served *served = user_data;
    CHECK(pthread_equal(pthread_self(), served->thread));
    served->handled++;
    on_echo(message, responder, NULL);
}

static void drop_served(void *user_data) {
    struct served *served = user_data;
    CHECK(pthread_equal(pthread_self(), served->thread));
    served->drops++;
}

/* A thread that posts, and says that it is done. */
struct caller {
    const char *channel;
    uint32_t port;
    int32_t wire;
    int count;
    struct count *done;
    sipc_status status;
};

static void *post_all(void *argument) {
    struct caller *caller = argument;
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_wire(options, caller->wire));
    for (int i = 0; i < caller->count; i++) {
        char json[16];
        snprintf(json, sizeof json, "%d", i);
        sipc_message *reply = NULL;
        caller->status = caller->channel
                             ? sipc_post_uds_request(caller->channel, sipc_json(json), options, &reply, NULL)
                             : sipc_post_ip_request(caller->port, sipc_json(json), options, &reply, NULL);
        if (caller->status == SIPC_OK)
            CHECK_TEXT(json, sipc_message_json(reply));
        sipc_message_free(reply);
    }
    sipc_options_free(options);
    count_up(caller->done);
    return NULL;
}

static struct caller call(const char *channel, int count, struct count *done) {
    struct caller caller = {channel, 0, SIPC_WIRE_AUTO, count, done, SIPC_OK};
    return caller;
}

/* A loop that looks besides whether callers are done. */
static void serve_until(sipc_queue *queue, struct count *done, int value) {
    while (count_now(done) < value)
        CHECK_OK(sipc_queue_wait(queue, 10, NULL, NULL));
}

static void handlers_run_where_the_queue_is_processed(void) {
    enum { CALLERS = 4, EACH = 25 };
    static const int32_t wires[] = WIRES_OF_NAMES;
    sipc_queue *queue = new_queue();
    struct served by_name = serve_in(queue), by_port = serve_in(queue);
    CHECK_OK(sipc_queue_listen_uds_request(queue, "looped", on_request, &by_name, drop_served, NULL, &by_name.listener, NULL));
    CHECK_OK(sipc_queue_listen_ip_request(queue, 0, on_request, &by_port, drop_served, NULL, &by_port.listener, NULL));
    CHECK_TEXT("looped", sipc_listener_channel(by_name.listener));
    int expected = 0;
    for (size_t wire = 0; wire < sizeof wires / sizeof wires[0]; wire++) {
        struct count done = COUNT_FROM_ZERO;
        struct caller callers[2 * CALLERS];
        pthread_t threads[2 * CALLERS];
        for (int i = 0; i < 2 * CALLERS; i++) {
            callers[i] = call(i < CALLERS ? "looped" : NULL, EACH, &done);
            callers[i].port = sipc_listener_port(by_port.listener);
            callers[i].wire = wires[wire];
            threads[i] = thread_start(post_all, &callers[i]);
        }
        expected += CALLERS * EACH;
        /* As an event loop does it. */
        while (by_name.handled < expected || by_port.handled < expected) {
            await_descriptor(sipc_queue_descriptor(queue));
            size_t completed = 1;
            CHECK_OK(sipc_queue_process(queue, &completed, NULL));
            CHECK(completed == 0);
        }
        serve_until(queue, &done, 2 * CALLERS);
        for (int i = 0; i < 2 * CALLERS; i++) {
            thread_join(threads[i]);
            CHECK_OK(callers[i].status);
        }
    }
    CHECK_OK(sipc_listener_close(by_name.listener, NULL));
    CHECK_OK(sipc_listener_close(by_port.listener, NULL));
    CHECK(by_name.drops == 1 && by_port.drops == 1);
    sipc_listener_free(by_name.listener);
    sipc_listener_free(by_port.listener);
    sipc_queue_free(queue);
    CHECK(by_name.drops == 1 && by_port.drops == 1);
}

static void on_ordered(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct served *served = user_data;
    CHECK(pthread_equal(pthread_self(), served->thread));
    CHECK(sipc_responder_peer_pid(responder) != 0);
    CHECK(atoi(sipc_message_json(message)) == served->handled);
    served->handled++;
}

static void broadcasts_come_in_order_also_from_a_client_of_the_same_queue(void) {
    enum { BROADCASTS = 300 };
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    CHECK_OK(sipc_queue_listen_uds_broadcast(queue, "ordered", on_ordered, &served, drop_served, NULL, &served.listener, NULL));
    uint64_t client = 0;
    CHECK_OK(sipc_queue_connect_uds(queue, "ordered", NULL, &client, NULL));
    for (int i = 0; i < BROADCASTS; i++) {
        char json[16];
        snprintf(json, sizeof json, "%d", i);
        CHECK_OK(sipc_queue_broadcast(queue, client, sipc_json(json), NULL));
    }
    while (served.handled < BROADCASTS)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    sipc_listener_free(served.listener);
    CHECK(served.drops == 0);
    while (served.drops == 0)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    CHECK(served.drops == 1);
    sipc_queue_free(queue);
}

static void on_keep(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    struct served *served = user_data;
    served->kept = responder;
    served->handled++;
}

static void a_responder_may_be_kept_and_used_later(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct count done = COUNT_FROM_ZERO;
    CHECK_OK(sipc_queue_listen_uds_request(queue, "kept", on_keep, &served, drop_served, NULL, &served.listener, NULL));
    struct caller caller = call("kept", 1, &done);
    pthread_t thread = thread_start(post_all, &caller);
    while (!served.kept)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    CHECK(!sipc_responder_is_cancelled(served.kept));
    CHECK_OK(sipc_respond(served.kept, sipc_json("0"), NULL));
    thread_join(thread);
    CHECK_OK(caller.status);
    CHECK_OK(sipc_listener_close(served.listener, NULL));
    sipc_listener_free(served.listener);
    sipc_queue_free(queue);
}

static void on_stream(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    struct served *served = user_data;
    sipc_stream *answer = NULL;
    CHECK(sipc_responder_is_stream(responder));
    CHECK_OK(sipc_responder_stream(responder, &answer, NULL));
    for (int i = 0; i < 3; i++)
        CHECK_OK(sipc_stream_send(answer, sipc_text("item"), SIPC_NO_TIMEOUT, NULL));
    CHECK_OK(sipc_stream_end(answer, NULL));
    sipc_stream_free(answer);
    served->handled++;
}

static void *take_stream(void *argument) {
    struct caller *caller = argument;
    sipc_stream *items = NULL;
    CHECK_OK(sipc_post_uds_stream(caller->channel, sipc_json("null"), NULL, &items, NULL));
    sipc_message *item = NULL;
    while ((caller->status = sipc_stream_next(items, SIPC_NO_TIMEOUT, &item, NULL)) == SIPC_OK && item) {
        CHECK_TEXT("item", sipc_message_text(item));
        sipc_message_free(item);
        caller->count++;
    }
    sipc_stream_free(items);
    count_up(caller->done);
    return NULL;
}

static void a_stream_is_answered_by_a_handler_of_the_loop(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct count done = COUNT_FROM_ZERO;
    CHECK_OK(sipc_queue_listen_uds_request(queue, "items", on_stream, &served, drop_served, NULL, &served.listener, NULL));
    struct caller caller = call("items", 0, &done);
    pthread_t thread = thread_start(take_stream, &caller);
    serve_until(queue, &done, 1);
    thread_join(thread);
    CHECK_OK(caller.status);
    CHECK(caller.count == 3);
    CHECK_OK(sipc_listener_close(served.listener, NULL));
    sipc_listener_free(served.listener);
    sipc_queue_free(queue);
}

static void on_close(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct served *served = user_data;
    served->inside = sipc_listener_close(served->listener, NULL);
    on_request(message, responder, user_data);
}

static void a_handler_may_close_its_listener_and_still_answers(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct count done = COUNT_FROM_ZERO;
    served.inside = SIPC_INTERNAL;
    CHECK_OK(sipc_queue_listen_uds_request(queue, "closed_inside", on_close, &served, drop_served, NULL, &served.listener, NULL));
    struct caller caller = call("closed_inside", 1, &done);
    pthread_t thread = thread_start(post_all, &caller);
    serve_until(queue, &done, 1);
    thread_join(thread);
    CHECK_OK(caller.status);
    CHECK_OK(served.inside);
    while (served.drops == 0)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    CHECK_OK(sipc_listener_close(served.listener, NULL));
    sipc_listener_free(served.listener);
    sipc_queue_free(queue);
    CHECK(served.drops == 1);
}

static void close_takes_what_has_come_to_the_handler(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct count done = COUNT_FROM_ZERO;
    CHECK_OK(sipc_queue_listen_uds_request(queue, "closes", on_request, &served, drop_served, NULL, &served.listener, NULL));
    struct caller caller = call("closes", 1, &done);
    pthread_t thread = thread_start(post_all, &caller);
    await_descriptor(sipc_queue_descriptor(queue));
    CHECK(served.handled == 0);
    CHECK_OK(sipc_listener_close(served.listener, NULL));
    CHECK(served.handled == 1 && served.drops == 1);
    thread_join(thread);
    CHECK_OK(caller.status);
    sipc_listener_free(served.listener);
    CHECK_OK(sipc_queue_process(queue, NULL, NULL));
    sipc_queue_free(queue);
}

static void *close_elsewhere(void *argument) {
    struct served *served = argument;
    served->inside = sipc_listener_close(served->listener, NULL);
    return NULL;
}

static void close_in_another_thread_waits_for_the_queue(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct count done = COUNT_FROM_ZERO;
    struct count drops = COUNT_FROM_ZERO;
    served.inside = SIPC_INTERNAL;
    CHECK_OK(sipc_queue_listen_uds_request(queue, "closed_elsewhere", on_echo, &drops, drop_count, NULL, &served.listener, NULL));
    struct caller caller = call("closed_elsewhere", 1, &done);
    pthread_t thread = thread_start(post_all, &caller);
    await_descriptor(sipc_queue_descriptor(queue));
    pthread_t closer = thread_start(close_elsewhere, &served);
    while (count_now(&drops) == 0)
        CHECK_OK(sipc_queue_wait(queue, 10, NULL, NULL));
    thread_join(closer);
    thread_join(thread);
    CHECK_OK(served.inside);
    CHECK_OK(caller.status);
    CHECK(count_now(&drops) == 1);
    sipc_listener_free(served.listener);
    sipc_queue_free(queue);
}

static void a_queue_that_is_freed_closes_its_listeners(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct count done = COUNT_FROM_ZERO;
    CHECK_OK(sipc_queue_listen_uds_request(queue, "freed", on_request, &served, drop_served, NULL, &served.listener, NULL));
    struct caller caller = call("freed", 1, &done);
    pthread_t thread = thread_start(post_all, &caller);
    while (counters_of(served.listener).in_flight == 0)
        sched_yield();
    sipc_queue_free(queue);
    CHECK(served.handled == 0 && served.drops == 1);
    thread_join(thread);
    CHECK_STATUS(SIPC_CONNECTION_LOST, caller.status);
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_post_uds_request("freed", sipc_text("x"), NULL, NULL, NULL));
    CHECK_OK(sipc_listener_close(served.listener, NULL));
    sipc_listener_free(served.listener);
}

static void on_done(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct served *served = user_data;
    served->inside = status;
    sipc_message_free(reply);
    sipc_error_free(error);
    served->next++;
}

static void on_busy(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct served *served = user_data;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_queue_process(served->queue, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_queue_wait(served->queue, 0, NULL, NULL));
    /* A listener and a call of the same queue. */
    if (!served->kept) {
        sipc_listener *other = NULL;
        served->kept = responder;
        CHECK_OK(sipc_queue_listen_uds_request(served->queue, "other", on_echo, NULL, NULL, NULL, &other, NULL));
        served->listener = other;
        CHECK_OK(sipc_queue_post_uds_request(served->queue, "other", sipc_text("x"), NULL, on_done, served, NULL, NULL, NULL));
        return;
    }
    on_request(message, responder, user_data);
}

static void a_handler_may_listen_and_call_but_not_process(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct count done = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_queue_listen_uds_request(queue, "busy", on_busy, &served, NULL, NULL, &listener, NULL));
    struct caller caller = call("busy", 1, &done);
    pthread_t thread = thread_start(post_all, &caller);
    while (served.next == 0)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    CHECK_OK(served.inside);
    CHECK_OK(sipc_respond(served.kept, sipc_json("0"), NULL));
    thread_join(thread);
    CHECK_OK(caller.status);
    sipc_listener_free(served.listener);
    sipc_listener_free(listener);
    sipc_queue_free(queue);
}

static void mistakes_are_told_and_release_the_user_data(void) {
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT,
                 sipc_queue_listen_uds_request(NULL, "x", on_request, &served, drop_served, NULL, &listener, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "queue");
    CHECK_STATUS(SIPC_INVALID_ARGUMENT,
                 sipc_queue_listen_uds_request(queue, "x", NULL, &served, drop_served, NULL, &listener, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "handler");
    CHECK_STATUS(SIPC_INVALID_ARGUMENT,
                 sipc_queue_listen_uds_broadcast(queue, NULL, on_request, &served, drop_served, NULL, &listener, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT,
                 sipc_queue_listen_uds_request(queue, "x", on_request, &served, drop_served, NULL, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_NAME,
                 sipc_queue_listen_uds_request(queue, "a b", on_request, &served, drop_served, NULL, &listener, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT,
                 sipc_queue_listen_ip_broadcast(queue, 70000, on_request, &served, drop_served, NULL, &listener, NULL));
    sipc_listener *other = listen_echo("taken");
    CHECK_STATUS(SIPC_IN_USE,
                 sipc_queue_listen_uds_request(queue, "taken", on_request, &served, drop_served, NULL, &listener, NULL));
    CHECK(served.drops == 7 && !listener);
    CHECK_OK(sipc_queue_process(queue, NULL, NULL));
    sipc_listener_free(other);
    sipc_queue_free(queue);
}

#ifndef _WIN32
static void without_descriptors_listening_fails_and_works_when_there_are_some(void) {
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded && strstr(preloaded, "vgpreload")) {
        /* At the limit its socketpair succeeds, with descriptors that it has closed. */
        printf("# left out under valgrind, which gives closed descriptors where there are none left\n");
        return;
    }
    sipc_queue *queue = new_queue();
    struct served served = serve_in(queue);
    struct rlimit before, none;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none = before;
    int expected = 0;
    /* One more at a time: each step of listening is the one that fails. */
    for (rlim_t more = 0;; more++) {
        none.rlim_cur = 3 + more;
        sipc_error *error = NULL;
        CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
        sipc_status status =
            sipc_queue_listen_uds_request(queue, "few", on_request, &served, drop_served, NULL, &served.listener, &error);
        CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        if (status == SIPC_OK)
            break;
        CHECK(served.drops == ++expected && !served.listener);
        check_error(error, status, "");
        CHECK_OK(sipc_queue_process(queue, NULL, NULL));
    }
    CHECK(expected > 0);
    struct count done = COUNT_FROM_ZERO;
    struct caller caller = call("few", 1, &done);
    pthread_t thread = thread_start(post_all, &caller);
    serve_until(queue, &done, 1);
    thread_join(thread);
    CHECK_OK(caller.status);
    CHECK_OK(sipc_listener_close(served.listener, NULL));
    sipc_listener_free(served.listener);
    sipc_queue_free(queue);
    CHECK(served.drops == expected + 1);
}
#endif

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(handlers_run_where_the_queue_is_processed),
        TEST(broadcasts_come_in_order_also_from_a_client_of_the_same_queue),
        TEST(a_responder_may_be_kept_and_used_later),
        TEST(a_stream_is_answered_by_a_handler_of_the_loop),
        TEST(a_handler_may_close_its_listener_and_still_answers),
        TEST(close_takes_what_has_come_to_the_handler),
        TEST(close_in_another_thread_waits_for_the_queue),
        TEST(a_queue_that_is_freed_closes_its_listeners),
        TEST(a_handler_may_listen_and_call_but_not_process),
        TEST(mistakes_are_told_and_release_the_user_data),
#ifndef _WIN32
        TEST(without_descriptors_listening_fails_and_works_when_there_are_some),
#endif
    };
    return RUN_TESTS(tests);
}
