/* The stream of a subscription: each way to take from it, and each way in which it ends. */
#include "publishing.h"

#include <signal.h>

static void a_descriptor_tells_of_events_and_stays_when_the_publisher_is_replaced(void) {
    sipc_listener *listener = publish_on("watched", NULL);
    sipc_stream *stream = subscribe_to("watched", NULL);
    int descriptor = sipc_stream_descriptor(stream);
    CHECK(descriptor >= 0);
    for (int publisher = 0; publisher < 3; publisher++) {
        /* The subscription has come back when the event is for somebody. */
        while (publish_text(listener, NULL, "event") == 0)
            sched_yield();
        int64_t missed = 0;
        bool came = false;
        while (!came) {
            CHECK(sipc_stream_descriptor(stream) == descriptor);
            await_descriptor(descriptor);
            sipc_message *event = NULL;
            sipc_status status = sipc_stream_next(stream, 0, &event, NULL);
            CHECK(status == SIPC_OK || status == SIPC_TIMED_OUT);
            came = event != NULL;
            missed = sipc_message_missed(event);
            sipc_message_free(event);
        }
        CHECK(missed == (publisher == 0 ? 0 : -1));
        CHECK_OK(sipc_listener_close(listener, NULL));
        sipc_listener_free(listener);
        listener = publish_on("watched", NULL);
        /* It connects again as it is driven, which whoever watches does. */
        while (counters_of(listener).subscribers == 0) {
            await_descriptor(descriptor);
            CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_next(stream, 0, &(sipc_message *){NULL}, NULL));
        }
    }
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

