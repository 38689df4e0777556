/* A handler is told that nobody waits for its answer, once, and not when it has answered. */
#include "testing.h"

static void on_ignored_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)status;
    sipc_message_free(reply);
    sipc_error_free(error);
    count_up(user_data);
}

/* What one responder's callback has done. */
struct notice {
    struct count given, called, drops;
    sipc_responder *responder;
};

#define NO_NOTICE {COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, NULL}

static void on_cancelled(void *user_data) {
    count_up(&((struct notice *)user_data)->called);
}

static void drop_notice(void *user_data) {
    count_up(&((struct notice *)user_data)->drops);
}

static void on_kept_to_be_told(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct notice *notice = user_data;
    (void)message;
    notice->responder = responder;
    CHECK_OK(sipc_responder_on_cancel(responder, on_cancelled, notice, drop_notice, NULL));
    count_up(&notice->given);
}

static void post_and_give_up(const char *channel) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_timeout_ms(options, 50));
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_post_uds_request(channel, sipc_text("x"), options, NULL, NULL));
    sipc_options_free(options);
}

static void a_handler_is_told_that_its_caller_has_given_up(void) {
    struct notice notice = NO_NOTICE;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("told", on_kept_to_be_told, &notice, NULL, NULL, &listener, NULL));
    post_and_give_up("told");
    count_await(&notice.called, 1);
    /* Between the handler's thread and the next reader of the session it may for a moment not be known. */
    while (!sipc_responder_is_cancelled(notice.responder))
        sched_yield();
    sipc_responder_free(notice.responder);
    CHECK(count_now(&notice.called) == 1 && count_now(&notice.drops) == 1);
    sipc_listener_free(listener);
}

static void on_working_until_told(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct notice *notice = user_data;
    on_kept_to_be_told(message, responder, user_data);
    count_await(&notice->called, 1);
    sipc_responder_free(responder);
    count_up(&notice->given);
}

static void a_handler_that_is_at_work_is_told_too(void) {
    struct notice notice = NO_NOTICE;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("work", on_working_until_told, &notice, NULL, NULL, &listener, NULL));
    post_and_give_up("work");
    count_await(&notice.given, 2);
    CHECK(count_now(&notice.drops) == 1);
    sipc_listener_free(listener);
}

#ifndef _WIN32
static void a_client_that_goes_is_told_of_and_a_cancelled_call(void) {
    for (int goes = 0; goes < 2; goes++) {
        struct notice notice = NO_NOTICE;
        sipc_listener *listener = NULL;
        CHECK_OK(sipc_listen_uds_request("goes", on_kept_to_be_told, &notice, NULL, NULL, &listener, NULL));
        int gone[2];
        CHECK(pipe(gone) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            sipc_client *client = connect_to("goes");
            sipc_operation *operation = NULL;
            struct count ignored = COUNT_FROM_ZERO;
            CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_ignored_reply, &ignored, NULL,
                                               &operation, NULL));
            char byte;
            close(gone[1]);
            CHECK(read(gone[0], &byte, 1) == 0);
            if (!goes) {
                sipc_operation_cancel(operation);
                CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
            }
            _exit(0);
        }
        count_await(&notice.given, 1);
        CHECK(count_now(&notice.called) == 0);
        close(gone[1]);
        count_await(&notice.called, 1);
        CHECK(waitpid(child, NULL, 0) == child);
        close(gone[0]);
        sipc_responder_free(notice.responder);
        CHECK(count_now(&notice.called) == 1 && count_now(&notice.drops) == 1);
        sipc_listener_free(listener);
    }
}
#endif

static void *answer_when_told_to(void *user_data) {
    struct notice *notice = user_data;
    count_await(&notice->given, 1);
    CHECK_OK(sipc_respond(notice->responder, sipc_json("1"), NULL));
    CHECK(count_now(&notice->called) == 0 && count_now(&notice->drops) == 1);
    return NULL;
}

