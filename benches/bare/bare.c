/* The least that two processes can do over a Unix socket: the system calls and nothing else. No framing, no lengths,
 * no errors told to a peer. What the library costs is what it takes beyond this.
 *
 *   roundtrip  64 bytes each way, one in flight
 *   pipeline   64 bytes each way, 64 in flight; what is ready goes out in one write
 *   oneway     64 bytes, no reply; 32 KiB a write
 *   bulk       1 MiB there, 8 bytes back, one in flight
 *   oneshot    connect, 64 bytes and the end of the stream each way, close: what a post on the Deno wire does
 *
 * `--wait ring` goes by memory that both share (ring.c), in place of the socket, all but oneshot.
 * `--net tcp` takes 127.0.0.1 instead, `--bytes` another size than 64 bytes or 1 MiB.
 */
#define _GNU_SOURCE
#include "measure.h"
#include "ring.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    POLL_NS = 100 * 1000, /* longer than waking a sleeping peer takes, or the two sides never fall into step */
    MOST_BLOCKED = 4095,
    BATCH_BYTES = 32 << 10,
    SEND_BUFFER_BYTES = 4 << 20,
    LAST = 1, /* first byte of the last one-way message, which is acknowledged */
};

/* One side's end of the socket and how it waits there. */
struct end {
    int socket;
    bool spins;
    unsigned backoff; /* how many receives block after the next poll that runs out */
    unsigned blocked; /* how many still do */
    struct ring_end *ring; /* in place of the socket, where there is one */
};

static struct end end_of(int socket, const struct plan *plan) {
    /* The machine's processors, not those this process is pinned to: in the placement "cross" each side is pinned to
     * one, and polling is right because the peer has another. */
    bool alone = sysconf(_SC_NPROCESSORS_ONLN) < 2;
    return (struct end){.socket = socket, .spins = strcmp(plan->wait, "spin") == 0 && !alone};
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Polls for a bounded while, and the less the last polls found, the more rarely. Returns 0 if nothing came. */
static ssize_t poll_socket(struct end *end, void *buffer, size_t capacity) {
    if (end->blocked > 0) {
        end->blocked--;
        return 0;
    }
    uint64_t give_up = now_ns() + POLL_NS;
    do {
        ssize_t got = recv(end->socket, buffer, capacity, MSG_DONTWAIT);
        if (got > 0) {
            end->backoff = 0;
            return got;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return 0; /* the blocking receive that follows tells end of file and errors */
        relax();
    } while (now_ns() < give_up);
    end->backoff = end->backoff * 2 + 1;
    if (end->backoff > MOST_BLOCKED)
        end->backoff = MOST_BLOCKED;
    end->blocked = end->backoff;
    return 0;
}

/* Some bytes, or 0 at end of file. */
static size_t receive_some(struct end *end, void *buffer, size_t capacity) {
    if (end->ring)
        return ring_receive(end->ring, buffer, capacity);
    if (end->spins) {
        ssize_t got = poll_socket(end, buffer, capacity);
        if (got > 0)
            return (size_t)got;
    }
    for (;;) {
        ssize_t got = recv(end->socket, buffer, capacity, 0);
        if (got >= 0)
            return (size_t)got;
        if (errno == ECONNRESET)
            return 0;
        if (errno != EINTR)
            die("receive");
    }
}

/* Exactly so many bytes; false at end of file. */
static bool receive_all(struct end *end, void *buffer, size_t size) {
    for (size_t have = 0; have < size;) {
        size_t got = receive_some(end, (char *)buffer + have, size - have);
        if (got == 0)
            return false;
        have += got;
    }
    return true;
}

static void send_all(struct end *end, const void *buffer, size_t size) {
    if (end->ring) {
        ring_send(end->ring, buffer, size);
        return;
    }
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(end->socket, (const char *)buffer + done, size - done, MSG_NOSIGNAL);
        if (sent >= 0)
            done += (size_t)sent;
        else if (errno == EPIPE || errno == ECONNRESET)
            return; /* the peer is done; the next receive says so */
        else if (errno != EINTR)
            die("send");
    }
}

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un uds;
        struct sockaddr_in tcp;
    };
    socklen_t size;
};

/* A listener at an address that the system picks: an abstract name, or a port. */
static int listen_somewhere(int family, struct address *address) {
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct address){.any.sa_family = (sa_family_t)family};
    socklen_t size = sizeof(sa_family_t);
    if (family == AF_INET) {
        address->tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        size = sizeof address->tcp;
    }
    address->size = sizeof address->uds;
    if (listener < 0 || bind(listener, &address->any, size) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, &address->any, &address->size) != 0)
        die("listen");
    return listener;
}

static void no_delay(int socket) {
    int on = 1;
    if (setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        die("send without delay");
}

static int connect_to(int family, const struct address *address) {
    int made = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0 || connect(made, &address->any, address->size) != 0)
        die("connect");
    return made;
}

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (!memory)
        die("allocate a buffer");
    memset(memory, 0, size);
    return memory;
}

