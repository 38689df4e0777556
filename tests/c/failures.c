/* What a handler fails with, who hears of it, and who hears where no caller does. */
#include "testing.h"

/* What the callback of sipc_options_on_handler_failure has heard. */
struct heard {
    struct count times, drops;
    char channel[64], message[128];
    int32_t mode;
    sipc_status status;
    int64_t uid, pid;
};

#define NOTHING_HEARD {.times = COUNT_FROM_ZERO, .drops = COUNT_FROM_ZERO}

static void on_failure(const sipc_handler_report *report, void *user_data) {
    struct heard *heard = user_data;
    snprintf(heard->channel, sizeof heard->channel, "%s", report->channel);
    snprintf(heard->message, sizeof heard->message, "%s", report->message);
    heard->mode = report->mode;
    heard->status = report->status;
    heard->uid = report->uid;
    heard->pid = report->pid;
    count_up(&heard->times);
}

static void drop_heard(void *user_data) {
    count_up(&((struct heard *)user_data)->drops);
}

static sipc_options *options_that_hear(struct heard *heard) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_on_handler_failure(options, on_failure, heard, drop_heard));
    return options;
}

/* Fails as the text of the request says. */
static void on_failing(const sipc_message *message, sipc_responder *responder, void *user_data) {
    const char *how = sipc_message_text(message);
    sipc_error *error = NULL;
    (void)user_data;
    if (strcmp(how, "all") == 0)
        CHECK_OK(sipc_respond_failure(responder, "only 3\nare left", "out_of_stock", "{\"left\":3}", NULL));
    else if (strcmp(how, "code") == 0)
        CHECK_OK(sipc_respond_failure(responder, "no", "code", NULL, NULL));
    else if (strcmp(how, "data") == 0)
        CHECK_OK(sipc_respond_failure(responder, "no", NULL, "[1]", NULL));
    else if (strcmp(how, "none") == 0)
        CHECK_OK(sipc_respond_failure(responder, "no", NULL, NULL, NULL));
    else if (strcmp(how, "nonsense") == 0) {
        CHECK_STATUS(SIPC_INVALID_JSON, sipc_respond_failure(responder, "no", "code", "{", &error));
        check_error(error, SIPC_INVALID_JSON, "not JSON");
    } else if (strcmp(how, "null") == 0) {
        CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_respond_failure(responder, NULL, "code", NULL, &error));
        check_error(error, SIPC_INVALID_ARGUMENT, "message");
    } else if (strcmp(how, "reject") == 0)
        CHECK_OK(sipc_reject(responder, "not a number", NULL));
    else
        CHECK_OK(sipc_respond_error(responder, "plain", NULL));
}

static const struct {
    const char *how;
    sipc_status status;
    const char *text, *code, *data;
} ways[] = {
    {"all", SIPC_HANDLER_FAILED, "only 3 are left", "out_of_stock", "{\"left\":3}"},
    {"code", SIPC_HANDLER_FAILED, "no", "code", NULL},
    {"data", SIPC_HANDLER_FAILED, "no", NULL, "[1]"},
    {"none", SIPC_HANDLER_FAILED, "no", NULL, NULL},
    {"nonsense", SIPC_HANDLER_FAILED, "no", "code", NULL},
    {"null", SIPC_HANDLER_FAILED, "without an answer", NULL, NULL},
    {"plain", SIPC_HANDLER_FAILED, "plain", NULL, NULL},
    {"reject", SIPC_INVALID_BODY, "not a number", NULL, NULL},
};

static void check_text(const char *expected, const char *found) {
    if (expected)
        CHECK_TEXT(expected, found);
    else
        CHECK(!found);
}

static void check_way(size_t way, sipc_status status, sipc_error *error) {
    CHECK_STATUS(ways[way].status, status);
    check_text(ways[way].code, sipc_error_handler_code(error));
    check_text(ways[way].data, sipc_error_handler_data(error));
    CHECK(sipc_error_may_have_been_handled(error) == (status == SIPC_HANDLER_FAILED));
    check_error(error, status, ways[way].text);
}

