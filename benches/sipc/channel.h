/* What the programs that measure the library share: a channel in a scratch folder of its own, how they end when the
 * library refuses something, and one-byte signals between their processes. */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <simple_ipc.h>

#include <stdbool.h>

#define CHANNEL "bench"

/* Makes a scratch folder and has the library keep its sockets there. */
void make_scratch(void);

/* Has the folder removed when this process ends by itself: for the one that is started last, or lives longest. */
void remove_scratch_at_exit(void);

_Noreturn void die_of(const char *attempted, sipc_status status, sipc_error *error);

void write_byte(int pipe);

/* True for a byte, false for end of file. */
bool read_byte(int pipe);

/* A handler that answers each request with its own body. */
void answer_with_body(const sipc_message *message, sipc_responder *responder, void *user_data);

#endif
