/* Asynchronous calls: a callback that runs exactly once, or never where the call says so. */
#include "testing.h"

/* What a callback got. */
struct outcome {
    struct count calls;
    struct count drops;
    sipc_status status;
    sipc_message *reply;
    sipc_error *error;
};

#define NO_OUTCOME {COUNT_FROM_ZERO, COUNT_FROM_ZERO, 0, NULL, NULL}

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct outcome *outcome = user_data;
    CHECK((status == SIPC_OK) == (error == NULL));
    CHECK(sipc_error_status(error) == status);
    outcome->status = status;
    outcome->reply = reply;
    outcome->error = error;
    count_up(&outcome->calls);
}

static void drop_outcome(void *outcome) {
    count_up(&((struct outcome *)outcome)->drops);
}

static void outcome_free(struct outcome *outcome) {
    CHECK(count_now(&outcome->calls) == 1 && count_now(&outcome->drops) == 1);
    sipc_message_free(outcome->reply);
    sipc_error_free(outcome->error);
}

static void a_request_completes_and_calls_back_once(void) {
    sipc_listener *listener = listen_echo("async");
    sipc_client *client = connect_to("async");
    struct outcome outcome = NO_OUTCOME;
    sipc_operation *operation = NULL;
    CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, &outcome, drop_outcome, &operation, NULL));
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    CHECK_OK(outcome.status);
    CHECK_TEXT("x", sipc_message_text(outcome.reply));
    /* Waiting again, and cancelling what has ended, changes nothing. */
    sipc_operation_cancel(operation);
    CHECK_OK(sipc_operation_wait(operation, 0, NULL));
    sipc_operation_free(operation);
    outcome_free(&outcome);
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void many_requests_are_under_way_at_once(void) {
    enum { REQUESTS = 300 };
    static struct outcome outcomes[REQUESTS];
    sipc_listener *listener = listen_echo("async");
    sipc_client *client = connect_to("async");
    for (int i = 0; i < REQUESTS; i++) {
        char json[16];
        snprintf(json, sizeof json, "%d", i);
        outcomes[i] = (struct outcome)NO_OUTCOME;
        CHECK_OK(sipc_client_request_async(client, sipc_json(json), NULL, on_reply, &outcomes[i], drop_outcome, NULL,
                                           NULL));
    }
    for (int i = 0; i < REQUESTS; i++) {
        count_await(&outcomes[i].drops, 1);
        CHECK_OK(outcomes[i].status);
        CHECK(atoi(sipc_message_json(outcomes[i].reply)) == i);
        outcome_free(&outcomes[i]);
    }
    sipc_client_free(client);
    sipc_listener_free(listener);
}

/* Holds each request until its responder is asked to go on. */
struct held {
    struct count arrived;
    sipc_responder *responder;
};

static void on_held(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct held *held = user_data;
    (void)message;
    held->responder = responder;
    count_up(&held->arrived);
}

static void a_cancelled_request_calls_back_once_however_often_it_is_cancelled(void) {
    struct held held = {COUNT_FROM_ZERO, NULL};
    struct outcome outcome = NO_OUTCOME;
    sipc_listener *listener = NULL;
    sipc_operation *operation = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &held, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("held");
    CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, &outcome, drop_outcome, &operation, NULL));
    count_await(&held.arrived, 1);
    sipc_operation_cancel(operation);
    sipc_operation_cancel(operation);
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    sipc_operation_cancel(operation);
    CHECK_STATUS(SIPC_CANCELLED, outcome.status);
    CHECK(!outcome.reply && sipc_error_may_have_been_handled(outcome.error));
    sipc_operation_free(operation);
    outcome_free(&outcome);
    /* The handler is told, and the client goes on. */
    while (!sipc_responder_is_cancelled(held.responder))
        sched_yield();
    sipc_responder_free(held.responder);
    CHECK_OK(sipc_client_ping(client, NULL, NULL));
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void a_request_times_out(void) {
    struct held held = {COUNT_FROM_ZERO, NULL};
    struct outcome outcome = NO_OUTCOME;
    sipc_listener *listener = NULL;
    sipc_operation *operation = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &held, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("held");
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_timeout_ms(options, 30));
    CHECK_OK(
        sipc_client_request_async(client, sipc_text("x"), options, on_reply, &outcome, drop_outcome, &operation, NULL));
    sipc_options_free(options);
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    CHECK_STATUS(SIPC_TIMED_OUT, outcome.status);
    sipc_operation_free(operation);
    outcome_free(&outcome);
    count_await(&held.arrived, 1);
    sipc_responder_free(held.responder);
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void waiting_has_a_limit_of_its_own(void) {
    struct held held = {COUNT_FROM_ZERO, NULL};
    struct outcome outcome = NO_OUTCOME;
    sipc_listener *listener = NULL;
    sipc_operation *operation = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &held, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("held");
    CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, &outcome, drop_outcome, &operation, NULL));
    count_await(&held.arrived, 1);
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_operation_wait(operation, 10, &error));
    check_error(error, SIPC_TIMED_OUT, "10 ms");
    CHECK(count_now(&outcome.calls) == 0);
    CHECK_OK(sipc_respond(held.responder, sipc_json("null"), NULL));
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    CHECK_OK(outcome.status);
    sipc_operation_free(operation);
    outcome_free(&outcome);
    sipc_client_free(client);
    sipc_listener_free(listener);
}

