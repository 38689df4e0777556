/*
 * Asks the ticker, and prints its answers or what it refuses with.
 *     ask WORD…
 */
#include <simple_ipc.h>
#include <stdio.h>

int main(int count, char **arguments) {
    sipc_options *options = sipc_options_new();
    sipc_options_set_wait_ms(options, 60000); /* it may still be starting */
    int failed = 0;
    for (int i = 1; i < count; i++) {
        sipc_message *answer = NULL;
        sipc_error *error = NULL;
        if (sipc_post_uds_request("ticker", sipc_text(arguments[i]), options, &answer, &error) == SIPC_OK) {
            printf("%s: %s\n", arguments[i], sipc_message_json(answer));
        } else if (sipc_error_handler_code(error)) {
            printf("%s: %s\n", arguments[i], sipc_error_handler_code(error));
        } else {
            fprintf(stderr, "%s\n", sipc_error_message(error));
            failed = 1;
        }
        sipc_message_free(answer);
        sipc_error_free(error);
    }
    sipc_options_free(options);
    return failed;
}
