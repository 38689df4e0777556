/* Many clients of one listener, each posting 64 B as fast as it can: a thread and a session each, all in one process,
 * the listener in another. Prints the rate of all together and how the slowest did beside the mean.
 *
 *   clients NUMBER SECONDS [SERVER_CPU CLIENTS_CPU]
 */
#define _GNU_SOURCE
#include "channel.h"
#include "measure.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int stage_now; /* 0: wait, 1: post, 2: post and count, 3: leave */
static pthread_barrier_t all_connected;

static void *post(void *argument) {
    uint64_t *count = argument;
    sipc_client *client = NULL;
    sipc_error *error = NULL;
    char body[SMALL_BYTES] = {0};
    sipc_status status = sipc_client_connect_uds(CHANNEL, NULL, &client, &error);
    if (status != SIPC_OK)
        die_of("connect", status, error);
    pthread_barrier_wait(&all_connected);
    for (int now; (now = atomic_load_explicit(&stage_now, memory_order_relaxed)) != 3;) {
        sipc_message *reply = NULL;
        status = sipc_client_request(client, sipc_bytes(body, sizeof body), NULL, &reply, &error);
        if (status != SIPC_OK)
            die_of("request", status, error);
        sipc_message_free(reply);
        if (now == 2)
            ++*count;
    }
    sipc_client_free(client);
    return NULL;
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

static void rest(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

int main(int argc, char **argv) {
    long number = argc == 3 || argc == 5 ? strtol(argv[1], NULL, 10) : 0;
    double seconds = number > 0 ? strtod(argv[2], NULL) : 0;
    int server_cpu = argc == 5 ? atoi(argv[3]) : -1, clients_cpu = argc == 5 ? atoi(argv[4]) : -1;
    if (number < 1 || number > 10000 || !(seconds > 0 && seconds <= 3600)) {
        fprintf(stderr, "usage: %s NUMBER SECONDS [SERVER_CPU CLIENTS_CPU]\n", argv[0]);
        return 2;
    }
    alarm(120 + (unsigned)seconds);
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

    pthread_t *threads = calloc((size_t)number, sizeof *threads);
    /* A cache line each, or they would slow each other down. */
    struct tally { uint64_t count, room[7]; } *tallies = calloc((size_t)number, sizeof *tallies);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    pthread_barrier_init(&all_connected, NULL, (unsigned)number + 1);
    if (!threads || !tallies)
        die("allocate room for clients");
    for (long i = 0; i < number; i++)
        if (pthread_create(&threads[i], &attributes, post, &tallies[i].count) != 0)
            die("start a client's thread");
    pthread_barrier_wait(&all_connected);
    atomic_store(&stage_now, 1);
    rest(seconds / 4);
    uint64_t before = now_ns();
    atomic_store(&stage_now, 2);
    rest(seconds);
    double took = (double)(now_ns() - before) / 1e9;
    uint64_t total = 0, least = UINT64_MAX, most = 0;
    for (long i = 0; i < number; i++) { /* read while they run: a count more or less changes nothing */
        uint64_t count = *(volatile uint64_t *)&tallies[i].count;
        total += count;
        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    atomic_store(&stage_now, 3);
    for (long i = 0; i < number; i++)
        pthread_join(threads[i], NULL);
    double mean = (double)total / (double)number;
    printf("{\"what\":\"clients\",\"clients\":%ld,\"seconds\":%.3f,\"rate\":%.0f,\"least\":%llu,\"most\":%llu,"
           "\"slowest_to_mean\":%.3f}\n",
           number, took, (double)total / took, (unsigned long long)least, (unsigned long long)most,
           mean > 0 ? (double)least / mean : 0.0);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
