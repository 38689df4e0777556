/* What the bare program and the library's program share, so that both measure and report in the same way:
 * options, pinning, clocks, samples, the line of JSON. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    SMALL_BYTES = 64,
    BULK_BYTES = 1 << 20,
    ACK_BYTES = 8,
    IN_FLIGHT = 64,
};

struct plan {
    const char *what;     /* roundtrip, pipeline, oneway, bulk, oneshot, post, deno; events or latency of publications */
    const char *net;      /* uds or tcp */
    size_t bytes;         /* of a message; 0 stands for SMALL_BYTES, or BULK_BYTES in bulk */
    int64_t spin_us;      /* the library's option of that name; -1 leaves it alone */
    const char *wait;     /* block or spin; the library waits in its own way */
    int server_cpu;       /* -1: not pinned */
    int client_cpu;
    uint64_t warmup_ns;
    uint64_t measure_ns;
    uint64_t max_count;   /* stop after so many messages even if time is left */
};

/* The measured stretch of one run. */
struct run {
    const struct plan *plan;
    pid_t server;
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t cpu_started_ns; /* of both processes */
    uint64_t cpu_ended_ns;
    uint64_t count;          /* messages in the stretch */
    uint32_t *samples;       /* nanoseconds a message; absent where only a rate makes sense */
    size_t sample_count;
    size_t sample_capacity;
};

struct plan plan_from_arguments(int argc, char **argv, const char *const *waits);
bool plan_is(const struct plan *plan, const char *what);
size_t plan_bytes(const struct plan *plan);
void pin_to(int cpu);

/* Ends the process with a line on standard error: what was attempted and errno's text. */
_Noreturn void die(const char *attempted);

/* Ends this process, and with it its peer, if a run hangs. */
void start_watchdog(const struct plan *plan);

uint64_t now_ns(void);

/* The processor time that this process and another one have taken. */
uint64_t cpu_of_both_ns(pid_t server);

/* Raises the limit of open descriptors as far as it goes. */
void allow_many_descriptors(void);

void run_begin(struct run *run, const struct plan *plan, pid_t server, bool with_samples);
void run_sample(struct run *run, uint64_t nanoseconds);
void run_end(struct run *run);
void run_print(struct run *run);

#endif
