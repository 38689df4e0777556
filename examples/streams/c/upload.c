/* Bytes go up, and one answer comes back. The sender waits whenever the receiver falls behind. */
#include <simple_ipc.h>
#include <stdio.h>

static void store(const sipc_message *name, sipc_responder *responder, void *user_data) {
    (void)user_data;
    sipc_stream *chunks;
    sipc_message *chunk = NULL;
    sipc_error *error = NULL;
    if (sipc_responder_items(responder, &chunks, NULL) != SIPC_OK) {
        sipc_responder_free(responder);
        return;
    }
    int count = 0;
    size_t bytes = 0;
    while (sipc_stream_next(chunks, SIPC_NO_TIMEOUT, &chunk, &error) == SIPC_OK && chunk) {
        count++;
        bytes += sipc_message_len(chunk);
        sipc_message_free(chunk);
    }
    sipc_stream_free(chunks);
    if (error) { /* the caller has left in the middle */
        sipc_respond_error(responder, sipc_error_message(error), NULL);
        sipc_error_free(error);
        return;
    }
    char answer[128];
    snprintf(answer, sizeof answer, "%s: %d chunks, %zu bytes", sipc_message_text(name), count, bytes);
    sipc_respond(responder, sipc_text(answer), NULL);
}

int main(void) {
    static const char chunk[64 << 10];
    sipc_listener *listener = NULL;
    sipc_stream *upload = NULL;
    sipc_message *answer = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_listen_uds_request("upload", store, NULL, NULL, NULL, &listener, &error);
    if (status == SIPC_OK)
        status = sipc_post_uds_stream("upload", sipc_text("a film"), NULL, &upload, &error);
    for (int i = 0; i < 100 && status == SIPC_OK; i++)
        status = sipc_stream_send(upload, sipc_bytes(chunk, sizeof chunk), SIPC_NO_TIMEOUT, &error);
    if (status == SIPC_OK && sipc_stream_end(upload, &error) == SIPC_OK
        && sipc_stream_next(upload, SIPC_NO_TIMEOUT, &answer, &error) == SIPC_OK && answer)
        puts(sipc_message_text(answer));
    if (error)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_message_free(answer);
    sipc_stream_free(upload);
    sipc_listener_free(listener);
    int failed = error != NULL;
    sipc_error_free(error);
    return failed;
}
