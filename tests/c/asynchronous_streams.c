/* Streams of items whose calls call back: at the caller, and at the handler. */
#include "streaming.h"

/* What a callback got. */
struct outcome {
    struct count calls;
    struct count drops;
    sipc_status status;
    sipc_message *item;
    int place;
};

#define NO_OUTCOME {COUNT_FROM_ZERO, COUNT_FROM_ZERO, -1, NULL, 0}

static int places_given;

static void on_outcome(sipc_status status, sipc_message *item, sipc_error *error, void *user_data) {
    struct outcome *outcome = user_data;
    CHECK((status == SIPC_OK) == (error == NULL));
    outcome->status = status;
    outcome->item = item;
    outcome->place = ++places_given;
    sipc_error_free(error);
    count_up(&outcome->calls);
}

static void drop_outcome(void *outcome) {
    count_up(&((struct outcome *)outcome)->drops);
}

static sipc_operation *begin_next(const sipc_stream *stream, int64_t timeout_ms, struct outcome *outcome) {
    sipc_operation *operation = NULL;
    *outcome = (struct outcome)NO_OUTCOME;
    CHECK_OK(sipc_stream_next_async(stream, timeout_ms, on_outcome, outcome, drop_outcome, &operation, NULL));
    CHECK(operation);
    return operation;
}

static sipc_operation *begin_send(const sipc_stream *stream, sipc_body item, int64_t timeout_ms, struct outcome *outcome) {
    sipc_operation *operation = NULL;
    *outcome = (struct outcome)NO_OUTCOME;
    CHECK_OK(sipc_stream_send_async(stream, item, timeout_ms, on_outcome, outcome, drop_outcome, &operation, NULL));
    CHECK(operation);
    return operation;
}

static void end_call(sipc_operation *operation, struct outcome *outcome) {
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    sipc_operation_free(operation);
    CHECK(count_now(&outcome->calls) == 1 && count_now(&outcome->drops) == 1);
}

