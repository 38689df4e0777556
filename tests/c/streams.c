/* Streams of items: what comes, in which order, and each way in which one ends. */
#include "streaming.h"

static void items_come_in_order_and_then_the_end(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    static const int counts[] = {0, 1, 3, 5000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        char opening[32];
        snprintf(opening, sizeof opening, "count %d", counts[i]);
        sipc_stream *stream = open_to(opening);
        CHECK(!sipc_stream_is_over(stream) || counts[i] == 0);
        expect_numbers(stream, counts[i]);
        expect_the_end(stream);
        expect_the_end(stream);
        CHECK(sipc_stream_is_over(stream));
        sipc_stream_free(stream);
        count_await(&handlers.ended, (int)i + 1);
        CHECK_OK(handlers.last);
    }
    await_none(listener);
    end_listener(listener);
}

static void a_port_and_a_client_open_streams_as_a_name_does(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_ip_request(0, on_stream, &handlers, NULL, NULL, &listener, NULL));
    sipc_stream *streams[4];
    sipc_client *client = NULL;
    CHECK_OK(sipc_client_connect_ip(sipc_listener_port(listener), NULL, &client, NULL));
    sipc_body opening = sipc_text("count 5");
    CHECK_OK(sipc_post_ip_stream(sipc_listener_port(listener), opening, NULL, &streams[0], NULL));
    CHECK_OK(sipc_begin_ip_stream(sipc_listener_port(listener), opening, NULL, &streams[1], NULL));
    CHECK_OK(sipc_client_stream(client, opening, NULL, &streams[2], NULL));
    CHECK_OK(sipc_client_begin_stream(client, opening, NULL, &streams[3], NULL));
    /* Its streams outlive the client. */
    CHECK_OK(sipc_client_close(client, NULL));
    sipc_stream *refused = NULL;
    CHECK_STATUS(SIPC_CLOSED, sipc_client_stream(client, opening, NULL, &refused, NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_client_begin_stream(client, opening, NULL, &refused, NULL));
    sipc_client_free(client);
    for (int i = 0; i < 4; i++) {
        expect_numbers(streams[i], 5);
        expect_the_end(streams[i]);
        sipc_stream_free(streams[i]);
    }
    CHECK(!refused);
    end_listener(listener);
}

static void an_item_is_json_or_bytes_of_any_length(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("echo");
    size_t len = 3 << 20;
    char *large = malloc(len);
    CHECK(large);
    memset(large, 'x', len);
    const sipc_body bodies[] = {sipc_json("{\"n\":1}"), sipc_text("text"), sipc_bytes(NULL, 0), sipc_bytes("\0\1", 2),
                                sipc_text_n(large, len)};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        CHECK_OK(sipc_stream_send(stream, bodies[i], SIPC_NO_TIMEOUT, NULL));
        sipc_message *item = next_item(stream);
        CHECK(sipc_message_kind(item) == (bodies[i].kind == SIPC_KIND_BYTES ? SIPC_KIND_BYTES : SIPC_KIND_JSON));
        if (bodies[i].kind == SIPC_KIND_TEXT)
            CHECK(strlen(sipc_message_text(item)) == bodies[i].len && sipc_message_text(item)[0] == *(char *)bodies[i].data);
        else
            CHECK(sipc_message_len(item) == bodies[i].len && memcmp(sipc_message_data(item), bodies[i].data ? bodies[i].data : "", bodies[i].len) == 0);
        CHECK(!sipc_message_topic(item) && sipc_message_missed(item) == 0);
        sipc_message_free(item);
    }
    CHECK_STATUS(SIPC_INVALID_JSON, sipc_stream_send(stream, sipc_json("{"), SIPC_NO_TIMEOUT, NULL));
    CHECK_OK(sipc_stream_end(stream, NULL));
    expect_the_end(stream);
    sipc_stream_free(stream);
    free(large);
    end_listener(listener);
}

