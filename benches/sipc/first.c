/* The first post of a fresh process: from fork to the process's end, beside a program that does nothing. Both are
 * started in turn by this one, which holds the listener's process too.
 *
 *   first EMPTY COUNT     starts the program EMPTY and itself COUNT times each
 *   first                 posts once (SIMPLE_IPC_DIR says where)
 */
#define _GNU_SOURCE
#include "channel.h"
#include "measure.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int post_once(void) {
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_post_uds_request(CHANNEL, sipc_text("first"), NULL, &reply, &error);
    if (status != SIPC_OK)
        die_of("post", status, error);
    sipc_message_free(reply);
    return 0;
}

static _Noreturn void serve(int ready) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_listen_uds_request(CHANNEL, answer_with_body, NULL, NULL, NULL, &listener, &error);
    if (status != SIPC_OK)
        die_of("listen", status, error);
    write_byte(ready);
    for (;;)
        pause();
}

static double start_us(const char *program) {
    char *const arguments[] = {(char *)program, NULL};
    int status = 0;
    uint64_t before = now_ns();
    /* fork and exec: posix_spawn would share memory with this process until the exec and look cheaper than it is. */
    pid_t child = fork();
    if (child == 0) {
        execve(program, arguments, environ);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        die("start a program and see it succeed");
    return (double)(now_ns() - before) / 1e3;
}

static int by_size(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    if (argc == 1)
        return post_once();
    long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    if (count < 1 || count > 100000) {
        fprintf(stderr, "usage: %s EMPTY COUNT\n", argv[0]);
        return 2;
    }
    alarm(60 + (unsigned)count / 10);
    make_scratch();
    int ready[2];
    if (pipe(ready) != 0)
        die("make a pipe");
    pid_t server = fork();
    if (server < 0)
        die("start the server's process");
    if (server == 0)
        serve(ready[1]);
    remove_scratch_at_exit();
    close(ready[1]);
    if (!read_byte(ready[0]))
        return 1;
    double *empty = calloc((size_t)count, sizeof *empty), *posts = calloc((size_t)count, sizeof *posts);
    if (!empty || !posts)
        die("allocate room for samples");
    for (long i = 0; i < count; i++) {
        empty[i] = start_us(argv[1]);
        posts[i] = start_us("/proc/self/exe");
    }
    qsort(empty, (size_t)count, sizeof *empty, by_size);
    qsort(posts, (size_t)count, sizeof *posts, by_size);
    printf("{\"what\":\"first\",\"count\":%ld,\"empty_us\":%.1f,\"post_us\":%.1f,\"over_us\":%.1f}\n", count,
           empty[count / 2], posts[count / 2], posts[count / 2] - empty[count / 2]);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
