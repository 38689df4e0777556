/*
 * The front end: starts a worker, has it compute, leaves a job, and starts another worker where one has crashed.
 * front COMMAND-OF-THE-WORKER [ARGUMENT…]
 */
#include <fcntl.h>
#include <simple_ipc.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define SUM "{\"job\": \"sum_of_squares\", \"to\": 1000, \"steps\": 4}"

/* A worker process. It ends with this one, since its standard input does. */
struct worker {
    pid_t process;
    int input;
};

static struct worker start(char **command) {
    struct worker worker;
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) {
        perror("cannot start the worker");
        exit(1);
    }
    /* No other process holds the pipe open. */
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    int failed = posix_spawnp(&worker.process, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    if (failed) {
        fprintf(stderr, "cannot start %s: %s\n", command[0], strerror(failed));
        exit(1);
    }
    worker.input = ends[1];
    return worker;
}

static void end(struct worker worker) {
    close(worker.input);
    waitpid(worker.process, NULL, 0);
}

/* Shows up to `most` items of a job. Freeing the stream before its end tells the worker that nobody waits any more. */
static sipc_status run(const sipc_options *options, const char *job, int most, sipc_error **error) {
    sipc_stream *items = NULL;
    sipc_message *item = NULL;
    long number;
    sipc_status status = sipc_post_uds_stream("worker", sipc_json(job), options, &items, error);
    for (int taken = 0; status == SIPC_OK && taken < most; taken++) {
        status = sipc_stream_next(items, SIPC_NO_TIMEOUT, &item, error);
        if (status != SIPC_OK || !item) /* NULL is the end */
            break;
        const char *json = sipc_message_json(item);
        if (json && sscanf(json, " { \"progress\" : %ld", &number) == 1 && number > 0)
            printf("%ld %%\n", number);
        else if (json && sscanf(json, " { \"result\" : %ld", &number) == 1)
            printf("result %ld\n", number);
        sipc_message_free(item);
    }
    sipc_stream_free(items);
    return status;
}

int main(int count, char **arguments) {
    sipc_error *error = NULL;
    sipc_message *answer = NULL;
    sipc_options *options = sipc_options_new();
    if (count < 2) {
        fprintf(stderr, "usage: front COMMAND-OF-THE-WORKER [ARGUMENT…]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    sipc_options_set_wait_ms(options, 60000); /* the first job may come before the worker listens */

    struct worker worker = start(arguments + 1);
    if (run(options, SUM, 100, &error) != SIPC_OK || run(options, "{\"job\": \"endless\"}", 1, &error) != SIPC_OK
        || sipc_post_uds_request("worker", sipc_json("{\"job\": \"was_left\"}"), NULL, &answer, &error) != SIPC_OK) {
        fprintf(stderr, "%s\n", sipc_error_message(error));
        return 1;
    }
    puts("the job that was left has stopped");
    sipc_message_free(answer);

    if (run(options, "{\"job\": \"unknown\"}", 100, &error) == SIPC_HANDLER_FAILED)
        printf("refused: %s\n", sipc_error_handler_code(error));
    sipc_error_free(error);
    error = NULL;

    if (run(options, "{\"job\": \"crash\"}", 100, &error) == SIPC_CONNECTION_LOST)
        printf("the worker crashed: %s\n", sipc_status_name(sipc_error_status(error)));
    sipc_error_free(error);
    error = NULL;
    end(worker);

    worker = start(arguments + 1);
    bool failed = run(options, SUM, 100, &error) != SIPC_OK;
    if (failed)
        fprintf(stderr, "%s\n", sipc_error_message(error));
    sipc_error_free(error);
    sipc_options_free(options);
    end(worker);
    return failed;
}
