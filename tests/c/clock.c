#include "simple_ipc.h"
#include <stdio.h>

int main(void) {
    sipc_listener *clock = NULL;
    sipc_stream *events = NULL;
    sipc_message *event = NULL;
    sipc_error *error = NULL;
    if (sipc_listen_uds_publish("clock", NULL, &clock, &error) == SIPC_OK
        && sipc_subscribe_uds("clock", NULL, &events, &error) == SIPC_OK
        && sipc_publish(clock, "tick", sipc_json("1"), NULL, &error) == SIPC_OK
        && sipc_stream_next(events, SIPC_NO_TIMEOUT, &event, &error) == SIPC_OK)
        printf("%s %s, %lld missed\n", sipc_message_topic(event), sipc_message_json(event),
               (long long)sipc_message_missed(event));
    if (error)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_message_free(event);
    sipc_stream_free(events);
    sipc_listener_free(clock);
    int failed = error != NULL;
    sipc_error_free(error);
    return failed;
}