static void calls_get_items_in_their_order_and_a_cancelled_one_takes_none(void) {
    enum { CALLS = 5 };
    struct outcome outcomes[CALLS];
    sipc_operation *operations[CALLS];
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("echo");
    for (int i = 0; i < CALLS; i++)
        operations[i] = begin_next(stream, SIPC_NO_TIMEOUT, &outcomes[i]);
    sipc_operation_cancel(operations[2]);
    end_call(operations[2], &outcomes[2]);
    CHECK_STATUS(SIPC_CANCELLED, outcomes[2].status);
    for (int i = 0; i < CALLS - 1; i++)
        CHECK_OK(send_number(stream, i));
    for (int i = 0, number = 0; i < CALLS; i++) {
        if (i == 2)
            continue;
        end_call(operations[i], &outcomes[i]);
        CHECK_OK(outcomes[i].status);
        CHECK(atoi(sipc_message_json(outcomes[i].item)) == number && outcomes[i].place == number + 2);
        sipc_message_free(outcomes[i].item);
        number++;
    }
    struct outcome last;
    end_call(begin_next(stream, 5, &last), &last);
    CHECK_STATUS(SIPC_TIMED_OUT, last.status);
    CHECK(!sipc_stream_is_over(stream));
    CHECK_OK(sipc_stream_end(stream, NULL));
    end_call(begin_next(stream, SIPC_NO_TIMEOUT, &last), &last);
    CHECK_OK(last.status);
    CHECK(!last.item);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void items_that_wait_for_room_are_sent_in_their_order(void) {
    enum { ITEMS = 100, SIZE = 16 << 10 };
    static struct outcome outcomes[ITEMS];
    static sipc_operation *operations[ITEMS];
    static unsigned char data[SIZE];
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("echo");
    for (int i = 0; i < ITEMS; i++) {
        /* It is copied: the next one is made in the same place. */
        data[0] = (unsigned char)i;
        operations[i] = begin_send(stream, sipc_bytes(data, SIZE), SIPC_NO_TIMEOUT, &outcomes[i]);
    }
    for (int i = 0; i < ITEMS; i++) {
        sipc_message *item = next_item(stream);
        CHECK(sipc_message_len(item) == SIZE && *(const unsigned char *)sipc_message_data(item) == i);
        sipc_message_free(item);
    }
    for (int i = 0; i < ITEMS; i++) {
        end_call(operations[i], &outcomes[i]);
        CHECK_OK(outcomes[i].status);
        CHECK(!outcomes[i].item && outcomes[i].place == i + 1);
    }
    sipc_stream_free(stream);
    end_listener(listener);
}

static void an_item_that_no_socket_takes_at_once_leaves_without_another_call(void) {
    size_t len = 8 << 20;
    char *large = calloc(len, 1);
    CHECK(large);
    struct outcome outcome;
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("echo");
    sipc_operation *operation = begin_send(stream, sipc_bytes(large, len), SIPC_NO_TIMEOUT, &outcome);
    free(large);
    end_call(operation, &outcome);
    CHECK_OK(outcome.status);
    sipc_message *item = next_item(stream);
    CHECK(sipc_message_len(item) == len);
    sipc_message_free(item);
    sipc_stream_free(stream);
    end_listener(listener);
}

static void a_send_that_is_cancelled_or_late_sends_nothing_and_closing_ends_the_others(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("wait");
    expect_number(stream, 0);
    send_what_there_is_room_for(stream, 16 << 10);
    struct outcome cancelled, late, closed, next;
    sipc_body item = sipc_text("x");
    sipc_operation *first = begin_send(stream, item, SIPC_NO_TIMEOUT, &cancelled);
    end_call(begin_send(stream, item, 5, &late), &late);
    CHECK_STATUS(SIPC_TIMED_OUT, late.status);
    sipc_operation_cancel(first);
    end_call(first, &cancelled);
    CHECK_STATUS(SIPC_CANCELLED, cancelled.status);
    first = begin_send(stream, item, SIPC_NO_TIMEOUT, &closed);
    sipc_operation *second = begin_next(stream, SIPC_NO_TIMEOUT, &next);
    sipc_stream_close(stream);
    end_call(first, &closed);
    CHECK_STATUS(SIPC_CLOSED, closed.status);
    end_call(second, &next);
    CHECK_OK(next.status);
    CHECK(!next.item);
    count_up(&handlers.released);
    count_await(&handlers.ended, 1);
    sipc_stream_free(stream);
    end_listener(listener);
}

/* A handler that only calls back: it answers each item with itself. */
struct echoing {
    sipc_stream *stream;
    struct count ended;
    sipc_status last;
};

static void on_echo_item(sipc_status status, sipc_message *item, sipc_error *error, void *user_data);

static void next_echo(struct echoing *echoing) {
    CHECK_OK(sipc_stream_next_async(echoing->stream, SIPC_NO_TIMEOUT, on_echo_item, echoing, NULL, NULL, NULL));
}

static void on_echoed(sipc_status status, sipc_message *none, sipc_error *error, void *user_data) {
    struct echoing *echoing = user_data;
    CHECK(!none);
    sipc_error_free(error);
    echoing->last = status;
    if (status == SIPC_OK)
        next_echo(echoing);
    else
        count_up(&echoing->ended);
}

static void on_echo_item(sipc_status status, sipc_message *item, sipc_error *error, void *user_data) {
    struct echoing *echoing = user_data;
    sipc_error_free(error);
    echoing->last = status;
    if (item) {
        CHECK_OK(sipc_stream_send_async(echoing->stream, same(item), SIPC_NO_TIMEOUT, on_echoed, echoing, NULL, NULL, NULL));
        sipc_message_free(item);
        return;
    }
    if (status == SIPC_OK)
        CHECK_OK(sipc_stream_end(echoing->stream, NULL));
    sipc_stream_free(echoing->stream);
    count_up(&echoing->ended);
}

static void on_echoing(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    struct echoing *echoing = user_data;
    (void)opening;
    CHECK_OK(sipc_responder_stream(responder, &echoing->stream, NULL));
    next_echo(echoing);
}

static void a_handler_may_do_without_a_thread(void) {
    enum { ITEMS = 2000 };
    struct echoing echoing = {NULL, COUNT_FROM_ZERO, -1};
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_echoing, &echoing, NULL, NULL, &listener, NULL));
    sipc_stream *stream = open_to("x");
    for (int i = 0; i < ITEMS; i++) {
        CHECK_OK(send_number(stream, i));
        if (i % 100 == 99)
            for (int item = i - 99; item <= i; item++)
                expect_number(stream, item);
    }
    CHECK_OK(sipc_stream_end(stream, NULL));
    expect_the_end(stream);
    count_await(&echoing.ended, 1);
    CHECK_OK(echoing.last);
    sipc_stream_free(stream);
    /* And hears that its caller has left. */
    stream = open_to("x");
    CHECK_OK(send_number(stream, 1));
    expect_number(stream, 1);
    sipc_stream_free(stream);
    count_await(&echoing.ended, 2);
    CHECK_STATUS(SIPC_CANCELLED, echoing.last);
    await_none(listener);
    end_listener(listener);
}

