/* Plain system calls: events of a header and a body, gathered to 32 or 256 KiB for each subscriber's `send`. */
#define _GNU_SOURCE
#include "fanout.h"
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEADER = 16, MOST_EVENTS = 32, MOST_BYTES = 256 << 10, MOST_SUBSCRIBERS = 64 };

static int listening = -1, sockets[MOST_SUBSCRIBERS], subscribed = -1;
static unsigned count;
static char *gathered;
static size_t filled, events;
static char *received;
static size_t frame, partial;

static struct sockaddr_un address_of(const char *name, socklen_t *size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", name);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    return address;
}

void publisher_open(const char *name) {
    socklen_t size;
    struct sockaddr_un address = address_of(name, &size);
    listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&address, size) != 0 || listen(listening, 128) != 0)
        die("listen");
    gathered = malloc(MOST_BYTES + (64 << 10) + HEADER);
}

void publisher_wait_for(unsigned subscribers) {
    for (; count < subscribers; count++)
        if ((sockets[count] = accept(listening, NULL, NULL)) < 0)
            die("accept");
}

static void flush(void) {
    for (unsigned i = 0; i < count; i++)
        for (size_t sent = 0; sent < filled;) {
            ssize_t taken = send(sockets[i], gathered + sent, filled - sent, MSG_NOSIGNAL);
            if (taken < 0 && errno != EINTR)
                die("send");
            sent += taken > 0 ? (size_t)taken : 0;
        }
    filled = events = 0;
}

static void append(const void *body, size_t bytes) {
    memset(gathered + filled, 0, HEADER);
    memcpy(gathered + filled, &bytes, sizeof bytes);
    memcpy(gathered + filled + HEADER, body, bytes);
    filled += HEADER + bytes;
    events++;
}

void publisher_send(const void *body, size_t bytes) {
    append(body, bytes);
    if (events == MOST_EVENTS || filled >= MOST_BYTES)
        flush();
}

void publisher_send_alone(const void *body, size_t bytes) {
    append(body, bytes);
    flush();
}

void subscriber_open(const char *name, size_t bytes) {
    socklen_t size;
    struct sockaddr_un address = address_of(name, &size);
    subscribed = socket(AF_UNIX, SOCK_STREAM, 0);
    while (connect(subscribed, (struct sockaddr *)&address, size) != 0) {
        if (errno != ECONNREFUSED && errno != EAGAIN)
            die("connect");
        usleep(1000);
    }
    frame = HEADER + bytes;
    received = malloc(MOST_BYTES);
}

size_t subscriber_next(void) {
    for (;;) {
        ssize_t taken = recv(subscribed, received, MOST_BYTES, 0);
        if (taken <= 0)
            die("receive");
        partial += (size_t)taken;
        size_t whole = partial / frame;
        partial %= frame;
        if (whole > 0)
            return whole;
    }
}
