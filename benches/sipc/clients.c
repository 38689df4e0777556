/* Many clients of one listener, each posting 64 B as fast as it can: a thread and a session each, all in one process,
 * the listener in another. Prints the rate of all together and how the slowest did beside the mean.
 *
 *   clients NUMBER SECONDS [SERVER_CPU CLIENTS_CPU]
 */
#define _GNU_SOURCE
#include "channel.h"
#include "crowd.h"
#include "measure.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void *connect_client(long number) {
    (void)number;
    sipc_client *client = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_client_connect_uds(CHANNEL, NULL, &client, &error);
    if (status != SIPC_OK)
        die_of("connect", status, error);
    return client;
}

static void exchange(void *client) {
    static const char body[SMALL_BYTES];
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_client_request(client, sipc_bytes(body, sizeof body), NULL, &reply, &error);
    if (status != SIPC_OK)
        die_of("request", status, error);
    sipc_message_free(reply);
}

static void leave(void *client) {
    sipc_client_free(client);
}

static _Noreturn void serve(int ready, int cpu) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin_to(cpu);
    sipc_options *options = sipc_options_new();
    sipc_options_set_max_connections(options, 100000);
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_listen_uds_request(CHANNEL, answer_with_body, NULL, NULL, options, &listener, &error);
    if (status != SIPC_OK)
        die_of("listen", status, error);
    write_byte(ready);
    for (;;)
        pause();
}

int main(int argc, char **argv) {
    long number = argc == 3 || argc == 5 ? strtol(argv[1], NULL, 10) : 0;
    double seconds = number > 0 ? strtod(argv[2], NULL) : 0;
    int server_cpu = argc == 5 ? atoi(argv[3]) : -1, clients_cpu = argc == 5 ? atoi(argv[4]) : -1;
    if (!crowd_may_be(number, seconds)) {
        fprintf(stderr, "usage: %s NUMBER SECONDS [SERVER_CPU CLIENTS_CPU]\n", argv[0]);
        return 2;
    }
    allow_many_descriptors();
    make_scratch();
    int ready[2];
    if (pipe(ready) != 0)
        die("make a pipe");
    pid_t server = fork();
    if (server < 0)
        die("start the server's process");
    if (server == 0)
        serve(ready[1], server_cpu);
    remove_scratch_at_exit();
    close(ready[1]);
    if (!read_byte(ready[0]))
        return 1;
    pin_to(clients_cpu);
    struct crowd crowd = {number, seconds, server, connect_client, exchange, leave};
    crowd_run(&crowd);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
