/* Who answers, when, and what becomes of what a handler was given. */
#include "testing.h"

/* A handler that keeps its responder, and the thread that waits for it. */
struct kept {
    struct count given;
    sipc_responder *responder;
    sipc_message *message;
};

#define NOTHING_KEPT {COUNT_FROM_ZERO, NULL, NULL}

static void on_kept(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct kept *kept = user_data;
    kept->responder = responder;
    kept->message = sipc_message_clone(message);
    count_up(&kept->given);
}

static void *answer_kept(void *user_data) {
    struct kept *kept = user_data;
    count_await(&kept->given, 1);
    CHECK_OK(sipc_respond(kept->responder, sipc_text(sipc_message_text(kept->message)), NULL));
    sipc_message_free(kept->message);
    return NULL;
}

static void a_responder_can_be_kept_and_answered_by_another_thread(void) {
    struct kept kept = NOTHING_KEPT;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("later", on_kept, &kept, NULL, NULL, &listener, NULL));
    pthread_t thread = thread_start(answer_kept, &kept);
    sipc_message *reply = NULL;
    CHECK_OK(sipc_post_uds_request("later", sipc_text("keep this"), NULL, &reply, NULL));
    CHECK_TEXT("keep this", sipc_message_text(reply));
    sipc_message_free(reply);
    thread_join(thread);
    sipc_listener_free(listener);
}

static void on_freed(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    sipc_responder_free(responder);
}

static void a_responder_freed_unanswered_is_a_failed_handler(void) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_uds_request("silent", on_freed, NULL, NULL, NULL, &listener, NULL));
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_post_uds_request("silent", sipc_text("x"), NULL, NULL, &error));
    CHECK(sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_HANDLER_FAILED, "without an answer");
    sipc_listener_free(listener);
}

static void on_failing(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    CHECK_OK(sipc_respond_error(responder, "the disk is on fire", NULL));
}

static void the_text_of_a_failed_handler_reaches_its_caller(void) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_uds_request("failing", on_failing, NULL, NULL, NULL, &listener, NULL));
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_post_uds_request("failing", sipc_text("x"), NULL, NULL, &error));
    check_error(error, SIPC_HANDLER_FAILED, "the disk is on fire");
    sipc_listener_free(listener);
}

static void on_answering_nonsense(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_JSON, sipc_respond(responder, sipc_json("{"), &error));
    check_error(error, SIPC_INVALID_JSON, "not JSON");
}

static void a_reply_that_is_not_json_is_told_to_both_sides(void) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_uds_request("nonsense", on_answering_nonsense, NULL, NULL, NULL, &listener, NULL));
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_post_uds_request("nonsense", sipc_text("x"), NULL, NULL, &error));
    check_error(error, SIPC_HANDLER_FAILED, "not JSON");
    sipc_listener_free(listener);
}

static void user_data_is_dropped_exactly_once(void) {
    struct count drops = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    /* When the call fails, */
    CHECK_STATUS(SIPC_INVALID_NAME,
                 sipc_listen_uds_request("a b", on_echo, &drops, drop_count, NULL, &listener, NULL));
    CHECK(count_now(&drops) == 1);
    /* and when nothing can reach the handler any more: not before, not twice. */
    CHECK_OK(sipc_listen_uds_request("data", on_echo, &drops, drop_count, NULL, &listener, NULL));
    CHECK_OK(sipc_post_uds_request("data", sipc_text("x"), NULL, NULL, NULL));
    CHECK(count_now(&drops) == 1);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
    count_await(&drops, 2);
    CHECK(count_now(&drops) == 2);
}

struct own {
    struct count drops;
    struct count ready;
    sipc_listener *listener;
};

static void on_freeing_its_listener(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct own *own = user_data;
    (void)message;
    count_await(&own->ready, 1);
    sipc_listener_free(own->listener);
    sipc_responder_free(responder);
}

static void drop_own(void *own) {
    count_up(&((struct own *)own)->drops);
}

static void a_listener_can_be_freed_inside_its_own_handler(void) {
    struct own own = {COUNT_FROM_ZERO, COUNT_FROM_ZERO, NULL};
    CHECK_OK(sipc_listen_uds_request("last", on_freeing_its_listener, &own, drop_own, NULL, &own.listener, NULL));
    count_up(&own.ready);
    sipc_error *error = NULL;
    CHECK(sipc_post_uds_request("last", sipc_text("x"), NULL, NULL, &error) != SIPC_OK);
    sipc_error_free(error);
    count_await(&own.drops, 1);
    /* The channel is free again. */
    sipc_listener *next = listen_echo("last");
    CHECK_OK(sipc_post_uds_request("last", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(next);
}

static void a_handler_can_see_that_its_caller_has_given_up(void) {
    struct kept kept = NOTHING_KEPT;
    sipc_listener *listener = NULL;
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_timeout_ms(options, 50));
    CHECK_OK(sipc_listen_uds_request("slow", on_kept, &kept, NULL, NULL, &listener, NULL));
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_post_uds_request("slow", sipc_text("x"), options, NULL, &error));
    CHECK(sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_TIMED_OUT, "timeout");
    count_await(&kept.given, 1);
    while (!sipc_responder_is_cancelled(kept.responder))
        sched_yield();
    /* Its time began when the message arrived, a little later than its caller's. */
    int64_t left = sipc_responder_time_left_ms(kept.responder);
    CHECK(left >= 0 && left <= 50);
    /* An answer that comes too late is an error that can be ignored. */
    sipc_status status = sipc_respond(kept.responder, sipc_text("too late"), &error);
    CHECK(status == SIPC_CONNECTION_LOST || status == SIPC_CANCELLED || status == SIPC_CLOSED);
    sipc_error_free(error);
    sipc_message_free(kept.message);
    sipc_options_free(options);
    sipc_listener_free(listener);
}

