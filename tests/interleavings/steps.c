/* A library for LD_PRELOAD that stops a process before each call that looks at or changes the file system, until it is
 * told to go on: the controller (interleavings.c) decides who does the next step. */
#define _GNU_SOURCE
#include "steps.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_bool on;
static int tell, hear;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

void steps_on(int to_controller, int from_controller) {
    tell = to_controller;
    hear = from_controller;
    atomic_store(&on, true);
}

void steps_off(void) {
    atomic_store(&on, false);
}

static void step(char kind) {
    if (!atomic_load(&on))
        return;
    pthread_mutex_lock(&one_at_a_time);
    /* The controller may have let everything run meanwhile. */
    char go;
    if (atomic_load(&on) && (write(tell, &kind, 1) != 1 || read(hear, &go, 1) != 1))
        _exit(3);
    pthread_mutex_unlock(&one_at_a_time);
}

#define REAL(function)                                                                                                 \
    static __typeof__(&function) real;                                                                                 \
    if (!real)                                                                                                         \
        real = (__typeof__(&function))(uintptr_t)dlsym(RTLD_NEXT, #function)

#define CALL(result, function, parameters, arguments)                                                                  \
    result function parameters {                                                                                       \
        REAL(function);                                                                                                \
        step(STEP);                                                                                                    \
        return real arguments;                                                                                         \
    }

CALL(int, flock, (int fd, int operation), (fd, operation))
CALL(int, lstat64, (const char *restrict path, struct stat64 *restrict stat), (path, stat))
CALL(int, unlink, (const char *path), (path))
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
CALL(int, listen, (int fd, int backlog), (fd, backlog))
CALL(int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
CALL(int, ftruncate64, (int fd, off64_t length), (fd, length))
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t length, off64_t offset), (fd, data, length, offset))
CALL(int, close, (int fd), (fd))

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    REAL(open64);
    step(STEP);
    return real(path, flags, mode);
}

/* Who sleeps lets others go on. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest) {
    REAL(clock_nanosleep);
    step(PAUSE);
    return real(clock, flags, time, rest);
}
