/* How a test tells the shim (LD_PRELOAD, shim.c) which system call is to fail, and learns what became of it. */
#ifndef FAULTS_SHIM_H
#define FAULTS_SHIM_H

#include <stdbool.h>

/* What the shim did since it was armed. */
struct faults_report {
    /* Calls that could have been made to fail. */
    unsigned calls;
    /* Calls that were. */
    unsigned failed;
    /* The function that the n-th call was to, or whose calls go wrong; empty if there was no such call. */
    char function[24];
    /* In how many ways a call to that function can go wrong. */
    unsigned ways;
    /* The way that was chosen: an errno, or one of the two below. */
    int outcome;
};

enum {
    /* Does part of what was asked for: one byte. */
    FAULT_SHORT = -1,
    /* Does what was asked for, and fails with EINTR. */
    FAULT_DONE_INTERRUPTED = -2,
};

/* From now on the `nth` call of the process (from 1) goes wrong in the given way (from 0), and so do the next
 * `burst - 1` calls to the same function. A way that the function does not have changes nothing. */
void faults_arm(unsigned nth, unsigned way, unsigned burst);

/* From now on every call to `function` goes wrong in the given way, and if there is a `path`, every one on a path that
 * ends with it, as long as it is armed. A call is never interrupted for ever: that takes a signal each time. */
void faults_arm_staying(const char *function, const char *path, unsigned way);

/* Meanwhile no call goes wrong, in any thread, nor does one count. */
void faults_hold(bool yes);

/* The functions that were called since it was first armed: the i-th, or NULL. */
const char *faults_called(unsigned i);

/* Nothing goes wrong from now on. */
void faults_disarm(struct faults_report *report);

/* The calls of this thread are the test's own: they are not counted and do not fail. */
void faults_exempt(bool exempt);

#endif
