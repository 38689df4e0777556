/*
 * A service that lives in an event loop: it counts the ticks of the loop's timer, and tells how many there were. Timer and handler
 * run in one thread, so that nothing here is locked. It knows no loop: epoll.c, libuv.c and glib.c have one each.
 */
#include <simple_ipc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { TICK_MS = 10, MOST_WAITERS = 64 };

struct ticker {
    sipc_queue *queue;
    sipc_listener *listener;
    long ticks;
    sipc_responder *waiters[MOST_WAITERS]; /* who waits for the next tick */
    int waiting;
    bool stopped; /* the loop is to end */
};

static void tell(sipc_responder *responder, long ticks) {
    char json[32];
    snprintf(json, sizeof json, "%ld", ticks);
    sipc_respond(responder, sipc_json(json), NULL); /* uses the responder up; an error is a caller that has left */
}

/* The loop's timer. */
static void on_tick(struct ticker *ticker) {
    ticker->ticks++;
    for (int i = 0; i < ticker->waiting; i++)
        tell(ticker->waiters[i], ticker->ticks);
    ticker->waiting = 0;
}

/* Runs inside sipc_queue_process. What takes long would hold up the loop: who asks for the next tick is answered by on_tick. */
static void on_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct ticker *ticker = user_data;
    const char *word = sipc_message_text(message); /* NULL where it is no text */
    /* No tick comes any more where the loop is to end. */
    if (word && (strcmp(word, "now") == 0 || (ticker->stopped && strcmp(word, "next") == 0))) {
        tell(responder, ticker->ticks);
    } else if (word && strcmp(word, "next") == 0 && ticker->waiting < MOST_WAITERS) {
        ticker->waiters[ticker->waiting++] = responder;
    } else if (word && strcmp(word, "stop") == 0) {
        ticker->stopped = true;
        tell(responder, ticker->ticks);
    } else {
        sipc_respond_failure(responder, "it is now, next or stop", "unknown_word", NULL, NULL);
    }
}

/* The loop watches sipc_queue_descriptor(ticker->queue) for reading, level-triggered, and calls this when it is readable. */
static void on_readable(struct ticker *ticker) {
    sipc_error *error = NULL;
    if (sipc_queue_process(ticker->queue, NULL, &error) != SIPC_OK) {
        fprintf(stderr, "%s\n", sipc_error_message(error));
        sipc_error_free(error);
        ticker->stopped = true;
    }
}

static bool start(struct ticker *ticker, int count, char **arguments) {
    const char *channel = count > 1 ? arguments[1] : "ticker";
    sipc_error *error = NULL;
    memset(ticker, 0, sizeof *ticker);
    if (sipc_queue_new(&ticker->queue, &error) == SIPC_OK
        && sipc_queue_listen_uds_request(ticker->queue, channel, on_request, ticker, NULL, NULL, &ticker->listener, &error)
               == SIPC_OK) {
        puts("ready");
        fflush(stdout);
        return true;
    }
    fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_error_free(error);
    sipc_queue_free(ticker->queue);
    return false;
}

/* Answers who waits and what has come meanwhile; then nothing of it is left. */
static void end(struct ticker *ticker) {
    on_tick(ticker);
    sipc_listener_close(ticker->listener, NULL);
    sipc_listener_free(ticker->listener);
    sipc_queue_free(ticker->queue);
}
