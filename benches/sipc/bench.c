/* The bare program's exchanges, and one-shot posts (`post`: over the session that the library keeps; `deno`: a connection
 * each, on the Deno wire), written against the library as its users would write them: a listener with a plain
 * handler in one process, a blocking client in the other (a queue for what keeps 64 requests in flight). */
#define _GNU_SOURCE
#include "channel.h"
#include "measure.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static sipc_options *options; /* of both sides */

/* What the two processes share besides the channel: pipes to say 'ready' and 'leave', and the count of one-way messages
 * that have reached the handler. */
struct stage {
    int ready[2];
    int leave[2];
    int arrived[2];
    struct arrivals {
        _Atomic uint32_t port; /* of a listener on TCP */
        _Atomic uint64_t count;
        _Atomic uint64_t awaited; /* the handler that makes count reach it writes a byte to `arrived` */
    } *arrivals;
};

/* The server's side. */

static void on_bulk(const sipc_message *message, sipc_responder *responder, void *user_data) {
    static const char ack[ACK_BYTES];
    (void)message, (void)user_data;
    sipc_respond(responder, sipc_bytes(ack, sizeof ack), NULL);
}

static void on_oneway(const sipc_message *message, sipc_responder *responder, void *user_data) {
    struct stage *stage = user_data;
    (void)message, (void)responder;
    if (atomic_fetch_add(&stage->arrivals->count, 1) + 1 == atomic_load(&stage->arrivals->awaited))
        write_byte(stage->arrived[1]);
}

static _Noreturn void serve(struct stage *stage, const struct plan *plan) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(stage->leave[1]);
    pin_to(plan->server_cpu); /* before the library starts threads, which inherit it */
    start_watchdog(plan);

    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_status status;
    bool tcp = strcmp(plan->net, "tcp") == 0;
    sipc_handler handler = plan_is(plan, "oneway") ? on_oneway : plan_is(plan, "bulk") ? on_bulk : answer_with_body;
    if (plan_is(plan, "oneway"))
        status = tcp ? sipc_listen_ip_broadcast(0, handler, stage, NULL, options, &listener, &error)
                     : sipc_listen_uds_broadcast(CHANNEL, handler, stage, NULL, options, &listener, &error);
    else
        status = tcp ? sipc_listen_ip_request(0, handler, stage, NULL, options, &listener, &error)
                     : sipc_listen_uds_request(CHANNEL, handler, stage, NULL, options, &listener, &error);
    if (status != SIPC_OK)
        die_of("listen", status, error);
    atomic_store(&stage->arrivals->port, sipc_listener_port(listener));
    write_byte(stage->ready[1]);
    read_byte(stage->leave[0]);
    status = sipc_listener_close(listener, &error);
    if (status != SIPC_OK)
        die_of("close the listener", status, error);
    sipc_listener_free(listener);
    exit(0);
}

/* The client's side. Each exchange goes on for so long and so many, and tells how many messages there were. */

static uint64_t ask_one_by_one(sipc_client *client, uint32_t port, const struct plan *plan, uint64_t for_ns, uint64_t most,
                               struct run *run) {
    bool one_shot = plan_is(plan, "post") || plan_is(plan, "deno"), tcp = strcmp(plan->net, "tcp") == 0;
    size_t request_bytes = plan_bytes(plan);
    char *request = calloc(1, request_bytes);
    if (!request)
        die("allocate a request");
    uint64_t count = 0, before = now_ns(), stop = before + for_ns;
    while (before < stop && count < most) {
        sipc_message *reply = NULL;
        sipc_error *error = NULL;
        sipc_body body = sipc_bytes(request, request_bytes);
        sipc_status status = !one_shot ? sipc_client_request(client, body, NULL, &reply, &error)
                             : tcp     ? sipc_post_ip_request(port, body, options, &reply, &error)
                                       : sipc_post_uds_request(CHANNEL, body, options, &reply, &error);
        if (status != SIPC_OK)
            die_of("request", status, error);
        sipc_message_free(reply);
        uint64_t after = now_ns();
        if (run)
            run_sample(run, after - before);
        before = after;
        count++;
    }
    free(request);
    return count;
}

/* 64 requests in flight from one thread: each reply's callback sends the next, in that thread. */
struct pipeline {
    sipc_queue *queue;
    uint64_t client;
    struct run *run;
    uint64_t now_ns; /* read once for all the replies that one wait brings */
    uint64_t stop_ns;
    uint64_t most;
    uint64_t sent;
    uint64_t done;
    struct slot {
        struct pipeline *pipeline;
        uint64_t sent_ns;
    } slots[IN_FLIGHT];
};

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data);

static void ask(struct slot *slot) {
    static const char request[SMALL_BYTES];
    struct pipeline *pipeline = slot->pipeline;
    sipc_error *error = NULL;
    sipc_status status = sipc_queue_request(pipeline->queue, pipeline->client, sipc_bytes(request, sizeof request), NULL,
                                            on_reply, slot, NULL, NULL, &error);
    if (status != SIPC_OK)
        die_of("start a request", status, error);
    slot->sent_ns = pipeline->now_ns;
    pipeline->sent++;
}

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    struct slot *slot = user_data;
    struct pipeline *pipeline = slot->pipeline;
    if (status != SIPC_OK)
        die_of("request", status, error);
    sipc_message_free(reply);
    if (pipeline->done++ % IN_FLIGHT == 0)
        pipeline->now_ns = now_ns();
    if (pipeline->run)
        run_sample(pipeline->run, pipeline->now_ns - slot->sent_ns);
    if (pipeline->now_ns < pipeline->stop_ns && pipeline->sent < pipeline->most)
        ask(slot);
}

