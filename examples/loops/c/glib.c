/*
 * The ticker in GLib's main loop, which GTK programs run, too.
 *     cc glib.c $(pkg-config --cflags --libs simple_ipc glib-2.0) -o ticker
 */
#include "ticker.h"

#include <glib-unix.h>

struct loop {
    struct ticker ticker;
    GMainLoop *main;
};

static gboolean on_descriptor(gint descriptor, GIOCondition condition, gpointer data) {
    (void)descriptor, (void)condition;
    struct loop *loop = data;
    on_readable(&loop->ticker);
    if (loop->ticker.stopped)
        g_main_loop_quit(loop->main);
    return G_SOURCE_CONTINUE;
}

static gboolean on_timeout(gpointer data) {
    struct loop *loop = data;
    on_tick(&loop->ticker);
    return G_SOURCE_CONTINUE;
}

int main(int count, char **arguments) {
    struct loop loop;
    if (!start(&loop.ticker, count, arguments))
        return 1;
    loop.main = g_main_loop_new(NULL, FALSE);
    guint watch = g_unix_fd_add(sipc_queue_descriptor(loop.ticker.queue), G_IO_IN, on_descriptor, &loop);
    guint timer = g_timeout_add(TICK_MS, on_timeout, &loop);
    g_main_loop_run(loop.main);
    g_source_remove(timer);
    g_source_remove(watch); /* before the queue is freed, whose descriptor it watches */
    g_main_loop_unref(loop.main);
    end(&loop.ticker);
    return 0;
}
