/* What is gone, and who is told, when a listener or a client has closed. */
#include "testing.h"

/* One handler: what it was given, whether it may go on, what became of it. */
struct life {
    struct count given, gate, returned, drops;
    sipc_listener *listener;
};

#define A_LIFE {COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, NULL}

static void drop_life(void *user_data) {
    count_up(&((struct life *)user_data)->drops);
}

static void on_counted_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    count_up(&((struct life *)user_data)->given);
    sipc_respond(responder, sipc_json("1"), NULL);
    /* The caller has its answer while the handler still runs. */
    sched_yield();
    count_up(&((struct life *)user_data)->returned);
}

static sipc_listener *listen_for_life(const char *channel, sipc_handler handler, struct life *life, int64_t grace_ms) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_grace_ms(options, grace_ms));
    CHECK_OK(sipc_listen_uds_request(channel, handler, life, drop_life, options, &life->listener, NULL));
    sipc_options_free(options);
    return life->listener;
}

static void closed_means_that_handler_and_user_data_are_gone(void) {
    for (int round = 0; round < 100; round++) {
        struct life life = A_LIFE;
        sipc_listener *listener = listen_for_life("gone", on_counted_request, &life, 5000);
        sipc_client *client = round % 2 ? connect_to("gone") : NULL;
        for (int i = 0; i < round % 5; i++) {
            if (client)
                CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
            CHECK_OK(sipc_post_uds_request("gone", sipc_text("x"), NULL, NULL, NULL));
        }
        CHECK_OK(sipc_listener_close(listener, NULL));
        CHECK(count_now(&life.drops) == 1);
        CHECK(count_now(&life.returned) == count_now(&life.given));
        sipc_listener_free(listener);
        sipc_client_free(client);
    }
}

static void *close_it(void *user_data) {
    struct life *life = user_data;
    CHECK_OK(sipc_listener_close(life->listener, NULL));
    CHECK(count_now(&life->drops) == 1);
    return NULL;
}

static void it_means_so_to_each_of_several_threads_that_close(void) {
    for (int round = 0; round < 30; round++) {
        struct life life = A_LIFE;
        listen_for_life("gone", on_counted_request, &life, 5000);
        CHECK_OK(sipc_post_uds_request("gone", sipc_text("x"), NULL, NULL, NULL));
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            threads[i] = thread_start(close_it, &life);
        for (int i = 0; i < 4; i++)
            thread_join(threads[i]);
        sipc_listener_free(life.listener);
    }
}

static void on_held_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct life *life = user_data;
    (void)message;
    sipc_responder_free(responder);
    count_up(&life->given);
    count_await(&life->gate, 1);
    count_up(&life->returned);
}

static void a_handler_that_outlives_the_grace_period_is_told_of(void) {
    struct life life = A_LIFE;
    sipc_listener *listener = listen_for_life("held", on_held_request, &life, 20);
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_post_uds_request("held", sipc_text("x"), NULL, NULL, NULL));
    count_await(&life.given, 1);
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_listener_close(listener, &error));
    check_error(error, SIPC_TIMED_OUT, "handler");
    CHECK(count_now(&life.drops) == 0 && count_now(&life.returned) == 0);
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_post_uds_request("held", sipc_text("x"), NULL, NULL, NULL));
    count_up(&life.gate);
    while (sipc_listener_close(listener, NULL) != SIPC_OK)
        sched_yield();
    CHECK(count_now(&life.drops) == 1 && count_now(&life.returned) == 1);
    sipc_listener_free(listener);
}

static void on_stop(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct life *life = user_data;
    (void)message;
    CHECK_OK(sipc_listener_close(life->listener, NULL));
    CHECK(count_now(&life->drops) == 0);
    count_up(&life->given);
    CHECK_OK(sipc_respond(responder, sipc_text("stopping"), NULL));
}

static void a_handler_that_closes_its_listener_still_answers(void) {
    for (int kept = 0; kept < 2; kept++) {
        struct life life = A_LIFE;
        sipc_message *reply = NULL;
        /* So long that waiting for oneself would meet the watchdog. */
        sipc_listener *listener = listen_for_life("stop", on_stop, &life, 10 * 60 * 1000);
        sipc_client *client = kept ? connect_to("stop") : NULL;
        if (client)
            CHECK_OK(sipc_client_request(client, sipc_text("stop"), NULL, &reply, NULL));
        else
            CHECK_OK(sipc_post_uds_request("stop", sipc_text("stop"), NULL, &reply, NULL));
        CHECK_TEXT("stopping", sipc_message_text(reply));
        sipc_message_free(reply);
        CHECK_OK(sipc_listener_close(listener, NULL));
        CHECK(count_now(&life.drops) == 1);
        sipc_listener_free(listener);
        sipc_client_free(client);
    }
}

