/* Keeps one processor busy, at normal priority, until whoever started it has gone or a limit of time is over:
 *
 *   busy CPU SECONDS
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s CPU SECONDS\n", argv[0]);
        return 2;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)atoi(argv[1]), &set);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || sched_setaffinity(0, sizeof set, &set) != 0) {
        perror("busy: cannot run on that processor");
        return 1;
    }
    alarm((unsigned)atoi(argv[2]));
    for (volatile unsigned long turns = 0;; turns++)
        ;
}
