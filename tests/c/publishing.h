/* What the C tests of publications have in common: a publisher, a subscriber, and events that are due. */
#ifndef PUBLISHING_H
#define PUBLISHING_H

#include "testing.h"

static inline sipc_listener *publish_on(const char *channel, const sipc_options *options) {
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_publish(channel, options, &listener, NULL));
    CHECK(listener);
    return listener;
}

static inline sipc_stream *subscribe_to(const char *channel, const sipc_options *options) {
    sipc_stream *stream = NULL;
    CHECK_OK(sipc_subscribe_uds(channel, options, &stream, NULL));
    CHECK(stream);
    return stream;
}

static inline size_t publish_text(const sipc_listener *listener, const char *topic, const char *text) {
    size_t queued = SIZE_MAX;
    CHECK_OK(sipc_publish(listener, topic, sipc_text(text), &queued, NULL));
    return queued;
}

static inline void publish_number(const sipc_listener *listener, int number) {
    char json[16];
    snprintf(json, sizeof json, "%d", number);
    CHECK_OK(sipc_publish(listener, NULL, sipc_json(json), NULL, NULL));
}

static inline sipc_message *next_event(const sipc_stream *stream) {
    sipc_message *event = NULL;
    CHECK_OK(sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, NULL));
    CHECK(event);
    return event;
}

static inline void expect_text(const sipc_stream *stream, const char *topic, const char *text) {
    sipc_message *event = next_event(stream);
    CHECK_TEXT(text, sipc_message_text(event));
    CHECK_TEXT(topic, sipc_message_topic(event));
    CHECK(sipc_message_missed(event) == 0 && !sipc_message_retained(event));
    sipc_message_free(event);
}

static inline void expect_end(const sipc_stream *stream) {
    sipc_message *event = (sipc_message *)1;
    CHECK_OK(sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, NULL));
    CHECK(event == NULL);
}

static inline void expect_nothing_yet(const sipc_stream *stream) {
    sipc_message *event = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_next(stream, 0, &event, &error));
    check_error(error, SIPC_TIMED_OUT, "event");
    CHECK(!event);
}

#endif