static void a_single_answer_is_a_stream_of_one_item(void) {
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_echo, NULL, NULL, NULL, &listener, NULL));
    sipc_stream *stream = open_to("one");
    sipc_message *item = next_item(stream);
    CHECK_TEXT("one", sipc_message_text(item));
    sipc_message_free(item);
    expect_the_end(stream);
    CHECK_STATUS(SIPC_CLOSED, sipc_stream_send(stream, sipc_text("x"), SIPC_NO_TIMEOUT, NULL));
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_plain_request_is_told_that_the_answer_is_a_sequence(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_post_uds_request("streams", sipc_text("count 3"), NULL, &reply, &error));
    check_error(error, SIPC_WRONG_MODE, "stream");
    count_await(&handlers.ended, 1);
    CHECK_STATUS(SIPC_WRONG_MODE, handlers.last);
    /* It has no items, and is answered all the same. */
    CHECK_OK(sipc_post_uds_request("streams", sipc_text("sum"), NULL, &reply, NULL));
    CHECK_TEXT("0", sipc_message_json(reply));
    sipc_message_free(reply);
    end_listener(listener);
}

static void a_handler_reads_items_and_answers_with_one_message(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("sum");
    for (int i = 1; i <= 1000; i++)
        CHECK_OK(send_number(stream, i));
    CHECK_OK(sipc_stream_end(stream, NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_stream_send(stream, sipc_text("x"), 0, NULL));
    sipc_message *sum = next_item(stream);
    CHECK_TEXT("500500", sipc_message_json(sum));
    sipc_message_free(sum);
    expect_the_end(stream);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_listener_that_ends_first_stops_the_sender_who_still_gets_the_answer(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("first 10");
    sipc_status status = SIPC_OK;
    for (int i = 0; status == SIPC_OK; i++)
        status = send_number(stream, i);
    CHECK_STATUS(SIPC_CLOSED, status);
    expect_number(stream, 10);
    expect_the_end(stream);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_handlers_error_comes_after_its_items_with_code_and_data_and_again(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("fail 7");
    expect_numbers(stream, 7);
    for (int again = 0; again < 2; again++) {
        sipc_message *item = NULL;
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, &error));
        CHECK_TEXT("stopped", sipc_error_handler_code(error));
        CHECK_TEXT("[3]", sipc_error_handler_data(error));
        CHECK(sipc_error_may_have_been_handled(error));
        CHECK(strstr(sipc_error_message(error), "on purpose"));
        sipc_error_free(error);
    }
    CHECK(sipc_stream_is_over(stream));
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_handler_that_frees_its_stream_without_an_end_has_failed(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("leave 2");
    expect_numbers(stream, 2);
    sipc_message *item = NULL;
    CHECK_STATUS(SIPC_HANDLER_FAILED, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, NULL));
    sipc_stream_free(stream);
    end_listener(listener);
}

/* What a handler may do wrong with its stream. */
static void on_misused(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    struct count *ended = user_data;
    sipc_stream *items = NULL, *again = NULL, *stream = NULL;
    CHECK(sipc_responder_is_stream(responder));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_responder_items(responder, NULL, NULL));
    CHECK_OK(sipc_responder_items(responder, &items, NULL));
    CHECK_OK(sipc_responder_items(responder, &again, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_send(items, sipc_text("x"), 0, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_end(items, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_fail(items, "x", NULL));
    CHECK(sipc_stream_descriptor(items) == -1);
    if (asks_for(opening, "nowhere")) {
        CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_responder_stream(responder, NULL, NULL));
    } else {
        CHECK_OK(sipc_responder_stream(responder, &stream, NULL));
        CHECK(sipc_stream_descriptor(stream) == -1 && !sipc_stream_is_over(stream));
        sipc_stream_free(again);
        CHECK_OK(sipc_stream_items(stream, &again, NULL));
        CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_items(stream, NULL, NULL));
        /* The same items come by whichever way they are asked for. */
        expect_number(stream, 0);
        expect_number(items, 1);
        expect_number(again, 2);
        /* Closing one way leaves the others. */
        sipc_stream_close(again);
        expect_the_end(again);
        CHECK(sipc_stream_is_over(again));
        expect_number(items, 3);
        if (asks_for(opening, "no text"))
            CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_fail(stream, NULL, NULL));
        else if (asks_for(opening, "no data"))
            CHECK_STATUS(SIPC_INVALID_JSON, sipc_stream_fail_with(stream, "the rest", NULL, "{", NULL));
        else if (asks_for(opening, "close"))
            sipc_stream_close(stream);
        else
            CHECK_OK(sipc_stream_end(stream, NULL));
        CHECK(sipc_stream_is_over(stream));
        CHECK_STATUS(SIPC_CLOSED, sipc_stream_send(stream, sipc_text("x"), SIPC_NO_TIMEOUT, NULL));
        CHECK_STATUS(SIPC_CLOSED, sipc_stream_end(stream, NULL));
        CHECK_STATUS(SIPC_CLOSED, sipc_stream_fail(stream, "x", NULL));
        expect_the_end(stream);
        expect_the_end(items);
        sipc_stream_close(stream);
    }
    sipc_stream_free(items);
    sipc_stream_free(again);
    sipc_stream_free(stream);
    count_up(ended);
}

