/* Calls in a queue: all in this thread, callbacks included, whichever way it waits. */
#include "testing.h"

struct outcome {
    pthread_t thread;
    int calls;
    int drops;
    sipc_status status;
    sipc_message *reply;
    bool has_error;
};

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct outcome *outcome = user_data;
    CHECK((status == SIPC_OK) == (error == NULL));
    CHECK(pthread_equal(pthread_self(), outcome->thread));
    outcome->calls++;
    outcome->status = status;
    outcome->reply = reply;
    outcome->has_error = error != NULL;
    sipc_error_free(error);
}

static void drop_outcome(void *outcome) {
    ((struct outcome *)outcome)->drops++;
}

static struct outcome fresh(void) {
    struct outcome outcome = {pthread_self(), 0, 0, 0, NULL, false};
    return outcome;
}

/* As an event loop does it: watch the descriptor, then process. */
static void drive(sipc_queue *queue) {
    while (sipc_queue_under_way(queue) > 0) {
        sipc_queue_submit(queue);
        await_descriptor(sipc_queue_descriptor(queue));
        CHECK_OK(sipc_queue_process(queue, NULL, NULL));
    }
}

static void many_posts_are_answered_in_this_thread(void) {
    enum { POSTS = 500 };
    static struct outcome outcomes[POSTS];
    sipc_listener *listener = listen_echo("queued");
    for (int way = 0; way < 2; way++) {
        sipc_queue *queue = new_queue();
        for (int i = 0; i < POSTS; i++) {
            char json[16];
            snprintf(json, sizeof json, "%d", i);
            outcomes[i] = fresh();
            CHECK_OK(sipc_queue_post_uds_request(queue, "queued", sipc_json(json), NULL, on_reply, &outcomes[i],
                                                 drop_outcome, NULL, NULL));
        }
        if (way == 0)
            drive(queue);
        else
            for (size_t all = 0, some; all < POSTS; all += some)
                CHECK_OK(sipc_queue_wait(queue, SIPC_NO_TIMEOUT, &some, NULL));
        for (int i = 0; i < POSTS; i++) {
            CHECK(outcomes[i].calls == 1 && outcomes[i].drops == 1);
            CHECK_OK(outcomes[i].status);
            CHECK(atoi(sipc_message_json(outcomes[i].reply)) == i);
            sipc_message_free(outcomes[i].reply);
        }
        sipc_queue_free(queue);
    }
    sipc_listener_free(listener);
}

static void broadcasts_have_arrived_when_their_flush_is_done(void) {
    enum { BROADCASTS = 5000 };
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_ip_broadcast(0, on_counted, &arrived, NULL, NULL, &listener, NULL));
    sipc_queue *queue = new_queue();
    uint64_t client = 0;
    CHECK_OK(sipc_queue_connect_ip(queue, sipc_listener_port(listener), NULL, &client, NULL));
    for (int i = 0; i < BROADCASTS; i++)
        CHECK_OK(sipc_queue_broadcast(queue, client, sipc_json("1"), NULL));
    struct outcome flushed = fresh(), closed = fresh();
    CHECK_OK(sipc_queue_flush(queue, client, on_reply, &flushed, drop_outcome, NULL, NULL));
    drive(queue);
    CHECK_OK(flushed.status);
    CHECK(count_now(&arrived) == BROADCASTS && !flushed.reply);
    CHECK_OK(sipc_queue_close(queue, client, on_reply, &closed, drop_outcome, NULL, NULL));
    drive(queue);
    CHECK_OK(closed.status);
    CHECK_STATUS(SIPC_CLOSED, sipc_queue_broadcast(queue, client, sipc_json("1"), NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_queue_ping(queue, client, NULL, NULL, NULL, NULL, NULL));
    sipc_queue_free(queue);
    sipc_listener_free(listener);
}

static void on_held(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    *(sipc_responder **)user_data = responder;
}

