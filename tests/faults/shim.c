/* A library for LD_PRELOAD that makes the n-th system call of a process fail, be cut short or be interrupted, or all
 * calls to one function.
 *
 * It stands in for the functions of libc through which the library under test reaches the kernel; run.sh compares the
 * list with the symbols that libsimpleipc.so leaves undefined. Each has the ways in which the kernel can really answer: a
 * socket that is ready is never claimed not to be, because the kernel says so only where it tells later that it has become
 * ready; and a file that is there is never claimed to be missing. */
#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <dirent.h>

static atomic_bool armed;
static atomic_uint calls, failures;
static unsigned at, way, burst;
static struct faults_report last;
/* Set by the n-th call, once: what is written before it can be read after it. */
static _Atomic(const char *) chosen;
static __thread bool exempt;

/* Whose calls go wrong all the time, and on which path; empty: the n-th call does, or calls on any path do. */
static char stays_for[24], stays_on[64];

void faults_arm_staying(const char *function, const char *path, unsigned which) {
    faults_arm(0, which, 1);
    atomic_store(&armed, false);
    strncpy(stays_for, function, sizeof stays_for - 1);
    strncpy(stays_on, path ? path : "", sizeof stays_on - 1);
    atomic_store(&armed, true);
}

static atomic_bool held;

void faults_hold(bool yes) {
    atomic_store(&held, yes);
}

enum { MOST_FUNCTIONS = 64 };
static _Atomic(const char *) called[MOST_FUNCTIONS];

const char *faults_called(unsigned i) {
    return i < MOST_FUNCTIONS ? atomic_load(&called[i]) : NULL;
}

static void note_called(const char *function) {
    for (unsigned i = 0; i < MOST_FUNCTIONS; i++) {
        const char *known = NULL;
        if (atomic_compare_exchange_strong(&called[i], &known, function) || strcmp(known, function) == 0)
            return;
    }
}

void faults_arm(unsigned nth, unsigned which, unsigned length) {
    stays_for[0] = 0;
    at = nth;
    way = which;
    burst = length;
    memset(&last, 0, sizeof last);
    atomic_store(&chosen, NULL);
    atomic_store(&calls, 0);
    atomic_store(&failures, 0);
    atomic_store(&armed, true);
}

void faults_disarm(struct faults_report *report) {
    atomic_store(&armed, false);
    *report = last;
    report->calls = atomic_load(&calls);
    report->failed = atomic_load(&failures);
}