static void a_stream_is_ended_once_and_its_misuse_is_an_error_on_both_sides(void) {
    static const struct {
        const char *opening;
        sipc_status status;
        const char *part;
    } ways[] = {
        {"nowhere", SIPC_HANDLER_FAILED, ""},  {"no text", SIPC_HANDLER_FAILED, ""},
        {"no data", SIPC_HANDLER_FAILED, "the rest"}, {"close", SIPC_HANDLER_FAILED, ""}, {"end", SIPC_OK, NULL},
    };
    struct count ended = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_misused, &ended, NULL, NULL, &listener, NULL));
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        sipc_stream *stream = open_to(ways[i].opening);
        for (int number = 0; number < 4; number++)
            send_number(stream, number);
        sipc_message *item = NULL;
        sipc_error *error = NULL;
        CHECK_STATUS(ways[i].status, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, &error));
        CHECK(!item);
        if (ways[i].part)
            check_error(error, SIPC_HANDLER_FAILED, ways[i].part);
        CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_fail(stream, "a caller does not fail", NULL));
        CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_items(stream, &(sipc_stream *){NULL}, NULL));
        sipc_stream_free(stream);
        count_await(&ended, (int)i + 1);
    }
    await_none(listener);
    end_listener(listener);
}

static void on_left(void *left) {
    count_up(left);
}

struct leaving {
    struct count told, dropped, ended;
    sipc_status last;
};

/* Asks to be told, and then does what it is to be torn out of. */
static void on_leaving(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    struct leaving *leaving = user_data;
    sipc_stream *stream = NULL;
    CHECK_OK(sipc_responder_on_cancel(responder, on_left, &leaving->told, NULL, NULL));
    CHECK_OK(sipc_responder_stream(responder, &stream, NULL));
    if (asks_for(opening, "send"))
        leaving->last = send_until_it_fails(stream);
    else if (asks_for(opening, "take"))
        leaving->last = take_until_it_fails(stream);
    else
        count_await(&leaving->told, 1);
    count_await(&leaving->told, 1);
    CHECK(sipc_stream_is_over(stream));
    sipc_stream_free(stream);
    count_up(&leaving->ended);
}

static void a_caller_that_leaves_tears_the_handler_out_of_whatever_it_waits_in(void) {
    static const char *const waits[] = {"send", "take", "nothing"};
    for (int frees = 0; frees < 2; frees++) {
        for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
            struct leaving leaving = {COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, SIPC_CANCELLED};
            sipc_listener *listener = NULL;
            CHECK_OK(sipc_listen_uds_request("streams", on_leaving, &leaving, NULL, NULL, &listener, NULL));
            sipc_stream *stream = open_to(waits[i]);
            if (i == 0)
                sipc_message_free(next_item(stream));
            if (frees) {
                sipc_stream_free(stream);
            } else {
                sipc_stream_close(stream);
                sipc_stream_close(stream);
                expect_the_end(stream);
                CHECK(sipc_stream_is_over(stream));
                CHECK_STATUS(SIPC_CLOSED, sipc_stream_send(stream, sipc_text("x"), SIPC_NO_TIMEOUT, NULL));
                sipc_stream_free(stream);
            }
            count_await(&leaving.ended, 1);
            CHECK_STATUS(SIPC_CANCELLED, leaving.last);
            await_none(listener);
            CHECK(count_now(&leaving.told) == 1 && counters_of(listener).abandoned == 0);
            end_listener(listener);
        }
    }
}

