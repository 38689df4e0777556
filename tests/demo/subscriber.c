/* Subscribes from C and prints each event, until the publisher ends: subscriber NAME. */

#include "simple_ipc.h"

#include <stdio.h>

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: subscriber NAME\n");
        return 2;
    }
    sipc_options *options = sipc_options_new();
    sipc_stream *events = NULL;
    sipc_message *event = NULL;
    sipc_error *error = NULL;
    sipc_options_set_wait_ms(options, 60000);
    sipc_options_set_reconnect_ms(options, 0);
    if (sipc_subscribe_uds(argv[1], options, &events, &error) == SIPC_OK) {
        while (sipc_stream_next(events, SIPC_NO_TIMEOUT, &event, &error) == SIPC_OK && event) {
            const char *text = sipc_message_text(event);
            printf("%s\n", text ? text : "(not a string)");
            sipc_message_free(event);
        }
    }
    if (error)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    int failed = error != NULL;
    sipc_error_free(error);
    sipc_stream_free(events);
    sipc_options_free(options);
    return failed;
}