/* Frees all there is to free inside its callback. */
struct suicide {
    struct outcome outcome;
    struct count stored;
    sipc_operation *operation;
    sipc_client *client;
    sipc_listener *listener;
};

static void on_freeing_all(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct suicide *suicide = user_data;
    count_await(&suicide->stored, 1);
    sipc_operation_free(suicide->operation);
    sipc_client_free(suicide->client);
    sipc_listener_free(suicide->listener);
    on_reply(status, reply, error, &suicide->outcome);
}

static void drop_suicide(void *suicide) {
    drop_outcome(&((struct suicide *)suicide)->outcome);
}

static void everything_can_be_freed_inside_a_callback(void) {
    struct suicide suicide = {NO_OUTCOME, COUNT_FROM_ZERO, NULL, NULL, NULL};
    suicide.listener = listen_echo("suicide");
    suicide.client = connect_to("suicide");
    CHECK_OK(sipc_client_request_async(suicide.client, sipc_text("x"), NULL, on_freeing_all, &suicide, drop_suicide,
                                       &suicide.operation, NULL));
    count_up(&suicide.stored);
    count_await(&suicide.outcome.drops, 1);
    CHECK_OK(suicide.outcome.status);
    outcome_free(&suicide.outcome);
}

static void a_client_can_be_freed_while_its_requests_are_under_way(void) {
    struct held held = {COUNT_FROM_ZERO, NULL};
    struct outcome outcome = NO_OUTCOME;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &held, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("held");
    CHECK_OK(sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, &outcome, drop_outcome, NULL, NULL));
    sipc_client_free(client);
    count_await(&held.arrived, 1);
    CHECK_OK(sipc_respond(held.responder, sipc_text("still here"), NULL));
    count_await(&outcome.drops, 1);
    CHECK_OK(outcome.status);
    CHECK_TEXT("still here", sipc_message_text(outcome.reply));
    outcome_free(&outcome);
    sipc_listener_free(listener);
}

static void a_call_that_fails_never_calls_back_and_still_drops(void) {
    sipc_listener *listener = listen_echo("async");
    sipc_client *client = connect_to("async");
    struct outcome outcome = NO_OUTCOME;
    sipc_operation *operation = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_JSON, sipc_client_request_async(client, sipc_json("{"), NULL, on_reply, &outcome,
                                                              drop_outcome, &operation, &error));
    check_error(error, SIPC_INVALID_JSON, "body");
    CHECK_STATUS(SIPC_INVALID_NAME, sipc_post_uds_request_async("a b", sipc_text("x"), NULL, on_reply, &outcome,
                                                                drop_outcome, &operation, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_post_ip_broadcast_async(65536, sipc_text("x"), NULL, on_reply, &outcome,
                                                                 drop_outcome, &operation, NULL));
    CHECK_OK(sipc_client_close(client, NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_client_request_async(client, sipc_text("x"), NULL, on_reply, &outcome, drop_outcome,
                                                        &operation, NULL));
    CHECK(count_now(&outcome.calls) == 0 && count_now(&outcome.drops) == 4);
    CHECK(!operation);
    sipc_client_free(client);
    sipc_listener_free(listener);
}

/* Tries in its callback what would wait for itself. */
struct impatient {
    struct outcome outcome;
    struct count stored;
    sipc_operation *operation;
    sipc_client *client;
};

static void on_waiting_inside(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct impatient *impatient = user_data;
    count_await(&impatient->stored, 1);
    sipc_error *refusal = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_operation_wait(impatient->operation, SIPC_NO_TIMEOUT, &refusal));
    check_error(refusal, SIPC_INVALID_ARGUMENT, "inside a callback");
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_flush(impatient->client, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_flush_within(impatient->client, 1, NULL));
    on_reply(status, reply, error, &impatient->outcome);
}

static void drop_impatient(void *impatient) {
    drop_outcome(&((struct impatient *)impatient)->outcome);
}

static void waiting_for_oneself_inside_a_callback_is_refused(void) {
    struct impatient impatient = {NO_OUTCOME, COUNT_FROM_ZERO, NULL, NULL};
    sipc_listener *listener = listen_echo("async");
    impatient.client = connect_to("async");
    CHECK_OK(sipc_client_request_async(impatient.client, sipc_text("x"), NULL, on_waiting_inside, &impatient,
                                       drop_impatient, &impatient.operation, NULL));
    count_up(&impatient.stored);
    CHECK_OK(sipc_operation_wait(impatient.operation, SIPC_NO_TIMEOUT, NULL));
    outcome_free(&impatient.outcome);
    sipc_operation_free(impatient.operation);
    sipc_client_free(impatient.client);
    sipc_listener_free(listener);
}

