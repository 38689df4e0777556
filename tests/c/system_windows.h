/* What the C tests ask of Windows. system_unix.h gives the same on POSIX systems. MinGW has pthread.h, sched.h and a part of
 * unistd.h; a process is not forked here: the program starts itself again for each test. */
#ifndef SYSTEM_WINDOWS_H
#define SYSTEM_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define SEPARATOR "\\"

/* The wires that a name can be spoken to in: the Deno wire ends one direction of a stream, which a pipe cannot. */
#define WIRES_OF_NAMES {SIPC_WIRE_AUTO, SIPC_WIRE_NATIVE}

/* A test that there is on POSIX systems alone, and why. */
#define TEST_ON_UNIX(name, reason) {#name, NULL, reason}
/* A test of what Windows promises and Wine does not do, and why. */
#define TEST_WITHOUT_WINE(name, reason) {#name, name, reason}

static inline void await_descriptor(int32_t descriptor) {
    CHECK(WaitForSingleObject((HANDLE)(intptr_t)descriptor, INFINITE) == WAIT_OBJECT_0);
}

/* A channel is a pipe and a lock file there, which has no mode. */
static inline bool has_socket(const char *path, unsigned mode) {
    (void)mode;
    char lock_file[300];
    snprintf(lock_file, sizeof lock_file, "%s.lock", path);
    struct stat file;
    return stat(lock_file, &file) == 0;
}

/* Users and groups have no numbers there. */
static inline void check_own(int64_t uid, int64_t pid) {
    CHECK(uid == -1 && pid == (int64_t)GetCurrentProcessId());
}
static inline void check_own_group(int64_t gid) {
    CHECK(gid == -1);
}

/* How many handles this process has open, and how many one end of a stream takes: its pipe, its events. */
static inline int open_descriptors(void) {
    DWORD count = 0;
    CHECK(GetProcessHandleCount(GetCurrentProcess(), &count));
    return (int)count;
}
enum { DESCRIPTORS_OF_AN_END = 4 };

static inline void set_variable(const char *name, const char *value) {
    CHECK(_putenv_s(name, value) == 0);
}

static inline DWORD WINAPI end_what_hangs(void *unused) {
    (void)unused;
    Sleep(WATCHDOG_SECONDS * 1000);
    printf("# ended by the watchdog\n");
    fflush(stdout);
    _exit(1);
}

/* The name of the test that this process was started for. */
static inline const char *wanted_alone(int argc, char **argv) {
    return argc == 3 && strcmp(argv[1], "--alone") == 0 ? argv[2] : NULL;
}

static inline void begin_alone(void) {
    HANDLE watchdog = CreateThread(NULL, 0, end_what_hangs, NULL, 0, NULL);
    CHECK(watchdog && CloseHandle(watchdog));
}

/* Removes a directory that has files only. */
static inline void remove_directory(const char *path) {
    char pattern[300], file[600];
    snprintf(pattern, sizeof pattern, "%s\\*", path);
    WIN32_FIND_DATAA found;
    HANDLE search = FindFirstFileA(pattern, &found);
    if (search != INVALID_HANDLE_VALUE) {
        do {
            snprintf(file, sizeof file, "%s\\%s", path, found.cFileName);
            DeleteFileA(file);
        } while (FindNextFileA(search, &found));
        FindClose(search);
    }
    if (!RemoveDirectoryA(path))
        printf("# cannot remove %s\n", path);
}

/* Runs a test in a process of its own, with a scratch directory for its channels; whether it has passed. */
static inline bool passes_alone(const struct test *test, const char *program) {
    char here[200], scratch[260];
    static int number;
    CHECK(_getcwd(here, sizeof here));
    snprintf(scratch, sizeof scratch, "%s\\c-%d-%d", here, _getpid(), ++number);
    CHECK(CreateDirectoryA(scratch, NULL));
    set_variable("SIMPLE_IPC_DIR", scratch);
    intptr_t status = _spawnl(_P_WAIT, program, program, "--alone", test->name, NULL);
    remove_directory(scratch);
    if (status == -1)
        perror(program);
    else if (status != 0)
        printf("# ended with %ld\n", (long)status);
    return status == 0;
}

#endif
