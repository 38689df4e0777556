/* What is tried while system calls fail: one side of an exchange is the subject, in which they do; the other is well. */
#ifndef FAULTS_SCENARIOS_H
#define FAULTS_SCENARIOS_H

#include <simple_ipc.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Messages of one scenario are numbered from 0 across all of its tries. */
enum { MOST_MESSAGES = 1 << 18 };

/* What is known of a message on its sender's side. */
enum fate {
    NOT_SENT = 0,
    /* The error said that it was certainly not handled. */
    CERTAINLY_NOT,
    /* Nobody can know. */
    UNKNOWN,
    /* Acknowledged. */
    DONE,
};

/* Memory that all processes of a run share. */
struct shared {
    atomic_uint next_message;
    /* The port that the listener has. */
    atomic_uint port;
    _Atomic uint8_t fate[MOST_MESSAGES];
    _Atomic uint8_t handled[MOST_MESSAGES];
};

/* How a try went: SIPC_OK, or the first thing that did not work. */
struct result {
    sipc_status status;
    char text[400];
};

struct scenario {
    const char *name;
    /* The listener is the subject; otherwise the client is, and a listener that is well serves all tries. */
    bool listens;
    bool tcp;
    int wire;
    int mode;
    /* The subject's side. */
    void (*act)(const struct scenario *scenario, struct shared *shared, const char *directory, struct result *result);
    /* It polls before it blocks. */
    bool spins;
    /* Nothing goes wrong before the listener listens, or the client is connected. */
    bool late;
};

extern const struct scenario scenarios[];
extern const size_t scenarios_len;

/* The time that all deadlines of a scenario's subject take one after another. */
extern const unsigned scenario_deadlines_ms;

/* A listener that is well: answers each request with its own body and counts what it gets. */
sipc_listener *serve(const struct scenario *scenario, struct shared *shared, const char *directory, struct result *result);

#endif
