/*
 * The worker: computes what it is asked to, says how far it is, stops when nobody waits any more.
 * Ends with the process that started it, since its standard input ends then.
 */
#include <pthread.h>
#include <signal.h>
#include <simple_ipc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool left; /* under `lock`: a job was left by its caller */

/* The number of a member that jobs have. A program with more of them takes a JSON library. */
static long member(const char *json, const char *name) {
    char key[32];
    long number = 0;
    snprintf(key, sizeof key, "\"%s\"", name);
    const char *at = strstr(json, key);
    if (at)
        sscanf(at + strlen(key), " : %ld", &number);
    return number;
}

static bool is_job(const char *json, const char *name) {
    char value[32];
    snprintf(value, sizeof value, "\"%s\"", name);
    return strstr(json, value) != NULL;
}

static bool send_number(sipc_stream *out, const char *name, long number) {
    char item[64];
    snprintf(item, sizeof item, "{\"%s\": %ld}", name, number);
    return sipc_stream_send(out, sipc_json(item), SIPC_NO_TIMEOUT, NULL) == SIPC_OK;
}

static void sum_of_squares(sipc_stream *out, long to, long steps) {
    long total = 0;
    for (long step = 1; step <= steps; step++) {
        for (long n = to * (step - 1) / steps + 1; n <= to * step / steps; n++)
            total += n * n;
        if (!send_number(out, "progress", 100 * step / steps))
            return; /* nobody waits for the result */
    }
    send_number(out, "result", total);
    sipc_stream_end(out, NULL);
}

static void endless(sipc_stream *out) {
    while (send_number(out, "progress", 0))
        ;
    /* The caller has left its loop, or is gone: what the job holds is given back here. */
    pthread_mutex_lock(&lock);
    left = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void handle(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)user_data;
    const char *job = sipc_message_json(message);
    sipc_stream *out = NULL;
    if (job && (is_job(job, "sum_of_squares") || is_job(job, "endless"))) {
        if (sipc_responder_stream(responder, &out, NULL) != SIPC_OK) /* uses the responder up */
            return;
        if (is_job(job, "endless"))
            endless(out);
        else
            sum_of_squares(out, member(job, "to"), member(job, "steps"));
        sipc_stream_free(out);
    } else if (job && is_job(job, "was_left")) {
        pthread_mutex_lock(&lock);
        while (!left)
            pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        sipc_respond(responder, sipc_json("true"), NULL);
    } else if (job && is_job(job, "crash")) {
        raise(SIGKILL);
    } else {
        sipc_respond_failure(responder, "no such job", "no_such_job", NULL, NULL);
    }
}

int main(int count, char **arguments) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    char ignored[64];
    if (sipc_listen_uds_request(count > 1 ? arguments[1] : "worker", handle, NULL, NULL, NULL, &listener, &error) != SIPC_OK) {
        fprintf(stderr, "%s\n", sipc_error_message(error));
        sipc_error_free(error);
        return 1;
    }
    while (read(STDIN_FILENO, ignored, sizeof ignored) > 0)
        ;
    sipc_listener_free(listener); /* closes: what was taken is answered first */
    return 0;
}
