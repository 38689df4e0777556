/* What the scenarios are made of. */
#ifndef FAULTS_STEPS_H
#define FAULTS_STEPS_H

#include "scenarios.h"

/* A call that was lost ends after this; it is waited for, so it is short. */
enum { TIMEOUT_MS = 2000, GRACE_MS = 1000 };

/* The subject's side of a scenario. */
#define ACT(name) \
    void name(const struct scenario *scenario, struct shared *shared, const char *directory, struct result *result)

struct numbered {
    unsigned number;
    char text[24];
};

/* Notes a call that failed. Takes the place of the error and not the error, which the call that is another argument has yet to make. */
bool keep(struct result *result, const char *doing, sipc_status status, sipc_error **error);
sipc_options *options_for(const struct scenario *scenario, const char *directory);

struct numbered next_message(struct shared *shared);
/* Notes what the sender of a message knows of it. */
void settle(struct shared *shared, unsigned number, sipc_status status, const sipc_error *error);
void count_and_echo(const sipc_message *message, sipc_responder *responder, void *user_data);
void check_reply(const struct numbered *message, sipc_message *reply, struct result *result);
void post(const struct scenario *scenario, struct shared *shared, const char *directory, struct result *result,
          int64_t wait_ms);

/* clients.c */
ACT(one_post);
ACT(two_posts);
ACT(kept_requests);
ACT(kept_broadcasts);
ACT(asynchronous_request);
ACT(queued_requests);
ACT(list_channels);

/* publications.c */
ACT(publishes);

/* streams.c */
ACT(streams);

/* listeners.c */
ACT(waits_for_listener);
ACT(listens);
ACT(heals);
ACT(heals_lock);
ACT(takes_over);
ACT(closes_in_flight);

#endif
