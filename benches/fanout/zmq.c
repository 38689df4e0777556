/* libzmq PUB/SUB over ipc://, with its defaults: what a subscriber's queue has no room for is dropped. XPUB tells who
 * subscribes and is the same otherwise. */
#include "fanout.h"

#include <stdio.h>
#include <zmq.h>

static void *publisher, *subscriber;

static void *open_socket(int type, const char *name, int binds) {
    char address[96];
    static void *context;
    int forever = 0;
    snprintf(address, sizeof address, "ipc://@%s", name);
    if (!context)
        context = zmq_ctx_new();
    void *socket = zmq_socket(context, type);
    if (!socket || zmq_setsockopt(socket, ZMQ_LINGER, &forever, sizeof forever) != 0 ||
        (binds ? zmq_bind(socket, address) : zmq_connect(socket, address)) != 0)
        fail("open a zmq socket", zmq_strerror(zmq_errno()));
    return socket;
}

void publisher_open(const char *name) {
    publisher = open_socket(ZMQ_XPUB, name, 1);
    int all = 1;
    zmq_setsockopt(publisher, ZMQ_XPUB_VERBOSE, &all, sizeof all);
}

void publisher_wait_for(unsigned subscribers) {
    char subscription[8];
    for (unsigned i = 0; i < subscribers; i++)
        if (zmq_recv(publisher, subscription, sizeof subscription, 0) < 0)
            fail("hear of a subscriber", zmq_strerror(zmq_errno()));
}

void publisher_send(const void *body, size_t bytes) {
    if (zmq_send(publisher, body, bytes, 0) < 0)
        fail("send", zmq_strerror(zmq_errno()));
}

void publisher_send_alone(const void *body, size_t bytes) {
    publisher_send(body, bytes);
}

void subscriber_open(const char *name, size_t bytes) {
    (void)bytes;
    subscriber = open_socket(ZMQ_SUB, name, 0);
    zmq_setsockopt(subscriber, ZMQ_SUBSCRIBE, "", 0);
}

size_t subscriber_next(void) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, subscriber, 0) < 0)
        fail("receive", zmq_strerror(zmq_errno()));
    zmq_msg_close(&message);
    return 1;
}
