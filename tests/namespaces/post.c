/* Posts to a port in each way that C has, and prints `way: status` for each, or tries for a while and says how
 * many posts were answered.
 *
 *     post PORT WAIT_MS             every way once
 *     post PORT for SECONDS         blocking posts, one after another
 */
#include <simple_ipc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void note(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    *(sipc_status *)user_data = status;
    sipc_message_free(reply);
    sipc_error_free(error);
}

static void say(const char *way, sipc_status status) {
    printf("%s: %s\n", way, sipc_status_name(status));
}

static void each_way(uint32_t port, const sipc_options *options) {
    sipc_body body = sipc_json("7");
    say("blocking request", sipc_post_ip_request(port, body, options, NULL, NULL));
    say("blocking broadcast", sipc_post_ip_broadcast(port, body, options, NULL));

    sipc_status status = SIPC_OK;
    sipc_operation *operation = NULL;
    if (sipc_post_ip_request_async(port, body, options, note, &status, NULL, &operation, NULL) == SIPC_OK)
        sipc_operation_wait(operation, SIPC_NO_TIMEOUT, NULL);
    sipc_operation_free(operation);
    say("asynchronous request", status);

    sipc_client *client = NULL;
    status = sipc_client_connect_ip(port, options, &client, NULL);
    if (status == SIPC_OK)
        status = sipc_client_request(client, body, NULL, NULL, NULL);
    say("client", status);
    sipc_client_free(client);
}

static void for_a_while(uint32_t port, const sipc_options *options, time_t seconds) {
    long posts = 0, answered = 0;
    for (time_t end = time(NULL) + seconds; time(NULL) < end; posts++)
        answered += sipc_post_ip_request(port, sipc_json("7"), options, NULL, NULL) != SIPC_NOT_LISTENING;
    printf("%ld posts\nnot refused: %ld\n", posts, answered);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    uint32_t port = (uint32_t)strtoul(argv[1], NULL, 10);
    sipc_options *options = sipc_options_new();
    sipc_options_set_timeout_ms(options, 2000);
    if (strcmp(argv[2], "for") == 0) {
        for_a_while(port, options, argc > 3 ? atol(argv[3]) : 1);
    } else {
        sipc_options_set_wait_ms(options, atol(argv[2]));
        each_way(port, options);
    }
    sipc_options_free(options);
    return 0;
}
