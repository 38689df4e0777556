#define _GNU_SOURCE
#include "crowd.h"
#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* How long the first stretch is, whose fairness is told apart. */
static const double FIRST_SECONDS = 0.1;

struct client {
    const struct crowd *crowd;
    long number;
    /* Written by the client's thread, read by the one that measures; relaxed, since each is a count of its own. */
    _Atomic uint64_t count;
    /* A cache line each, or they would slow each other down. */
    char room[64];
};

/* How long after the last has connected all begin. */
static const uint64_t BEGIN_NS = 200000000;

static atomic_bool is_over;
/* When all begin, on the clock of `now_ns`: written before the barrier, which orders it. */
static uint64_t begins_ns;
static pthread_barrier_t all_connected;

/* Sleeps until then. Each thread has its own timer: were they woken one after another by a thread among them, the first would keep
 * the processors from that, and many would begin late. */
static void wait_until(uint64_t ns) {
    struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) != 0)
        ;
}

static void *run(void *argument) {
    struct client *client = argument;
    void *connected = client->crowd->connect(client->number);
    pthread_barrier_wait(&all_connected);
    pthread_barrier_wait(&all_connected);
    wait_until(begins_ns);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        client->crowd->exchange(connected);
        uint64_t count = atomic_load_explicit(&client->count, memory_order_relaxed);
        atomic_store_explicit(&client->count, count + 1, memory_order_relaxed);
    }
    client->crowd->leave(connected);
    return NULL;
}

static void rest(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static void note(const struct client *clients, long number, uint64_t *counts) {
    for (long i = 0; i < number; i++)
        counts[i] = atomic_load_explicit(&clients[i].count, memory_order_relaxed);
}

struct stretch {
    uint64_t total, least, most;
};

static struct stretch between(const uint64_t *before, const uint64_t *after, long number) {
    struct stretch stretch = {0, UINT64_MAX, 0};
    for (long i = 0; i < number; i++) {
        uint64_t count = after[i] - before[i];
        stretch.total += count;
        stretch.least = count < stretch.least ? count : stretch.least;
        stretch.most = count > stretch.most ? count : stretch.most;
    }
    return stretch;
}

static double slowest_to_mean(struct stretch stretch, long number) {
    double mean = (double)stretch.total / (double)number;
    return mean > 0 ? (double)stretch.least / mean : 0.0;
}

bool crowd_may_be(long number, double seconds) {
    return number >= 1 && number <= 10000 && seconds > 0 && seconds <= 3600;
}

void crowd_run(const struct crowd *crowd) {
    long number = crowd->number;
    double seconds = crowd->seconds;
    alarm(120 + (unsigned)seconds);
    pthread_t *threads = calloc((size_t)number, sizeof *threads);
    struct client *clients = calloc((size_t)number, sizeof *clients);
    uint64_t *none = calloc((size_t)number, sizeof *none), *first = calloc((size_t)number, sizeof *first);
    uint64_t *before = calloc((size_t)number, sizeof *before), *after = calloc((size_t)number, sizeof *after);
    if (!threads || !clients || !none || !first || !before || !after)
        die("allocate room for clients");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 << 10);
    pthread_barrier_init(&all_connected, NULL, (unsigned)number + 1);
    for (long i = 0; i < number; i++) {
        clients[i] = (struct client){.crowd = crowd, .number = i};
        if (pthread_create(&threads[i], &attributes, run, &clients[i]) != 0)
            die("start a client's thread");
    }
    pthread_barrier_wait(&all_connected);
    begins_ns = now_ns() + BEGIN_NS;
    pthread_barrier_wait(&all_connected);
    wait_until(begins_ns);
    rest(FIRST_SECONDS);
    note(clients, number, first);
    rest(seconds / 4);
    uint64_t began = now_ns(), cpu = cpu_of_both_ns(crowd->server);
    note(clients, number, before);
    rest(seconds);
    double took = (double)(now_ns() - began) / 1e9;
    note(clients, number, after);
    cpu = cpu_of_both_ns(crowd->server) - cpu;
    atomic_store(&is_over, true);
    for (long i = 0; i < number; i++)
        pthread_join(threads[i], NULL);
    struct stretch beginning = between(none, first, number), measured = between(before, after, number);
    printf("{\"what\":\"clients\",\"clients\":%ld,\"seconds\":%.3f,\"rate\":%.0f,\"least\":%llu,\"most\":%llu,"
           "\"slowest_to_mean\":%.3f,\"first_slowest_to_mean\":%.3f,"
           "\"first_rate\":%.0f,\"cpu_s_per_million\":%.3f}\n",
           number, took, (double)measured.total / took, (unsigned long long)measured.least,
           (unsigned long long)measured.most, slowest_to_mean(measured, number), slowest_to_mean(beginning, number),
           (double)beginning.total / FIRST_SECONDS,
           measured.total > 0 ? (double)cpu / 1e3 / (double)measured.total : 0.0);
    free(threads), free(clients), free(none), free(first), free(before), free(after);
}
