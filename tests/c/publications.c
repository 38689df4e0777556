/* Publications: what a listener publishes reaches who has subscribed, in order, and what is missed is told. */
#include "publishing.h"

static void every_event_after_a_subscription_reaches_every_subscriber_in_order(void) {
    enum { SUBSCRIBERS = 3, EVENTS = 500 };
    for (int transport = 0; transport < 2; transport++) {
        sipc_listener *listener = NULL;
        sipc_stream *streams[SUBSCRIBERS];
        if (transport == 0)
            CHECK_OK(sipc_listen_uds_publish("clock", NULL, &listener, NULL));
        else
            CHECK_OK(sipc_listen_ip_publish(0, NULL, &listener, NULL));
        CHECK(publish_text(listener, NULL, "nobody hears it") == 0);
        for (int i = 0; i < SUBSCRIBERS; i++) {
            if (transport == 0)
                CHECK_OK(sipc_subscribe_uds("clock", NULL, &streams[i], NULL));
            else
                CHECK_OK(sipc_subscribe_ip(sipc_listener_port(listener), NULL, &streams[i], NULL));
        }
        for (int number = 0; number < EVENTS; number++)
            publish_number(listener, number);
        CHECK(publish_text(listener, "last", "one") == SUBSCRIBERS);
        for (int i = 0; i < SUBSCRIBERS; i++) {
            for (int number = 0; number < EVENTS; number++) {
                sipc_message *event = next_event(streams[i]);
                CHECK(atoi(sipc_message_json(event)) == number && sipc_message_missed(event) == 0);
                CHECK_TEXT("", sipc_message_topic(event));
                sipc_message_free(event);
            }
            expect_text(streams[i], "last", "one");
            expect_nothing_yet(streams[i]);
            sipc_stream_free(streams[i]);
        }
        CHECK(counters_of(listener).published == EVENTS + 2);
        CHECK_OK(sipc_listener_close(listener, NULL));
        sipc_listener_free(listener);
    }
}

static void every_kind_of_body_arrives_as_it_was_published(void) {
    sipc_listener *listener = publish_on("kinds", NULL);
    sipc_stream *stream = subscribe_to("kinds", NULL);
    const char bytes[] = {0, 1, (char)0xff};
    CHECK_OK(sipc_publish(listener, NULL, sipc_bytes(bytes, sizeof bytes), NULL, NULL));
    CHECK_OK(sipc_publish(listener, NULL, sipc_bytes(NULL, 0), NULL, NULL));
    CHECK_OK(sipc_publish(listener, NULL, sipc_json("{\"n\":[1]}"), NULL, NULL));
    sipc_message *event = next_event(stream);
    CHECK(sipc_message_kind(event) == SIPC_KIND_BYTES && sipc_message_len(event) == sizeof bytes);
    CHECK(memcmp(sipc_message_data(event), bytes, sizeof bytes) == 0);
    sipc_message_free(event);
    event = next_event(stream);
    CHECK(sipc_message_kind(event) == SIPC_KIND_BYTES && sipc_message_len(event) == 0);
    sipc_message_free(event);
    event = next_event(stream);
    sipc_message *kept = sipc_message_clone(event);
    sipc_message_free(event);
    CHECK_TEXT("{\"n\":[1]}", sipc_message_json(kept));
    CHECK_TEXT("", sipc_message_topic(kept));
    sipc_message_free(kept);
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

static void topics_let_through_what_they_name_as_a_whole(void) {
    const char *two[] = {"tx", ""};
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_topics(options, two, 2));
    sipc_listener *listener = publish_on("topics", NULL);
    sipc_stream *some = subscribe_to("topics", options), *all = subscribe_to("topics", NULL);
    sipc_options_free(options);
    CHECK(publish_text(listener, "tx", "first") == 2);
    CHECK(publish_text(listener, "tx_trytes", "not for both") == 1);
    CHECK(publish_text(listener, "t", "not for both") == 1);
    CHECK(publish_text(listener, NULL, "second") == 2);
    CHECK(publish_text(listener, "", "third") == 2);
    expect_text(some, "tx", "first");
    expect_text(some, "", "second");
    expect_text(some, "", "third");
    expect_nothing_yet(some);
    expect_text(all, "tx", "first");
    expect_text(all, "tx_trytes", "not for both");
    sipc_stream_free(some);
    sipc_stream_free(all);
    sipc_listener_free(listener);
}

