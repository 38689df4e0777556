/* Posts one request from C and prints its answer: poster NAME TEXT | poster :PORT TEXT. The call's
 * time in microseconds goes to standard error. */

#define _POSIX_C_SOURCE 200809L

#include "simple_ipc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: poster NAME TEXT | poster :PORT TEXT\n");
        return 2;
    }
    struct timespec began, ended;
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    sipc_status status;
    clock_gettime(CLOCK_MONOTONIC, &began);
    if (argv[1][0] == ':')
        status = sipc_post_ip_request((unsigned)strtoul(argv[1] + 1, NULL, 10), sipc_text(argv[2]), NULL, &reply, &error);
    else
        status = sipc_post_uds_request(argv[1], sipc_text(argv[2]), NULL, &reply, &error);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    if (status != SIPC_OK) {
        fprintf(stderr, "%s\n", sipc_error_message(error));
        sipc_error_free(error);
        return 1;
    }
    fprintf(stderr, "%ld\n", (long)(ended.tv_sec - began.tv_sec) * 1000000 + (ended.tv_nsec - began.tv_nsec) / 1000);
    const char *text = sipc_message_text(reply);
    printf("%s\n", text != NULL ? text : "(not a string)");
    sipc_message_free(reply);
    return 0;
}