struct kept {
    struct count keeps;
    sipc_stream *stream, *items;
};

static void on_kept(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    struct kept *kept = user_data;
    (void)opening;
    CHECK_OK(sipc_responder_items(responder, &kept->items, NULL));
    CHECK_OK(sipc_responder_stream(responder, &kept->stream, NULL));
    count_up(&kept->keeps);
}

static void a_caller_that_leaves_ends_the_calls_of_its_handler(void) {
    struct kept kept = {COUNT_FROM_ZERO, NULL, NULL};
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_kept, &kept, NULL, NULL, &listener, NULL));
    sipc_stream *stream = open_to("x");
    count_await(&kept.keeps, 1);
    send_what_there_is_room_for(kept.stream, 16 << 10);
    /* Both ways to the same items wait at once. */
    struct outcome outcomes[3];
    sipc_operation *operations[3] = {begin_next(kept.stream, SIPC_NO_TIMEOUT, &outcomes[0]),
                                     begin_next(kept.items, SIPC_NO_TIMEOUT, &outcomes[1]),
                                     begin_send(kept.stream, sipc_text("x"), SIPC_NO_TIMEOUT, &outcomes[2])};
    for (int i = 0; i < 2; i++)
        CHECK_OK(send_number(stream, i));
    for (int i = 0; i < 2; i++) {
        end_call(operations[i], &outcomes[i]);
        CHECK_OK(outcomes[i].status);
        sipc_message_free(outcomes[i].item);
    }
    operations[0] = begin_next(kept.stream, SIPC_NO_TIMEOUT, &outcomes[0]);
    operations[1] = begin_next(kept.items, SIPC_NO_TIMEOUT, &outcomes[1]);
    sipc_stream_free(stream);
    for (int i = 0; i < 3; i++) {
        end_call(operations[i], &outcomes[i]);
        CHECK_STATUS(SIPC_CANCELLED, outcomes[i].status);
    }
    sipc_stream_free(kept.stream);
    sipc_stream_free(kept.items);
    await_none(listener);
    end_listener(listener);
}

