#include "steps.h"

/* At most six calls with a timeout, two of which may wait for a listener as long again, and a close. */
const unsigned scenario_deadlines_ms = 8 * TIMEOUT_MS + GRACE_MS;

#define NATIVE SIPC_WIRE_AUTO
#define DENO SIPC_WIRE_DENO
#define REQUEST SIPC_MODE_REQUEST
#define BROADCAST SIPC_MODE_BROADCAST

const struct scenario scenarios[] = {
    {"requests over a Unix socket, native wire", false, false, NATIVE, REQUEST, two_posts, true, false},
    {"requests over TCP, native wire", false, true, NATIVE, REQUEST, two_posts, false, false},
    {"a request over a Unix socket, Deno wire", false, false, DENO, REQUEST, one_post, false, false},
    {"a request over TCP, Deno wire", false, true, DENO, REQUEST, one_post, false, false},
    {"broadcasts over a Unix socket, native wire", false, false, NATIVE, BROADCAST, two_posts, false, false},
    {"a broadcast over a Unix socket, Deno wire", false, false, DENO, BROADCAST, one_post, false, false},
    {"a kept client's requests, Unix socket", false, false, NATIVE, REQUEST, kept_requests, false, false},
    {"a kept client's requests, TCP", false, true, NATIVE, REQUEST, kept_requests, false, false},
    {"a kept client's broadcasts and flush", false, false, NATIVE, BROADCAST, kept_broadcasts, false, false},
    {"an asynchronous request, native wire", false, false, NATIVE, REQUEST, asynchronous_request, false, false},
    {"an asynchronous request over TCP, Deno wire", false, true, DENO, REQUEST, asynchronous_request, false, false},
    {"a queue's requests, Unix socket", false, false, NATIVE, REQUEST, queued_requests, false, false},
    {"a queue's requests over TCP, Deno wire", false, true, DENO, REQUEST, queued_requests, false, false},
    {"the list of channels", false, false, NATIVE, REQUEST, list_channels, false, false},
    {"a post that waits for its listener", true, false, NATIVE, REQUEST, waits_for_listener, false, false},
    {"a listener on a Unix socket, native wire", true, false, NATIVE, REQUEST, listens, false, false},
    {"a listener on TCP, native wire", true, true, NATIVE, REQUEST, listens, false, false},
    {"a listener on a Unix socket, Deno wire", true, false, DENO, REQUEST, listens, false, false},
    {"a listener on TCP, Deno wire", true, true, DENO, REQUEST, listens, false, false},
    {"a listener to broadcasts, native wire", true, false, NATIVE, BROADCAST, listens, false, false},
    {"a listener that closes with a call in flight", true, false, NATIVE, REQUEST, closes_in_flight, false, false},
    {"a listener that takes over from a dead one", true, false, NATIVE, REQUEST, takes_over, false, false},
    {"a listener whose socket is removed", true, false, NATIVE, REQUEST, heals, false, false},
    {"a listener whose lock file is removed", true, false, NATIVE, REQUEST, heals_lock, false, false},
    {"a publisher and its subscriber, Unix socket", true, false, NATIVE, REQUEST, publishes, false, false},
    {"a publisher and its subscriber, TCP", true, true, NATIVE, REQUEST, publishes, false, false},
    {"a stream both ways, Unix socket", true, false, NATIVE, REQUEST, streams, false, false},
    {"a stream both ways, TCP", true, true, NATIVE, REQUEST, streams, false, false},
    /* What would keep the one above from getting as far goes wrong later. */
    {"a kept client's requests, connected before", false, false, NATIVE, REQUEST, kept_requests, false, true},
    {"a kept client's requests over TCP, connected before", false, true, NATIVE, REQUEST, kept_requests, false, true},
    {"a kept client's broadcasts, connected before", false, false, NATIVE, BROADCAST, kept_broadcasts, false, true},
    {"a listener on a Unix socket, there before", true, false, NATIVE, REQUEST, listens, false, true},
    {"a listener on TCP, there before", true, true, NATIVE, REQUEST, listens, false, true},
    {"a listener on a Unix socket, Deno wire, there before", true, false, DENO, REQUEST, listens, false, true},
    {"a listener to broadcasts, there before", true, false, NATIVE, BROADCAST, listens, false, true},
    {"a listener that closes with a call in flight, there before", true, false, NATIVE, REQUEST, closes_in_flight, false, true},
    {"a listener whose socket is removed, there before", true, false, NATIVE, REQUEST, heals, false, true},
    {"a publisher and its subscriber, there before", true, false, NATIVE, REQUEST, publishes, false, true},
    {"a stream both ways, its listener there before", true, false, NATIVE, REQUEST, streams, false, true},
    {"a listener whose lock file is removed, there before", true, false, NATIVE, REQUEST, heals_lock, false, true},
};
const size_t scenarios_len = sizeof scenarios / sizeof scenarios[0];
