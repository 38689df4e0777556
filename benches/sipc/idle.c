/* What a listener costs that has nothing to do: memory after its start and for each idle session, processor time and
 * wake-ups (voluntary switches of all its threads) with so many sessions open. The clients are in a process of their
 * own, which is looked at as well.
 *
 *   idle SESSIONS SECONDS
 *
 * The check whether socket and lock file still stand is put off, so that it does not fall into the stretch.
 */
#define _GNU_SOURCE
#include "channel.h"
#include "measure.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A listener at rest has one thread beside its program's own, and perhaps another that takes jobs. */
enum { FEW_THREADS = 3 };

/* The sum of a field over /proc/PID/task/…/status, or the field of /proc/PID/status. */
static long long field_of(const char *path, const char *field) {
    FILE *file = fopen(path, "r");
    if (!file)
        return 0; /* a thread that has ended meanwhile */
    char line[256];
    long long value = 0;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
            value = strtoll(line + strlen(field) + 1, NULL, 10);
    fclose(file);
    return value;
}

struct look {
    long long rss_kib, switches, threads;
    double cpu_s;
};

static struct look look_at(pid_t process) {
    struct look look = {0};
    char path[512], folder[64];
    snprintf(path, sizeof path, "/proc/%d/status", process);
    look.rss_kib = field_of(path, "VmRSS");
    look.threads = field_of(path, "Threads");
    snprintf(folder, sizeof folder, "/proc/%d/task", process);
    DIR *tasks = opendir(folder);
    if (!tasks)
        die("look at a process");
    for (struct dirent *entry; (entry = readdir(tasks));)
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s/status", folder, entry->d_name);
            look.switches += field_of(path, "voluntary_ctxt_switches");
        }
    closedir(tasks);
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &time) != 0)
        die("read a process's processor time");
    look.cpu_s = (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    return look;
}

static sipc_options *quiet(void) {
    sipc_options *options = sipc_options_new();
    sipc_options_set_check_interval_ms(options, 3600 * 1000);
    sipc_options_set_max_connections(options, 100000);
    return options;
}

static _Noreturn void serve(int ready) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_listen_uds_request(CHANNEL, answer_with_body, NULL, NULL, quiet(), &listener, &error);
    if (status != SIPC_OK)
        die_of("listen", status, error);
    write_byte(ready);
    for (;;)
        pause();
}

static _Noreturn void connect_all(int ready, long sessions) {
    for (long i = 0; i < sessions; i++) {
        sipc_client *client = NULL;
        sipc_message *reply = NULL;
        sipc_error *error = NULL;
        sipc_status status = sipc_client_connect_uds(CHANNEL, NULL, &client, &error);
        /* A session counts once it has carried something. */
        if (status == SIPC_OK)
            status = sipc_client_request(client, sipc_text("hello"), NULL, &reply, &error);
        if (status != SIPC_OK)
            die_of("open a session", status, error);
        sipc_message_free(reply);
    }
    write_byte(ready);
    for (;;)
        pause();
}

static pid_t start(int ready[2], long sessions) {
    pid_t process = fork();
    if (process < 0)
        die("start a process");
    if (process > 0)
        return process;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ready[0]);
    if (sessions == 0)
        serve(ready[1]);
    connect_all(ready[1], sessions);
}

static void rest(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

int main(int argc, char **argv) {
    long sessions = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
    double seconds = argc == 3 ? strtod(argv[2], NULL) : 0;
    if (sessions < 1 || sessions > 100000 || !(seconds > 0 && seconds <= 3600)) {
        fprintf(stderr, "usage: %s SESSIONS SECONDS\n", argv[0]);
        return 2;
    }
    alarm(120 + (unsigned)seconds);
    allow_many_descriptors();
    make_scratch();
    int listening[2], connected[2];
    if (pipe(listening) != 0 || pipe(connected) != 0)
        die("make pipes");
    pid_t server = start(listening, 0);
    remove_scratch_at_exit();
    close(listening[1]);
    if (!read_byte(listening[0]))
        return 1;
    rest(0.2); /* what a start does after it has said so belongs to it */
    struct look started = look_at(server);
    pid_t clients = start(connected, sessions);
    close(connected[1]);
    if (!read_byte(connected[0]))
        return 1;
    /* Threads that served the sessions' beginning leave; one that left later would take its wake-ups out of the count. */
    for (int tries = 0; tries < 200 && look_at(server).threads > FEW_THREADS; tries++)
        rest(0.1);
    struct look server_before = look_at(server), clients_before = look_at(clients);
    rest(seconds);
    struct look server_after = look_at(server), clients_after = look_at(clients);

    printf("{\"what\":\"idle\",\"sessions\":%ld,\"seconds\":%.1f,\"rss_start_kib\":%lld,\"rss_sessions_kib\":%lld,"
           "\"kib_a_session\":%.2f,\"client_kib_a_session\":%.2f,\"threads\":%lld,\"client_threads\":%lld,"
           "\"cpu_percent\":%.4f,\"wakeups_a_minute\":%.1f,\"client_cpu_percent\":%.4f,"
           "\"client_wakeups_a_minute\":%.1f}\n",
           sessions, seconds, started.rss_kib, server_after.rss_kib,
           (double)(server_after.rss_kib - started.rss_kib) / (double)sessions,
           (double)clients_after.rss_kib / (double)sessions, server_after.threads, clients_after.threads,
           (server_after.cpu_s - server_before.cpu_s) / seconds * 100,
           (double)(server_after.switches - server_before.switches) / seconds * 60,
           (clients_after.cpu_s - clients_before.cpu_s) / seconds * 100,
           (double)(clients_after.switches - clients_before.switches) / seconds * 60);
    kill(clients, SIGKILL);
    kill(server, SIGKILL);
    waitpid(clients, NULL, 0);
    waitpid(server, NULL, 0);
    return 0;
}