void faults_exempt(bool yes) {
    exempt = yes;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static int staying_fault(const char *function, const char *path, const int *ways, unsigned count) {
    if (strcmp(function, stays_for) != 0 || (stays_on[0] && !(path && ends_with(path, stays_on))))
        return 0;
    strncpy(last.function, function, sizeof last.function - 1);
    if (count > last.ways)
        last.ways = count;
    if (way >= count || ways[way] == EINTR)
        return 0;
    last.outcome = ways[way];
    atomic_fetch_add(&failures, 1);
    return ways[way];
}

/* The way in which this call goes wrong; 0: it does not. */
static int fault_on(const char *function, const char *path, const int *ways, unsigned count) {
    if (exempt || !atomic_load_explicit(&armed, memory_order_relaxed))
        return 0;
    note_called(function);
    if (atomic_load_explicit(&held, memory_order_relaxed))
        return 0;
    if (stays_for[0])
        return staying_fault(function, path, ways, count);
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    if (call == at) {
        strncpy(last.function, function, sizeof last.function - 1);
        last.ways = count;
        if (way >= count)
            return 0;
        last.outcome = ways[way];
        atomic_fetch_add(&failures, 1);
        atomic_store(&chosen, function);
        return ways[way];
    }
    if (burst > 1 && call > at) {
        const char *first = atomic_load(&chosen);
        if (first && strcmp(first, function) == 0 && atomic_fetch_add(&failures, 1) < burst)
            return last.outcome;
    }
    return 0;
}

static int fault(const char *function, const int *ways, unsigned count) {
    return fault_on(function, NULL, ways, count);
}

#define REAL(function)                                                                                                 \
    static __typeof__(&function) real;                                                                                 \
    if (!real)                                                                                                         \
        real = (__typeof__(&function))(uintptr_t)dlsym(RTLD_NEXT, #function)

#define FAULT(function, ...)                                                                                           \
    REAL(function);                                                                                                    \
    static const int ways[] = {__VA_ARGS__};                                                                           \
    const int wrong = fault(#function, ways, sizeof ways / sizeof ways[0])

#define FAIL_IF_WRONG                                                                                                  \
    if (wrong > 0) {                                                                                                   \
        errno = wrong;                                                                                                 \
        return -1;                                                                                                     \
    }

#define SHORT(length) (wrong == FAULT_SHORT && (length) > 1 ? 1 : (length))

/* A function that fails by returning -1 with errno set. */
#define CALL(result, function, parameters, arguments, ...)                                                             \
    result function parameters {                                                                                       \
        FAULT(function, __VA_ARGS__);                                                                                  \
        FAIL_IF_WRONG                                                                                                  \
        return real arguments;                                                                                         \
    }

/* The same, of one whose parameter `path` is a file's. */
#define CALL_ON(result, function, parameters, arguments, ...)                                                          \
    result function parameters {                                                                                       \
        REAL(function);                                                                                                \
        static const int ways[] = {__VA_ARGS__};                                                                       \
        const int wrong = fault_on(#function, path, ways, sizeof ways / sizeof ways[0]);                               \
        FAIL_IF_WRONG                                                                                                  \
        return real arguments;                                                                                         \
    }

/* Which descriptors are eventfds: reading and writing one that does not block fails only with EAGAIN, which runtimes
 * (tokio's waker) count on. */
static atomic_bool is_eventfd[1024];

int eventfd(unsigned count, int flags) {
    FAULT(eventfd, EMFILE, ENFILE, ENOMEM);
    FAIL_IF_WRONG
    int fd = real(count, flags);
    if (fd >= 0 && fd < 1024)
        atomic_store(&is_eventfd[fd], true);
    return fd;
}

/* Bytes. */

ssize_t read(int fd, void *data, size_t length) {
    REAL(read);
    if (fd >= 0 && fd < 1024 && atomic_load(&is_eventfd[fd]))
        return real(fd, data, length);
    static const int ways[] = {EINTR, EIO, FAULT_SHORT};
    const int wrong = fault("read", ways, sizeof ways / sizeof ways[0]);
    FAIL_IF_WRONG
    return real(fd, data, SHORT(length));
}

ssize_t write(int fd, const void *data, size_t length) {
    REAL(write);
    if (fd >= 0 && fd < 1024 && atomic_load(&is_eventfd[fd]))
        return real(fd, data, length);
    static const int ways[] = {EINTR, ENOSPC, EIO};
    const int wrong = fault("write", ways, sizeof ways / sizeof ways[0]);
    FAIL_IF_WRONG
    return real(fd, data, SHORT(length));
}

CALL(ssize_t, pread64, (int fd, void *data, size_t length, off64_t offset), (fd, data, SHORT(length), offset), EINTR, EIO)
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t length, off64_t offset), (fd, data, SHORT(length), offset),
     EINTR, ENOSPC, EIO, EDQUOT, FAULT_SHORT)
/* Which sockets have received something. A connection that is reset gives out what has come before: a client is reset
 * before the listener's first byte only by a listener that has not sent one. */
static atomic_bool has_received[1024];

static void note_received(int fd, bool received) {
    if (fd >= 0 && fd < 1024)
        atomic_store(&has_received[fd], received);
}

static int receive_fault(const char *function, int fd) {
    static const int ways[] = {EINTR, ENOMEM, FAULT_SHORT, ECONNRESET};
    bool may_be_reset = fd >= 0 && fd < 1024 && atomic_load(&has_received[fd]);
    int wrong = fault(function, ways, sizeof ways / sizeof ways[0] - !may_be_reset);
    /* The next of a series may be on another socket. */
    return wrong == ECONNRESET && !may_be_reset ? 0 : wrong;
}

/* Accepted sockets on which nothing has been sent: there is no client that has gone already and yet waits. */
static atomic_bool is_unanswered[1024];

static bool unanswered(int fd) {
    return fd >= 0 && fd < 1024 && atomic_load(&is_unanswered[fd]);
}

static int send_fault(const char *function, int fd) {
    static const int ways[] = {EINTR, ENOBUFS, ENOMEM, FAULT_SHORT, EPIPE, ECONNRESET};
    int wrong = fault(function, ways, sizeof ways / sizeof ways[0] - (unanswered(fd) ? 2 : 0));
    return (wrong == EPIPE || wrong == ECONNRESET) && unanswered(fd) ? 0 : wrong;
}

static ssize_t note_sent(int fd, ssize_t count) {
    if (count > 0 && fd >= 0 && fd < 1024)
        atomic_store(&is_unanswered[fd], false);
    return count;
}

ssize_t recv(int fd, void *data, size_t length, int flags) {
    REAL(recv);
    const int wrong = receive_fault("recv", fd);
    FAIL_IF_WRONG
    ssize_t count = real(fd, data, SHORT(length), flags);
    if (count > 0)
        note_received(fd, true);
    return count;
}

ssize_t recvfrom(int fd, void *data, size_t length, int flags, struct sockaddr *restrict address,
                 socklen_t *restrict size) {
    REAL(recvfrom);
    const int wrong = receive_fault("recvfrom", fd);
    FAIL_IF_WRONG
    ssize_t count = real(fd, data, SHORT(length), flags, address, size);
    if (count > 0)
        note_received(fd, true);
    return count;
}

/* Where a descriptor comes with them, a receive of a few bytes has it as well. */
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    REAL(recvmsg);
    const int wrong = receive_fault("recvmsg", fd);
    FAIL_IF_WRONG
    ssize_t count;
    if (wrong == FAULT_SHORT && message->msg_iovlen > 0 && message->msg_iov[0].iov_len > 0) {
        struct msghdr part = *message;
        struct iovec one = {message->msg_iov[0].iov_base, 1};
        part.msg_iov = &one;
        part.msg_iovlen = 1;
        count = real(fd, &part, flags);
        message->msg_controllen = part.msg_controllen;
        message->msg_flags = part.msg_flags;
    } else {
        count = real(fd, message, flags);
    }
    if (count > 0)
        note_received(fd, true);
    return count;
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
    REAL(send);
    const int wrong = send_fault("send", fd);
    FAIL_IF_WRONG
    return note_sent(fd, real(fd, data, SHORT(length), flags));
}

CALL(ssize_t, sendto,
     (int fd, const void *data, size_t length, int flags, const struct sockaddr *address, socklen_t size),
     (fd, data, SHORT(length), flags, address, size), EINTR, ECONNREFUSED, ENOBUFS, ENOMEM)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    FAULT(writev, EINTR, EPIPE, ENOSPC, FAULT_SHORT);
    FAIL_IF_WRONG
    if (wrong == FAULT_SHORT && count > 0 && parts[0].iov_len > 0) {
        struct iovec one = {parts[0].iov_base, 1};
        return real(fd, &one, 1);
    }
    return real(fd, parts, count);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    const int wrong = send_fault("sendmsg", fd);
    FAIL_IF_WRONG
    if (wrong == FAULT_SHORT && message->msg_iovlen > 0 && message->msg_iov[0].iov_len > 0) {
        struct msghdr part = *message;
        struct iovec one = {message->msg_iov[0].iov_base, 1};
        part.msg_iov = &one;
        part.msg_iovlen = 1;
        return note_sent(fd, real(fd, &part, flags));
    }
    return note_sent(fd, real(fd, message, flags));
}

