/* Taking a channel over, step by step: two processes want a channel, and every order of their file-system calls is tried
 * in which one of them is interrupted at most twice (the other then runs on until it is done, sleeps or is interrupted).
 *
 * Whatever the order: exactly one of two that listen gets the channel and the other hears that it is in use; who has the
 * channel is reached by a client, and keeps a third one out; nobody removes another's files; and when it closes nothing is left.
 *
 *   interleavings [--most N]     how often a process is interrupted; default 2
 */
#define _GNU_SOURCE
#include "steps.h"

#include <simple_ipc.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 2, WATCHDOG_MS = 60000, MOST_STEPS = 4000 };

enum start { EMPTY, LEFT_BEHIND, CLOSING };

static const char *const names[] = {
    "two listen in an empty directory",
    "two listen where a dead listener left its files",
    "one listens while another closes",
};

struct process {
    pid_t pid;
    int from, to, end;
    char said;
};

/* Shared: how listening ended in each process. */
static sipc_status *statuses;
static char directory[64];

static void on_request(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)user_data;
    sipc_respond(responder, sipc_json(pid), NULL);
}

static sipc_options *options_here(void) {
    sipc_options *options = sipc_options_new();
    sipc_options_set_directory(options, directory);
    return options;
}

static sipc_listener *listen_here(sipc_status *status) {
    sipc_options *options = options_here();
    sipc_listener *listener = NULL;
    *status = sipc_listen_uds_request("channel", on_request, NULL, NULL, options, &listener, NULL);
    sipc_options_free(options);
    return listener;
}

/* A stepped process: listens, or has been listening and closes; then waits until it is to end. */
static void be(int number, bool closes, int to, int from, int end) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sipc_listener *listener = NULL;
    if (closes)
        listener = listen_here(&statuses[number]);
    char byte = DONE;
    if (closes && write(to, "r", 1) != 1)
        _exit(3);
    steps_on(to, from);
    if (closes) {
        sipc_listener_close(listener, NULL);
        sipc_listener_free(listener);
        listener = NULL;
    } else {
        listener = listen_here(&statuses[number]);
    }
    steps_off();
    if (write(to, &byte, 1) != 1 || read(end, &byte, 1) < 0)
        _exit(3);
    if (listener) {
        sipc_listener_close(listener, NULL);
        sipc_listener_free(listener);
    }
    _exit(0);
}

static struct process start(int number, bool closes) {
    int from[2], to[2], end[2];
    if (pipe2(from, O_CLOEXEC) || pipe2(to, O_CLOEXEC) || pipe2(end, O_CLOEXEC))
        abort();
    fflush(stdout);
    struct process process = {fork(), from[0], to[1], end[1], 0};
    if (process.pid == 0) {
        close(from[0]);
        close(to[1]);
        close(end[1]);
        be(number, closes, from[1], to[0], end[0]);
    }
    close(from[1]);
    close(to[0]);
    close(end[0]);
    return process;
}

/* What the process says next; 0 if it says nothing for long or has died. */
static char hear(struct process *process) {
    struct pollfd ready = {process->from, POLLIN, 0};
    char byte = 0;
    if (poll(&ready, 1, WATCHDOG_MS) != 1 || read(process->from, &byte, 1) != 1)
        byte = 0;
    process->said = byte;
    return byte;
}

static unsigned files(bool remove) {
    unsigned count = 0;
    DIR *folder = opendir(directory);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            count++;
            if (remove)
                unlinkat(dirfd(folder), entry->d_name, 0);
        }
    if (folder)
        closedir(folder);
    return count;
}