static void on_broadcast(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    CHECK(sipc_responder_peer_pid(responder) == (int64_t)getpid());
    CHECK_OK(sipc_respond(responder, sipc_json("not even JSON"), NULL));
    CHECK_OK(sipc_respond_error(responder, NULL, NULL));
    sipc_responder_free(responder);
    count_up(user_data);
}

static void a_broadcasts_responder_tells_who_sent_and_owes_nothing(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("news", on_broadcast, &arrived, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_post_uds_broadcast("news", sipc_text("x"), NULL, NULL));
    CHECK(count_now(&arrived) == 1);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_counters counters = {.size = sizeof counters};
    CHECK_OK(sipc_listener_counters(listener, &counters, NULL));
    /* It has said so, once or more. */
    CHECK(counters.messages == 1 && counters.failed == 1);
    sipc_listener_free(listener);
}

static void on_kept_unless_bytes(const sipc_message *message, sipc_responder *responder, void *user_data) {
    if (sipc_message_kind(message) == SIPC_KIND_BYTES)
        on_echo(message, responder, NULL);
    else
        on_kept(message, responder, user_data);
}

static void *close_listener(void *listener) {
    CHECK_OK(sipc_listener_close(listener, NULL));
    return NULL;
}

static void *post_and_get_an_answer(void *unused) {
    (void)unused;
    sipc_message *reply = NULL;
    CHECK_OK(sipc_post_uds_request("closing", sipc_text("x"), NULL, &reply, NULL));
    CHECK_TEXT("in time", sipc_message_text(reply));
    sipc_message_free(reply);
    return NULL;
}

static void close_with_an_answer_owed(void) {
    struct kept kept = NOTHING_KEPT;
    sipc_listener *listener = NULL;
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_grace_ms(options, 1000L * WATCHDOG_SECONDS));
    CHECK_OK(sipc_listen_uds_request("closing", on_kept_unless_bytes, &kept, NULL, options, &listener, NULL));
    sipc_options_free(options);
    pthread_t caller = thread_start(post_and_get_an_answer, NULL);
    count_await(&kept.given, 1);
    pthread_t closer = thread_start(close_listener, listener);
    /* New callers are turned away while the one is still waited for. */
    while (sipc_post_uds_request("closing", sipc_bytes("y", 1), NULL, NULL, NULL) == SIPC_OK)
        continue;
    CHECK_OK(sipc_respond(kept.responder, sipc_text("in time"), NULL));
    thread_join(closer);
    thread_join(caller);
    sipc_message_free(kept.message);
    sipc_listener_free(listener);
}

static void closing_answers_what_was_taken_and_waits_no_longer(void) {
    /* Answering races with closing, so once is not enough. */
    for (int round = 0; round < 20; round++)
        close_with_an_answer_owed();
}

static void closing_twice_is_silent(void) {
    sipc_listener *listener = listen_echo("twice");
    CHECK_OK(sipc_listener_close(listener, NULL));
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_post_uds_request("twice", sipc_text("x"), NULL, NULL, &error));
    check_error(error, SIPC_NOT_LISTENING, "twice");
    sipc_listener_free(listener);
}

static void on_waiting(const sipc_message *message, sipc_responder *responder, void *user_data) {
    if (sipc_message_text(message))
        count_await(user_data, 1);
    CHECK_OK(sipc_respond(responder, sipc_json("true"), NULL));
}

static void *post_text(void *unused) {
    (void)unused;
    CHECK_OK(sipc_post_uds_request("both", sipc_text("waits"), NULL, NULL, NULL));
    return NULL;
}

static void a_handler_that_blocks_delays_nobody_else(void) {
    struct count gate = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("both", on_waiting, &gate, NULL, NULL, &listener, NULL));
    pthread_t waiting[4];
    for (size_t i = 0; i < 4; i++)
        waiting[i] = thread_start(post_text, NULL);
    for (int i = 0; i < 20; i++)
        CHECK_OK(sipc_post_uds_request("both", sipc_json("1"), NULL, NULL, NULL));
    count_up(&gate);
    for (size_t i = 0; i < 4; i++)
        thread_join(waiting[i]);
    sipc_listener_free(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(a_responder_can_be_kept_and_answered_by_another_thread),
        TEST(a_responder_freed_unanswered_is_a_failed_handler),
        TEST(the_text_of_a_failed_handler_reaches_its_caller),
        TEST(a_reply_that_is_not_json_is_told_to_both_sides),
        TEST(user_data_is_dropped_exactly_once),
        TEST(a_listener_can_be_freed_inside_its_own_handler),
        TEST(a_handler_can_see_that_its_caller_has_given_up),
        TEST(a_broadcasts_responder_tells_who_sent_and_owes_nothing),
        TEST(closing_answers_what_was_taken_and_waits_no_longer),
        TEST(closing_twice_is_silent),
        TEST(a_handler_that_blocks_delays_nobody_else),
    };
    return RUN_TESTS(tests);
}