/* Ends its stream before its caller leaves, and has no callback from then on. */
static void on_ending(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    struct leaving *leaving = user_data;
    sipc_stream *stream = NULL;
    (void)opening;
    CHECK_OK(sipc_responder_on_cancel(responder, on_left, &leaving->told, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_responder_on_cancel(responder, on_left, &leaving->dropped, drop_count, NULL));
    CHECK(count_now(&leaving->dropped) == 1);
    CHECK_OK(sipc_responder_stream(responder, &stream, NULL));
    leaving->last = sipc_stream_end(stream, NULL);
    sipc_stream_free(stream);
    count_up(&leaving->ended);
}

static void once_a_stream_has_ended_nobody_is_told_that_its_caller_has_left(void) {
    struct leaving leaving = {COUNT_FROM_ZERO, COUNT_FROM_ZERO, COUNT_FROM_ZERO, -1};
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_ending, &leaving, NULL, NULL, &listener, NULL));
    sipc_stream *stream = open_to("x");
    count_await(&leaving.ended, 1);
    CHECK_OK(leaving.last);
    sipc_stream_free(stream);
    CHECK_OK(sipc_listener_close(listener, NULL));
    CHECK(count_now(&leaving.told) == 0);
    end_listener(listener);
}

static void a_side_that_is_ahead_is_held_at_256_kib_and_one_item(void) {
    static const size_t sizes[] = {0, 1, 1000, 64 << 10, WINDOW};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct handlers handlers = NO_HANDLERS;
        sipc_listener *listener = listen_for_streams(&handlers);
        char opening[32];
        snprintf(opening, sizeof opening, "fill %zu", sizes[i]);
        sipc_stream *stream = open_to(opening);
        count_await(&handlers.begun, 1);
        int room = handlers.sent, most = (int)(WINDOW / (sizes[i] + COST)) + 1;
        if (room > most || room < most - 1)
            printf("# %d items of %zu bytes, of which there is room for %d\n", room, sizes[i], most);
        CHECK(room <= most && room >= most - 1);
        /* None of them is lost, and the end comes behind them. */
        count_up(&handlers.released);
        for (int item = 0; item < room; item++) {
            sipc_message *came = next_item(stream);
            CHECK(sipc_message_len(came) == sizes[i]);
            sipc_message_free(came);
        }
        expect_the_end(stream);
        sipc_stream_free(stream);
        end_listener(listener);
    }
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("wait");
    expect_number(stream, 0);
    int room = send_what_there_is_room_for(stream, 1000), most = WINDOW / (1000 + COST) + 1;
    CHECK(room <= most && room >= most - 1);
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_send(stream, sipc_text("x"), 5, NULL));
    CHECK(!sipc_stream_is_over(stream));
    count_up(&handlers.released);
    expect_the_end(stream);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_next_that_times_out_leaves_the_stream_as_it_was(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("echo");
    sipc_message *item = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_next(stream, 0, &item, &error));
    check_error(error, SIPC_TIMED_OUT, "");
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_next(stream, 5, &item, NULL));
    CHECK(!sipc_stream_is_over(stream));
    CHECK_OK(send_number(stream, 1));
    expect_number(stream, 1);
    sipc_stream_free(stream);
    end_listener(listener);
}

/* A stream with a time that is short, and long enough for its opening on this machine. */
static sipc_stream *open_briefly(const char *opening, sipc_status (*set)(sipc_options *, int64_t)) {
    sipc_stream *stream = NULL;
    for (int64_t ms = 200; !stream; ms *= 2) {
        sipc_options *options = sipc_options_new();
        CHECK_OK(set(options, ms));
        sipc_status status = sipc_post_uds_stream("streams", sipc_text(opening), options, &stream, NULL);
        CHECK(status == SIPC_OK || status == SIPC_TIMED_OUT);
        sipc_options_free(options);
    }
    return stream;
}