static void a_retained_event_comes_first_and_is_marked(void) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_retain(options, true));
    sipc_listener *listener = publish_on("retained", options);
    sipc_options_free(options);
    publish_text(listener, "a", "old");
    publish_text(listener, "a", "new");
    publish_text(listener, "b", "gone");
    CHECK_OK(sipc_publish(listener, "b", sipc_bytes(NULL, 0), NULL, NULL));
    sipc_stream *stream = subscribe_to("retained", NULL);
    publish_text(listener, "a", "live");
    sipc_message *event = next_event(stream);
    CHECK_TEXT("new", sipc_message_text(event));
    CHECK_TEXT("a", sipc_message_topic(event));
    CHECK(sipc_message_retained(event) && sipc_message_missed(event) == 0);
    sipc_message_free(event);
    expect_text(stream, "a", "live");
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

enum { PIECE = 16 << 10 };

static void publish_piece(const sipc_listener *listener, int number) {
    static char piece[PIECE];
    memset(piece, 0, sizeof piece);
    memcpy(piece, &number, sizeof number);
    CHECK_OK(sipc_publish(listener, NULL, sipc_bytes(piece, sizeof piece), NULL, NULL));
}

static int number_of(const sipc_message *event) {
    int number;
    CHECK(sipc_message_len(event) == PIECE);
    memcpy(&number, sipc_message_data(event), sizeof number);
    return number;
}

static sipc_options *with_overflow(int32_t overflow) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_overflow(options, overflow));
    CHECK_OK(sipc_options_set_queue(options, 4 * PIECE));
    return options;
}

static void a_subscriber_that_does_not_read_is_cut_off_after_what_was_sent(void) {
    sipc_listener *listener = publish_on("slow", NULL);
    sipc_options *options = with_overflow(SIPC_OVERFLOW_FAIL);
    sipc_stream *slow = subscribe_to("slow", options);
    sipc_options_free(options);
    int published = 0;
    while (counters_of(listener).too_slow == 0)
        publish_piece(listener, published++);
    sipc_message *event = NULL;
    sipc_error *error = NULL;
    sipc_status status;
    int taken = 0;
    while ((status = sipc_stream_next(slow, SIPC_NO_TIMEOUT, &event, &error)) == SIPC_OK && event) {
        CHECK(number_of(event) == taken++ && sipc_message_missed(event) == 0);
        sipc_message_free(event);
    }
    CHECK(taken < published);
    check_error(error, SIPC_TOO_SLOW, "slow");
    CHECK_STATUS(SIPC_TOO_SLOW, status);
    /* It is why the stream has ended, and stays so. */
    CHECK_STATUS(SIPC_TOO_SLOW, sipc_stream_next(slow, 0, &event, NULL));
    sipc_stream_free(slow);
    sipc_listener_free(listener);
}

static void what_is_dropped_for_a_subscriber_its_next_event_tells(void) {
    enum { EVENTS = 500 };
    sipc_listener *listener = publish_on("live", NULL);
    sipc_options *options = with_overflow(SIPC_OVERFLOW_DROP_OLDEST);
    sipc_stream *live = subscribe_to("live", options);
    sipc_options_free(options);
    for (int i = 0; i < EVENTS; i++)
        publish_piece(listener, i);
    int64_t due = 0, missed = 0;
    while (due < EVENTS) {
        sipc_message *event = next_event(live);
        CHECK(sipc_message_missed(event) >= 0);
        missed += sipc_message_missed(event);
        due += sipc_message_missed(event);
        CHECK(number_of(event) == due++);
        sipc_message_free(event);
    }
    CHECK(due == EVENTS && missed > 0);
    CHECK(counters_of(listener).dropped == (uint64_t)missed && counters_of(listener).too_slow == 0);
    sipc_stream_free(live);
    sipc_listener_free(listener);
}

