#define _GNU_SOURCE
#include "fanout.h"
#include "measure.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SUBSCRIBERS = 64, BETWEEN_LOOKS = 64 };

/* A cache line each, so that counting costs the others nothing. */
static struct delivered {
    _Atomic uint64_t count;
    char padding[56];
} *delivered;

_Noreturn void fail(const char *attempted, const char *why) {
    fprintf(stderr, "bench: cannot %s: %s\n", attempted, why);
    exit(1);
}

static pid_t start(void) {
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        die("start a process");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            exit(1);
    }
    return child;
}

static uint64_t delivered_to_all(unsigned subscribers) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < subscribers; i++)
        sum += atomic_load_explicit(&delivered[i].count, memory_order_relaxed);
    return sum;
}

/* As quickly as it goes, for the time of the plan. */
static void measure_rate(const struct plan *plan, unsigned subscribers, const char *name, size_t bytes) {
    pid_t children[MOST_SUBSCRIBERS];
    for (unsigned i = 0; i < subscribers; i++) {
        children[i] = start();
        if (children[i] == 0) {
            pin_to(plan->client_cpu);
            subscriber_open(name, bytes);
            for (;;) {
                uint64_t count = atomic_load_explicit(&delivered[i].count, memory_order_relaxed) + subscriber_next();
                atomic_store_explicit(&delivered[i].count, count, memory_order_relaxed);
            }
        }
    }
    pin_to(plan->server_cpu);
    publisher_open(name);
    publisher_wait_for(subscribers);
    char *body = calloc(1, bytes);
    uint64_t published = 0, began = now_ns(), measured_from = began + plan->warmup_ns;
    uint64_t before = 0, published_before = 0, started = 0, now = began;
    while (started == 0 || now < started + plan->measure_ns) {
        for (int i = 0; i < BETWEEN_LOOKS; i++)
            publisher_send(body, bytes);
        published += BETWEEN_LOOKS;
        now = now_ns();
        if (started == 0 && now >= measured_from) {
            started = now;
            before = delivered_to_all(subscribers);
            published_before = published;
        }
    }
    uint64_t count = delivered_to_all(subscribers) - before;
    double seconds = (double)(now - started) / 1e9;
    printf("{\"what\":\"events\",\"subscribers\":%u,\"bytes\":%zu,\"rate\":%.0f,\"published\":%.0f}\n", subscribers, bytes,
           (double)count / seconds, (double)(published - published_before) / seconds);
    fflush(stdout);
    for (unsigned i = 0; i < subscribers; i++)
        kill(children[i], SIGKILL);
    while (wait(NULL) > 0) {}
    free(body);
}

static int by_value(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* An event there, and one back on another channel: half of it is the time of one event. */
static void measure_latency(const struct plan *plan, const char *name, size_t bytes) {
    char back[80];
    snprintf(back, sizeof back, "%s_back", name);
    pid_t child = start();
    char *body = calloc(1, bytes);
    if (child == 0) {
        pin_to(plan->client_cpu);
        publisher_open(back);
        subscriber_open(name, bytes);
        publisher_wait_for(1);
        for (;;) {
            subscriber_next();
            publisher_send_alone(body, bytes);
        }
    }
    pin_to(plan->server_cpu);
    publisher_open(name);
    subscriber_open(back, bytes);
    publisher_wait_for(1);
    enum { MOST_SAMPLES = 1 << 20 };
    uint32_t *samples = malloc(MOST_SAMPLES * sizeof *samples);
    size_t count = 0;
    uint64_t before = now_ns(), measured_from = before + plan->warmup_ns, until = measured_from + plan->measure_ns;
    while (before < until && count < MOST_SAMPLES) {
        publisher_send_alone(body, bytes);
        subscriber_next();
        uint64_t after = now_ns();
        if (before >= measured_from)
            samples[count++] = (uint32_t)(after - before);
        before = after;
    }
    if (count == 0)
        fail("measure latency", "no event came back in time");
    qsort(samples, count, sizeof *samples, by_value);
    printf("{\"what\":\"latency\",\"bytes\":%zu,\"count\":%zu,\"p50_us\":%.3f,\"p99_us\":%.3f}\n", bytes, count,
           samples[count / 2] / 2e3, samples[count * 99 / 100] / 2e3);
    fflush(stdout);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
    static const char *const waits[] = {"-", NULL};
    const char *subscribers_text = argc > 3 && strcmp(argv[2], "--subscribers") == 0 ? argv[3] : "1";
    long subscribers = strtol(subscribers_text, NULL, 10);
    if (subscribers < 1 || subscribers > MOST_SUBSCRIBERS)
        fail("measure", "--subscribers N comes first, from 1 to 64");
    if (argc > 3 && strcmp(argv[2], "--subscribers") == 0) {
        argv[3] = argv[1];
        argv += 2;
        argc -= 2;
    }
    struct plan plan = plan_from_arguments(argc, argv, waits);
    start_watchdog(&plan);
    signal(SIGPIPE, SIG_IGN);
    char name[48];
    snprintf(name, sizeof name, "bench_fanout_%d", getpid());
    delivered = mmap(NULL, MOST_SUBSCRIBERS * sizeof *delivered, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (delivered == MAP_FAILED)
        die("map memory that processes share");
    if (plan_is(&plan, "events"))
        measure_rate(&plan, (unsigned)subscribers, name, plan_bytes(&plan));
    else if (plan_is(&plan, "latency"))
        measure_latency(&plan, name, plan_bytes(&plan));
    else
        fail("measure", "it is events or latency");
    return 0;
}
