/* What a forked child inherits is its parent's; what it makes itself works. */
#include "testing.h"

#include <poll.h>
#include <sys/socket.h>

/* As fork, with a watchdog for the child, which does not inherit its parent's. */
static pid_t fork_watched(void) {
    pid_t child = fork();
    if (child == 0)
        alarm(WATCHDOG_SECONDS);
    return child;
}

static void check_child(pid_t child) {
    CHECK(child > 0);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void an_inherited_client_says_forked_and_the_parents_goes_on(void) {
    sipc_listener *listener = listen_echo("parent");
    sipc_client *client = connect_to("parent");
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_FORKED, sipc_client_request(client, sipc_text("x"), NULL, NULL, &error));
        CHECK(!sipc_error_may_have_been_handled(error));
        check_error(error, SIPC_FORKED, "fork");
        CHECK_STATUS(SIPC_FORKED, sipc_client_broadcast(client, sipc_text("x"), NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_client_flush(client, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_client_ping(client, NULL, NULL));
        sipc_client_free(client);
        _exit(0);
    }
    check_child(child);
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void an_inherited_listener_stays_the_parents(void) {
    sipc_listener *listener = listen_echo("parent");
    CHECK_OK(sipc_post_uds_request("parent", sipc_text("x"), NULL, NULL, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        CHECK_STATUS(SIPC_FORKED, sipc_listener_close(listener, NULL));
        sipc_listener_free(listener);
        /* A post of the child's own reaches the parent's listener. */
        CHECK_OK(sipc_post_uds_request("parent", sipc_text("from the child"), NULL, NULL, NULL));
        _exit(0);
    }
    check_child(child);
    struct stat file;
    CHECK(stat(sipc_listener_path(listener), &file) == 0);
    CHECK_OK(sipc_post_uds_request("parent", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(listener);
}

static void a_child_can_listen_and_call_for_itself(void) {
    sipc_listener *listener = listen_echo("parent");
    CHECK_OK(sipc_post_uds_request("parent", sipc_text("x"), NULL, NULL, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        sipc_listener *own = listen_echo("child");
        sipc_client *client = connect_to("child");
        sipc_message *reply = NULL;
        CHECK_OK(sipc_client_request(client, sipc_text("own"), NULL, &reply, NULL));
        CHECK_TEXT("own", sipc_message_text(reply));
        sipc_message_free(reply);
        sipc_client_free(client);
        CHECK_OK(sipc_listener_close(own, NULL));
        sipc_listener_free(own);
        _exit(0);
    }
    check_child(child);
    sipc_listener_free(listener);
}

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    CHECK_OK(status);
    sipc_message_free(reply);
    sipc_error_free(error);
    count_up(user_data);
}

static void on_held(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    count_await(user_data, 1);
    sipc_respond(responder, sipc_json("null"), NULL);
}

static void an_inherited_operation_says_forked_and_a_childs_own_completes(void) {
    struct count gate = COUNT_FROM_ZERO, replies = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &gate, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("held");
    sipc_operation *operation = NULL;
    CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, &replies, NULL, &operation, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        struct count own_replies = COUNT_FROM_ZERO;
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_FORKED, sipc_operation_wait(operation, SIPC_NO_TIMEOUT, &error));
        check_error(error, SIPC_FORKED, "fork");
        sipc_operation_cancel(operation);
        sipc_operation_free(operation);
        CHECK_STATUS(SIPC_FORKED,
                     sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, &own_replies, NULL, NULL, NULL));
        sipc_client_free(client);
        sipc_listener *own = listen_echo("child");
        CHECK_OK(sipc_post_uds_request_async("child", sipc_text("x"), NULL, on_reply, &own_replies, NULL, NULL, NULL));
        count_await(&own_replies, 1);
        sipc_listener_free(own);
        _exit(0);
    }
    check_child(child);
    count_up(&gate);
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    CHECK(count_now(&replies) == 1);
    sipc_operation_free(operation);
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void a_listener_dies_with_its_process_not_with_its_children(void) {
    int ready[2], leave[2];
    CHECK(pipe(ready) == 0 && pipe(leave) == 0);
    pid_t parent = fork_watched();
    if (parent == 0) {
        /* A process that listens, and then ends while a child of its own goes on. */
        sipc_listener *listener = listen_echo("mortal");
        CHECK(listener);
        pid_t grandchild = fork_watched();
        if (grandchild == 0) {
            char byte;
            CHECK(close(leave[1]) == 0);
            CHECK(read(leave[0], &byte, 1) == 0);
            _exit(0);
        }
        CHECK(write(ready[1], "x", 1) == 1);
        _exit(0);
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    check_child(parent);
    sipc_listener *next = listen_echo("mortal");
    CHECK_OK(sipc_post_uds_request("mortal", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(next);
    CHECK(close(leave[1]) == 0);
}

static void on_queued_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)error;
    if (status == SIPC_OK && strcmp(sipc_message_text(reply), "x") == 0)
        count_up(user_data);
    sipc_message_free(reply);
}

static void a_forked_child_cannot_use_the_parents_queue(void) {
    sipc_listener *listener = listen_echo("forked");
    sipc_queue *queue = NULL;
    CHECK_OK(sipc_queue_new(&queue, NULL));
    struct count replies = COUNT_FROM_ZERO;
    CHECK_OK(sipc_queue_post_uds_request(queue, "forked", sipc_text("x"), NULL, on_queued_reply, &replies, NULL, NULL,
                                         NULL));
    pid_t child = fork();
    if (child == 0) {
        CHECK_STATUS(SIPC_FORKED, sipc_queue_process(queue, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_post_uds_request(queue, "forked", sipc_text("x"), NULL, NULL, NULL, NULL,
                                                              NULL, NULL));
        sipc_queue_free(queue);
        _exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    CHECK(count_now(&replies) == 1);
    sipc_queue_free(queue);
    sipc_listener_free(listener);
}

static void every_accessor_of_what_a_child_inherits_says_that_it_is_the_parents(void) {
    struct count drops = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL, *on_port = NULL;
    CHECK_OK(sipc_listen_uds_request("parent", on_echo, &drops, drop_count, NULL, &listener, NULL));
    CHECK_OK(sipc_listen_ip_request(0, on_echo, NULL, NULL, NULL, &on_port, NULL));
    sipc_client *client = connect_to("parent");
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    sipc_queue *queue = NULL;
    CHECK_OK(sipc_queue_new(&queue, NULL));
    uint64_t queued = 0;
    CHECK_OK(sipc_queue_connect_uds(queue, "parent", NULL, &queued, NULL));
    CHECK_OK(sipc_queue_request(queue, queued, sipc_text("x"), NULL, NULL, NULL, NULL, NULL, NULL));
    CHECK(sipc_queue_under_way(queue) > 0 && sipc_queue_descriptor(queue) >= 0);
    pid_t child = fork_watched();
    if (child == 0) {
        sipc_counters counters = {.size = sizeof counters};
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_FORKED, sipc_listener_counters(listener, &counters, &error));
        check_error(error, SIPC_FORKED, "fork");
        CHECK(!sipc_listener_channel(listener) && !sipc_listener_address(listener) && !sipc_listener_path(listener));
        CHECK(sipc_listener_port(on_port) == 0);
        CHECK_STATUS(SIPC_FORKED, sipc_listener_close(listener, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_client_close(client, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_client_broadcast_async(client, sipc_text("x"), on_reply, NULL, NULL, NULL, NULL));
        CHECK(sipc_queue_descriptor(queue) == -1 && sipc_queue_under_way(queue) == 0);
        CHECK_STATUS(SIPC_FORKED, sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_connect_uds(queue, "parent", NULL, &queued, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_broadcast(queue, queued, sipc_text("x"), NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_flush(queue, queued, NULL, NULL, NULL, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_ping(queue, queued, NULL, NULL, NULL, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_close(queue, queued, NULL, NULL, NULL, NULL, NULL));
        sipc_queue_cancel(queue, 0);
        sipc_queue_free(queue);
        sipc_client_free(client);
        sipc_listener_free(listener);
        sipc_listener_free(on_port);
        CHECK(count_now(&drops) == 0);
        _exit(0);
    }
    check_child(child);
    CHECK(strcmp(sipc_listener_channel(listener), "parent") == 0 && sipc_listener_port(on_port) > 0);
    while (sipc_queue_under_way(queue) > 0)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    sipc_queue_free(queue);
    sipc_client_free(client);
    sipc_listener_free(on_port);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void on_cancelled_or_never(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)status;
    sipc_message_free(reply);
    sipc_error_free(error);
    count_up(user_data);
}

static void freeing_a_queue_in_a_child_calls_nothing_and_writes_to_no_descriptor(void) {
    struct count gate = COUNT_FROM_ZERO, calls = COUNT_FROM_ZERO, drops = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &gate, NULL, NULL, &listener, NULL));
    sipc_queue *queue = NULL;
    uint64_t client = 0;
    CHECK_OK(sipc_queue_new(&queue, NULL));
    CHECK_OK(sipc_queue_connect_uds(queue, "held", NULL, &client, NULL));
    /* The second gathers behind the first. */
    for (int i = 0; i < 2; i++)
        CHECK_OK(sipc_queue_request(queue, client, sipc_text("x"), NULL, on_cancelled_or_never, &calls, NULL, NULL, NULL));
    CHECK_OK(sipc_queue_request(queue, client, sipc_text("x"), NULL, NULL, &drops, drop_count, NULL, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        /* Whatever number the queue's descriptors had is the child's own now. */
        int ends[2];
        do
            CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        while (ends[1] < 64);
        sipc_queue_submit(queue);
        sipc_queue_free(queue);
        CHECK(count_now(&calls) == 0 && count_now(&drops) == 0);
        for (int end = 3; end <= ends[1]; end++) {
            struct pollfd poll_it = {.fd = end, .events = POLLIN};
            struct stat kind;
            if (fstat(end, &kind) == 0 && S_ISSOCK(kind.st_mode))
                CHECK(poll(&poll_it, 1, 0) == 0);
        }
        _exit(0);
    }
    check_child(child);
    count_up(&gate);
    while (sipc_queue_under_way(queue) > 0)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    CHECK(count_now(&calls) == 2 && count_now(&drops) == 1);
    sipc_queue_free(queue);
    sipc_listener_free(listener);
}

static void on_forking(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    pid_t child = fork_watched();
    if (child == 0) {
        sipc_error *error = NULL;
        CHECK(sipc_responder_is_cancelled(responder));
        CHECK(sipc_responder_time_left_ms(responder) == 0);
        CHECK_STATUS(SIPC_FORKED, sipc_responder_on_cancel(responder, drop_count, NULL, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_respond_error(responder, "from the child", NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_respond(responder, sipc_text("from the child"), &error));
        check_error(error, SIPC_FORKED, "fork");
        sipc_responder_free(responder);
        _exit(0);
    }
    check_child(child);
    CHECK_OK(sipc_respond(responder, sipc_text("from the parent"), NULL));
}

static void a_child_of_a_handler_does_not_answer_for_its_parent(void) {
    sipc_listener *listener = NULL;
    sipc_message *reply = NULL;
    CHECK_OK(sipc_listen_uds_request("forking", on_forking, NULL, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_post_uds_request("forking", sipc_text("x"), NULL, &reply, NULL));
    CHECK_TEXT("from the parent", sipc_message_text(reply));
    sipc_message_free(reply);
    sipc_listener_free(listener);
}

static void on_event_or_never(sipc_status status, sipc_message *event, sipc_error *error, void *calls) {
    CHECK_OK(status);
    CHECK_TEXT("live", sipc_message_text(event));
    sipc_message_free(event);
    sipc_error_free(error);
    count_up(calls);
}

static void an_inherited_stream_and_publisher_stay_the_parents(void) {
    struct count calls = COUNT_FROM_ZERO;
    sipc_listener *publisher = NULL;
    sipc_stream *stream = NULL, *awaited = NULL;
    CHECK_OK(sipc_listen_uds_publish("parent", NULL, &publisher, NULL));
    CHECK_OK(sipc_subscribe_uds("parent", NULL, &stream, NULL));
    CHECK_OK(sipc_subscribe_uds("parent", NULL, &awaited, NULL));
    CHECK_OK(sipc_stream_next_async(awaited, SIPC_NO_TIMEOUT, on_event_or_never, &calls, drop_count, NULL, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        sipc_message *event = NULL;
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_FORKED, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, &error));
        check_error(error, SIPC_FORKED, "fork");
        CHECK_STATUS(SIPC_FORKED, sipc_stream_next_async(stream, 0, on_event_or_never, NULL, NULL, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_publish(publisher, NULL, sipc_text("from the child"), NULL, NULL));
        CHECK(sipc_stream_descriptor(stream) == -1);
        sipc_stream_close(stream);
        sipc_stream_free(stream);
        sipc_stream_free(awaited);
        sipc_listener_free(publisher);
        CHECK(count_now(&calls) == 0);
        /* A subscription of the child's own gets what its parent publishes. */
        CHECK_OK(sipc_subscribe_uds("parent", NULL, &stream, NULL));
        CHECK_OK(sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, NULL));
        CHECK_TEXT("live", sipc_message_text(event));
        sipc_message_free(event);
        sipc_stream_free(stream);
        _exit(0);
    }
    size_t queued = 0;
    sipc_counters counters;
    counters.size = sizeof counters;
    do {
        CHECK_OK(sipc_listener_counters(publisher, &counters, NULL));
        sched_yield();
    } while (counters.subscribers < 3);
    CHECK_OK(sipc_publish(publisher, NULL, sipc_text("live"), &queued, NULL));
    CHECK(queued == 3);
    check_child(child);
    sipc_message *event = NULL;
    CHECK_OK(sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, NULL));
    CHECK_TEXT("live", sipc_message_text(event));
    sipc_message_free(event);
    count_await(&calls, 2);
    sipc_stream_free(stream);
    sipc_stream_free(awaited);
    sipc_listener_free(publisher);
}

/* What a child may do with a stream of its parent's: nothing. */
static void expect_forked(sipc_stream *stream) {
    sipc_message *item = NULL;
    sipc_stream *items = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_FORKED, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, &error));
    check_error(error, SIPC_FORKED, "fork");
    CHECK_STATUS(SIPC_FORKED, sipc_stream_next(stream, 0, &item, NULL));
    CHECK_STATUS(SIPC_FORKED, sipc_stream_send(stream, sipc_text("from the child"), SIPC_NO_TIMEOUT, NULL));
    CHECK_STATUS(SIPC_FORKED, sipc_stream_send(stream, sipc_text("from the child"), 0, NULL));
    CHECK_STATUS(SIPC_FORKED, sipc_stream_send_async(stream, sipc_text("x"), 0, on_event_or_never, NULL, NULL, NULL, NULL));
    CHECK_STATUS(SIPC_FORKED, sipc_stream_next_async(stream, 0, on_event_or_never, NULL, NULL, NULL, NULL));
    CHECK_STATUS(SIPC_FORKED, sipc_stream_end(stream, NULL));
    sipc_status status = sipc_stream_items(stream, &items, NULL);
    CHECK(status == SIPC_FORKED && !items);
    CHECK(sipc_stream_descriptor(stream) == -1 && sipc_stream_is_over(stream));
    sipc_stream_close(stream);
    sipc_stream_free(stream);
}

static void on_streaming_and_forking(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    sipc_stream *stream = NULL, *items = NULL;
    CHECK_OK(sipc_responder_items(responder, &items, NULL));
    CHECK_OK(sipc_responder_stream(responder, &stream, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        expect_forked(stream);
        sipc_stream_close(items);
        sipc_stream_free(items);
        _exit(0);
    }
    check_child(child);
    sipc_stream_free(items);
    CHECK_OK(sipc_stream_send(stream, sipc_text("from the parent"), SIPC_NO_TIMEOUT, NULL));
    CHECK_OK(sipc_stream_end(stream, NULL));
    sipc_stream_free(stream);
}

static void a_child_does_nothing_to_a_stream_of_its_parents(void) {
    sipc_listener *listener = NULL;
    sipc_stream *stream = NULL;
    sipc_message *item = NULL;
    CHECK_OK(sipc_listen_uds_request("forking", on_streaming_and_forking, NULL, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_post_uds_stream("forking", sipc_text("x"), NULL, &stream, NULL));
    pid_t child = fork_watched();
    if (child == 0) {
        expect_forked(stream);
        _exit(0);
    }
    check_child(child);
    CHECK_OK(sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, NULL));
    CHECK_TEXT("from the parent", sipc_message_text(item));
    sipc_message_free(item);
    CHECK_OK(sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, NULL));
    CHECK(!item);
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

static void on_own(const sipc_message *message, sipc_responder *responder, void *user_data) {
    CHECK(getpid() == *(pid_t *)user_data);
    on_echo(message, responder, NULL);
}

static void drop_own(void *user_data) {
    CHECK(getpid() == *(pid_t *)user_data);
}

static void on_answer(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    *(sipc_status *)user_data = status;
    sipc_message_free(reply);
    sipc_error_free(error);
}

static void a_listener_of_an_inherited_queue_stays_the_parents(void) {
    pid_t own = getpid();
    sipc_queue *queue = NULL;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_queue_new(&queue, NULL));
    CHECK_OK(sipc_queue_listen_uds_request(queue, "looped", on_own, &own, drop_own, NULL, &listener, NULL));
    sipc_status answered = SIPC_INTERNAL;
    CHECK_OK(sipc_queue_post_uds_request(queue, "looped", sipc_text("x"), NULL, on_answer, &answered, NULL, NULL, NULL));
    sipc_queue_submit(queue);
    pid_t child = fork_watched();
    if (child == 0) {
        CHECK_STATUS(SIPC_FORKED, sipc_queue_process(queue, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_queue_listen_uds_request(queue, "other", on_own, &own, NULL, NULL, &listener, NULL));
        CHECK_STATUS(SIPC_FORKED, sipc_listener_close(listener, NULL));
        sipc_listener_free(listener);
        sipc_queue_free(queue);
        _exit(0);
    }
    check_child(child);
    while (answered == SIPC_INTERNAL)
        CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
    CHECK_OK(answered);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
    sipc_queue_free(queue);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(an_inherited_client_says_forked_and_the_parents_goes_on),
        TEST(an_inherited_listener_stays_the_parents),
        TEST(a_listener_of_an_inherited_queue_stays_the_parents),
        TEST(a_child_can_listen_and_call_for_itself),
        TEST(an_inherited_operation_says_forked_and_a_childs_own_completes),
        TEST(a_listener_dies_with_its_process_not_with_its_children),
        TEST(a_forked_child_cannot_use_the_parents_queue),
        TEST(every_accessor_of_what_a_child_inherits_says_that_it_is_the_parents),
        TEST(freeing_a_queue_in_a_child_calls_nothing_and_writes_to_no_descriptor),
        TEST(a_child_of_a_handler_does_not_answer_for_its_parent),
        TEST(an_inherited_stream_and_publisher_stay_the_parents),
        TEST(a_child_does_nothing_to_a_stream_of_its_parents),
    };
    return RUN_TESTS(tests);
}
