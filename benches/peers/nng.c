/* nng over abstract Unix sockets: req/rep for one in flight, 64 contexts of a req socket with asynchronous sends and
 * receives for 64, push/pull for one-way. It has no batching. */
#define _GNU_SOURCE
#include "measure.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char address[64], ack_address[80];

static void check(int status, const char *attempted) {
    if (status != 0) {
        fprintf(stderr, "bench: cannot %s: %s\n", attempted, nng_strerror(status));
        exit(1);
    }
}

static nng_msg *message_of(size_t bytes, char first) {
    nng_msg *message;
    check(nng_msg_alloc(&message, bytes), "allocate a message");
    memset(nng_msg_body(message), 0, bytes);
    *(char *)nng_msg_body(message) = first;
    return message;
}

/* 64 in flight: a context each on both sides, that receives and sends in turn. */
struct worker {
    nng_ctx context;
    nng_aio *aio;
    bool sending;
};
static size_t body_bytes;
static uint64_t stop_ns;
static _Atomic uint64_t answered;
static _Atomic unsigned working;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_done = PTHREAD_COND_INITIALIZER;

static void step_of_server(void *argument) {
    struct worker *worker = argument;
    check(nng_aio_result(worker->aio), "answer");
    worker->sending = !worker->sending;
    if (worker->sending) /* what was received goes back */
        nng_ctx_send(worker->context, worker->aio);
    else
        nng_ctx_recv(worker->context, worker->aio);
}

static void step_of_client(void *argument) {
    struct worker *worker = argument;
    check(nng_aio_result(worker->aio), "request");
    if (worker->sending) {
        worker->sending = false;
        nng_ctx_recv(worker->context, worker->aio);
        return;
    }
    nng_msg *reply = nng_aio_get_msg(worker->aio);
    atomic_fetch_add(&answered, 1);
    if (now_ns() >= stop_ns) {
        nng_msg_free(reply);
        if (atomic_fetch_sub(&working, 1) == 1) {
            pthread_mutex_lock(&lock);
            pthread_cond_signal(&all_done);
            pthread_mutex_unlock(&lock);
        }
        return;
    }
    worker->sending = true;
    nng_aio_set_msg(worker->aio, reply); /* its memory carries the next request */
    nng_ctx_send(worker->context, worker->aio);
}

static struct worker workers[IN_FLIGHT];

static void open_workers(nng_socket socket, void (*step)(void *)) {
    for (int i = 0; i < IN_FLIGHT; i++) {
        check(nng_ctx_open(&workers[i].context, socket), "open a context");
        check(nng_aio_alloc(&workers[i].aio, step, &workers[i]), "allocate an operation");
    }
}

static nng_socket open_socket(int (*open)(nng_socket *), const char *where, bool listens) {
    nng_socket socket;
    check(open(&socket), "open a socket");
    check(nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0), "take messages of any size");
    if (listens)
        check(nng_listen(socket, where, NULL, 0), "listen");
    else
        for (int status; (status = nng_dial(socket, where, NULL, 0)) != 0;) {
            if (status != NNG_ECONNREFUSED && status != NNG_ENOENT)
                check(status, "connect");
            usleep(1000); /* the other process is still starting */
        }
    return socket;
}

static _Noreturn void serve(const struct plan *plan) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin_to(plan->server_cpu);
    start_watchdog(plan);
    bool oneway = plan_is(plan, "oneway"), bulk = plan_is(plan, "bulk");
    nng_socket acks = {0}, socket = open_socket(oneway ? nng_pull0_open : nng_rep0_open, address, true);
    if (oneway)
        acks = open_socket(nng_push0_open, ack_address, false);
    if (plan_is(plan, "pipeline")) {
        open_workers(socket, step_of_server);
        for (int i = 0; i < IN_FLIGHT; i++)
            nng_ctx_recv(workers[i].context, workers[i].aio);
        for (;;)
            pause();
    }
    for (;;) {
        nng_msg *message;
        check(nng_recvmsg(socket, &message, 0), "receive");
        if (oneway) {
            if (*(const char *)nng_msg_body(message) == 1)
                check(nng_sendmsg(acks, message_of(ACK_BYTES, 0), 0), "acknowledge");
            nng_msg_free(message);
        } else if (bulk) {
            nng_msg_free(message);
            check(nng_sendmsg(socket, message_of(ACK_BYTES, 0), 0), "answer");
        } else {
            check(nng_sendmsg(socket, message, 0), "answer");
        }
    }
}

static nng_socket requests, acks;

static uint64_t drive(const struct plan *plan, uint64_t for_ns, struct run *run) {
    nng_msg *message;
    uint64_t count = 0, before = now_ns(), stop = before + for_ns;
    if (plan_is(plan, "pipeline")) {
        stop_ns = stop;
        answered = 0;
        working = IN_FLIGHT;
        for (int i = 0; i < IN_FLIGHT; i++) {
            workers[i].sending = true;
            nng_aio_set_msg(workers[i].aio, message_of(body_bytes, 0));
            nng_ctx_send(workers[i].context, workers[i].aio);
        }
        pthread_mutex_lock(&lock);
        while (atomic_load(&working) > 0)
            pthread_cond_wait(&all_done, &lock);
        pthread_mutex_unlock(&lock);
        return answered;
    }
    if (plan_is(plan, "oneway")) {
        for (bool last = false; !last; count++) {
            last = count % 64 == 63 && now_ns() >= stop;
            check(nng_sendmsg(requests, message_of(body_bytes, last), 0), "send");
        }
        check(nng_recvmsg(acks, &message, 0), "receive");
        nng_msg_free(message);
        return count;
    }
    message = message_of(body_bytes, 0);
    for (; before < stop; count++) {
        check(nng_sendmsg(requests, message, 0), "send");
        check(nng_recvmsg(requests, &message, 0), "receive");
        if (nng_msg_len(message) != body_bytes) {
            nng_msg_free(message);
            message = message_of(body_bytes, 0);
        }
        uint64_t after = now_ns();
        if (run)
            run_sample(run, after - before);
        before = after;
    }
    nng_msg_free(message);
    return count;
}

int main(int argc, char **argv) {
    static const char *const waits[] = {"nng", NULL};
    struct plan plan = plan_from_arguments(argc, argv, waits);
    body_bytes = plan_bytes(&plan);
    snprintf(address, sizeof address, "abstract://simple-ipc-bench-nng-%d", getpid());
    snprintf(ack_address, sizeof ack_address, "%s-acks", address);
    pid_t server = fork();
    if (server < 0)
        die("start the server's process");
    if (server == 0)
        serve(&plan);
    pin_to(plan.client_cpu);
    start_watchdog(&plan);
    bool oneway = plan_is(&plan, "oneway"), pipeline = plan_is(&plan, "pipeline");
    if (oneway)
        acks = open_socket(nng_pull0_open, ack_address, true);
    requests = open_socket(oneway ? nng_push0_open : nng_req0_open, address, false);
    if (pipeline)
        open_workers(requests, step_of_client);
    drive(&plan, plan.warmup_ns, NULL);
    struct run run;
    run_begin(&run, &plan, server, !oneway && !pipeline);
    run.count = drive(&plan, plan.measure_ns, &run);
    run_end(&run);
    run_print(&run);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