static void a_handlers_stream_that_is_closed_or_freed_ends_the_calls_that_wait(void) {
    for (int frees = 0; frees < 2; frees++) {
        struct kept kept = {COUNT_FROM_ZERO, NULL, NULL};
        sipc_listener *listener = NULL;
        CHECK_OK(sipc_listen_uds_request("streams", on_kept, &kept, NULL, NULL, &listener, NULL));
        sipc_stream *stream = open_to("x");
        count_await(&kept.keeps, 1);
        send_what_there_is_room_for(kept.stream, 16 << 10);
        struct outcome next, send, items;
        sipc_operation *first = begin_next(kept.stream, SIPC_NO_TIMEOUT, &next);
        sipc_operation *second = begin_send(kept.stream, sipc_text("x"), SIPC_NO_TIMEOUT, &send);
        sipc_operation *third = begin_next(kept.items, SIPC_NO_TIMEOUT, &items);
        /* The items alone, and then all of it. */
        if (frees)
            sipc_stream_free(kept.items);
        else
            sipc_stream_close(kept.items);
        end_call(third, &items);
        CHECK_OK(items.status);
        CHECK(!items.item && count_now(&next.calls) == 0 && count_now(&send.calls) == 0);
        if (frees)
            sipc_stream_free(kept.stream);
        else
            sipc_stream_close(kept.stream);
        end_call(first, &next);
        CHECK_OK(next.status);
        CHECK(!next.item);
        end_call(second, &send);
        CHECK_STATUS(SIPC_CLOSED, send.status);
        CHECK_STATUS(SIPC_HANDLER_FAILED, take_until_it_fails(stream));
        sipc_stream_free(stream);
        if (!frees) {
            sipc_stream_free(kept.items);
            sipc_stream_free(kept.stream);
        }
        end_listener(listener);
    }
}

static void nonsense_is_refused_and_what_was_given_is_released(void) {
    struct handlers handlers = NO_HANDLERS;
    sipc_listener *listener = listen_for_streams(&handlers);
    sipc_stream *stream = open_to("take"), *events = NULL;
    sipc_listener *publisher = NULL;
    CHECK_OK(sipc_listen_uds_publish("events", NULL, &publisher, NULL));
    CHECK_OK(sipc_subscribe_uds("events", NULL, &events, NULL));
    struct outcome outcome = NO_OUTCOME;
    sipc_body good = sipc_text("x");
    const struct {
        const sipc_stream *stream;
        sipc_body item;
        int64_t timeout_ms;
        sipc_reply_callback callback;
        sipc_status status;
    } calls[] = {
        {NULL, good, SIPC_NO_TIMEOUT, on_outcome, SIPC_INVALID_ARGUMENT},
        {stream, good, -2, on_outcome, SIPC_INVALID_ARGUMENT},
        {stream, good, SIPC_NO_TIMEOUT, NULL, SIPC_INVALID_ARGUMENT},
        {stream, sipc_json("{"), SIPC_NO_TIMEOUT, on_outcome, SIPC_INVALID_JSON},
        {events, good, SIPC_NO_TIMEOUT, on_outcome, SIPC_INVALID_ARGUMENT},
    };
    int count = (int)(sizeof calls / sizeof calls[0]);
    for (int i = 0; i < count; i++)
        CHECK_STATUS(calls[i].status, sipc_stream_send_async(calls[i].stream, calls[i].item, calls[i].timeout_ms,
                                                             calls[i].callback, &outcome, drop_outcome, NULL, NULL));
    CHECK(count_now(&outcome.calls) == 0 && count_now(&outcome.drops) == count);
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_send(NULL, good, 0, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_send(stream, good, -2, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_send(events, good, 0, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_end(events, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_fail(events, "x", NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_end(NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_fail(NULL, "x", NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_fail_with(NULL, "x", NULL, NULL, NULL));
    CHECK(sipc_stream_is_over(NULL) && !sipc_stream_is_over(events));
    sipc_stream_free(events);
    sipc_stream_free(stream);
    end_listener(publisher);
    end_listener(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(calls_get_items_in_their_order_and_a_cancelled_one_takes_none),
        TEST(items_that_wait_for_room_are_sent_in_their_order),
        TEST(an_item_that_no_socket_takes_at_once_leaves_without_another_call),
        TEST(a_send_that_is_cancelled_or_late_sends_nothing_and_closing_ends_the_others),
        TEST(a_handler_may_do_without_a_thread),
        TEST(a_caller_that_leaves_ends_the_calls_of_its_handler),
        TEST(a_handlers_stream_that_is_closed_or_freed_ends_the_calls_that_wait),
        TEST(nonsense_is_refused_and_what_was_given_is_released),
    };
    return RUN_TESTS(tests);
}
