/*
 * The ticker in a loop of libuv.
 *     cc libuv.c $(pkg-config --cflags --libs simple_ipc libuv) -o ticker
 */
#include "ticker.h"

#include <uv.h>

static void on_poll(uv_poll_t *watcher, int status, int events) {
    (void)status, (void)events;
    struct ticker *ticker = watcher->data;
    on_readable(ticker);
    if (ticker->stopped)
        uv_stop(watcher->loop);
}

static void on_timer(uv_timer_t *timer) {
    on_tick(timer->data);
}

int main(int count, char **arguments) {
    struct ticker ticker;
    if (!start(&ticker, count, arguments))
        return 1;
    uv_loop_t *loop = uv_default_loop();
    uv_poll_t watcher;
    uv_timer_t timer;
    uv_poll_init(loop, &watcher, sipc_queue_descriptor(ticker.queue));
    uv_timer_init(loop, &timer);
    watcher.data = timer.data = &ticker;
    uv_poll_start(&watcher, UV_READABLE, on_poll);
    uv_timer_start(&timer, on_timer, TICK_MS, TICK_MS);
    uv_run(loop, UV_RUN_DEFAULT);

    /* Before the queue is freed, whose descriptor it watches. */
    uv_close((uv_handle_t *)&watcher, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    end(&ticker);
    uv_loop_close(loop);
    return 0;
}
