/* One channel kept open. */
#include "testing.h"

enum { THREADS = 8, REQUESTS = 200 };

static void *ask_often(void *client) {
    char text[64], json[80];
    for (int i = 0; i < REQUESTS; i++) {
        sipc_message *reply = NULL;
        snprintf(text, sizeof text, "%p %d", (void *)text, i);
        snprintf(json, sizeof json, "\"%s\"", text);
        CHECK_OK(sipc_client_request(client, sipc_text(text), NULL, &reply, NULL));
        CHECK_TEXT(text, sipc_message_text(reply));
        CHECK_TEXT(json, sipc_message_json(reply));
        sipc_message_free(reply);
    }
    return NULL;
}

static void eight_threads_share_a_client_and_get_their_own_replies(void) {
    sipc_listener *listener = listen_echo("shared");
    sipc_client *client = connect_to("shared");
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        threads[i] = thread_start(ask_often, client);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    sipc_client_free(client);
    sipc_listener_free(listener);
}

struct sequence {
    struct count arrived;
    bool in_order;
};

static void on_sequence(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct sequence *sequence = user_data;
    (void)responder;
    if (atoi(sipc_message_json(message)) != count_now(&sequence->arrived))
        sequence->in_order = false;
    count_up(&sequence->arrived);
}