struct way_of_a_call {
    size_t way;
    struct count called;
};

static void on_way(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct way_of_a_call *it = user_data;
    CHECK(!reply);
    check_way(it->way, status, error);
    count_up(&it->called);
}

static void a_callers_error_has_what_the_handler_gave_however_it_called(void) {
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("failing", on_failing, NULL, NULL, NULL, &listener, NULL));
    sipc_client *client = connect_to("failing");
    sipc_queue *queue = NULL;
    CHECK_OK(sipc_queue_new(&queue, NULL));
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        sipc_body how = sipc_text(ways[way].how);
        struct way_of_a_call calls = {way, COUNT_FROM_ZERO};
        sipc_error *error = NULL;
        sipc_operation *operation = NULL;
        sipc_status status = sipc_post_uds_request("failing", how, NULL, NULL, &error);
        check_way(way, status, error);
        status = sipc_client_request(client, how, NULL, NULL, &error);
        check_way(way, status, error);
        CHECK_OK(sipc_client_request_async(client, how, NULL, on_way, &calls, NULL, &operation, NULL));
        CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
        sipc_operation_free(operation);
        CHECK_OK(sipc_queue_post_uds_request(queue, "failing", how, NULL, on_way, &calls, NULL, NULL, NULL));
        while (sipc_queue_under_way(queue) > 0)
            CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, NULL, NULL));
        CHECK(count_now(&calls.called) == 2);
    }
    sipc_queue_free(queue);
    sipc_client_free(client);
    sipc_listener_free(listener);
    CHECK(!sipc_error_handler_code(NULL) && !sipc_error_handler_data(NULL));
}

static void on_too_much(const sipc_message *message, sipc_responder *responder, void *user_data) {
    static char data[6000];
    (void)message, (void)user_data;
    memset(data, '1', sizeof data - 1);
    CHECK_OK(sipc_respond_failure(responder, "too much", "code", data, NULL));
}

static void data_that_does_not_fit_the_caller_is_left_out(void) {
    sipc_listener *listener = NULL;
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_max_message(options, 2000));
    CHECK_OK(sipc_listen_uds_request("much", on_too_much, NULL, NULL, NULL, &listener, NULL));
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_post_uds_request("much", sipc_json("1"), options, NULL, &error));
    CHECK_TEXT("code", sipc_error_handler_code(error));
    CHECK(!sipc_error_handler_data(error));
    check_error(error, SIPC_HANDLER_FAILED, "too much");
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_post_uds_request("much", sipc_json("1"), NULL, NULL, &error));
    CHECK(strlen(sipc_error_handler_data(error)) == 5999);
    sipc_error_free(error);
    sipc_options_free(options);
    sipc_listener_free(listener);
}

static void a_failed_broadcast_is_told_once_with_channel_and_text(void) {
    struct heard heard = NOTHING_HEARD;
    sipc_options *options = options_that_hear(&heard);
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("casts", on_failing, NULL, NULL, options, &listener, NULL));
    CHECK_OK(sipc_post_uds_broadcast("casts", sipc_text("all"), NULL, NULL));
    CHECK_TEXT("casts", heard.channel);
    CHECK_TEXT("only 3 are left", heard.message);
    CHECK(heard.mode == SIPC_MODE_BROADCAST && heard.status == SIPC_HANDLER_FAILED);
    check_own(heard.uid, heard.pid);
    CHECK_OK(sipc_post_uds_broadcast("casts", sipc_text("plain"), NULL, NULL));
    CHECK_TEXT("plain", heard.message);
    CHECK(count_now(&heard.times) == 2);
    sipc_options_free(options);
    CHECK(count_now(&heard.drops) == 0);
    CHECK_OK(sipc_listener_close(listener, NULL));
    CHECK(count_now(&heard.drops) == 1);
    sipc_listener_free(listener);
}

