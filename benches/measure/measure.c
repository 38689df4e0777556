#define _GNU_SOURCE
#include "measure.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLE_LIMIT = 4 << 20 };

_Noreturn void die(const char *attempted) {
    fprintf(stderr, "bench: cannot %s: %s\n", attempted, strerror(errno));
    exit(1);
}

static _Noreturn void usage(const char *program, const char *const *waits) {
    fprintf(stderr, "usage: %s roundtrip|pipeline|oneway|bulk|oneshot|post|deno|events|latency [--wait ", program);
    for (size_t i = 0; waits[i]; i++)
        fprintf(stderr, "%s%s", i ? "|" : "", waits[i]);
    fprintf(stderr, "] [--net uds|tcp] [--bytes N] [--spin-us N] [--cpus SERVER,CLIENT] [--warmup SECONDS] [--seconds SECONDS] [--count N]\n");
    exit(2);
}

static uint64_t seconds_to_ns(const char *text, const char *program, const char *const *waits) {
    char *end = NULL;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0.0 && seconds <= 3600.0))
        usage(program, waits);
    return (uint64_t)(seconds * 1e9);
}

static uint64_t number(const char *text, const char *program, const char *const *waits) {
    char *end = NULL;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end || *text == '-')
        usage(program, waits);
    return value;
}

struct plan plan_from_arguments(int argc, char **argv, const char *const *waits) {
    static const char *const whats[] = {"roundtrip", "pipeline", "oneway", "bulk", "oneshot", "post", "deno", "events", "latency", NULL};
    struct plan plan = {
        .net = "uds",
        .spin_us = -1,
        .wait = waits[0],
        .server_cpu = -1,
        .client_cpu = -1,
        .warmup_ns = 300 * 1000000ull,
        .measure_ns = 1000 * 1000000ull,
        .max_count = UINT64_MAX,
    };
    for (size_t i = 0; argc > 1 && whats[i]; i++)
        if (strcmp(argv[1], whats[i]) == 0)
            plan.what = whats[i];
    if (!plan.what)
        usage(argv[0], waits);
    for (int i = 2; i < argc; i += 2) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value)
            usage(argv[0], waits);
        if (strcmp(name, "--wait") == 0) {
            plan.wait = NULL;
            for (size_t w = 0; waits[w]; w++)
                if (strcmp(value, waits[w]) == 0)
                    plan.wait = waits[w];
            if (!plan.wait)
                usage(argv[0], waits);
        } else if (strcmp(name, "--cpus") == 0) {
            char rest;
            if (sscanf(value, "%d,%d%c", &plan.server_cpu, &plan.client_cpu, &rest) != 2 || plan.server_cpu < 0 ||
                plan.client_cpu < 0)
                usage(argv[0], waits);
        } else if (strcmp(name, "--warmup") == 0) {
            plan.warmup_ns = seconds_to_ns(value, argv[0], waits);
        } else if (strcmp(name, "--seconds") == 0) {
            plan.measure_ns = seconds_to_ns(value, argv[0], waits);
        } else if (strcmp(name, "--net") == 0 && (strcmp(value, "uds") == 0 || strcmp(value, "tcp") == 0)) {
            plan.net = value;
        } else if (strcmp(name, "--bytes") == 0) {
            plan.bytes = number(value, argv[0], waits);
        } else if (strcmp(name, "--spin-us") == 0) {
            plan.spin_us = (int64_t)number(value, argv[0], waits);
        } else if (strcmp(name, "--count") == 0) {
            plan.max_count = number(value, argv[0], waits);
            if (plan.max_count == 0)
                usage(argv[0], waits);
        } else {
            usage(argv[0], waits);
        }
    }
    return plan;
}

bool plan_is(const struct plan *plan, const char *what) {
    return strcmp(plan->what, what) == 0;
}

