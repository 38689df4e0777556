/* Many clients of one server, each sending 64 B and waiting for them to come back, as fast as it can: a thread and a
 * Unix socket each, all in one process. The server is another process with a loop around `epoll_wait`, which sends back
 * what it receives at once: the least that a listener of so many sessions can do. What `clients` reaches with the library
 * stands beside it.
 *
 *   clients-bare NUMBER SECONDS [LOOPS]
 *
 * LOOPS is how many threads the server has, each with a loop and its share of the sockets (1).
 */
#define _GNU_SOURCE
#include "crowd.h"
#include "measure.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 64 };

/* The clients' ends of the sockets, by their numbers. */
static int *ends;

static void exchange(void *client) {
    int socket = *(int *)client;
    char body[SMALL_BYTES] = {0};
    if (send(socket, body, sizeof body, MSG_NOSIGNAL) != sizeof body)
        die("send");
    if (recv(socket, body, sizeof body, MSG_WAITALL) != sizeof body)
        die("receive");
}

static void *connect_client(long number) {
    return &ends[number];
}

static void leave(void *client) {
    close(*(int *)client);
}

static void *loop(void *argument) {
    int poll = *(int *)argument;
    for (;;) {
        struct epoll_event events[AT_ONCE];
        int ready = epoll_wait(poll, events, AT_ONCE, -1);
        if (ready < 0 && errno != EINTR)
            die("wait");
        for (int i = 0; i < ready; i++) {
            char body[SMALL_BYTES];
            ssize_t got = recv(events[i].data.fd, body, sizeof body, MSG_DONTWAIT);
            if (got == 0)
                close(events[i].data.fd);
            else if (got > 0 && send(events[i].data.fd, body, (size_t)got, MSG_NOSIGNAL | MSG_DONTWAIT) != got)
                die("answer");
        }
    }
    return NULL;
}

static _Noreturn void serve(const int *sockets, long number, long loops) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int *polls = calloc((size_t)loops, sizeof *polls);
    if (!polls)
        die("allocate room for loops");
    for (long i = 0; i < loops; i++)
        if ((polls[i] = epoll_create1(0)) < 0)
            die("make an epoll instance");
    for (long i = 0; i < number; i++) {
        struct epoll_event watched = {.events = EPOLLIN, .data.fd = sockets[i]};
        if (epoll_ctl(polls[i % loops], EPOLL_CTL_ADD, sockets[i], &watched) != 0)
            die("watch a socket");
    }
    for (long i = 1; i < loops; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, loop, &polls[i]) != 0)
            die("start a loop");
    }
    loop(&polls[0]);
    exit(1);
}

int main(int argc, char **argv) {
    long number = argc == 3 || argc == 4 ? strtol(argv[1], NULL, 10) : 0;
    double seconds = number > 0 ? strtod(argv[2], NULL) : 0;
    long loops = argc == 4 ? strtol(argv[3], NULL, 10) : 1;
    if (!crowd_may_be(number, seconds) || loops < 1 || loops > 64) {
        fprintf(stderr, "usage: %s NUMBER SECONDS [LOOPS]\n", argv[0]);
        return 2;
    }
    allow_many_descriptors();
    ends = calloc((size_t)number, sizeof *ends);
    int *theirs = calloc((size_t)number, sizeof *theirs);
    if (!ends || !theirs)
        die("allocate room for sockets");
    for (long i = 0; i < number; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            die("make a pair of sockets");
        ends[i] = pair[0];
        theirs[i] = pair[1];
    }
    pid_t server = fork();
    if (server < 0)
        die("start the server's process");
    if (server == 0) {
        for (long i = 0; i < number; i++)
            close(ends[i]);
        serve(theirs, number, loops);
    }
    for (long i = 0; i < number; i++)
        close(theirs[i]);
    struct crowd crowd = {number, seconds, server, connect_client, exchange, leave};
    crowd_run(&crowd);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