/* Sockets. */

int socket(int domain, int type, int protocol) {
    FAULT(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES);
    FAIL_IF_WRONG
    int fd = real(domain, type, protocol);
    note_received(fd, false);
    note_sent(fd, 1);
    return fd;
}

CALL(int, socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds), EMFILE, ENFILE,
     ENOMEM)

int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict size, int flags) {
    FAULT(accept4, EINTR, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM);
    FAIL_IF_WRONG
    int fd = real(listener, address, size, flags);
    /* A client may be reset at any time. */
    note_received(fd, true);
    if (fd >= 0 && fd < 1024)
        atomic_store(&is_unanswered[fd], true);
    return fd;
}

CALL(int, connect, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), EINTR, EAGAIN,
     ECONNREFUSED, ENOENT, EACCES, ENOMEM, ETIMEDOUT)
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), EADDRINUSE, EACCES,
     ENOSPC, EROFS, ENOMEM)
CALL(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE, ENOMEM)
CALL(int, shutdown, (int fd, int how), (fd, how), ENOTCONN)
CALL(int, getsockname, (int fd, struct sockaddr *restrict address, socklen_t *restrict size), (fd, address, size), ENOBUFS)
CALL(int, getpeername, (int fd, struct sockaddr *restrict address, socklen_t *restrict size), (fd, address, size),
     ENOTCONN, ENOBUFS)
