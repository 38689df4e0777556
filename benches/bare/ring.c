#define _GNU_SOURCE
#include "ring.h"

#include "measure.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CAPACITY = 256 << 10, /* as the library's */
    AT_ONCE = 64 << 10,   /* the copy in and the copy out of a large body overlap */
    TRIES_A_LOOK = 16,    /* between two looks at the clock */
    POLL_NS = 100 * 1000,
    MOST_BLOCKED = 4095,
    ROOM_NS = 20 * 1000, /* how long a sender without room tries before it sleeps */
    LONG_NS = 100 * 1000, /* one who gets the processor back later has let somebody else run than the peer */
    REST = 64,
};

/* The words of one direction, each in cache lines of its own. */
struct words {
    _Alignas(128) _Atomic uint64_t tail;    /* bytes sent in all */
    _Alignas(128) _Atomic uint64_t head;    /* bytes received in all */
    _Alignas(128) _Atomic uint32_t asleep;  /* the receiver sleeps on it, as a futex */
    _Alignas(128) _Atomic uint32_t wanted;  /* the same for a sender without room */
    _Alignas(128) _Atomic uint32_t place;   /* the processor that the receiver last waited on, plus one */
    _Alignas(128) _Atomic uint32_t closed;  /* the sender has */
};

struct rings {
    struct words words[2];
    _Alignas(4096) char bytes[2][CAPACITY];
};

struct rings *rings_make(void) {
    void *memory = mmap(NULL, sizeof(struct rings), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        die("share memory");
    return memory;
}

struct ring_end ring_end_of(struct rings *rings, int side) {
    return (struct ring_end){.rings = rings, .side = side, .limit = CAPACITY};
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
    if (syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0) != 0 && errno != EAGAIN && errno != EINTR)
        die("sleep");
}

static void wake(_Atomic uint32_t *word) {
    if (atomic_load_explicit(word, memory_order_relaxed) && atomic_exchange(word, 0))
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool wait_for_room(struct ring_end *end, struct words *words) {
    uint64_t give_up = now_ns() + ROOM_NS;
    for (;;) {
        end->limit = atomic_load_explicit(&words->head, memory_order_acquire) + CAPACITY;
        if (end->limit != end->sent)
            return true;
        if (now_ns() < give_up) {
            relax();
            continue;
        }
        atomic_store_explicit(&words->wanted, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load_explicit(&words->head, memory_order_acquire) + CAPACITY == end->sent)
            futex_wait(&words->wanted, 1);
    }
}

void ring_send(struct ring_end *end, const void *bytes, size_t size) {
    struct words *words = &end->rings->words[end->side];
    char *ring = end->rings->bytes[end->side];
    for (size_t done = 0; done < size;) {
        if (end->limit == end->sent || (end->limit - end->sent < size - done && end->limit - end->sent < AT_ONCE))
            wait_for_room(end, words);
        size_t count = size - done, at = end->sent % CAPACITY;
        if (count > AT_ONCE)
            count = AT_ONCE;
        if (count > end->limit - end->sent)
            count = end->limit - end->sent;
        size_t first = count < CAPACITY - at ? count : CAPACITY - at;
        memcpy(ring + at, (const char *)bytes + done, first);
        memcpy(ring, (const char *)bytes + done + first, count - first);
        done += count;
        end->sent += count;
        atomic_store_explicit(&words->tail, end->sent, memory_order_release);
        atomic_thread_fence(memory_order_seq_cst);
        wake(&words->asleep);
    }
}

static bool has_more(struct ring_end *end, struct words *words) {
    return atomic_load_explicit(&words->tail, memory_order_acquire) != end->received ||
           atomic_load_explicit(&words->closed, memory_order_acquire);
}

/* Polls for a bounded while, and the less the last polls found, the more rarely. */
static bool poll_ring(struct ring_end *end, struct words *words) {
    if (end->blocked > 0) {
        end->blocked--;
        return false;
    }
    uint64_t give_up = now_ns() + POLL_NS;
    do {
        for (int tries = 0; tries < TRIES_A_LOOK; tries++) {
            if (has_more(end, words)) {
                end->backoff = 0;
                return true;
            }
        }
    } while (now_ns() < give_up);
    end->backoff = end->backoff * 2 + 1;
    if (end->backoff > MOST_BLOCKED)
        end->backoff = MOST_BLOCKED;
    end->blocked = end->backoff;
    return false;
}

/* Lets the peer run, once, where it waits on the same processor. */
static bool let_peer_run(struct ring_end *end, struct words *words) {
    uint32_t here = (uint32_t)sched_getcpu() + 1;
    atomic_store_explicit(&words->place, here, memory_order_relaxed);
    if (atomic_load_explicit(&end->rings->words[end->side].place, memory_order_relaxed) != here)
        return false;
    if (end->rest > 0) {
        end->rest--;
        return false;
    }
    uint64_t began = now_ns();
    sched_yield();
    if (now_ns() - began >= LONG_NS)
        end->rest = REST;
    return has_more(end, words);
}

size_t ring_receive(struct ring_end *end, void *bytes, size_t capacity) {
    struct words *words = &end->rings->words[1 - end->side];
    const char *ring = end->rings->bytes[1 - end->side];
    for (;;) {
        uint64_t there = atomic_load_explicit(&words->tail, memory_order_acquire) - end->received;
        if (there > 0) {
            size_t count = there < capacity ? there : capacity, at = end->received % CAPACITY;
            size_t first = count < CAPACITY - at ? count : CAPACITY - at;
            memcpy(bytes, ring + at, first);
            memcpy((char *)bytes + first, ring, count - first);
            end->received += count;
            atomic_store_explicit(&words->head, end->received, memory_order_release);
            atomic_thread_fence(memory_order_seq_cst);
            wake(&words->wanted);
            return count;
        }
        if (atomic_load_explicit(&words->closed, memory_order_acquire))
            return 0;
        if (poll_ring(end, words) || let_peer_run(end, words))
            continue;
        atomic_store_explicit(&words->asleep, 1, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst);
        if (!has_more(end, words))
            futex_wait(&words->asleep, 1);
        atomic_store_explicit(&words->asleep, 0, memory_order_relaxed);
    }
}

void ring_close(struct ring_end *end) {
    struct words *words = &end->rings->words[end->side];
    atomic_store(&words->closed, 1);
    wake(&words->asleep);
}
