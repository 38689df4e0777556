/* A worker reports how far it is while it works. A caller that leaves would stop it at its next `sipc_stream_send`. */
#include <simple_ipc.h>
#include <stdio.h>
#include <stdlib.h>

static void work(const sipc_message *files, sipc_responder *responder, void *user_data) {
    (void)user_data;
    int of = atoi(sipc_message_json(files));
    sipc_stream *reports;
    if (sipc_responder_stream(responder, &reports, NULL) != SIPC_OK) /* uses the responder up */
        return;
    for (int done = 1; done <= of; done++) { /* after each piece of the work */
        char report[32];
        snprintf(report, sizeof report, "%d of %d", done, of);
        if (sipc_stream_send(reports, sipc_text(report), SIPC_NO_TIMEOUT, NULL) != SIPC_OK)
            break; /* nobody waits for more */
    }
    sipc_stream_end(reports, NULL);
    sipc_stream_free(reports);
}

int main(void) {
    sipc_listener *worker = NULL;
    sipc_stream *reports = NULL;
    sipc_message *report = NULL;
    sipc_error *error = NULL;
    if (sipc_listen_uds_request("progress", work, NULL, NULL, NULL, &worker, &error) == SIPC_OK
        && sipc_post_uds_stream("progress", sipc_json("3"), NULL, &reports, &error) == SIPC_OK)
        while (sipc_stream_next(reports, SIPC_NO_TIMEOUT, &report, &error) == SIPC_OK && report) {
            puts(sipc_message_text(report));
            sipc_message_free(report);
        }
    if (error)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_stream_free(reports);
    sipc_listener_free(worker);
    int failed = error != NULL;
    sipc_error_free(error);
    return failed;
}
