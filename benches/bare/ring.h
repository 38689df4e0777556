/* Two rings of bytes in memory that two processes share, one each way: what messages cost by memory at the least, with
 * the waiting that the library has. Nothing is checked: each side trusts the other. */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rings;

/* One side of both, and how it waits. */
struct ring_end {
    struct rings *rings;
    int side;          /* 0 or 1: which ring it sends by; it receives by the other */
    uint64_t sent;     /* bytes in all */
    uint64_t received; /* the same */
    uint64_t limit;    /* up to which position there was room at the last look */
    unsigned backoff;  /* how many receives do not poll after the next poll that runs out */
    unsigned blocked;  /* how many still do not */
    unsigned rest;     /* how many waits do not let the peer run, after it was in vain */
};

/* For both processes: before the fork. */
struct rings *rings_make(void);
struct ring_end ring_end_of(struct rings *rings, int side);

void ring_send(struct ring_end *end, const void *bytes, size_t size);

/* Some bytes, or 0 where the other side has closed. */
size_t ring_receive(struct ring_end *end, void *bytes, size_t capacity);

void ring_close(struct ring_end *end);

#endif
