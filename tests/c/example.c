#include "simple_ipc.h"
#include <stdio.h>

static void on_request(const sipc_message *request, sipc_responder *responder, void *user_data) {
    (void)request, (void)user_data;
    sipc_respond(responder, sipc_text("response-bar"), NULL);
}

int main(void) {
    sipc_listener *listener = NULL;
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    if (sipc_listen_uds_request("example_channel", on_request, NULL, NULL, NULL, &listener, &error) == SIPC_OK
        && sipc_post_uds_request("example_channel", sipc_text("request-foo"), NULL, &reply, &error) == SIPC_OK)
        printf("%s\n", sipc_message_text(reply));
    if (error)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_message_free(reply);
    sipc_listener_free(listener);
    int failed = error != NULL;
    sipc_error_free(error);
    return failed;
}