CALL(int, getsockopt, (int fd, int level, int option, void *restrict value, socklen_t *restrict size),
     (fd, level, option, value, size), ENOBUFS, ENOMEM)
CALL(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t size),
     (fd, level, option, value, size), ENOBUFS, ENOMEM, EINVAL)

/* Waiting. */

CALL(int, poll, (struct pollfd *fds, nfds_t count, int timeout), (fds, count, timeout), EINTR, ENOMEM)
CALL(int, ppoll, (struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
     (fds, count, timeout, mask), EINTR, ENOMEM)
CALL(int, epoll_create1, (int flags), (flags), EMFILE, ENFILE, ENOMEM)
CALL(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event), (epoll, operation, fd, event), ENOMEM,
     ENOSPC)
CALL(int, epoll_wait, (int epoll, struct epoll_event *events, int most, int timeout), (epoll, events, most, timeout),
     EINTR)
CALL(int, timerfd_create, (int clock, int flags), (clock, flags), EMFILE, ENFILE, ENOMEM)
CALL(int, timerfd_settime, (int fd, int flags, const struct itimerspec *new, struct itimerspec *old),
     (fd, flags, new, old), ECANCELED)

/* Files. */

static int open_with(const char *path, int flags, mode_t mode) {
    __typeof__(&open64) real = (__typeof__(&open64))(uintptr_t)dlsym(RTLD_NEXT, "open64");
    static const int ways[] = {EINTR, EMFILE, ENFILE, EACCES, ENOENT, EEXIST, ENOSPC, EROFS, ENOMEM, ELOOP};
    const int wrong = fault_on("open", path, ways, sizeof ways / sizeof ways[0]);
    FAIL_IF_WRONG
    return real(path, flags, mode);
}

#define OPEN(function)                                                                                                 \
    int function(const char *path, int flags, ...) {                                                                   \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                        \
        va_end(rest);                                                                                                  \
        return open_with(path, flags, mode);                                                                           \
    }
OPEN(open64)
#undef open
OPEN(open)

CALL(int, flock, (int fd, int operation), (fd, operation), EINTR, EWOULDBLOCK, ENOLCK)
CALL(int, fstat64, (int fd, struct stat64 *stat), (fd, stat), ENOMEM, EIO)
CALL_ON(int, stat64, (const char *restrict path, struct stat64 *restrict stat), (path, stat), EACCES, ENOMEM, EIO)
CALL_ON(int, lstat64, (const char *restrict path, struct stat64 *restrict stat), (path, stat), EACCES, ENOMEM, EIO)
CALL_ON(int, fstatat64, (int fd, const char *restrict path, struct stat64 *restrict stat, int flags), (fd, path, stat, flags),
     EACCES, ENOMEM, EIO)
CALL_ON(int, statx, (int fd, const char *restrict path, int flags, unsigned mask, struct statx *restrict stat),
     (fd, path, flags, mask, stat), EACCES, ENOMEM, EIO)
