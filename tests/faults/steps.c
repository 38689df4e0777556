#define _GNU_SOURCE
#include "steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool keep(struct result *result, const char *doing, sipc_status status, sipc_error **error) {
    if (status != SIPC_OK && result->status == SIPC_OK) {
        result->status = status;
        snprintf(result->text, sizeof result->text, "%s: %s: %s", doing, sipc_status_name(status),
                 *error ? sipc_error_message(*error) : "(no text)");
    }
    sipc_error_free(*error);
    *error = NULL;
    return status == SIPC_OK;
}

sipc_options *options_for(const struct scenario *scenario, const char *directory) {
    sipc_options *options = sipc_options_new();
    sipc_options_set_directory(options, directory);
    sipc_options_set_timeout_ms(options, TIMEOUT_MS);
    sipc_options_set_grace_ms(options, GRACE_MS);
    sipc_options_set_wire(options, scenario->wire);
    /* Polling is the same call over and over. */
    sipc_options_set_spin_us(options, scenario->spins ? 50 : 0);
    return options;
}

/* Messages. */

struct numbered next_message(struct shared *shared) {
    struct numbered message = {.number = atomic_fetch_add(&shared->next_message, 1)};
    if (message.number >= MOST_MESSAGES)
        abort();
    snprintf(message.text, sizeof message.text, "%u", message.number);
    return message;
}

void settle(struct shared *shared, unsigned number, sipc_status status, const sipc_error *error) {
    shared->fate[number] = status == SIPC_OK                               ? DONE
                           : error && sipc_error_may_have_been_handled(error) ? UNKNOWN
                                                                             : CERTAINLY_NOT;
}

void count_and_echo(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct shared *shared = user_data;
    unsigned number = (unsigned)strtoul(sipc_message_json(message), NULL, 10);
    if (number < MOST_MESSAGES)
        shared->handled[number]++;
    sipc_respond(responder, sipc_json_n(sipc_message_json(message), sipc_message_len(message)), NULL);
}

void check_reply(const struct numbered *message, sipc_message *reply, struct result *result) {
    if (result->status == SIPC_OK && (!sipc_message_json(reply) || strcmp(sipc_message_json(reply), message->text) != 0)) {
        result->status = SIPC_INTERNAL;
        snprintf(result->text, sizeof result->text, "the reply to %s is wrong", message->text);
    }
    sipc_message_free(reply);
}

void post(const struct scenario *scenario, struct shared *shared, const char *directory, struct result *result,
                 int64_t wait_ms) {
    sipc_options *options = options_for(scenario, directory);
    sipc_options_set_wait_ms(options, wait_ms);
    struct numbered message = next_message(shared);
    sipc_body body = sipc_json(message.text);
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    sipc_status status;
    if (scenario->mode == SIPC_MODE_REQUEST)
        status = scenario->tcp ? sipc_post_ip_request(shared->port, body, options, &reply, &error)
                               : sipc_post_uds_request("channel", body, options, &reply, &error);
    else
        status = scenario->tcp ? sipc_post_ip_broadcast(shared->port, body, options, &error)
                               : sipc_post_uds_broadcast("channel", body, options, &error);
    settle(shared, message.number, status, error);
    keep(result, "post", status, &error);
    if (scenario->mode == SIPC_MODE_REQUEST)
        check_reply(&message, reply, result);
    sipc_options_free(options);
}