struct counting {
    const sipc_stream *stream;
    int events;
};

static void *take_all(void *user_data) {
    struct counting *counting = user_data;
    for (int i = 0; i < counting->events; i++) {
        sipc_message *event = next_event(counting->stream);
        CHECK(number_of(event) == i && sipc_message_missed(event) == 0);
        sipc_message_free(event);
    }
    return NULL;
}

static void a_publisher_with_patience_waits_for_a_subscriber_that_asks_for_it(void) {
    enum { EVENTS = 500 };
    sipc_options *options = with_overflow(SIPC_OVERFLOW_BLOCK);
    sipc_listener *hasty = publish_on("hasty", NULL);
    sipc_stream *stream = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_subscribe_uds("hasty", options, &stream, &error));
    check_error(error, SIPC_WRONG_MODE, "patience");
    CHECK(!stream);
    sipc_listener_free(hasty);
    sipc_options *patient = sipc_options_new();
    CHECK_OK(sipc_options_set_patience_ms(patient, WATCHDOG_SECONDS * 1000));
    sipc_listener *listener = publish_on("patient", patient);
    sipc_options_free(patient);
    stream = subscribe_to("patient", options);
    sipc_options_free(options);
    struct counting counting = {stream, EVENTS};
    pthread_t reader = thread_start(take_all, &counting);
    for (int i = 0; i < EVENTS; i++)
        publish_piece(listener, i);
    thread_join(reader);
    CHECK(counters_of(listener).dropped == 0 && counters_of(listener).too_slow == 0);
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

/* A hub: what is broadcast to it, it publishes. */
struct hub {
    struct count listens;
    sipc_listener *listener;
};

static void pass_on(const sipc_message *message, sipc_responder *sender, void *user_data) {
    struct hub *hub = user_data;
    (void)sender;
    count_await(&hub->listens, 1);
    CHECK_OK(sipc_publish(hub->listener, "chat", sipc_json(sipc_message_json(message)), NULL, NULL));
}

static void a_listener_for_broadcasts_publishes_besides_if_its_options_say_so(void) {
    struct hub hub = {COUNT_FROM_ZERO, NULL};
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_publish(options, true));
    CHECK_OK(sipc_listen_uds_broadcast("hub", pass_on, &hub, NULL, options, &hub.listener, NULL));
    sipc_options_free(options);
    count_up(&hub.listens);
    sipc_stream *first = subscribe_to("hub", NULL), *second = subscribe_to("hub", NULL);
    CHECK_OK(sipc_post_uds_broadcast("hub", sipc_text("hello"), NULL, NULL));
    expect_text(first, "chat", "hello");
    expect_text(second, "chat", "hello");
    sipc_channel_list *list = NULL;
    CHECK_OK(sipc_channels(NULL, &list, NULL));
    CHECK(sipc_channel_list_len(list) == 1);
    CHECK(sipc_channel_list_get(list, 0)->mode == SIPC_MODE_BROADCAST && sipc_channel_list_get(list, 0)->publishes);
    sipc_channel_list_free(list);
    sipc_stream_free(first);
    sipc_stream_free(second);
    CHECK_OK(sipc_listener_close(hub.listener, NULL));
    sipc_listener_free(hub.listener);
}

static void a_publisher_is_listed_and_takes_nothing_else(void) {
    sipc_listener *listener = publish_on("only", NULL);
    sipc_channel_list *list = NULL;
    CHECK_OK(sipc_channels(NULL, &list, NULL));
    CHECK(sipc_channel_list_len(list) == 1);
    const sipc_channel_info *info = sipc_channel_list_get(list, 0);
    CHECK_TEXT("only", info->channel);
    CHECK(info->mode == SIPC_MODE_PUBLISH && info->publishes && info->subscribers == 0);
    sipc_channel_list_free(list);
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_post_uds_request("only", sipc_text("x"), NULL, NULL, NULL));
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_post_uds_broadcast("only", sipc_text("x"), NULL, NULL));
    sipc_listener_free(listener);
}

