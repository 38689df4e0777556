/* Listens on a channel in C and answers every request: listener NAME | listener :PORT.
 * Prints each message on standard output, and one line on standard error when it is ready. It ends
 * when its standard input does. */

#include "simple_ipc.h"

#include <stdio.h>
#include <stdlib.h>

static void on_request(const sipc_message *request, sipc_responder *responder, void *user_data) {
    (void)user_data;
    const char *text = sipc_message_text(request);
    printf("%s\n", text != NULL ? text : "(not a string)");
    fflush(stdout);
    sipc_respond(responder, sipc_text("response-bar"), NULL);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: listener NAME | listener :PORT\n");
        return 2;
    }
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_options *options = sipc_options_new();
    sipc_status status;
    if (argv[1][0] == ':') {
        /* Plain text is off on TCP unless it is asked for. */
        sipc_options_set_plain_text(options, true);
        unsigned port = (unsigned)strtoul(argv[1] + 1, NULL, 10);
        status = sipc_listen_ip_request(port, on_request, NULL, NULL, options, &listener, &error);
    } else {
        status = sipc_listen_uds_request(argv[1], on_request, NULL, NULL, options, &listener, &error);
    }
    sipc_options_free(options);
    if (status != SIPC_OK) {
        fprintf(stderr, "%s\n", sipc_error_message(error));
        sipc_error_free(error);
        return 1;
    }
    fprintf(stderr, "ready on %s\n", sipc_listener_address(listener));
    while (getchar() != EOF) {
    }
    status = sipc_listener_close(listener, NULL);
    sipc_listener_free(listener);
    return status == SIPC_OK ? 0 : 1;
}
