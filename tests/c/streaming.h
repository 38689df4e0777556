/* What the C tests of streams have in common: a handler that is told by what opens the stream what to do, its callers, and
 * items that are due. */
#ifndef STREAMING_H
#define STREAMING_H

#include "testing.h"

/* What a stream holds for a side that does not take: bytes, of which each item costs 16 more than it has. */
enum { WINDOW = 256 << 10, COST = 16 };

/* How many handlers have come to their end, and what their last call said. */
struct handlers {
    struct count begun;
    struct count ended;
    sipc_status last;
    /* How many items a handler that does not wait has sent. */
    int sent;
    /* Lets a handler go on that waits for it. */
    struct count released;
};

#define NO_HANDLERS {COUNT_FROM_ZERO, COUNT_FROM_ZERO, -1, 0, COUNT_FROM_ZERO}

static inline sipc_status send_number(const sipc_stream *stream, int number) {
    char json[16];
    snprintf(json, sizeof json, "%d", number);
    return sipc_stream_send(stream, sipc_json(json), SIPC_NO_TIMEOUT, NULL);
}

static inline sipc_body same(const sipc_message *message) {
    const void *data = sipc_message_data(message);
    size_t len = sipc_message_len(message);
    return sipc_message_kind(message) == SIPC_KIND_BYTES ? sipc_bytes(data, len) : sipc_json_n(data, len);
}

/* The next item, or NULL; what the call said goes to *status. */
static inline sipc_message *next_or_null(const sipc_stream *stream, sipc_status *status) {
    sipc_message *item = NULL;
    *status = sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, NULL);
    CHECK(*status == SIPC_OK || !item);
    return item;
}

static inline sipc_message *next_item(const sipc_stream *stream) {
    sipc_status status;
    sipc_message *item = next_or_null(stream, &status);
    CHECK_OK(status);
    CHECK(item);
    return item;
}

static inline void expect_number(const sipc_stream *stream, int number) {
    sipc_message *item = next_item(stream);
    CHECK(sipc_message_json(item) && atoi(sipc_message_json(item)) == number);
    sipc_message_free(item);
}

static inline void expect_numbers(const sipc_stream *stream, int count) {
    for (int i = 0; i < count; i++)
        expect_number(stream, i);
}

static inline void expect_the_end(const sipc_stream *stream) {
    sipc_message *item = (sipc_message *)1;
    CHECK_OK(sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, NULL));
    CHECK(item == NULL);
}

static inline bool asks_for(const sipc_message *opening, const char *what) {
    const char *text = sipc_message_text(opening);
    return text && strncmp(text, what, strlen(what)) == 0;
}

/* The number behind what is asked for. */
static inline int how_many(const sipc_message *opening) {
    return atoi(strpbrk(sipc_message_text(opening), "0123456789"));
}

/* Sends items of `size` bytes until there is no room for one, and says how many there was room for. */
static inline int send_what_there_is_room_for(const sipc_stream *stream, size_t size) {
    static const char zeros[WINDOW];
    for (int sent = 0;; sent++) {
        sipc_error *error = NULL;
        sipc_status status = sipc_stream_send(stream, sipc_bytes(zeros, size), 0, &error);
        if (status == SIPC_OK)
            continue;
        check_error(error, SIPC_TIMED_OUT, "room");
        return sent;
    }
}

static inline sipc_status send_until_it_fails(const sipc_stream *stream) {
    static const char piece[16 << 10];
    sipc_status status;
    while ((status = sipc_stream_send(stream, sipc_bytes(piece, sizeof piece), SIPC_NO_TIMEOUT, NULL)) == SIPC_OK) {}
    return status;
}

static inline sipc_status take_until_it_fails(const sipc_stream *stream) {
    sipc_status status;
    for (sipc_message *item; (item = next_or_null(stream, &status)) != NULL;)
        sipc_message_free(item);
    return status;
}

static inline void answer_sum(sipc_responder *responder) {
    sipc_stream *items = NULL;
    CHECK_OK(sipc_responder_items(responder, &items, NULL));
    long sum = 0;
    sipc_status status;
    for (sipc_message *item; (item = next_or_null(items, &status)) != NULL; sipc_message_free(item))
        sum += atol(sipc_message_json(item));
    sipc_stream_free(items);
    char json[32];
    snprintf(json, sizeof json, "%ld", sum);
    sipc_respond(responder, sipc_json(json), NULL);
}

static inline void handle_stream(const sipc_message *opening, const sipc_stream *stream, struct handlers *handlers) {
    if (asks_for(opening, "count ") || asks_for(opening, "fail ")) {
        for (int i = 0; i < how_many(opening); i++)
            send_number(stream, i);
        handlers->last = asks_for(opening, "count ") ? sipc_stream_end(stream, NULL)
                                                     : sipc_stream_fail_with(stream, "on purpose", "stopped", "[3]", NULL);
    } else if (asks_for(opening, "leave ")) {
        for (int i = 0; i < how_many(opening); i++)
            send_number(stream, i);
    } else if (asks_for(opening, "first ")) {
        int count = how_many(opening);
        expect_numbers(stream, count);
        CHECK_OK(send_number(stream, count));
        CHECK_OK(sipc_stream_end(stream, NULL));
    } else if (asks_for(opening, "echo")) {
        for (sipc_message *item; (item = next_or_null(stream, &handlers->last)) != NULL; sipc_message_free(item))
            sipc_stream_send(stream, same(item), SIPC_NO_TIMEOUT, NULL);
        if (handlers->last == SIPC_OK)
            CHECK_OK(sipc_stream_end(stream, NULL));
    } else if (asks_for(opening, "send")) {
        handlers->last = send_until_it_fails(stream);
    } else if (asks_for(opening, "take")) {
        handlers->last = take_until_it_fails(stream);
    } else if (asks_for(opening, "fill ")) {
        handlers->sent = send_what_there_is_room_for(stream, (size_t)how_many(opening));
        count_up(&handlers->begun);
        count_await(&handlers->released, 1);
        CHECK_OK(sipc_stream_end(stream, NULL));
        return;
    } else if (asks_for(opening, "wait")) {
        CHECK_OK(send_number(stream, 0));
        count_up(&handlers->begun);
        count_await(&handlers->released, 1);
        handlers->last = sipc_stream_end(stream, NULL);
        return;
    }
    count_up(&handlers->begun);
}

static inline void on_stream(const sipc_message *opening, sipc_responder *responder, void *user_data) {
    struct handlers *handlers = user_data;
    if (asks_for(opening, "sum")) {
        answer_sum(responder);
    } else {
        sipc_stream *stream = NULL;
        handlers->last = sipc_responder_stream(responder, &stream, NULL);
        if (handlers->last == SIPC_OK)
            handle_stream(opening, stream, handlers);
        sipc_stream_free(stream);
    }
    count_up(&handlers->ended);
}

/* Frees a listener when its handlers have ended: what they count in is the test's own. */
static inline void end_listener(sipc_listener *listener) {
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static inline sipc_listener *listen_for_streams(struct handlers *handlers) {
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("streams", on_stream, handlers, NULL, NULL, &listener, NULL));
    return listener;
}

static inline sipc_stream *open_to(const char *opening) {
    sipc_stream *stream = NULL;
    CHECK_OK(sipc_post_uds_stream("streams", sipc_text(opening), NULL, &stream, NULL));
    CHECK(stream);
    return stream;
}

/* Until the listener has nothing of a stream any more. */
static inline void await_none(const sipc_listener *listener) {
    while (counters_of(listener).streams > 0 || counters_of(listener).in_flight > 0)
        sched_yield();
}

#endif
