/* A log is followed as it is written, until its reader has seen enough. */
#define _POSIX_C_SOURCE 200809L
#include <simple_ipc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void follow(const sipc_message *path, sipc_responder *responder, void *user_data) {
    (void)user_data;
    sipc_stream *lines;
    if (sipc_responder_stream(responder, &lines, NULL) != SIPC_OK)
        return;
    FILE *log = fopen(sipc_message_text(path), "r");
    if (!log) {
        sipc_stream_fail(lines, "cannot open the log", NULL);
        sipc_stream_free(lines);
        return;
    }
    while (!sipc_stream_is_over(lines)) { /* it is once the caller has left */
        char line[256];
        long at = ftell(log);
        if (fgets(line, sizeof line, log) && strchr(line, '\n')) {
            sipc_stream_send(lines, sipc_text_n(line, strcspn(line, "\n")), SIPC_NO_TIMEOUT, NULL);
        } else {
            fseek(log, at, SEEK_SET); /* which forgets the end of the file, too */
            nanosleep(&(struct timespec){0, 10000000}, NULL);
        }
    }
    fclose(log);
    sipc_stream_free(lines);
    puts("the log is no longer followed");
}

static void append(const char *path, const char *text) {
    FILE *log = fopen(path, "a");
    if (log) {
        fputs(text, log);
        fclose(log);
    }
}

int main(void) {
    char path[] = "/tmp/follow_a_log_XXXXXX";
    int made = mkstemp(path);
    if (made < 0)
        return 1;
    close(made);
    append(path, "started\n");
    sipc_listener *listener = NULL;
    sipc_stream *lines = NULL;
    sipc_message *line = NULL;
    sipc_error *error = NULL;
    bool enough = false;
    if (sipc_listen_uds_request("follow_a_log", follow, NULL, NULL, NULL, &listener, &error) == SIPC_OK
        && sipc_post_uds_stream("follow_a_log", sipc_text(path), NULL, &lines, &error) == SIPC_OK)
        while (!enough && sipc_stream_next(lines, SIPC_NO_TIMEOUT, &line, &error) == SIPC_OK && line) {
            puts(sipc_message_text(line));
            if (strcmp(sipc_message_text(line), "started") == 0)
                append(path, "working\nstopped\n");
            enough = strcmp(sipc_message_text(line), "stopped") == 0;
            sipc_message_free(line);
        }
    if (error)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_stream_free(lines); /* the handler is told at once */
    if (listener)
        sipc_listener_close(listener, NULL);
    sipc_listener_free(listener);
    unlink(path);
    int failed = error != NULL;
    sipc_error_free(error);
    return failed;
}