static void on_stop_broadcast(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct life *life = user_data;
    (void)message, (void)responder;
    CHECK_OK(sipc_listener_close(life->listener, NULL));
    count_up(&life->given);
}

static void a_broadcast_handler_that_closes_its_listener_acknowledges(void) {
    struct life life = A_LIFE;
    CHECK_OK(sipc_listen_uds_broadcast("stop", on_stop_broadcast, &life, drop_life, NULL, &life.listener, NULL));
    CHECK_OK(sipc_post_uds_broadcast("stop", sipc_text("stop"), NULL, NULL));
    /* It is acknowledged once its handler has begun, which may still be in the middle of closing. */
    count_await(&life.given, 1);
    CHECK_OK(sipc_listener_close(life.listener, NULL));
    CHECK(count_now(&life.drops) == 1);
    sipc_listener_free(life.listener);
}

/* A handler that keeps its responder until it hears that nobody waits. */
struct kept {
    struct count given, called, gate, drops;
    sipc_responder *responder;
};

static void on_nobody_waits(void *user_data) {
    struct kept *kept = user_data;
    /* The listener has all its answers now; the callback goes on. */
    sipc_responder_free(kept->responder);
    count_up(&kept->called);
    count_await(&kept->gate, 1);
}

static void drop_kept(void *user_data) {
    count_up(&((struct kept *)user_data)->drops);
}

static void on_kept(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct kept *kept = user_data;
    (void)message;
    kept->responder = responder;
    count_up(&kept->given);
    CHECK_OK(sipc_responder_on_cancel(responder, on_nobody_waits, kept, drop_kept, NULL));
}

static void *open_gate(void *gate) {
    count_up(gate);
    return NULL;
}

static void closed_means_that_callbacks_of_its_responders_have_returned(void) {
    for (int round = 0; round < 20; round++) {
        struct kept kept = {COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, NULL};
        sipc_listener *listener = NULL;
        sipc_options *options = sipc_options_new();
        CHECK_OK(sipc_options_set_timeout_ms(options, 5));
        CHECK_OK(sipc_listen_uds_request("kept", on_kept, &kept, NULL, NULL, &listener, NULL));
        CHECK_STATUS(SIPC_TIMED_OUT, sipc_post_uds_request("kept", sipc_text("x"), options, NULL, NULL));
        count_await(&kept.called, 1);
        CHECK(count_now(&kept.drops) == 0);
        pthread_t opening = thread_start(open_gate, &kept.gate);
        CHECK_OK(sipc_listener_close(listener, NULL));
        CHECK(count_now(&kept.drops) == 1);
        thread_join(opening);
        sipc_listener_free(listener);
        sipc_options_free(options);
    }
}

/* Closes its listener from every place where that would wait for itself. */
struct everywhere {
    struct count answered, cancelled, failed, dropped;
    sipc_listener *requests, *broadcasts;
};

static void on_cancelled_that_closes(void *user_data) {
    struct everywhere *it = user_data;
    CHECK_OK(sipc_listener_close(it->requests, NULL));
    count_up(&it->cancelled);
}

/* Answers once the callback runs, for which answering waits. */
static void on_request_of_which_nobody_waits(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct everywhere *it = user_data;
    (void)message;
    CHECK_OK(sipc_responder_on_cancel(responder, on_cancelled_that_closes, it, NULL, NULL));
    while (!sipc_responder_is_cancelled(responder))
        sched_yield();
    sipc_respond(responder, sipc_json("1"), NULL);
    count_up(&it->answered);
}

static void on_failing_broadcast(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    CHECK_OK(sipc_respond_error(responder, "no", NULL));
}

static void on_failure_that_closes(const sipc_handler_report *report, void *user_data) {
    struct everywhere *it = user_data;
    CHECK(report->mode == SIPC_MODE_BROADCAST);
    CHECK_OK(sipc_listener_close(it->broadcasts, NULL));
    count_up(&it->failed);
}

static void drop_that_closes(void *user_data) {
    struct everywhere *it = user_data;
    CHECK_OK(sipc_listener_close(it->broadcasts, NULL));
    count_up(&it->dropped);
}

