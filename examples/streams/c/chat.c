/* Both sides talk, on one stream. */
#include <simple_ipc.h>
#include <stdio.h>

static void say(const sipc_stream *stream, const char *before, const sipc_message *text) {
    char line[256];
    snprintf(line, sizeof line, "%s%s", before, text ? sipc_message_text(text) : "");
    sipc_stream_send(stream, sipc_text(line), SIPC_NO_TIMEOUT, NULL);
}

static void talk(const sipc_message *name, sipc_responder *responder, void *user_data) {
    (void)user_data;
    sipc_stream *chat;
    sipc_message *line = NULL;
    if (sipc_responder_stream(responder, &chat, NULL) != SIPC_OK)
        return;
    say(chat, "hello, ", name);
    while (sipc_stream_next(chat, SIPC_NO_TIMEOUT, &line, NULL) == SIPC_OK && line) {
        say(chat, "you said: ", line);
        sipc_message_free(line);
    }
    say(chat, "goodbye", NULL);
    sipc_stream_end(chat, NULL);
    sipc_stream_free(chat);
}

int main(void) {
    static const char *const lines[] = {"how are you?", "see you"};
    int said = 0;
    sipc_listener *listener = NULL;
    sipc_stream *chat = NULL;
    sipc_message *answer = NULL;
    sipc_error *error = NULL;
    if (sipc_listen_uds_request("chat", talk, NULL, NULL, NULL, &listener, &error) == SIPC_OK
        && sipc_post_uds_stream("chat", sipc_text("Ada"), NULL, &chat, &error) == SIPC_OK)
        while (sipc_stream_next(chat, SIPC_NO_TIMEOUT, &answer, &error) == SIPC_OK && answer) {
            puts(sipc_message_text(answer));
            sipc_message_free(answer);
            if (said < 2)
                sipc_stream_send(chat, sipc_text(lines[said++]), SIPC_NO_TIMEOUT, NULL);
            else
                sipc_stream_end(chat, NULL); /* once more does nothing */
        }
    if (error)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_stream_free(chat);
    sipc_listener_free(listener);
    int failed = error != NULL;
    sipc_error_free(error);
    return failed;
}