/* Servers: each runs until its client closes the socket. */

static void serve_roundtrip(struct end *end, size_t bytes) {
    char *message = allocate(bytes);
    while (receive_all(end, message, bytes))
        send_all(end, message, bytes);
    free(message);
}

static void serve_pipeline(struct end *end) {
    char messages[IN_FLIGHT * SMALL_BYTES];
    size_t have = 0, got;
    while ((got = receive_some(end, messages + have, sizeof messages - have)) > 0) {
        have += got;
        size_t whole = have - have % SMALL_BYTES;
        send_all(end, messages, whole);
        have -= whole;
        memmove(messages, messages + whole, have);
    }
}

static void serve_oneway(struct end *end) {
    char *messages = allocate(BATCH_BYTES);
    size_t have = 0, got;
    while ((got = receive_some(end, messages + have, BATCH_BYTES - have)) > 0) {
        have += got;
        size_t at = 0;
        for (; have - at >= SMALL_BYTES; at += SMALL_BYTES)
            if (messages[at] == LAST)
                send_all(end, messages + at, ACK_BYTES);
        have -= at;
        memmove(messages, messages + at, have);
    }
    free(messages);
}

static void serve_bulk(struct end *end, size_t bytes) {
    char *message = allocate(bytes);
    while (receive_all(end, message, bytes))
        send_all(end, message, ACK_BYTES);
    free(message);
}

/* One connection after another, each read to its end, answered and closed. */
static _Noreturn void serve_oneshot(int listener, size_t bytes) {
    char *message = allocate(bytes + 1);
    for (;;) {
        struct end end = {.socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC)};
        if (end.socket < 0)
            die("accept");
        size_t have = 0, got;
        while ((got = receive_some(&end, message + have, bytes + 1 - have)) > 0)
            have += got;
        if (have != bytes)
            die("receive a whole request");
        send_all(&end, message, bytes);
        close(end.socket);
    }
}

/* Clients: each goes on for so long and so many, and tells how many there were. */

static uint64_t ask_one_by_one(struct end *end, uint64_t for_ns, uint64_t most, struct run *run, size_t request_bytes,
                               size_t reply_bytes) {
    char *request = allocate(request_bytes);
    char *reply = allocate(reply_bytes);
    uint64_t count = 0, before = now_ns(), stop = before + for_ns;
    while (before < stop && count < most) {
        send_all(end, request, request_bytes);
        if (!receive_all(end, reply, reply_bytes)) {
            errno = EPIPE;
            die("receive a reply");
        }
        uint64_t after = now_ns();
        if (run)
            run_sample(run, after - before);
        before = after;
        count++;
    }
    free(request);
    free(reply);
    return count;
}

static uint64_t ask_oneshot(int family, const struct address *address, size_t bytes, uint64_t for_ns, uint64_t most,
                            struct run *run) {
    char *request = allocate(bytes);
    char *reply = allocate(bytes + 1);
    uint64_t count = 0, before = now_ns(), stop = before + for_ns;
    while (before < stop && count < most) {
        struct end end = {.socket = connect_to(family, address)};
        send_all(&end, request, bytes);
        if (shutdown(end.socket, SHUT_WR) != 0)
            die("end the request");
        size_t have = 0, got;
        while ((got = receive_some(&end, reply + have, bytes + 1 - have)) > 0)
            have += got;
        close(end.socket);
        if (have != bytes)
            die("receive a whole reply");
        uint64_t after = now_ns();
        if (run)
            run_sample(run, after - before);
        before = after;
        count++;
    }
    free(request);
    free(reply);
    return count;
}

static uint64_t ask_pipelined(struct end *end, uint64_t for_ns, uint64_t most, struct run *run) {
    char requests[IN_FLIGHT * SMALL_BYTES] = {0};
    char replies[IN_FLIGHT * SMALL_BYTES];
    uint64_t sent_at[IN_FLIGHT];
    uint64_t sent = 0, done = 0, now = now_ns(), stop = now + for_ns;
    size_t have = 0, ready = most < IN_FLIGHT ? most : IN_FLIGHT;
    while (sent + ready > done) {
        for (size_t i = 0; i < ready; i++)
            sent_at[(sent + i) % IN_FLIGHT] = now;
        send_all(end, requests, ready * SMALL_BYTES);
        sent += ready;
        size_t got = receive_some(end, replies + have, sizeof replies - have);
        if (got == 0) {
            errno = EPIPE;
            die("receive replies");
        }
        have += got;
        size_t whole = have / SMALL_BYTES;
        have %= SMALL_BYTES;
        memmove(replies, replies + whole * SMALL_BYTES, have);
        now = now_ns();
        if (run && whole > 0) /* one sample a read: they came together */
            run_sample(run, now - sent_at[done % IN_FLIGHT]);
        done += whole;
        ready = now < stop && sent < most ? whole : 0;
        if (ready > most - sent)
            ready = most - sent;
    }
    return done;
}