static void no_callback_that_closes_its_listener_waits_for_itself(void) {
    struct everywhere it = {COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, NULL, NULL};
    sipc_options *options = sipc_options_new(), *brief = sipc_options_new();
    /* So long that waiting for oneself would meet the watchdog. */
    CHECK_OK(sipc_options_set_grace_ms(options, 10 * 60 * 1000));
    CHECK_OK(sipc_options_set_timeout_ms(brief, 20));
    CHECK_OK(sipc_listen_uds_request("requests", on_request_of_which_nobody_waits, &it, NULL, options, &it.requests, NULL));
    CHECK_OK(sipc_options_on_handler_failure(options, on_failure_that_closes, &it, NULL));
    CHECK_OK(sipc_listen_uds_broadcast("broadcasts", on_failing_broadcast, &it, drop_that_closes, options, &it.broadcasts,
                                       NULL));
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_post_uds_request("requests", sipc_text("x"), brief, NULL, NULL));
    CHECK_OK(sipc_post_uds_broadcast("broadcasts", sipc_text("x"), NULL, NULL));
    CHECK_OK(sipc_listener_close(it.requests, NULL));
    CHECK_OK(sipc_listener_close(it.broadcasts, NULL));
    CHECK(count_now(&it.answered) == 1 && count_now(&it.failed) == 1 && count_now(&it.dropped) == 1);
    sipc_listener_free(it.requests);
    sipc_listener_free(it.broadcasts);
    sipc_options_free(options);
    sipc_options_free(brief);
}

/* A handler that never answers by itself, and a call that waits for it. */
static void on_never(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct life *life = user_data;
    (void)message;
    count_up(&life->given);
    while (!sipc_responder_is_cancelled(responder))
        sched_yield();
    count_up(&life->returned);
    sipc_responder_free(responder);
}

static void *ask_and_be_cancelled(void *client) {
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_CANCELLED, sipc_client_request(client, sipc_text("x"), NULL, NULL, &error));
    CHECK(sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_CANCELLED, "close");
    return NULL;
}

static void closing_a_client_ends_the_calls_that_wait_and_their_handlers_are_told(void) {
    struct life life = A_LIFE;
    sipc_listener *listener = listen_for_life("never", on_never, &life, 5000);
    sipc_client *client = connect_to("never");
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        threads[i] = thread_start(ask_and_be_cancelled, client);
    count_await(&life.given, 3);
    CHECK_OK(sipc_client_close(client, NULL));
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    count_await(&life.returned, 3);
    CHECK_STATUS(SIPC_CLOSED, sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    sipc_client_free(client);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void on_cancelled_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    CHECK_STATUS(SIPC_CANCELLED, status);
    CHECK(!reply);
    sipc_error_free(error);
    sched_yield();
    count_up(&((struct life *)user_data)->returned);
}

static void closing_a_client_waits_until_its_calls_have_called_back(void) {
    for (int round = 0; round < 20; round++) {
        struct life life = A_LIFE, calls = A_LIFE;
        sipc_listener *listener = listen_for_life("never", on_never, &life, 5000);
        sipc_client *client = connect_to("never");
        for (int i = 0; i < 5; i++)
            CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_cancelled_reply, &calls, drop_life, NULL,
                                               NULL));
        if (round % 2)
            count_await(&life.given, 5);
        CHECK_OK(sipc_client_close(client, NULL));
        CHECK(count_now(&calls.returned) == 5 && count_now(&calls.drops) == 5);
        CHECK_OK(sipc_client_close(client, NULL));
        CHECK_STATUS(SIPC_CLOSED, sipc_client_request_async(client, sipc_text("x"), NULL, on_cancelled_reply, &calls,
                                                            drop_life, NULL, NULL));
        sipc_client_free(client);
        CHECK_OK(sipc_listener_close(listener, NULL));
        sipc_listener_free(listener);
    }
}

/* Calls that begin while their client closes. */
struct racing {
    sipc_client *client;
    struct count begun, called, drops;
};

static void on_raced(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    CHECK(status == SIPC_OK || status == SIPC_CANCELLED);
    sipc_message_free(reply);
    sipc_error_free(error);
    count_up(&((struct racing *)user_data)->called);
}

static void drop_raced(void *user_data) {
    count_up(&((struct racing *)user_data)->drops);
}

static void *begin_until_closed(void *user_data) {
    struct racing *racing = user_data;
    for (;;) {
        sipc_status status =
            sipc_client_request_async(racing->client, sipc_text("x"), NULL, on_raced, racing, drop_raced, NULL, NULL);
        if (status == SIPC_CLOSED)
            return NULL;
        CHECK_OK(status);
        count_up(&racing->begun);
    }
}

static void calls_that_begin_while_their_client_closes_call_back_before_it_has(void) {
    for (int round = 0; round < 20; round++) {
        sipc_listener *listener = listen_echo("race");
        struct racing racing = {connect_to("race"), COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO};
        pthread_t threads[3];
        for (int i = 0; i < 3; i++)
            threads[i] = thread_start(begin_until_closed, &racing);
        count_await(&racing.begun, 10 * round);
        CHECK_OK(sipc_client_close(racing.client, NULL));
        int called = count_now(&racing.called);
        for (int i = 0; i < 3; i++)
            thread_join(threads[i]);
        /* None came later, but for the drops of those that were told that it is closed. */
        CHECK(count_now(&racing.called) == called && count_now(&racing.begun) == called);
        CHECK(count_now(&racing.drops) == called + 3);
        sipc_client_free(racing.client);
        sipc_listener_free(listener);
    }
}