static void a_next_that_times_out_leaves_the_stream_as_it_was(void) {
    sipc_listener *listener = publish_on("patient", NULL);
    sipc_stream *stream = subscribe_to("patient", NULL);
    sipc_message *event = NULL;
    expect_nothing_yet(stream);
    CHECK_STATUS(SIPC_TIMED_OUT, sipc_stream_next(stream, 5, &event, NULL));
    publish_text(listener, NULL, "late");
    expect_text(stream, "", "late");
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

struct reading {
    const sipc_stream *stream;
    struct count begun;
    struct count *taken;
    int ends;
};

static void *read_to_the_end(void *user_data) {
    struct reading *reading = user_data;
    count_up(&reading->begun);
    for (;;) {
        sipc_message *event = NULL;
        CHECK_OK(sipc_stream_next(reading->stream, SIPC_NO_TIMEOUT, &event, NULL));
        if (!event)
            break;
        count_up(&reading->taken[atoi(sipc_message_json(event))]);
        sipc_message_free(event);
    }
    reading->ends++;
    return NULL;
}

static void each_event_comes_to_one_of_the_threads_that_wait_and_closing_ends_all_of_them(void) {
    enum { THREADS = 4, EVENTS = 400 };
    static struct count taken[EVENTS];
    struct reading readings[THREADS];
    pthread_t threads[THREADS];
    sipc_listener *listener = publish_on("shared", NULL);
    sipc_stream *stream = subscribe_to("shared", NULL);
    for (int i = 0; i < EVENTS; i++)
        taken[i] = (struct count)COUNT_FROM_ZERO;
    for (int i = 0; i < THREADS; i++) {
        readings[i] = (struct reading){stream, COUNT_FROM_ZERO, taken, 0};
        threads[i] = thread_start(read_to_the_end, &readings[i]);
        count_await(&readings[i].begun, 1);
    }
    for (int i = 0; i < EVENTS; i++)
        publish_number(listener, i);
    for (int i = 0; i < EVENTS; i++)
        count_await(&taken[i], 1);
    sipc_stream_close(stream);
    sipc_stream_close(stream);
    for (int i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
        CHECK(readings[i].ends == 1);
    }
    for (int i = 0; i < EVENTS; i++)
        CHECK(count_now(&taken[i]) == 1);
    expect_end(stream);
    while (counters_of(listener).subscribers > 0)
        sched_yield();
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

/* What callbacks of `sipc_stream_next_async` got. */
struct outcome {
    struct count calls;
    struct count drops;
    sipc_status status;
    sipc_message *event;
    int place;
};

#define NO_OUTCOME {COUNT_FROM_ZERO, COUNT_FROM_ZERO, -1, NULL, 0}

static int places_given;

static void on_next(sipc_status status, sipc_message *event, sipc_error *error, void *user_data) {
    struct outcome *outcome = user_data;
    CHECK((status == SIPC_OK) == (error == NULL));
    outcome->status = status;
    outcome->event = event;
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
    CHECK_OK(sipc_stream_next_async(stream, timeout_ms, on_next, outcome, drop_outcome, &operation, NULL));
    CHECK(operation);
    return operation;
}

static void end_next(sipc_operation *operation, struct outcome *outcome) {
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    sipc_operation_free(operation);
    CHECK(count_now(&outcome->calls) == 1 && count_now(&outcome->drops) == 1);
}

static void calls_that_wait_get_events_in_their_order_and_a_cancelled_one_takes_none(void) {
    enum { CALLS = 5 };
    struct outcome outcomes[CALLS];
    sipc_operation *operations[CALLS];
    sipc_listener *listener = publish_on("awaited", NULL);
    sipc_stream *stream = subscribe_to("awaited", NULL);
    for (int i = 0; i < CALLS; i++)
        operations[i] = begin_next(stream, SIPC_NO_TIMEOUT, &outcomes[i]);
    sipc_operation_cancel(operations[2]);
    sipc_operation_cancel(operations[2]);
    end_next(operations[2], &outcomes[2]);
    CHECK_STATUS(SIPC_CANCELLED, outcomes[2].status);
    for (int i = 0; i < CALLS - 1; i++)
        publish_number(listener, i);
    for (int i = 0, number = 0; i < CALLS; i++) {
        if (i == 2)
            continue;
        end_next(operations[i], &outcomes[i]);
        CHECK_OK(outcomes[i].status);
        CHECK(atoi(sipc_message_json(outcomes[i].event)) == number && outcomes[i].place == number + 2);
        sipc_message_free(outcomes[i].event);
        number++;
    }
    expect_nothing_yet(stream);
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

static void a_call_that_times_out_takes_no_event(void) {
    struct outcome late, prompt;
    sipc_listener *listener = publish_on("awaited", NULL);
    sipc_stream *stream = subscribe_to("awaited", NULL);
    end_next(begin_next(stream, 0, &late), &late);
    CHECK_STATUS(SIPC_TIMED_OUT, late.status);
    sipc_operation *patient = begin_next(stream, SIPC_NO_TIMEOUT, &prompt);
    /* Its time is over while another call waits before it. */
    end_next(begin_next(stream, 5, &late), &late);
    CHECK_STATUS(SIPC_TIMED_OUT, late.status);
    CHECK(count_now(&prompt.calls) == 0);
    publish_text(listener, NULL, "x");
    end_next(patient, &prompt);
    CHECK_TEXT("x", sipc_message_text(prompt.event));
    sipc_message_free(prompt.event);
    publish_text(listener, NULL, "there");
    await_descriptor(sipc_stream_descriptor(stream));
    end_next(begin_next(stream, 0, &prompt), &prompt);
    CHECK_OK(prompt.status);
    CHECK_TEXT("there", sipc_message_text(prompt.event));
    sipc_message_free(prompt.event);
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

static void a_stream_that_is_closed_or_freed_ends_the_calls_that_wait(void) {
    struct outcome outcomes[3];
    sipc_operation *operations[3];
    sipc_listener *listener = publish_on("awaited", NULL);
    for (int way = 0; way < 2; way++) {
        sipc_stream *stream = subscribe_to("awaited", NULL);
        for (int i = 0; i < 3; i++)
            operations[i] = begin_next(stream, SIPC_NO_TIMEOUT, &outcomes[i]);
        if (way == 0)
            sipc_stream_close(stream);
        else
            sipc_stream_free(stream);
        for (int i = 0; i < 3; i++) {
            end_next(operations[i], &outcomes[i]);
            CHECK_OK(outcomes[i].status);
            CHECK(!outcomes[i].event);
        }
        if (way == 0) {
            end_next(begin_next(stream, SIPC_NO_TIMEOUT, &outcomes[0]), &outcomes[0]);
            CHECK_OK(outcomes[0].status);
            CHECK(!outcomes[0].event);
            sipc_stream_free(stream);
        }
    }
    sipc_listener_free(listener);
}

struct chain {
    const sipc_stream *stream;
    struct count taken;
    struct count drops;
};

static void drop_link(void *chain) {
    count_up(&((struct chain *)chain)->drops);
}

static void on_link(sipc_status status, sipc_message *event, sipc_error *error, void *user_data) {
    struct chain *chain = user_data;
    CHECK_OK(status);
    CHECK(!error);
    if (!event)
        return;
    CHECK(atoi(sipc_message_json(event)) == count_now(&chain->taken));
    sipc_message_free(event);
    CHECK_OK(sipc_stream_next_async(chain->stream, SIPC_NO_TIMEOUT, on_link, chain, drop_link, NULL, NULL));
    count_up(&chain->taken);
}

static void a_callback_may_wait_for_the_next_event(void) {
    enum { EVENTS = 2000 };
    sipc_listener *listener = publish_on("chain", NULL);
    sipc_stream *stream = subscribe_to("chain", NULL);
    struct chain chain = {stream, COUNT_FROM_ZERO, COUNT_FROM_ZERO};
    CHECK_OK(sipc_stream_next_async(stream, SIPC_NO_TIMEOUT, on_link, &chain, drop_link, NULL, NULL));
    for (int i = 0; i < EVENTS; i++)
        publish_number(listener, i);
    count_await(&chain.taken, EVENTS);
    sipc_stream_free(stream);
    count_await(&chain.drops, EVENTS + 1);
    sipc_listener_free(listener);
}

/* Another channel's whole life. */
static void on_event_that_calls(sipc_status status, sipc_message *event, sipc_error *error, void *user_data) {
    const sipc_listener *publisher = user_data;
    CHECK_OK(status);
    CHECK(event && !error);
    sipc_message_free(event);
    sipc_listener *listener = listen_echo("inside");
    sipc_client *client = connect_to("inside");
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    CHECK_OK(sipc_post_uds_request("inside", sipc_text("x"), NULL, NULL, NULL));
    CHECK_OK(sipc_client_close(client, NULL));
    sipc_client_free(client);
    sipc_stream *stream = subscribe_to("callbacks", NULL);
    publish_text(publisher, NULL, "from a callback");
    expect_text(stream, "", "from a callback");
    sipc_stream_free(stream);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void a_callback_may_listen_post_publish_and_subscribe(void) {
    sipc_listener *listener = publish_on("callbacks", NULL);
    sipc_stream *stream = subscribe_to("callbacks", NULL);
    sipc_operation *operation = NULL;
    CHECK_OK(sipc_stream_next_async(stream, SIPC_NO_TIMEOUT, on_event_that_calls, listener, NULL, &operation, NULL));
    publish_text(listener, NULL, "x");
    CHECK_OK(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL));
    sipc_operation_free(operation);
    expect_text(stream, "", "from a callback");
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

/* A subscriber with room for nothing, for which the publisher waits inside a callback. */
static void on_event_that_publishes(sipc_status status, sipc_message *event, sipc_error *error, void *publisher) {
    static const char piece[16 << 10];
    CHECK_OK(status);
    CHECK(event && !error);
    sipc_message_free(event);
    for (int i = 0; i < 200; i++)
        CHECK_OK(sipc_publish(publisher, NULL, sipc_bytes(piece, sizeof piece), NULL, NULL));
}

static void a_callback_that_publishes_may_wait_for_a_subscriber(void) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_patience_ms(options, WATCHDOG_SECONDS * 1000));
    sipc_listener *listener = publish_on("waits", options), *trigger = publish_on("trigger", NULL);
    CHECK_OK(sipc_options_set_overflow(options, SIPC_OVERFLOW_BLOCK));
    CHECK_OK(sipc_options_set_queue(options, 1));
    sipc_stream *stream = subscribe_to("waits", options), *triggered = subscribe_to("trigger", NULL);
    sipc_options_free(options);
    CHECK_OK(sipc_stream_next_async(triggered, SIPC_NO_TIMEOUT, on_event_that_publishes, listener, NULL, NULL, NULL));
    publish_text(trigger, NULL, "x");
    for (int i = 0; i < 200; i++) {
        sipc_message *event = next_event(stream);
        CHECK(sipc_message_len(event) == 16 << 10 && sipc_message_missed(event) == 0);
        sipc_message_free(event);
    }
    sipc_stream_free(stream);
    sipc_stream_free(triggered);
    sipc_listener_free(trigger);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void the_end_of_a_publisher_ends_a_stream_that_does_not_look_for_another(void) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_reconnect_ms(options, 0));
    sipc_listener *listener = publish_on("ends", NULL);
    sipc_stream *stream = subscribe_to("ends", options);
    publish_text(listener, NULL, "last");
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_CLOSED, sipc_publish(listener, NULL, sipc_text("x"), NULL, &error));
    check_error(error, SIPC_CLOSED, "closed");
    sipc_listener_free(listener);
    /* What was published before is delivered. */
    expect_text(stream, "", "last");
    expect_end(stream);
    expect_end(stream);
    sipc_stream_free(stream);
    sipc_options_free(options);
}

#ifndef _WIN32
/* Publishes in a process of its own; returns when that listens. */
static pid_t publisher_process(const char *channel) {
    int ready[2];
    CHECK(pipe(ready) == 0);
    pid_t process = fork();
    CHECK(process >= 0);
    if (process == 0) {
        alarm(WATCHDOG_SECONDS);
        publish_on(channel, NULL);
        CHECK(write(ready[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
    return process;
}

static void the_death_of_a_publisher_is_no_orderly_end(void) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_reconnect_ms(options, 0));
    pid_t process = publisher_process("dies");
    sipc_stream *stream = subscribe_to("dies", options);
    sipc_options_free(options);
    CHECK(kill(process, SIGKILL) == 0 && waitpid(process, NULL, 0) == process);
    sipc_message *event = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_CONNECTION_LOST, sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, &error));
    check_error(error, SIPC_CONNECTION_LOST, "dies");
    sipc_stream_free(stream);
}
#endif

static void nonsense_is_refused_and_what_was_given_is_released(void) {
    sipc_listener *listener = publish_on("strict", NULL);
    sipc_stream *stream = subscribe_to("strict", NULL);
    sipc_message *event = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_next(stream, -2, &event, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_next(stream, 0, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_next(NULL, 0, &event, NULL));
    struct outcome outcome = NO_OUTCOME;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT,
                 sipc_stream_next_async(stream, SIPC_NO_TIMEOUT, NULL, &outcome, drop_outcome, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT,
                 sipc_stream_next_async(NULL, SIPC_NO_TIMEOUT, on_next, &outcome, drop_outcome, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_stream_next_async(stream, -2, on_next, &outcome, drop_outcome, NULL, NULL));
    CHECK(count_now(&outcome.calls) == 0 && count_now(&outcome.drops) == 3);
    CHECK(sipc_stream_descriptor(NULL) == -1);
    sipc_stream_close(NULL);
    sipc_stream_free(NULL);
    sipc_stream_free(stream);
    sipc_listener_free(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(a_descriptor_tells_of_events_and_stays_when_the_publisher_is_replaced),
        TEST(a_next_that_times_out_leaves_the_stream_as_it_was),
        TEST(each_event_comes_to_one_of_the_threads_that_wait_and_closing_ends_all_of_them),
        TEST(calls_that_wait_get_events_in_their_order_and_a_cancelled_one_takes_none),
        TEST(a_call_that_times_out_takes_no_event),
        TEST(a_stream_that_is_closed_or_freed_ends_the_calls_that_wait),
        TEST(a_callback_may_wait_for_the_next_event),
        TEST(a_callback_may_listen_post_publish_and_subscribe),
        TEST(a_callback_that_publishes_may_wait_for_a_subscriber),
        TEST(the_end_of_a_publisher_ends_a_stream_that_does_not_look_for_another),
        TEST_ON_UNIX(the_death_of_a_publisher_is_no_orderly_end, "its publisher is a forked process"),
        TEST(nonsense_is_refused_and_what_was_given_is_released),
    };
    return RUN_TESTS(tests);
}