static void on_failing_late(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    while (!sipc_responder_is_cancelled(responder))
        sched_yield();
    /* Whether the caller is gone or does not wait is the library's to say. */
    CHECK(sipc_respond_error(responder, "too late", NULL) != SIPC_OK);
    count_up(user_data);
}

static void a_failed_request_is_told_only_where_its_caller_is_not(void) {
    struct heard heard = NOTHING_HEARD;
    struct count late = COUNT_FROM_ZERO;
    sipc_options *options = options_that_hear(&heard), *brief = sipc_options_new();
    sipc_listener *listener = NULL, *of_late = NULL;
    CHECK_OK(sipc_listen_uds_request("told", on_failing, NULL, NULL, options, &listener, NULL));
    CHECK_OK(sipc_listen_uds_request("late", on_failing_late, &late, NULL, options, &of_late, NULL));
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_post_uds_request("told", sipc_text("plain"), NULL, NULL, NULL));
    CHECK(count_now(&heard.times) == 0);
    CHECK_OK(sipc_options_set_timeout_ms(brief, 20));
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_post_uds_request("late", sipc_text("plain"), brief, NULL, NULL));
    count_await(&late, 1);
    CHECK(count_now(&heard.times) == 1);
    CHECK_TEXT("late", heard.channel);
    CHECK_TEXT("too late", heard.message);
    CHECK(heard.mode == SIPC_MODE_REQUEST);
    sipc_options_free(brief);
    CHECK_OK(sipc_listener_close(listener, NULL));
    CHECK_OK(sipc_listener_close(of_late, NULL));
    sipc_listener_free(listener);
    sipc_listener_free(of_late);
    CHECK(count_now(&heard.drops) == 0);
    sipc_options_free(options);
    CHECK(count_now(&heard.drops) == 1);
}

static void another_callback_takes_the_place_of_the_first_and_no_callback_is_a_mistake(void) {
    struct heard first = NOTHING_HEARD, second = NOTHING_HEARD, third = NOTHING_HEARD;
    sipc_options *options = options_that_hear(&first);
    CHECK_OK(sipc_options_on_handler_failure(options, on_failure, &second, drop_heard));
    CHECK(count_now(&first.drops) == 1);
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_on_handler_failure(options, NULL, &third, drop_heard));
    CHECK(count_now(&third.drops) == 1);
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_post_uds_request("x", sipc_text("x"), options, NULL, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "callback");
    sipc_options_free(options);
    CHECK(count_now(&second.drops) == 1);
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_on_handler_failure(NULL, on_failure, &third, drop_heard));
    CHECK(count_now(&third.drops) == 2);
}

static void the_variable_for_logs_shows_what_the_library_does(void) {
    FILE *told = tmpfile();
    CHECK(told);
    int before = dup(STDERR_FILENO);
    CHECK(before >= 0 && dup2(fileno(told), STDERR_FILENO) >= 0);
    set_variable("SIMPLE_IPC_LOG", "debug");
    sipc_listener *listener = listen_echo("watched");
    CHECK_OK(sipc_post_uds_request("watched", sipc_text("x"), NULL, NULL, NULL));
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
    CHECK(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    char text[8192];
    rewind(told);
    text[fread(text, 1, sizeof text - 1, told)] = 0;
    fclose(told);
    CHECK(strstr(text, "info: listening channel=\"watched\""));
    CHECK(strstr(text, "debug: connected channel=\"watched\""));
    CHECK(strstr(text, "info: closed channel=\"watched\""));
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(a_callers_error_has_what_the_handler_gave_however_it_called),
        TEST(data_that_does_not_fit_the_caller_is_left_out),
        TEST(a_failed_broadcast_is_told_once_with_channel_and_text),
        TEST(a_failed_request_is_told_only_where_its_caller_is_not),
        TEST(another_callback_takes_the_place_of_the_first_and_no_callback_is_a_mistake),
        TEST(the_variable_for_logs_shows_what_the_library_does),
    };
    return RUN_TESTS(tests);
}