static void nobody_is_told_of_anything_after_the_answer(void) {
    struct notice notice = NO_NOTICE;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("answered", on_kept_to_be_told, &notice, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("answered");
    pthread_t thread = thread_start(answer_when_told_to, &notice);
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    thread_join(thread);
    sipc_client_free(client);
    CHECK_OK(sipc_listener_close(listener, NULL));
    CHECK(count_now(&notice.called) == 0 && count_now(&notice.drops) == 1);
    sipc_listener_free(listener);
}

static void on_cancelled_freeing(void *user_data) {
    struct notice *notice = user_data;
    sipc_responder_free(notice->responder);
    count_up(&notice->called);
}

static void on_kept_to_be_freed(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct notice *notice = user_data;
    (void)message;
    notice->responder = responder;
    /* So that the callback runs at once, and may free the responder before this call returns. */
    while (!sipc_responder_is_cancelled(responder))
        sched_yield();
    CHECK_OK(sipc_responder_on_cancel(responder, on_cancelled_freeing, notice, drop_notice, NULL));
}

static void a_responder_can_be_freed_inside_its_callback(void) {
    struct notice notice = NO_NOTICE;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("inside", on_kept_to_be_freed, &notice, NULL, NULL, &listener, NULL));
    for (int round = 1; round <= 10; round++) {
        post_and_give_up("inside");
        count_await(&notice.called, round);
        count_await(&notice.drops, round);
    }
    sipc_listener_free(listener);
}

/* Freed by `drop`: a callback that comes too late reads freed memory, which the checkers see. */
struct late {
    struct count *drops;
    int value;
};

static void on_cancelled_reading(void *user_data) {
    CHECK(((struct late *)user_data)->value == 7);
}

static void drop_late(void *user_data) {
    struct late *late = user_data;
    struct count *drops = late->drops;
    late->value = 0;
    free(late);
    count_up(drops);
}

static void on_answered_meanwhile(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct late *late = malloc(sizeof *late);
    (void)message;
    CHECK(late);
    late->drops = user_data;
    late->value = 7;
    CHECK_OK(sipc_responder_on_cancel(responder, on_cancelled_reading, late, drop_late, NULL));
    sipc_respond(responder, sipc_json("1"), NULL);
}

static void cancelling_and_answering_race(void) {
    enum { ROUNDS = 200 };
    struct count drops = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("race", on_answered_meanwhile, &drops, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("race");
    for (int i = 0; i < ROUNDS; i++) {
        struct count ended = COUNT_FROM_ZERO;
        sipc_operation *operation = NULL;
        CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_ignored_reply, &ended, NULL, &operation,
                                           NULL));
        for (int moment = 0; moment < i % 20; moment++)
            sched_yield();
        sipc_operation_cancel(operation);
        count_await(&ended, 1);
        sipc_operation_free(operation);
    }
    sipc_client_free(client);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void on_mistaken(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct notice *notice = user_data;
    sipc_error *error = NULL;
    (void)message;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_responder_on_cancel(responder, NULL, notice, drop_notice, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "callback");
    CHECK(count_now(&notice->drops) == 1);
    CHECK_OK(sipc_responder_on_cancel(responder, on_cancelled, notice, drop_notice, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_responder_on_cancel(responder, on_cancelled, notice, drop_notice, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "already");
    CHECK(count_now(&notice->drops) == 2);
    sipc_respond(responder, sipc_json("1"), NULL);
    CHECK(count_now(&notice->drops) == 3 && count_now(&notice->called) == 0);
}

static void one_callback_is_taken_and_mistakes_are_told(void) {
    struct notice notice = NO_NOTICE;
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_responder_on_cancel(NULL, on_cancelled, &notice, drop_notice, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "responder");
    CHECK(count_now(&notice.drops) == 1);
    notice.drops.value = 0;
    CHECK_OK(sipc_listen_uds_request("once", on_mistaken, &notice, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_post_uds_request("once", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(listener);
}

static void on_watched_broadcast(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    CHECK_OK(sipc_responder_on_cancel(responder, on_cancelled, user_data, drop_notice, NULL));
}

static void a_broadcasts_callback_goes_with_its_responder(void) {
    struct notice notice = NO_NOTICE;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("watched", on_watched_broadcast, &notice, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_post_uds_broadcast("watched", sipc_text("x"), NULL, NULL));
    CHECK_OK(sipc_listener_close(listener, NULL));
    CHECK(count_now(&notice.drops) == 1);
    sipc_counters counters = {.size = sizeof counters};
    CHECK_OK(sipc_listener_counters(listener, &counters, NULL));
    CHECK(counters.messages == 1 && counters.failed == 0);
    sipc_listener_free(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(a_handler_is_told_that_its_caller_has_given_up),
        TEST(a_handler_that_is_at_work_is_told_too),
        TEST_ON_UNIX(a_client_that_goes_is_told_of_and_a_cancelled_call, "its client is a forked process"),
        TEST(nobody_is_told_of_anything_after_the_answer),
        TEST(a_responder_can_be_freed_inside_its_callback),
        TEST(cancelling_and_answering_race),
        TEST(one_callback_is_taken_and_mistakes_are_told),
        TEST(a_broadcasts_callback_goes_with_its_responder),
    };
    return RUN_TESTS(tests);
}