static void leave_files(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.deno.channel.socket", directory);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 1))
        abort();
    close(fd);
    char path[200];
    snprintf(path, sizeof path, "%s.lock", address.sun_path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* The process that answers on the channel; 0: none. */
static int who_answers(void) {
    int result[2];
    if (pipe2(result, O_CLOEXEC))
        abort();
    fflush(stdout);
    pid_t client = fork();
    if (client == 0) {
        sipc_options *options = options_here();
        sipc_message *reply = NULL;
        int pid = 0;
        if (sipc_post_uds_request("channel", sipc_json("1"), options, &reply, NULL) == SIPC_OK)
            pid = atoi(sipc_message_json(reply));
        _exit(write(result[1], &pid, sizeof pid) != sizeof pid);
    }
    close(result[1]);
    int pid = 0;
    if (read(result[0], &pid, sizeof pid) != sizeof pid)
        pid = 0;
    close(result[0]);
    waitpid(client, NULL, 0);
    return pid;
}

/* Whether one more process that wants the channel is refused. */
static bool refuses_another(void) {
    fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        sipc_status status;
        sipc_listener_free(listen_here(&status));
        _exit(status != SIPC_IN_USE);
    }
    int status = -1;
    waitpid(process, &status, 0);
    return status == 0;
}

/* One order. Returns the number of steps, or -1 where something was not as it should be. */
static int run(enum start how, int first, const int *interrupts, int interrupts_len) {
    const char *wrong = NULL;
    memset(statuses, 0, PROCESSES * sizeof *statuses);
    if (how == LEFT_BEHIND)
        leave_files();
    struct process processes[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        bool closes = how == CLOSING && i == 0;
        processes[i] = start(i, closes);
        if (closes && hear(&processes[i]) != 'r')
            wrong = "the first listener does not listen";
    }
    for (int i = 0; i < PROCESSES && !wrong; i++)
        if (!hear(&processes[i]))
            wrong = "a process does not begin";
    int steps = 0, present = first;
    bool paused = false;
    while (!wrong) {
        int other = 1 - present;
        if (processes[present].said == DONE) {
            if (processes[other].said == DONE)
                break;
            present = other;
        } else if (processes[other].said != DONE) {
            bool interrupted = paused;
            for (int i = 0; i < interrupts_len; i++)
                interrupted |= interrupts[i] == steps;
            if (interrupted)
                present = other;
        }
        struct process *process = &processes[present];
        paused = process->said == PAUSE;
        if (write(process->to, "g", 1) != 1 || !hear(process))
            wrong = "a process hangs or died";
        if (++steps > MOST_STEPS)
            wrong = "it takes no end";
    }
    if (!wrong) {
        int answers = who_answers();
        if (how == CLOSING) {
            if (statuses[1] == SIPC_OK ? answers != processes[1].pid : answers != 0 || statuses[1] != SIPC_IN_USE)
                wrong = "the second listener is neither reached nor refused";
        } else {
            int winner = statuses[0] == SIPC_OK ? 0 : 1;
            if (statuses[winner] != SIPC_OK || statuses[1 - winner] != SIPC_IN_USE)
                wrong = "not exactly one of two listeners got the channel";
            else if (answers != processes[winner].pid)
                wrong = "the listener that got the channel is not reached";
        }
        /* Without its lock file a listener is taken for a Deno original. */
        if (!wrong && answers && files(false) != 2)
            wrong = "the channel does not have its two files";
        if (!wrong && answers && !refuses_another())
            wrong = "one more listener is let in";
    }
    for (int i = 0; i < PROCESSES; i++) {
        if (wrong)
            kill(processes[i].pid, SIGKILL);
        /* Not by closing it: the other has inherited it. */
        if (write(processes[i].end, "e", 1) != 1 && !wrong)
            wrong = "a process died";
        close(processes[i].end);
        int status = 0;
        waitpid(processes[i].pid, &status, 0);
        if (status != 0 && !wrong)
            wrong = "a process did not end in order";
        close(processes[i].from);
        close(processes[i].to);
    }
    if (files(true) > 0 && !wrong)
        wrong = "files are left";
    if (!wrong)
        return steps;
    printf("# %s, process %d first, interrupted at", names[how], first);
    for (int i = 0; i < interrupts_len; i++)
        printf(" %d", interrupts[i]);
    printf(": %s (listening: %s, %s)\n", wrong, sipc_status_name(statuses[0]), sipc_status_name(statuses[1]));
    return -1;
}

static unsigned orders, longest;

/* Every way to interrupt once more, after those there are. */
static unsigned try_all(enum start how, int first, int *interrupts, int len, int most) {
    int steps = run(how, first, interrupts, len);
    orders++;
    if (steps < 0)
        return 1;
    if ((unsigned)steps > longest)
        longest = (unsigned)steps;
    unsigned failed = 0;
    if (len < most)
        for (int at = len ? interrupts[len - 1] + 1 : 1; at < steps && failed < 5; at++) {
            interrupts[len] = at;
            failed += try_all(how, first, interrupts, len + 1, most);
        }
    return failed;
}

int main(int argc, char **argv) {
    int most = argc == 3 && strcmp(argv[1], "--most") == 0 ? atoi(argv[2]) : 2;
    if ((argc != 1 && argc != 3) || most < 0 || most > 4) {
        fprintf(stderr, "interleavings: it takes [--most N], with N from 0 to 4\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    statuses = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(directory, sizeof directory, "/tmp/sipc-orders-XXXXXX");
    if (statuses == MAP_FAILED || !mkdtemp(directory))
        abort();
    unsigned passed = 0, failed = 0;
    for (enum start how = EMPTY; how <= CLOSING; how++) {
        unsigned wrong = 0;
        orders = longest = 0;
        for (int first = 0; first < PROCESSES; first++) {
            int interrupts[4];
            wrong += try_all(how, first, interrupts, 0, most);
        }
        printf("%s - %s: %u orders of up to %u steps, %u wrong\n", wrong ? "not ok" : "ok", names[how], orders, longest,
               wrong);
        fflush(stdout);
        if (wrong)
            failed++;
        else
            passed++;
    }
    rmdir(directory);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