static void a_cancelled_call_calls_back_at_once_and_a_freed_queue_cancels_its_calls(void) {
    sipc_responder *held = NULL;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("held", on_held, &held, NULL, NULL, &listener, NULL));
    sipc_queue *queue = new_queue();
    uint64_t client = 0, ticket = 0;
    struct outcome cancelled = fresh(), abandoned = fresh();
    CHECK_OK(sipc_queue_connect_uds(queue, "held", NULL, &client, NULL));
    CHECK_OK(sipc_queue_request(queue, client, sipc_text("x"), NULL, on_reply, &cancelled, drop_outcome, &ticket, NULL));
    while (__atomic_load_n(&held, __ATOMIC_SEQ_CST) == NULL)
        sched_yield();
    sipc_queue_cancel(queue, ticket);
    CHECK_STATUS(SIPC_CANCELLED, cancelled.status);
    sipc_queue_cancel(queue, ticket);
    CHECK(cancelled.calls == 1 && cancelled.drops == 1);
    while (!sipc_responder_is_cancelled(held))
        sched_yield();
    sipc_responder_free(held);
    /* The connect is a call of its own. */
    drive(queue);

    held = NULL;
    CHECK_OK(sipc_queue_request(queue, client, sipc_text("x"), NULL, on_reply, &abandoned, drop_outcome, NULL, NULL));
    while (__atomic_load_n(&held, __ATOMIC_SEQ_CST) == NULL)
        sched_yield();
    CHECK(sipc_queue_under_way(queue) == 1);
    sipc_queue_free(queue);
    CHECK_STATUS(SIPC_CANCELLED, abandoned.status);
    CHECK(abandoned.calls == 1 && abandoned.drops == 1);
    sipc_responder_free(held);
    sipc_listener_free(listener);
}

struct chain {
    sipc_queue *queue;
    int left;
    sipc_status inside;
};

static void on_link(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct chain *chain = user_data;
    CHECK_OK(status);
    sipc_message_free(reply);
    sipc_error_free(error);
    chain->inside = sipc_queue_process(chain->queue, NULL, NULL);
    if (--chain->left > 0)
        CHECK_OK(sipc_queue_post_uds_request(chain->queue, "chain", sipc_text("x"), NULL, on_link, chain, NULL, NULL,
                                             NULL));
}

/* Keeps the responder of a request that nobody answers. */
struct unanswered {
    struct count arrived;
    sipc_responder *responders[3];
};

static void on_unanswered(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct unanswered *unanswered = user_data;
    unanswered->responders[atoi(sipc_message_json(message))] = responder;
    count_up(&unanswered->arrived);
}