CALL(int, ftruncate64, (int fd, off64_t length), (fd, length), EINTR, ENOSPC, EIO)
CALL_ON(int, chmod, (const char *path, mode_t mode), (path, mode), EPERM, EROFS, ENOENT)
CALL_ON(int, utimensat, (int fd, const char *path, const struct timespec times[2], int flags), (fd, path, times, flags),
        EPERM, EROFS, EIO)
CALL(int, futimens, (int fd, const struct timespec times[2]), (fd, times), EPERM, EROFS, EIO)
CALL_ON(int, unlink, (const char *path), (path), EACCES, EBUSY, EROFS, ENOENT)
CALL_ON(ssize_t, readlink, (const char *restrict path, char *restrict data, size_t length), (path, data, length), EACCES,
     EIO)
CALL(off64_t, lseek64, (int fd, off64_t offset, int whence), (fd, offset, whence), EINVAL)

/* What was to be closed is closed whatever close says. */
int close(int fd) {
    FAULT(close, FAULT_DONE_INTERRUPTED);
    if (fd >= 0 && fd < 1024)
        atomic_store(&is_eventfd[fd], false);
    int result = real(fd);
    if (wrong == FAULT_DONE_INTERRUPTED) {
        errno = EINTR;
        return -1;
    }
    return result;
}

int fcntl(int fd, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    REAL(fcntl);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) {
        static const int ways[] = {EMFILE, ENOMEM};
        const int wrong = fault("fcntl", ways, sizeof ways / sizeof ways[0]);
        FAIL_IF_WRONG
    }
    return real(fd, command, argument);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    FAULT(ioctl, ENOMEM);
    FAIL_IF_WRONG
    return real(fd, request, argument);
}

DIR *opendir(const char *path) {
    FAULT(opendir, EMFILE, ENFILE, EACCES, ENOENT, ENOMEM);
    if (wrong > 0) {
        errno = wrong;
        return NULL;
    }
    return real(path);
}

struct dirent64 *readdir64(DIR *directory) {
    FAULT(readdir64, EIO);
    if (wrong > 0) {
        errno = wrong;
        return NULL;
    }
    return real(directory);
}

char *realpath(const char *restrict path, char *restrict resolved) {
    FAULT(realpath, EACCES, ENOENT, ELOOP, ENOMEM);
    if (wrong > 0) {
        errno = wrong;
        return NULL;
    }
    return real(path, resolved);
}

char *getcwd(char *data, size_t length) {
    FAULT(getcwd, ENOENT, EACCES);
    if (wrong > 0) {
        errno = wrong;
        return NULL;
    }
    return real(data, length);
}

/* The process. */

CALL(int, unshare, (int flags), (flags), EPERM, ENOMEM)
CALL(int, kill, (pid_t process, int number), (process, number), EPERM)
CALL(ssize_t, getrandom, (void *data, size_t length, unsigned flags), (data, length, flags), EINTR)

void *mmap64(void *address, size_t length, int protection, int flags, int fd, off64_t offset) {
    FAULT(mmap64, ENOMEM);
    if (wrong > 0) {
        errno = wrong;
        return MAP_FAILED;
    }
    return real(address, length, protection, flags, fd, offset);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest) {
    FAULT(clock_nanosleep, EINTR);
    if (wrong > 0) {
        if (rest)
            *rest = *time;
        return wrong;
    }
    return real(clock, flags, time, rest);
}

int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes, void *(*run)(void *),
                   void *restrict argument) {
    FAULT(pthread_create, EAGAIN);
    return wrong > 0 ? wrong : real(thread, attributes, run, argument);
}

/* What has no function of its own in every libc. Futexes are left alone: nothing waits for an error of theirs. */
long syscall(long number, ...) {
    va_list rest;
    va_start(rest, number);
    long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long);
    long d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
    va_end(rest);
    REAL(syscall);
    if (number == SYS_fchmod) {
        static const int ways[] = {EPERM, EROFS, EIO};
        const int wrong = fault("fchmod", ways, sizeof ways / sizeof ways[0]);
        FAIL_IF_WRONG
    }
    return real(number, a, b, c, d, e, f);
}
