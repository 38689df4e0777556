/* One publisher and its subscribers, a process each: what every program here measures in the same way. Only what has been
 * delivered counts: a subscriber counts each event when it has it, in memory that all of them share.
 *
 * A program brings the functions below; `fanout.c` has `main`. */
#ifndef FANOUT_H
#define FANOUT_H

#include <stddef.h>

/* In the publisher's process: begins to publish under a name. */
void publisher_open(const char *name);

/* Waits until so many subscribe. */
void publisher_wait_for(unsigned subscribers);

/* Publishes one event. It may gather with others, but not wait for more of them. */
void publisher_send(const void *body, size_t bytes);

/* As publisher_send, where nothing follows: it is to be delivered at once. */
void publisher_send_alone(const void *body, size_t bytes);

/* In a subscriber's process: subscribes, waiting for the publisher. */
void subscriber_open(const char *name, size_t bytes);

/* Waits for events; how many have come. */
size_t subscriber_next(void);

/* Ends the process with a line on standard error. */
_Noreturn void fail(const char *attempted, const char *why);

#endif