static void requests_that_a_close_ends_call_back_once_each(void) {
    struct unanswered unanswered = {COUNT_FROM_ZERO, {NULL}};
    struct outcome asked[3], closed = fresh(), later = fresh();
    sipc_listener *listener = NULL;
    sipc_queue *queue = new_queue();
    uint64_t client = 0;
    CHECK_OK(sipc_listen_uds_request("unanswered", on_unanswered, &unanswered, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_queue_connect_uds(queue, "unanswered", NULL, &client, NULL));
    for (int i = 0; i < 3; i++) {
        char json[16];
        snprintf(json, sizeof json, "%d", i);
        asked[i] = fresh();
        CHECK_OK(sipc_queue_request(queue, client, sipc_json(json), NULL, on_reply, &asked[i], drop_outcome, NULL, NULL));
    }
    sipc_queue_submit(queue);
    count_await(&unanswered.arrived, 3);
    /* It ends them, and takes the place of one that is not told yet. */
    CHECK_OK(sipc_queue_close(queue, client, on_reply, &closed, drop_outcome, NULL, NULL));
    CHECK(asked[0].calls == 0 && asked[1].calls == 0 && asked[2].calls == 0);
    drive(queue);
    for (int i = 0; i < 3; i++) {
        CHECK(asked[i].calls == 1 && asked[i].drops == 1);
        CHECK_STATUS(SIPC_CANCELLED, asked[i].status);
        sipc_responder_free(unanswered.responders[i]);
    }
    CHECK(closed.calls == 1 && closed.drops == 1);
    CHECK_OK(closed.status);
    CHECK_STATUS(SIPC_CLOSED,
                 sipc_queue_request(queue, client, sipc_text("x"), NULL, on_reply, &later, drop_outcome, NULL, NULL));
    CHECK(later.calls == 0 && later.drops == 1);
    sipc_queue_free(queue);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void callbacks_may_start_calls_but_not_process(void) {
    sipc_listener *listener = listen_echo("chain");
    enum { CHAINS = 50, LENGTH = 100 };
    sipc_queue *queue = new_queue();
    struct chain chains[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        chains[i] = (struct chain){queue, LENGTH, SIPC_OK};
        CHECK_OK(
            sipc_queue_post_uds_request(queue, "chain", sipc_text("x"), NULL, on_link, &chains[i], NULL, NULL, NULL));
    }
    drive(queue);
    for (int i = 0; i < CHAINS; i++) {
        CHECK(chains[i].left == 0);
        CHECK_STATUS(SIPC_INVALID_ARGUMENT, chains[i].inside);
    }
    sipc_queue_free(queue);
    sipc_listener_free(listener);
}

static void mistakes_are_told_at_once_and_release_the_user_data(void) {
    sipc_queue *queue = new_queue();
    struct outcome outcome = fresh();
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_queue_post_uds_request(queue, "nobody", sipc_text("x"), NULL, on_reply,
                                                                 &outcome, drop_outcome, NULL, &error));
    CHECK(strstr(sipc_error_message(error), "nobody listens"));
    sipc_error_free(error);
    CHECK_STATUS(SIPC_INVALID_NAME, sipc_queue_post_uds_broadcast(queue, "a b", sipc_text("x"), NULL, on_reply,
                                                                  &outcome, drop_outcome, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_queue_post_ip_request(queue, 70000, sipc_text("x"), NULL, on_reply, &outcome,
                                                               drop_outcome, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_JSON, sipc_queue_post_ip_broadcast(queue, 1, sipc_json("{"), NULL, on_reply, &outcome,
                                                                 drop_outcome, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_queue_post_uds_request(NULL, "nobody", sipc_text("x"), NULL, on_reply,
                                                                    &outcome, drop_outcome, NULL, NULL));
    CHECK_STATUS(SIPC_CLOSED, sipc_queue_request(queue, 77, sipc_text("x"), NULL, on_reply, &outcome, drop_outcome,
                                                 NULL, NULL));
    CHECK(outcome.calls == 0 && outcome.drops == 6);
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_queue_new(NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_queue_process(NULL, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_queue_wait(queue, -2, NULL, NULL));
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_queue_connect_path(queue, "/nowhere.sock", NULL, &(uint64_t){0}, NULL));
    size_t completed = 1;
    CHECK_OK(sipc_queue_wait(queue, 1, &completed, NULL));
    CHECK(completed == 0 && sipc_queue_under_way(queue) == 0);
    CHECK(sipc_queue_descriptor(NULL) == -1 && sipc_queue_under_way(NULL) == 0);
    sipc_queue_submit(NULL);
    sipc_queue_cancel(NULL, 1);
    sipc_queue_cancel(queue, 12345);
    sipc_queue_free(NULL);
    sipc_queue_free(queue);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(many_posts_are_answered_in_this_thread),
        TEST(broadcasts_have_arrived_when_their_flush_is_done),
        TEST(a_cancelled_call_calls_back_at_once_and_a_freed_queue_cancels_its_calls),
        TEST(requests_that_a_close_ends_call_back_once_each),
        TEST(callbacks_may_start_calls_but_not_process),
        TEST(mistakes_are_told_at_once_and_release_the_user_data),
    };
    return RUN_TESTS(tests);
}