static void on_sent(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    CHECK_OK(status);
    CHECK(!reply && !error);
    count_up(user_data);
}

static void broadcasts_that_are_under_way_are_sent_before_a_client_closes(void) {
    enum { BROADCASTS = 200 };
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("casts", on_counted, &arrived, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("casts");
    struct count sent = COUNT_FROM_ZERO;
    for (int i = 0; i < BROADCASTS; i++)
        CHECK_OK(sipc_client_broadcast_async(client, sipc_text("x"), on_sent, &sent, NULL, NULL, NULL));
    CHECK_OK(sipc_client_close(client, NULL));
    CHECK(count_now(&sent) == BROADCASTS && count_now(&arrived) == BROADCASTS);
    sipc_client_free(client);
    /* The handler's data stands on this stack. */
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

struct closing_itself {
    sipc_client *client;
    struct count returned;
};

static void on_reply_that_closes(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct closing_itself *it = user_data;
    CHECK_OK(status);
    sipc_message_free(reply);
    sipc_error_free(error);
    CHECK_OK(sipc_client_close(it->client, NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_client_request(it->client, sipc_text("x"), NULL, NULL, NULL));
    count_up(&it->returned);
}

static void a_callback_that_closes_its_client_does_not_wait_for_itself(void) {
    sipc_listener *listener = listen_echo("echo");
    struct closing_itself it = {connect_to("echo"), COUNT_FROM_ZERO};
    sipc_operation *operation = NULL;
    CHECK_OK(sipc_client_request_async(it.client, sipc_text("x"), NULL, on_reply_that_closes, &it, NULL, &operation,
                                       NULL));
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    CHECK(count_now(&it.returned) == 1);
    CHECK_OK(sipc_client_close(it.client, NULL));
    sipc_operation_free(operation);
    sipc_client_free(it.client);
    sipc_listener_free(listener);
}

static void on_gated_broadcast(const sipc_message *message, sipc_responder *responder, void *gate) {
    (void)message, (void)responder;
    count_await(gate, 1);
}

static void flush_ping_and_close_take_a_time_of_their_own(void) {
    struct count gate = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("gated", on_gated_broadcast, &gate, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("gated");
    uint64_t nanoseconds = 0;
    CHECK_OK(sipc_client_ping_within(client, SIPC_NO_TIMEOUT, &nanoseconds, NULL));
    CHECK(nanoseconds > 0);
    CHECK_OK(sipc_client_ping_within(client, 60 * 1000, NULL, NULL));
    CHECK_OK(sipc_client_broadcast(client, sipc_text("x"), NULL));
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_client_flush_within(client, 5, &error));
    CHECK(sipc_error_may_have_been_handled(error));
    sipc_error_free(error);
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_flush_within(client, -2, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_ping_within(client, -2, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_close_within(client, -2, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_flush_within(NULL, 1, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_ping_within(NULL, 1, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_close_within(NULL, 1, NULL));
    CHECK_OK(sipc_client_broadcast(client, sipc_text("x"), NULL));
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_client_close_within(client, 5, &error));
    sipc_error_free(error);
    CHECK_STATUS(SIPC_CLOSED, sipc_client_broadcast(client, sipc_text("x"), NULL));
    count_up(&gate);
    sipc_client_free(client);
    client = connect_to("gated");
    CHECK_OK(sipc_client_broadcast(client, sipc_text("x"), NULL));
    CHECK_OK(sipc_client_flush_within(client, INT64_MAX, NULL));
    CHECK_OK(sipc_client_close_within(client, SIPC_NO_TIMEOUT, NULL));
    sipc_client_free(client);
    /* The handler's data stands on this stack. */
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(closed_means_that_handler_and_user_data_are_gone),
        TEST(it_means_so_to_each_of_several_threads_that_close),
        TEST(a_handler_that_outlives_the_grace_period_is_told_of),
        TEST(a_handler_that_closes_its_listener_still_answers),
        TEST(a_broadcast_handler_that_closes_its_listener_acknowledges),
        TEST(closed_means_that_callbacks_of_its_responders_have_returned),
        TEST(no_callback_that_closes_its_listener_waits_for_itself),
        TEST(closing_a_client_ends_the_calls_that_wait_and_their_handlers_are_told),
        TEST(closing_a_client_waits_until_its_calls_have_called_back),
        TEST(calls_that_begin_while_their_client_closes_call_back_before_it_has),
        TEST(broadcasts_that_are_under_way_are_sent_before_a_client_closes),
        TEST(a_callback_that_closes_its_client_does_not_wait_for_itself),
        TEST(flush_ping_and_close_take_a_time_of_their_own),
    };
    return RUN_TESTS(tests);
}