static uint64_t send_oneway(struct end *end, uint64_t for_ns, uint64_t most) {
    enum { A_BATCH = BATCH_BYTES / SMALL_BYTES };
    char *batch = allocate(BATCH_BYTES);
    char ack[ACK_BYTES];
    uint64_t count = 0, stop = now_ns() + for_ns;
    for (bool last = false; !last;) {
        uint64_t number = most - count < A_BATCH ? most - count : A_BATCH;
        count += number;
        last = count == most || now_ns() >= stop;
        /* Written anew each time, as a program would that has something to say. */
        memset(batch, 0, number * SMALL_BYTES);
        if (last)
            batch[(number - 1) * SMALL_BYTES] = LAST;
        send_all(end, batch, number * SMALL_BYTES);
    }
    if (!receive_all(end, ack, sizeof ack)) {
        errno = EPIPE;
        die("receive the acknowledgement");
    }
    free(batch);
    return count;
}

static uint64_t drive(struct end *end, const struct address *address, const struct plan *plan, uint64_t for_ns,
                      uint64_t most, struct run *run) {
    size_t bytes = plan_bytes(plan);
    if (plan_is(plan, "oneshot"))
        return ask_oneshot(address->any.sa_family, address, bytes, for_ns, most, run);
    if (plan_is(plan, "pipeline"))
        return ask_pipelined(end, for_ns, most, run);
    if (plan_is(plan, "oneway"))
        return send_oneway(end, for_ns, most);
    return ask_one_by_one(end, for_ns, most, run, bytes, plan_is(plan, "bulk") ? ACK_BYTES : bytes);
}

static _Noreturn void serve(int listener, const struct plan *plan, struct rings *rings) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin_to(plan->server_cpu);
    start_watchdog(plan);
    if (plan_is(plan, "oneshot"))
        serve_oneshot(listener, plan_bytes(plan));
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (accepted < 0)
        die("accept");
    if (strcmp(plan->net, "tcp") == 0)
        no_delay(accepted);
    struct end end = end_of(accepted, plan);
    struct ring_end ring = ring_end_of(rings, 0);
    if (rings)
        end.ring = &ring;
    if (plan_is(plan, "pipeline"))
        serve_pipeline(&end);
    else if (plan_is(plan, "oneway"))
        serve_oneway(&end);
    else if (plan_is(plan, "bulk"))
        serve_bulk(&end, plan_bytes(plan));
    else
        serve_roundtrip(&end, plan_bytes(plan));
    exit(0);
}

int main(int argc, char **argv) {
    static const char *const waits[] = {"block", "spin", "ring", NULL};
    struct plan plan = plan_from_arguments(argc, argv, waits);
    if (plan_is(&plan, "post") || plan_is(&plan, "deno")) {
        fprintf(stderr, "bench: bare has no %s; its like is oneshot\n", plan.what);
        return 2;
    }
    struct rings *rings = strcmp(plan.wait, "ring") == 0 ? rings_make() : NULL;
    if (rings && (plan_is(&plan, "oneshot") || strcmp(plan.net, "uds") != 0)) {
        fprintf(stderr, "bench: a ring has no connections and no net\n");
        return 2;
    }

    int family = strcmp(plan.net, "tcp") == 0 ? AF_INET : AF_UNIX;
    struct address address;
    int listener = listen_somewhere(family, &address);
    pid_t server = fork();
    if (server < 0)
        die("start the server's process");
    if (server == 0)
        serve(listener, &plan, rings);
    close(listener);
    pin_to(plan.client_cpu);
    start_watchdog(&plan);

    struct end end = {.socket = -1};
    if (!plan_is(&plan, "oneshot")) {
        end = end_of(connect_to(family, &address), &plan);
        if (family == AF_INET)
            no_delay(end.socket);
    }
    struct ring_end ring = ring_end_of(rings, 1);
    if (rings)
        end.ring = &ring;
    if (plan_is(&plan, "bulk")) {
        /* The kernel takes what the machine allows (net.core.wmem_max), for the library as for this program. */
        int size = SEND_BUFFER_BYTES;
        if (setsockopt(end.socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0)
            die("set the send buffer's size");
    }
    drive(&end, &address, &plan, plan.warmup_ns, UINT64_MAX, NULL);
    struct run run;
    run_begin(&run, &plan, server, !plan_is(&plan, "oneway"));
    run.count = drive(&end, &address, &plan, plan.measure_ns, plan.max_count, &run);
    run_end(&run);
    run_print(&run);

    if (plan_is(&plan, "oneshot"))
        return kill(server, SIGKILL) == 0 && waitpid(server, NULL, 0) == server ? 0 : 1;
    if (rings)
        ring_close(&ring);
    close(end.socket);
    int status = 0;
    if (waitpid(server, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "bench: the server ended with status %d\n", status);
        return 1;
    }
    return 0;
}