static void two_sides_that_only_send_are_ended_by_the_idle_timeout(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_briefly("send", sipc_options_set_idle_timeout_ms);
    CHECK_STATUS(SIPC_TIMED_OUT, send_until_it_fails(stream));
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_send(stream, sipc_text("x"), SIPC_NO_TIMEOUT, NULL));
    /* What had come before is still there. */
    CHECK(!sipc_stream_is_over(stream));
    CHECK_STATUS(SIPC_TIMED_OUT, take_until_it_fails(stream));
    CHECK(sipc_stream_is_over(stream));
    count_await(&handlers.ended, 1);
    CHECK_STATUS(SIPC_CANCELLED, handlers.last);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_stream_has_no_timeout_but_one_that_was_set(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_briefly("take", sipc_options_set_timeout_ms);
    sipc_message *item = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, &error));
    check_error(error, SIPC_TIMED_OUT, "");
    CHECK(sipc_stream_is_over(stream));
    count_await(&handlers.ended, 1);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void what_opening_comes_to_is_told_at_once_or_by_the_first_call(void) {
    sipc_stream *stream = NULL;
    sipc_error *error = NULL;
    sipc_body opening = sipc_text("x");
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_post_uds_stream("streams", opening, NULL, &stream, &error));
    check_error(error, SIPC_NOT_LISTENING, "streams");
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_begin_uds_stream("streams", opening, NULL, &stream, NULL));
    CHECK_STATUS(SIPC_INVALID_NAME, sipc_begin_uds_stream("a.b", opening, NULL, &stream, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_post_ip_stream(65536, opening, NULL, &stream, NULL));
    CHECK_STATUS(SIPC_INVALID_JSON, sipc_post_uds_stream("streams", sipc_json("{"), NULL, &stream, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_post_uds_stream("streams", opening, NULL, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_stream(NULL, opening, NULL, &stream, NULL));
    struct count counted_messages = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("streams", on_counted, &counted_messages, NULL, NULL, &listener, NULL));
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_post_uds_stream("streams", opening, NULL, &stream, &error));
    CHECK(!sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_WRONG_MODE, "streams");
    CHECK(!stream);
    sipc_status begun = sipc_begin_uds_stream("streams", opening, NULL, &stream, NULL);
    if (begun == SIPC_OK) {
        sipc_message *item = NULL;
        CHECK_STATUS(SIPC_WRONG_MODE, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, NULL));
        CHECK_STATUS(SIPC_WRONG_MODE, sipc_stream_next(stream, 0, &item, NULL));
        CHECK_STATUS(SIPC_CLOSED, sipc_stream_send(stream, opening, SIPC_NO_TIMEOUT, NULL));
        sipc_stream_free(stream);
    } else {
        /* The listener was quicker. */
        CHECK_STATUS(SIPC_WRONG_MODE, begun);
        CHECK(!stream);
    }
    CHECK(count_now(&counted_messages) == 0);
    end_listener(listener);
}

static void a_stream_that_begins_waits_for_its_listener(void) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_wait_ms(options, WATCHDOG_SECONDS * 1000));
    sipc_stream *stream = NULL;
    CHECK_OK(sipc_begin_uds_stream("streams", sipc_text("sum"), options, &stream, NULL));
    sipc_options_free(options);
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_send(stream, sipc_json("1"), 0, NULL));
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    CHECK_OK(send_number(stream, 20));
    CHECK_OK(send_number(stream, 22));
    CHECK_OK(sipc_stream_end(stream, NULL));
    expect_number(stream, 42);
    expect_the_end(stream);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_descriptor_tells_of_acceptance_items_room_and_the_end(void) {
    enum { ITEMS = 3000 };
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = NULL;
    CHECK_OK(sipc_begin_uds_stream("streams", sipc_text("echo"), NULL, &stream, NULL));
    int descriptor = sipc_stream_descriptor(stream), sent = 0, taken = 0;
    CHECK(descriptor >= 0);
    static const char piece[1000];
    for (bool ended = false; !ended;) {
        bool moved = false;
        if (sent < ITEMS) {
            sipc_status status = sipc_stream_send(stream, sipc_bytes(piece, sizeof piece), 0, NULL);
            CHECK(status == SIPC_OK || status == SIPC_TIMED_OUT);
            moved = status == SIPC_OK;
            sent += moved;
            if (sent == ITEMS)
                CHECK_OK(sipc_stream_end(stream, NULL));
        }
        sipc_message *item = NULL;
        sipc_status status = sipc_stream_next(stream, 0, &item, NULL);
        CHECK(status == SIPC_OK || status == SIPC_TIMED_OUT);
        moved = moved || status == SIPC_OK;
        ended = status == SIPC_OK && !item;
        taken += item != NULL;
        sipc_message_free(item);
        CHECK(sipc_stream_descriptor(stream) == descriptor);
        if (!moved)
            await_descriptor(descriptor);
    }
    CHECK(sent == ITEMS && taken == ITEMS);
    sipc_stream_free(stream);
    end_listener(listener);
}

