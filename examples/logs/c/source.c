/*
 * A program that says what it does: so many lines, every tenth of them an error.
 * source NAME COUNT
 */
#include <simple_ipc.h>
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    sipc_client *logs = NULL;
    sipc_error *error = NULL;
    char line[256];
    if (count != 3) {
        fprintf(stderr, "usage: source NAME COUNT\n");
        return 2;
    }
    sipc_options *options = sipc_options_new();
    sipc_options_set_wait_ms(options, 60000);
    sipc_status status = sipc_client_connect_uds("logs", options, &logs, &error);
    sipc_options_free(options);
    for (int number = 1; status == SIPC_OK && number <= atoi(arguments[2]); number++) {
        const char *level = number % 10 == 0 ? "error" : "info";
        /* The name goes in as it is: a program with free texts takes a JSON library. */
        snprintf(line, sizeof line, "{\"source\": \"%.64s\", \"level\": \"%s\", \"text\": \"line %d\"}", arguments[1], level, number);
        /* Returns at once, unless the collector is far behind. */
        status = sipc_client_broadcast(logs, sipc_json(line), &error);
    }
    /* All lines are in the collector's file when this returns; else it says how many may not be. */
    if (status == SIPC_OK)
        status = sipc_client_flush(logs, &error);
    if (status != SIPC_OK)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_error_free(error);
    sipc_client_free(logs);
    return status != SIPC_OK;
}
