/* What the C tests ask of a POSIX system. system_windows.h gives the same under Windows. */
#ifndef SYSTEM_UNIX_H
#define SYSTEM_UNIX_H

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* What stands between a directory and a file. */
#define SEPARATOR "/"

/* The wires that a name can be spoken to in. */
#define WIRES_OF_NAMES {SIPC_WIRE_AUTO, SIPC_WIRE_NATIVE, SIPC_WIRE_DENO}

/* A test that there is on POSIX systems alone, and why. */
#define TEST_ON_UNIX(name, reason) {#name, name, NULL}
/* A test of what Windows promises and Wine does not do, and why. */
#define TEST_WITHOUT_WINE(name, reason) {#name, name, NULL}

/* Waits until what a queue or a stream hands out for event loops says that there is something to do. */
static inline void await_descriptor(int32_t descriptor) {
    struct pollfd watched = {descriptor, POLLIN, 0};
    CHECK(poll(&watched, 1, -1) == 1);
}

/* Whether a channel's socket is there, with this mode. */
static inline bool has_socket(const char *path, unsigned mode) {
    struct stat file;
    return stat(path, &file) == 0 && S_ISSOCK(file.st_mode) && (file.st_mode & 0777) == mode;
}

/* Checks that a peer is this process, of this user. */
static inline void check_own(int64_t uid, int64_t pid) {
    CHECK(uid == (int64_t)geteuid() && pid == (int64_t)getpid());
}
static inline void check_own_group(int64_t gid) {
    CHECK(gid == (int64_t)getegid());
}

/* How many descriptors this process has open, and how many one end of a stream takes. */
static inline int open_descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory);
    int count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}
enum { DESCRIPTORS_OF_AN_END = 1 };

static inline void set_variable(const char *name, const char *value) {
    CHECK(setenv(name, value, 1) == 0);
}

/* A test's own process: a scratch directory for its channels, a watchdog, the test. */
static inline void run_alone(const struct test *test) {
    char scratch[] = "/tmp/sipc-c-XXXXXX";
    if (!mkdtemp(scratch)) {
        perror("mkdtemp");
        _exit(1);
    }
    pid_t process = fork();
    if (process == 0) {
        alarm(WATCHDOG_SECONDS);
        setenv("SIMPLE_IPC_DIR", scratch, 1);
        test->run();
        /* So that valgrind and LeakSanitizer look for leaks. */
        exit(0);
    }
    int status = 0;
    if (process < 0 || waitpid(process, &status, 0) < 0)
        perror(test->name);
    /* A test that failed left its files behind. */
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    if (system(command) != 0)
        printf("# cannot remove %s\n", scratch);
    if (WIFSIGNALED(status))
        printf("# ended by signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (the watchdog)" : "");
    else if (WEXITSTATUS(status) != 0)
        printf("# ended with %d\n", WEXITSTATUS(status));
    fflush(stdout);
    _exit(status == 0 ? 0 : 1);
}

/* Runs a test in a process of its own; whether it has passed. */
static inline bool passes_alone(const struct test *test, const char *program) {
    (void)program;
    pid_t process = fork();
    if (process == 0)
        run_alone(test);
    int status = 0;
    if (process < 0 || waitpid(process, &status, 0) < 0)
        perror(test->name);
    return process > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A process that was started for one test: nothing here. */
static inline const char *wanted_alone(int argc, char **argv) {
    (void)argc, (void)argv;
    return NULL;
}

static inline void begin_alone(void) {}

#endif
