/* nng pub/sub over abstract Unix sockets, with its defaults: what a subscriber's queue has no room for is dropped. */
#include "fanout.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static nng_socket publisher, subscriber;
static _Atomic unsigned joined;

static void check(int status, const char *attempted) {
    if (status != 0)
        fail(attempted, nng_strerror(status));
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *argument) {
    (void)pipe, (void)event, (void)argument;
    joined++;
}

static void address_of(char *address, size_t size, const char *name) {
    snprintf(address, size, "abstract://%s", name);
}

void publisher_open(const char *name) {
    char address[96];
    address_of(address, sizeof address, name);
    check(nng_pub0_open(&publisher), "open a pub socket");
    check(nng_pipe_notify(publisher, NNG_PIPE_EV_ADD_POST, on_pipe, NULL), "hear of subscribers");
    check(nng_listen(publisher, address, NULL, 0), "listen");
}

void publisher_wait_for(unsigned subscribers) {
    while (joined < subscribers)
        usleep(1000);
}

void publisher_send(const void *body, size_t bytes) {
    check(nng_send(publisher, (void *)body, bytes, 0), "send");
}

void publisher_send_alone(const void *body, size_t bytes) {
    publisher_send(body, bytes);
}

void subscriber_open(const char *name, size_t bytes) {
    (void)bytes;
    char address[96];
    address_of(address, sizeof address, name);
    check(nng_sub0_open(&subscriber), "open a sub socket");
    check(nng_setopt(subscriber, NNG_OPT_SUB_SUBSCRIBE, "", 0), "subscribe");
    while (nng_dial(subscriber, address, NULL, 0) != 0)
        usleep(1000);
}

size_t subscriber_next(void) {
    nng_msg *message;
    check(nng_recvmsg(subscriber, &message, 0), "receive");
    nng_msg_free(message);
    return 1;
}
