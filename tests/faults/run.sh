#!/bin/sh
# Every n-th system call fails, and then every call to one function for as long as it lasts: builds the library so that its system calls go through libc, and runs faults.c with the
# shim in between. The last line is `N passed, N failed`.
#
#   tests/faults/run.sh [--full] [--staying] […]     what follows goes to the program, see faults.c
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/faults/library.sh
. "$here/library.sh"
# shellcheck disable=SC2086 # a list of flags
"$cc" $warnings -shared -fPIC "$here/shim.c" -o "$target/faults_shim.so" -ldl || stop "the shim does not compile"
# shellcheck disable=SC2086
"$cc" $warnings -I"$root/include" "$here/faults.c" "$here/scenarios.c" "$here/steps.c" "$here/clients.c" \
    "$here/publications.c" "$here/streams.c" "$here/listeners.c" -o "$target/faults" "$target/faults_shim.so" \
    "$library" -pthread "-Wl,-rpath,$target" "-Wl,-rpath,$(dirname "$library")" || stop "the scenarios do not compile"

# What the library asks libc for, of all that can fail for what it asks the kernel for.
can_fail='accept accept4 access bind chdir chmod chown clock_nanosleep close connect creat dup dup2 dup3 epoll_create
    epoll_create1 epoll_ctl epoll_pwait epoll_wait eventfd fallocate fchmod fchmodat fchown fcntl fcntl64 fdatasync flock
    fstat fstat64 fstatat fstatat64 fsync ftruncate ftruncate64 getcwd getdents64 getpeername getrandom getsockname
    getsockopt inotify_add_watch inotify_init1 ioctl kill link linkat listen lseek lseek64 lstat lstat64 memfd_create mkdir
    mmap mmap64 mremap nanosleep open open64 openat openat64 opendir pidfd_open pipe pipe2 poll ppoll pread pread64 preadv
    pselect pthread_create pwrite pwrite64 pwritev read readdir readdir64 readlink readlinkat readv realpath recv recvfrom
    recvmmsg recvmsg rename renameat rmdir select send sendfile sendmmsg sendmsg sendto setsockopt shutdown signalfd socket
    socketpair splice stat stat64 statx symlink syscall timerfd_create timerfd_settime truncate unlink unlinkat unshare
    utimensat write writev'
uses=$(nm -D --undefined-only "$library" | awk '{ sub(/@.*/, "", $2); print $2 }')
stands_in=$(nm -D --defined-only "$target/faults_shim.so" | awk '{ print $3 }')
for function in $can_fail; do
    if echo "$uses" | grep -qx "$function" && ! echo "$stands_in" | grep -qx "$function"; then
        stop "the library calls $function, for which shim.c does not stand in: add it there"
    fi
done
for function in flock recv accept4; do
    echo "$uses" | grep -qx "$function" || stop "the library does not call $function through libc: no fault would reach it"
done

LD_PRELOAD="$target/faults_shim.so" exec "$target/faults" "$@"