struct waiting {
    const sipc_stream *stream;
    struct count begun;
    sipc_status status;
};

static void *wait_to_take(void *user_data) {
    struct waiting *waiting = user_data;
    count_up(&waiting->begun);
    waiting->status = take_until_it_fails(waiting->stream);
    return NULL;
}

static void *wait_to_send(void *user_data) {
    struct waiting *waiting = user_data;
    count_up(&waiting->begun);
    waiting->status = send_until_it_fails(waiting->stream);
    return NULL;
}

static void closing_ends_the_threads_that_wait(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("wait");
    expect_number(stream, 0);
    struct waiting takes = {stream, COUNT_FROM_ZERO, -1}, sends = {stream, COUNT_FROM_ZERO, -1};
    pthread_t taker = thread_start(wait_to_take, &takes), sender = thread_start(wait_to_send, &sends);
    count_await(&takes.begun, 1);
    count_await(&sends.begun, 1);
    sipc_stream_close(stream);
    thread_join(taker);
    thread_join(sender);
    CHECK_OK(takes.status);
    CHECK_STATUS(SIPC_CLOSED, sends.status);
    count_up(&handlers.released);
    count_await(&handlers.ended, 1);
    sipc_stream_free(stream);
    end_listener(listener);
}

struct kept {
    struct count keeps;
    sipc_stream *stream;
};

static void on_kept(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    struct kept *kept = user_data;
    (void)opening;
    CHECK_OK(sipc_responder_stream(responder, &kept->stream, NULL));
    count_up(&kept->keeps);
}

static void a_handlers_stream_outlives_the_handler_and_closing_it_ends_those_that_wait(void) {
    struct kept kept = {COUNT_FROM_ZERO, NULL};
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_kept, &kept, NULL, NULL, &listener, NULL));
    sipc_stream *stream = open_to("keep");
    count_await(&kept.keeps, 1);
    CHECK_OK(send_number(kept.stream, 0));
    CHECK_OK(send_number(stream, 0));
    expect_number(stream, 0);
    expect_number(kept.stream, 0);
    CHECK(counters_of(listener).streams == 1 && counters_of(listener).in_flight == 1);
    struct waiting takes = {kept.stream, COUNT_FROM_ZERO, -1}, sends = {kept.stream, COUNT_FROM_ZERO, -1};
    pthread_t taker = thread_start(wait_to_take, &takes), sender = thread_start(wait_to_send, &sends);
    count_await(&takes.begun, 1);
    count_await(&sends.begun, 1);
    sipc_stream_close(kept.stream);
    thread_join(taker);
    thread_join(sender);
    CHECK_OK(takes.status);
    CHECK_STATUS(SIPC_CLOSED, sends.status);
    CHECK_STATUS(SIPC_HANDLER_FAILED, take_until_it_fails(stream));
    sipc_stream_free(kept.stream);
    sipc_stream_free(stream);
    await_none(listener);
    end_listener(listener);
}

/* Sends numbers in a thread while another one takes them. */
static void *send_many(void *stream) {
    for (int i = 0; i < 5000; i++)
        CHECK_OK(send_number(stream, i));
    CHECK_OK(sipc_stream_end(stream, NULL));
    return NULL;
}

static void both_sides_send_and_take_at_once(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *streams[3];
    pthread_t senders[3];
    for (int i = 0; i < 3; i++) {
        streams[i] = open_to("echo");
        senders[i] = thread_start(send_many, streams[i]);
    }
    for (int i = 0; i < 3; i++) {
        expect_numbers(streams[i], 5000);
        expect_the_end(streams[i]);
        thread_join(senders[i]);
        sipc_stream_free(streams[i]);
    }
    end_listener(listener);
}