static void who_does_not_publish_says_so(void) {
    sipc_listener *listener = listen_echo("requests");
    sipc_stream *stream = NULL;
    sipc_error *error = NULL;
    size_t queued = 7;
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_subscribe_uds("requests", NULL, &stream, &error));
    check_error(error, SIPC_WRONG_MODE, "requests");
    error = NULL;
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_publish(listener, NULL, sipc_text("x"), &queued, &error));
    check_error(error, SIPC_WRONG_MODE, "publish");
    CHECK(!stream && queued == 7);
    sipc_listener_free(listener);
}

static void nonsense_is_refused_with_one_line(void) {
    char long_topic[257];
    memset(long_topic, 'x', 256);
    long_topic[256] = 0;
    sipc_listener *listener = publish_on("strict", NULL), *other = NULL;
    sipc_stream *stream = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_publish(listener, long_topic, sipc_text("x"), NULL, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "topic");
    error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_publish(listener, "\xff", sipc_text("x"), NULL, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "topic");
    CHECK_STATUS(SIPC_INVALID_JSON, sipc_publish(listener, NULL, sipc_json("{"), NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_publish(listener, NULL, sipc_json(NULL), NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_publish(NULL, NULL, sipc_text("x"), NULL, NULL));
    CHECK(counters_of(listener).published == 0);
    CHECK_STATUS(SIPC_IN_USE, sipc_listen_uds_publish("strict", NULL, &other, NULL));
    CHECK_STATUS(SIPC_INVALID_NAME, sipc_listen_uds_publish("a-b", NULL, &other, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_listen_ip_publish(65536, NULL, &other, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_listen_uds_publish("x", NULL, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_listen_uds_publish(NULL, NULL, &other, NULL));

    error = NULL;
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_subscribe_uds("nobody", NULL, &stream, &error));
    check_error(error, SIPC_NOT_LISTENING, "nobody");
    CHECK_STATUS(SIPC_INVALID_NAME, sipc_subscribe_uds("a-b", NULL, &stream, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_subscribe_ip(0, NULL, &stream, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_subscribe_ip(65536, NULL, &stream, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_subscribe_uds("strict", NULL, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_subscribe_uds(NULL, NULL, &stream, NULL));
    const char *topics[] = {"good", long_topic};
    sipc_options *options = sipc_options_new();
    sipc_options_set_topics(options, topics, 2);
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_subscribe_uds("strict", options, &stream, NULL));
    sipc_options_free(options);
    options = sipc_options_new();
    sipc_options_set_topics(options, topics, 0);
    error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_subscribe_uds("strict", options, &stream, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "topics");
    sipc_options_free(options);
    options = sipc_options_new();
    sipc_options_set_queue(options, 0);
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_subscribe_uds("strict", options, &stream, NULL));
    sipc_options_free(options);
    CHECK(!other && !stream);
    sipc_listener_free(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(every_event_after_a_subscription_reaches_every_subscriber_in_order),
        TEST(every_kind_of_body_arrives_as_it_was_published),
        TEST(topics_let_through_what_they_name_as_a_whole),
        TEST(a_retained_event_comes_first_and_is_marked),
        TEST(a_subscriber_that_does_not_read_is_cut_off_after_what_was_sent),
        TEST(what_is_dropped_for_a_subscriber_its_next_event_tells),
        TEST(a_publisher_with_patience_waits_for_a_subscriber_that_asks_for_it),
        TEST(a_listener_for_broadcasts_publishes_besides_if_its_options_say_so),
        TEST(a_publisher_is_listed_and_takes_nothing_else),
        TEST(who_does_not_publish_says_so),
        TEST(nonsense_is_refused_with_one_line),
    };
    return RUN_TESTS(tests);
}