size_t plan_bytes(const struct plan *plan) {
    if (plan->bytes > 0)
        return plan->bytes;
    return plan_is(plan, "bulk") ? BULK_BYTES : SMALL_BYTES;
}

void pin_to(int cpu) {
    if (cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        die("run on the processor that --cpus names");
}

void start_watchdog(const struct plan *plan) {
    alarm(60 + (unsigned)((plan->warmup_ns + plan->measure_ns) / 1000000000ull));
}

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) != 0)
        die("read a clock");
    return (uint64_t)time.tv_sec * 1000000000ull + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

void allow_many_descriptors(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        die("ask for the limit of descriptors");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* The processor time of both sides. The client reads the server's from outside, so that asking does not cost the server
 * anything and needs no message between them. getrusage tells of children only after their end. */
uint64_t cpu_of_both_ns(pid_t server) {
    clockid_t clock;
    int status = clock_getcpuclockid(server, &clock);
    if (status != 0) {
        errno = status;
        die("read the server's processor time");
    }
    return clock_ns(clock) + clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void run_begin(struct run *run, const struct plan *plan, pid_t server, bool with_samples) {
    memset(run, 0, sizeof *run);
    run->plan = plan;
    run->server = server;
    if (with_samples) {
        run->sample_capacity = SAMPLE_LIMIT;
        run->samples = malloc(SAMPLE_LIMIT * sizeof *run->samples);
        if (!run->samples)
            die("allocate room for samples");
        /* Page faults belong before the measured stretch. */
        memset(run->samples, 0xff, SAMPLE_LIMIT * sizeof *run->samples);
    }
    run->cpu_started_ns = cpu_of_both_ns(server);
    run->started_ns = now_ns();
}

void run_sample(struct run *run, uint64_t nanoseconds) {
    if (run->sample_count < run->sample_capacity)
        run->samples[run->sample_count++] = nanoseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)nanoseconds;
}

void run_end(struct run *run) {
    run->ended_ns = now_ns();
    run->cpu_ended_ns = cpu_of_both_ns(run->server);
}

static int by_size(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static const char *placement(const struct plan *plan) {
    if (plan->server_cpu < 0)
        return "default";
    return plan->server_cpu == plan->client_cpu ? "same" : "cross";
}

void run_print(struct run *run) {
    double seconds = (double)(run->ended_ns - run->started_ns) / 1e9;
    double cpu_seconds = (double)(run->cpu_ended_ns - run->cpu_started_ns) / 1e9;
    double count = (double)run->count;
    printf("{\"what\":\"%s\",\"wait\":\"%s\",\"net\":\"%s\",\"bytes\":%zu,\"placement\":\"%s\",\"count\":%llu,\"seconds\":%.3f,",
           run->plan->what, run->plan->wait, run->plan->net, plan_bytes(run->plan), placement(run->plan),
           (unsigned long long)run->count, seconds);
    if (run->sample_count > 0) {
        double sum = 0;
        for (size_t i = 0; i < run->sample_count; i++)
            sum += run->samples[i];
        qsort(run->samples, run->sample_count, sizeof *run->samples, by_size);
        static const double shares[] = {0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999};
        printf("\"percentiles\":{");
        for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
            printf("%s\"%g\":%.3f", i ? "," : "", shares[i] * 100,
                   run->samples[(size_t)((double)run->sample_count * shares[i])] / 1e3);
        printf("},\"p50_us\":%.3f,\"p99_us\":%.3f,\"mean_us\":%.3f,", run->samples[run->sample_count / 2] / 1e3,
               run->samples[run->sample_count * 99 / 100] / 1e3, sum / (double)run->sample_count / 1e3);
    } else {
        printf("\"p50_us\":null,\"p99_us\":null,\"mean_us\":null,");
    }
    printf("\"rate\":%.0f,\"cpu_s_per_million\":%.3f}\n", count / seconds, cpu_seconds / count * 1e6);
    free(run->samples);
    run->samples = NULL;
}