static void an_item_that_is_too_large_is_known_before_it_is_sent(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_max_message(options, 1000));
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_stream, &handlers, NULL, options, &listener, NULL));
    sipc_options_free(options);
    sipc_stream *stream = open_to("echo");
    static const char zeros[1001];
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_TOO_LARGE, sipc_stream_send(stream, sipc_bytes(zeros, 1001), SIPC_NO_TIMEOUT, &error));
    check_error(error, SIPC_TOO_LARGE, "1001");
    CHECK_OK(sipc_stream_send(stream, sipc_bytes(zeros, 1000), SIPC_NO_TIMEOUT, NULL));
    sipc_message_free(next_item(stream));
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_session_serves_one_stream_after_the_other_whatever_its_end(void) {
    static const char *const openings[] = {"count 3", "fail 3", "leave 3", "echo", "send", "take"};
    enum { ROUNDS = 50 };
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    int before = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
            sipc_stream *stream = open_to(openings[i]);
            if (i < 3)
                take_until_it_fails(stream);
            sipc_stream_free(stream);
            CHECK_OK(sipc_post_uds_request("streams", sipc_text("sum"), NULL, NULL, NULL));
        }
        await_none(listener);
        if (round == 0)
            before = open_descriptors();
    }
    /* A session of a stream that was given up is back once its end has come; meanwhile another one serves. */
    int sessions = (int)counters_of(listener).connections;
    CHECK(sessions < ROUNDS && counters_of(listener).abandoned == 0);
    CHECK(open_descriptors() <= before + 2 * DESCRIPTORS_OF_AN_END * sessions + 4);
    end_listener(listener);
}

static void streams_that_are_opened_and_dropped_leave_nothing(void) {
    enum { STREAMS = 1000 };
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream_free(open_to("take"));
    int before = open_descriptors();
    for (int i = 1; i < STREAMS; i++)
        sipc_stream_free(open_to("take"));
    count_await(&handlers.ended, STREAMS);
    await_none(listener);
    /* Both ends of each session are here; sessions are used again. */
    int sessions = (int)counters_of(listener).connections;
    CHECK(sessions < STREAMS / 2 && counters_of(listener).abandoned == 0);
    CHECK(open_descriptors() <= before + 2 * DESCRIPTORS_OF_AN_END * sessions + 4);
    end_listener(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(items_come_in_order_and_then_the_end),
        TEST(a_port_and_a_client_open_streams_as_a_name_does),
        TEST(an_item_is_json_or_bytes_of_any_length),
        TEST(a_single_answer_is_a_stream_of_one_item),
        TEST(a_plain_request_is_told_that_the_answer_is_a_sequence),
        TEST(a_handler_reads_items_and_answers_with_one_message),
        TEST(a_listener_that_ends_first_stops_the_sender_who_still_gets_the_answer),
        TEST(a_handlers_error_comes_after_its_items_with_code_and_data_and_again),
        TEST(a_handler_that_frees_its_stream_without_an_end_has_failed),
        TEST(a_stream_is_ended_once_and_its_misuse_is_an_error_on_both_sides),
        TEST(a_caller_that_leaves_tears_the_handler_out_of_whatever_it_waits_in),
        TEST(once_a_stream_has_ended_nobody_is_told_that_its_caller_has_left),
        TEST(a_side_that_is_ahead_is_held_at_256_kib_and_one_item),
        TEST(a_next_that_times_out_leaves_the_stream_as_it_was),
        TEST(two_sides_that_only_send_are_ended_by_the_idle_timeout),
        TEST(a_stream_has_no_timeout_but_one_that_was_set),
        TEST(what_opening_comes_to_is_told_at_once_or_by_the_first_call),
        TEST(a_stream_that_begins_waits_for_its_listener),
        TEST(a_descriptor_tells_of_acceptance_items_room_and_the_end),
        TEST(closing_ends_the_threads_that_wait),
        TEST_WITHOUT_WINE(a_handlers_stream_outlives_the_handler_and_closing_it_ends_those_that_wait,
                          "Wine gives up what a thread has sent, and the peer has not taken, when that thread ends"),
        TEST(both_sides_send_and_take_at_once),
        TEST(an_item_that_is_too_large_is_known_before_it_is_sent),
        TEST(a_session_serves_one_stream_after_the_other_whatever_its_end),
        TEST(streams_that_are_opened_and_dropped_leave_nothing),
    };
    return RUN_TESTS(tests);
}