static uint64_t ask_pipelined(uint32_t port, uint64_t for_ns, uint64_t most, struct run *run) {
    static struct pipeline pipeline;
    uint64_t now = now_ns();
    pipeline = (struct pipeline){.run = run, .now_ns = now, .stop_ns = now + for_ns, .most = most};
    sipc_error *error = NULL;
    sipc_status status = sipc_queue_new(&pipeline.queue, &error);
    if (status == SIPC_OK)
        status = port ? sipc_queue_connect_ip(pipeline.queue, port, options, &pipeline.client, &error)
                      : sipc_queue_connect_uds(pipeline.queue, CHANNEL, options, &pipeline.client, &error);
    if (status != SIPC_OK)
        die_of("open a queue", status, error);
    for (uint64_t i = 0; i < IN_FLIGHT && i < most; i++) {
        pipeline.slots[i] = (struct slot){.pipeline = &pipeline};
        ask(&pipeline.slots[i]);
    }
    while (pipeline.done < pipeline.sent) {
        status = sipc_queue_wait(pipeline.queue, SIPC_NO_TIMEOUT, NULL, &error);
        if (status != SIPC_OK)
            die_of("wait for replies", status, error);
    }
    sipc_queue_free(pipeline.queue);
    return pipeline.done;
}

static uint64_t send_oneway(sipc_client *client, struct stage *stage, uint64_t for_ns, uint64_t most) {
    enum { CLOCK_EVERY = 64 };
    char message[SMALL_BYTES] = {0};
    sipc_error *error = NULL;
    sipc_status status;
    uint64_t before = atomic_load(&stage->arrivals->count), count = 0, stop = now_ns() + for_ns;
    do {
        status = sipc_client_broadcast(client, sipc_bytes(message, sizeof message), &error);
        if (status != SIPC_OK)
            die_of("broadcast", status, error);
        count++;
    } while (count < most && (count % CLOCK_EVERY != 0 || now_ns() < stop));
    status = sipc_client_flush(client, &error);
    if (status != SIPC_OK)
        die_of("flush", status, error);
    /* The rate is the handler's: the last message counts when it has been handled. Whoever comes second, this store or
     * the handler's count, sees the other, so the byte is never missed; one that nobody had to wait for is read the next time, hence the loop. */
    atomic_store(&stage->arrivals->awaited, before + count);
    while (atomic_load(&stage->arrivals->count) < before + count)
        read_byte(stage->arrived[0]);
    return count;
}

static uint64_t drive(sipc_client *client, struct stage *stage, const struct plan *plan, uint64_t for_ns, uint64_t most,
                      struct run *run) {
    if (plan_is(plan, "pipeline"))
        return ask_pipelined(atomic_load(&stage->arrivals->port), for_ns, most, run);
    if (plan_is(plan, "oneway"))
        return send_oneway(client, stage, for_ns, most);
    return ask_one_by_one(client, atomic_load(&stage->arrivals->port), plan, for_ns, most, run);
}

int main(int argc, char **argv) {
    static const char *const waits[] = {"library", NULL};
    struct plan plan = plan_from_arguments(argc, argv, waits);

    make_scratch();

    options = sipc_options_new();
    if (!options || (plan.spin_us >= 0 && sipc_options_set_spin_us(options, plan.spin_us) != SIPC_OK) ||
        (plan_is(&plan, "deno") && sipc_options_set_wire(options, SIPC_WIRE_DENO) != SIPC_OK))
        die("set options");
    if (plan_is(&plan, "oneshot")) {
        fprintf(stderr, "bench: the library has no oneshot; its likes are post and deno\n");
        return 2;
    }

    struct stage stage;
    if (pipe(stage.ready) != 0 || pipe(stage.leave) != 0 || pipe(stage.arrived) != 0)
        die("make pipes");
    stage.arrivals =
        mmap(NULL, sizeof *stage.arrivals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage.arrivals == MAP_FAILED)
        die("share memory with the server");

    pid_t server = fork();
    if (server < 0)
        die("start the server's process");
    if (server == 0)
        serve(&stage, &plan);
    remove_scratch_at_exit(); /* the client's process: it lives longer */
    close(stage.ready[1]);
    close(stage.leave[0]);
    pin_to(plan.client_cpu);
    start_watchdog(&plan);

    int failed = 1;
    if (read_byte(stage.ready[0])) {
        sipc_client *client = NULL;
        sipc_error *error = NULL;
        uint32_t port = atomic_load(&stage.arrivals->port);
        sipc_status status = port ? sipc_client_connect_ip(port, options, &client, &error)
                                  : sipc_client_connect_uds(CHANNEL, options, &client, &error);
        if (status != SIPC_OK)
            die_of("connect", status, error);

        drive(client, &stage, &plan, plan.warmup_ns, UINT64_MAX, NULL);
        struct run run;
        run_begin(&run, &plan, server, !plan_is(&plan, "oneway"));
        run.count = drive(client, &stage, &plan, plan.measure_ns, plan.max_count, &run);
        run_end(&run);
        run_print(&run);

        status = sipc_client_close(client, &error);
        if (status != SIPC_OK)
            die_of("close the client", status, error);
        sipc_client_free(client);
        failed = 0;
    }

    close(stage.leave[1]);
    int status = 0;
    if (waitpid(server, &status, 0) < 0 || status != 0) {
        fprintf(stderr, "bench: the server ended with status %d\n", status);
        failed = 1;
    }
    return failed;
}
