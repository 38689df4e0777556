/* A crowd of clients, each a thread that makes one exchange after another: how many they make together, and how the
 * slowest does beside the mean, from the first moment on. */
#ifndef CROWD_H
#define CROWD_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether so many clients may be measured for so long. */
bool crowd_may_be(long number, double seconds);

struct crowd {
    long number;
    double seconds;
    pid_t server;
    /* Each is called in the client's own thread. */
    void *(*connect)(long number);
    void (*exchange)(void *client);
    void (*leave)(void *client);
};

/* Starts the clients, has all begin at once, and prints a line of JSON. */
void crowd_run(const struct crowd *crowd);

#endif
