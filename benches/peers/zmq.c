/* libzmq over ipc://, each exchange by the sockets its guide gives for it: REQ/REP for one in flight, DEALER/ROUTER for
 * 64, PUSH/PULL for one-way, which its I/O threads batch by themselves. */
#define _GNU_SOURCE
#include "measure.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

static char address[64], ack_address[80];

static void *open_socket(void *context, int type, const char *where, bool binds) {
    int forever = 0;
    void *socket = zmq_socket(context, type);
    if (!socket || zmq_setsockopt(socket, ZMQ_LINGER, &forever, sizeof forever) != 0 ||
        (binds ? zmq_bind(socket, where) : zmq_connect(socket, where)) != 0)
        die("open a zmq socket");
    return socket;
}

static void send_bytes(void *socket, const void *bytes, size_t size, int flags) {
    if (zmq_send(socket, bytes, size, flags) < 0)
        die("send");
}

static _Noreturn void serve(const struct plan *plan) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin_to(plan->server_cpu);
    start_watchdog(plan);
    void *context = zmq_ctx_new();
    bool oneway = plan_is(plan, "oneway"), routes = plan_is(plan, "pipeline"), bulk = plan_is(plan, "bulk");
    void *socket = open_socket(context, oneway ? ZMQ_PULL : routes ? ZMQ_ROUTER : ZMQ_REP, address, true);
    void *acks = oneway ? open_socket(context, ZMQ_PUSH, ack_address, false) : NULL;
    char ack[ACK_BYTES] = {0}, peer[256];
    for (;;) {
        int peer_size = routes ? zmq_recv(socket, peer, sizeof peer, 0) : 0;
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (peer_size < 0 || zmq_msg_recv(&message, socket, 0) < 0)
            die("receive");
        if (oneway) {
            if (*(const char *)zmq_msg_data(&message) == 1)
                send_bytes(acks, ack, sizeof ack, 0);
        } else if (bulk) {
            send_bytes(socket, ack, sizeof ack, 0);
        } else {
            if (routes)
                send_bytes(socket, peer, (size_t)peer_size, ZMQ_SNDMORE);
            if (zmq_msg_send(&message, socket, 0) < 0) /* hands the request's memory on */
                die("answer");
            continue;
        }
        zmq_msg_close(&message);
    }
}

static void *requests, *acks;

static void receive(void *socket) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (zmq_msg_recv(&message, socket, 0) < 0)
        die("receive");
    zmq_msg_close(&message);
}

static uint64_t drive(const struct plan *plan, uint64_t for_ns, struct run *run) {
    size_t bytes = plan_bytes(plan);
    char *body = calloc(1, bytes);
    uint64_t count = 0, before = now_ns(), stop = before + for_ns;
    if (plan_is(plan, "oneway")) {
        do
            send_bytes(requests, body, bytes, 0);
        while (++count % 64 != 0 || now_ns() < stop);
        body[0] = 1;
        send_bytes(requests, body, bytes, 0);
        count++;
        receive(acks);
    } else if (plan_is(plan, "pipeline")) {
        uint64_t sent = 0;
        for (; sent < IN_FLIGHT; sent++)
            send_bytes(requests, body, bytes, 0);
        while (count < sent) {
            receive(requests);
            if (++count % IN_FLIGHT == 0)
                before = now_ns();
            if (before < stop) {
                send_bytes(requests, body, bytes, 0);
                sent++;
            }
        }
    } else {
        while (before < stop) {
            send_bytes(requests, body, bytes, 0);
            receive(requests);
            uint64_t after = now_ns();
            if (run)
                run_sample(run, after - before);
            before = after;
            count++;
        }
    }
    free(body);
    return count;
}

int main(int argc, char **argv) {
    static const char *const waits[] = {"libzmq", NULL};
    struct plan plan = plan_from_arguments(argc, argv, waits);
    snprintf(address, sizeof address, "ipc://@simple-ipc-bench-zmq-%d", getpid());
    snprintf(ack_address, sizeof ack_address, "%s-acks", address);
    pid_t server = fork();
    if (server < 0)
        die("start the server's process");
    if (server == 0)
        serve(&plan);
    pin_to(plan.client_cpu);
    start_watchdog(&plan);
    void *context = zmq_ctx_new();
    bool oneway = plan_is(&plan, "oneway");
    requests = open_socket(context, oneway ? ZMQ_PUSH : plan_is(&plan, "pipeline") ? ZMQ_DEALER : ZMQ_REQ, address, false);
    acks = oneway ? open_socket(context, ZMQ_PULL, ack_address, true) : NULL;
    drive(&plan, plan.warmup_ns, NULL);
    struct run run;
    run_begin(&run, &plan, server, !oneway && !plan_is(&plan, "pipeline"));
    run.count = drive(&plan, plan.measure_ns, &run);
    run_end(&run);
    run_print(&run);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return 0;
}