static void flush_waits_for_all_broadcasts_which_arrive_in_order(void) {
    enum { BROADCASTS = 500 };
    struct sequence sequence = {COUNT_FROM_ZERO, true};
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("stream", on_sequence, &sequence, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("stream");
    for (int i = 0; i < BROADCASTS; i++) {
        char json[16];
        snprintf(json, sizeof json, "%d", i);
        CHECK_OK(sipc_client_broadcast(client, sipc_json(json), NULL));
    }
    CHECK_OK(sipc_client_flush(client, NULL));
    CHECK(count_now(&sequence.arrived) == BROADCASTS && sequence.in_order);
    CHECK_OK(sipc_client_flush(client, NULL));
    sipc_client_free(client);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void closing_a_client_delivers_its_broadcasts(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("stream", on_counted, &arrived, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("stream");
    for (int i = 0; i < 50; i++)
        CHECK_OK(sipc_client_broadcast(client, sipc_bytes("x", 1), NULL));
    CHECK_OK(sipc_client_close(client, NULL));
    CHECK(count_now(&arrived) == 50);
    sipc_client_free(client);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void a_flush_tells_that_the_listener_takes_no_broadcasts(void) {
    sipc_listener *listener = listen_echo("requests");
    sipc_client *client = connect_to("requests");
    sipc_error *error = NULL;
    sipc_status sent = sipc_client_broadcast(client, sipc_text("x"), &error);
    if (sent == SIPC_OK)
        CHECK_STATUS(SIPC_WRONG_MODE, sipc_client_flush(client, &error));
    else
        CHECK_STATUS(SIPC_WRONG_MODE, sent);
    check_error(error, SIPC_WRONG_MODE, "broadcast");
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void a_ping_takes_time(void) {
    sipc_listener *listener = listen_echo("ping");
    sipc_client *client = connect_to("ping");
    uint64_t nanoseconds = 0;
    CHECK_OK(sipc_client_ping(client, &nanoseconds, NULL));
    CHECK(nanoseconds > 0);
    CHECK_OK(sipc_client_ping(client, NULL, NULL));
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void a_closed_client_says_so(void) {
    sipc_listener *listener = listen_echo("closed");
    sipc_client *client = connect_to("closed");
    CHECK_OK(sipc_client_close(client, NULL));
    CHECK_OK(sipc_client_close(client, NULL));
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_CLOSED, sipc_client_request(client, sipc_text("x"), NULL, NULL, &error));
    CHECK(!sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_CLOSED, "closed");
    CHECK_STATUS(SIPC_CLOSED, sipc_client_broadcast(client, sipc_text("x"), NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_client_flush(client, NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_client_ping(client, NULL, NULL));
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void on_held(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    count_await(user_data, 1);
    sipc_respond(responder, sipc_json("null"), NULL);
}

static void a_call_can_have_a_timeout_of_its_own(void) {
    struct count gate = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &gate, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("held");
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_timeout_ms(options, 30));
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_client_request(client, sipc_text("x"), options, NULL, &error));
    CHECK(sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_TIMED_OUT, "timeout");
    /* The client is as good as new, and others are not disturbed by the handler that is still held. */
    count_up(&gate);
    CHECK_OK(sipc_options_set_timeout_ms(options, SIPC_NO_TIMEOUT));
    CHECK_OK(sipc_client_request(client, sipc_text("x"), options, NULL, NULL));
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    sipc_options_free(options);
    sipc_client_free(client);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void a_client_whose_listener_is_gone_is_told(void) {
    sipc_listener *listener = listen_echo("gone");
    sipc_client *client = connect_to("gone");
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
    sipc_error *error = NULL;
    sipc_status status = sipc_client_request(client, sipc_text("x"), NULL, NULL, &error);
    CHECK(sipc_status_category(status) == SIPC_CATEGORY_CHANNEL || sipc_status_category(status) == SIPC_CATEGORY_PEER);
    /* Nobody was there to handle it. */
    CHECK(!sipc_error_may_have_been_handled(error));
    sipc_error_free(error);
    sipc_client_free(client);
}

static sipc_options *on_the_deno_wire(void) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_wire(options, SIPC_WIRE_DENO));
    return options;
}

static void ask_on_the_deno_wire(sipc_client *client) {
    for (int i = 0; i < 3; i++) {
        sipc_message *reply = NULL;
        CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, &reply, NULL));
        CHECK_TEXT("x", sipc_message_text(reply));
        sipc_message_free(reply);
    }
    sipc_client_free(client);
}

static void a_client_speaks_the_deno_wire_when_told_to(void) {
    sipc_listener *listener = NULL;
    sipc_options *options = on_the_deno_wire();
    sipc_client *client = NULL;
    CHECK_OK(sipc_listen_ip_request(0, on_echo, NULL, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_client_connect_ip(sipc_listener_port(listener), options, &client, NULL));
    sipc_options_free(options);
    ask_on_the_deno_wire(client);
    sipc_listener_free(listener);
}

#ifndef _WIN32
static void a_client_speaks_the_deno_wire_to_a_name(void) {
    sipc_listener *listener = listen_echo("deno");
    sipc_options *options = on_the_deno_wire();
    sipc_client *client = NULL;
    CHECK_OK(sipc_client_connect_uds("deno", options, &client, NULL));
    sipc_options_free(options);
    ask_on_the_deno_wire(client);
    sipc_listener_free(listener);
}
#else
static void a_name_has_no_deno_wire(void) {
    sipc_listener *listener = listen_echo("deno");
    sipc_options *options = on_the_deno_wire();
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_post_uds_request("deno", sipc_text("x"), options, NULL, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "Deno wire");
    sipc_options_free(options);
    sipc_listener_free(listener);
}
#endif

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(eight_threads_share_a_client_and_get_their_own_replies),
        TEST(flush_waits_for_all_broadcasts_which_arrive_in_order),
        TEST(closing_a_client_delivers_its_broadcasts),
        TEST(a_flush_tells_that_the_listener_takes_no_broadcasts),
        TEST(a_ping_takes_time),
        TEST(a_closed_client_says_so),
        TEST(a_call_can_have_a_timeout_of_its_own),
        TEST(a_client_whose_listener_is_gone_is_told),
        TEST(a_client_speaks_the_deno_wire_when_told_to),
#ifndef _WIN32
        TEST(a_client_speaks_the_deno_wire_to_a_name),
#else
        TEST(a_name_has_no_deno_wire),
#endif
    };
    return RUN_TESTS(tests);
}
