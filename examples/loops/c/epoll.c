/*
 * The ticker in a loop of its own, on epoll.
 *     cc epoll.c $(pkg-config --cflags --libs simple_ipc) -o ticker
 */
#include "ticker.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void watch(int loop, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = descriptor}};
    epoll_ctl(loop, EPOLL_CTL_ADD, descriptor, &event);
}

int main(int count, char **arguments) {
    struct ticker ticker;
    if (!start(&ticker, count, arguments))
        return 1;
    int loop = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct itimerspec every = {{0, TICK_MS * 1000000L}, {0, TICK_MS * 1000000L}};
    timerfd_settime(timer, 0, &every, NULL);
    watch(loop, timer);
    watch(loop, sipc_queue_descriptor(ticker.queue));
    while (!ticker.stopped) {
        struct epoll_event event;
        uint64_t missed;
        if (epoll_wait(loop, &event, 1, -1) != 1)
            continue;
        if (event.data.fd == timer) {
            if (read(timer, &missed, sizeof missed) == sizeof missed)
                on_tick(&ticker);
        } else {
            on_readable(&ticker);
        }
    }
    close(timer);
    close(loop);
    end(&ticker);
    return 0;
}