static void broadcasts_complete_when_sent_and_flush_covers_them(void) {
    enum { BROADCASTS = 20 };
    struct count arrived = COUNT_FROM_ZERO;
    static struct outcome outcomes[BROADCASTS];
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("news", on_counted, &arrived, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("news");
    for (int i = 0; i < BROADCASTS; i++) {
        outcomes[i] = (struct outcome)NO_OUTCOME;
        CHECK_OK(
            sipc_client_broadcast_async(client, sipc_text("x"), on_reply, &outcomes[i], drop_outcome, NULL, NULL));
    }
    for (int i = 0; i < BROADCASTS; i++) {
        count_await(&outcomes[i].drops, 1);
        CHECK_OK(outcomes[i].status);
        CHECK(!outcomes[i].reply);
        outcome_free(&outcomes[i]);
    }
    CHECK_OK(sipc_client_flush(client, NULL));
    CHECK(count_now(&arrived) == BROADCASTS);
    CHECK_OK(sipc_client_close(client, NULL));
    CHECK_OK(sipc_client_close(client, NULL));
    sipc_client_free(client);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void one_message_can_be_posted_without_waiting(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *uds = listen_echo("one"), *ip = NULL, *uds_news = NULL, *ip_news = NULL;
    CHECK_OK(sipc_listen_ip_request(0, on_echo, NULL, NULL, NULL, &ip, NULL));
    CHECK_OK(sipc_listen_uds_broadcast("news", on_counted, &arrived, NULL, NULL, &uds_news, NULL));
    CHECK_OK(sipc_listen_ip_broadcast(0, on_counted, &arrived, NULL, NULL, &ip_news, NULL));
    struct outcome outcomes[4] = {NO_OUTCOME, NO_OUTCOME, NO_OUTCOME, NO_OUTCOME};
    const sipc_body x = sipc_text("x");
    CHECK_OK(sipc_post_uds_request_async("one", x, NULL, on_reply, &outcomes[0], drop_outcome, NULL, NULL));
    CHECK_OK(sipc_post_ip_request_async(sipc_listener_port(ip), x, NULL, on_reply, &outcomes[1], drop_outcome, NULL,
                                        NULL));
    CHECK_OK(sipc_post_uds_broadcast_async("news", x, NULL, on_reply, &outcomes[2], drop_outcome, NULL, NULL));
    CHECK_OK(sipc_post_ip_broadcast_async(sipc_listener_port(ip_news), x, NULL, on_reply, &outcomes[3], drop_outcome,
                                          NULL, NULL));
    for (int i = 0; i < 4; i++) {
        count_await(&outcomes[i].drops, 1);
        CHECK_OK(outcomes[i].status);
        if (i < 2)
            CHECK_TEXT("x", sipc_message_text(outcomes[i].reply));
        else
            CHECK(!outcomes[i].reply);
        outcome_free(&outcomes[i]);
    }
    CHECK(count_now(&arrived) == 2);
    sipc_listener_free(uds);
    sipc_listener_free(ip);
    CHECK_OK(sipc_listener_close(uds_news, NULL));
    CHECK_OK(sipc_listener_close(ip_news, NULL));
    sipc_listener_free(uds_news);
    sipc_listener_free(ip_news);
}

static void a_missing_listener_is_told_to_the_callback(void) {
    struct outcome outcome = NO_OUTCOME;
    CHECK_OK(sipc_post_uds_request_async("nobody", sipc_text("x"), NULL, on_reply, &outcome, drop_outcome, NULL, NULL));
    count_await(&outcome.drops, 1);
    CHECK_STATUS(SIPC_NOT_LISTENING, outcome.status);
    CHECK(!sipc_error_may_have_been_handled(outcome.error));
    outcome_free(&outcome);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(a_request_completes_and_calls_back_once),
        TEST(many_requests_are_under_way_at_once),
        TEST(a_cancelled_request_calls_back_once_however_often_it_is_cancelled),
        TEST(a_request_times_out),
        TEST(waiting_has_a_limit_of_its_own),
        TEST(everything_can_be_freed_inside_a_callback),
        TEST(a_client_can_be_freed_while_its_requests_are_under_way),
        TEST(a_call_that_fails_never_calls_back_and_still_drops),
        TEST(waiting_for_oneself_inside_a_callback_is_refused),
        TEST(broadcasts_complete_when_sent_and_flush_covers_them),
        TEST(one_message_can_be_posted_without_waiting),
        TEST(a_missing_listener_is_told_to_the_callback),
    };
    return RUN_TESTS(tests);
}
