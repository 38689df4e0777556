/* Every n-th system call fails, and then all calls to one function.
 *
 * For each scenario and n = 1, 2, 3, … the n-th system call of the subject, one side of an exchange, goes wrong in each
 * way in which that call can (see shim.c), until a try has no n-th call. Each time, in a process of its own: there is a
 * result or a clear error; nothing hangs, panics or crashes; the same thing then works without a fault in the same
 * process; no descriptor and no thread is left that would not be there without faults; no file is left; the side that is
 * well goes on; and what was acknowledged was handled once, what is said not to have been handled was not, and nothing
 * was handled twice.
 *
 * Then for each function that the subject calls, and for those that take a path also on its lock file and on its socket
 * alone: every call goes wrong in each of its ways, for as long as the subject acts. The same holds, and besides: it ends
 * soon after its deadlines, and does not wait by trying again and again: it uses at most a tenth of a core, beside what
 * the same takes without a fault.
 *
 *   faults [--full] [--scenario N] [--staying] [--nth N --way N [--burst N] | --function NAME --way N [--path END]]
 *
 * Without --full each call goes wrong in one of its ways, in turn, and once; with it in all of them, and also 20 times
 * in a row. With --staying only the second half is done. Needs LD_PRELOAD=faults_shim.so and a libsimpleipc.so that makes its system calls through libc. */
#define _GNU_SOURCE
#include "scenarios.h"
#include "shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Far beyond what a try takes. */
enum { WATCHDOG_SECONDS = 60 };

/* How long after the last of its deadlines a subject may end: far longer than a busy machine needs. */
enum { BEYOND_DEADLINES_MS = 15000 };

/* How many subjects may wait for their threads to end while others go on. */
enum { MOST_PARKED = 1024 };

/* What goes wrong in a try. */
struct fault {
    /* The call, or the function all of whose calls do, on all paths or on those that end with this. */
    unsigned nth, way, burst;
    const char *function, *path;
};

/* What a subject tells of its try. */
struct account {
    struct faults_report report;
    /* The functions that it has called, when nothing went wrong. */
    char called[64][24];
    unsigned wall_ms, cpu_ms;
    struct result faulty, after;
    unsigned descriptors, threads;
    /* It has more left than is allowed, and waits whether that goes away. */
    atomic_bool parked;
    bool finished;
    /* Kept by the runner: whose it is, and what may be left. */
    pid_t process;
    const struct scenario *scenario;
    struct fault fault;
    unsigned most_descriptors, most_threads;
};

struct tally {
    unsigned tries, failed_calls, results, errors, wrong, longest_ms;
    unsigned by_status[600];
};

static struct shared *shared;
/* The accounts of parked subjects, and that of the present one. */
static struct account *accounts, *account;
/* Subjects that had more left than is allowed, in the end. */
static unsigned left_over;
static char directory[64];

/* In the thread that asks, so that nothing is allocated: the subject may have a fault to show. */
static unsigned entries(pid_t process, const char *what) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, what);
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void pause_ms(long ms) {
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

static long now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* What this process has used so far, of all cores together. */
static long cpu_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void remove_files(void) {
    DIR *folder = opendir(directory);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
}

static unsigned files(void) {
    unsigned count = 0;
    DIR *folder = opendir(directory);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    if (folder)
        closedir(folder);
    return count;
}

/* The subject's whole life: with a fault, then without; then it waits until no more is left than is `allowed`. */
static void be_subject(const struct scenario *scenario, struct fault fault, const struct account *allowed) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    long wall = now_ms(), cpu = cpu_ms();
    if (fault.function)
        faults_arm_staying(fault.function, fault.path, fault.way);
    else
        faults_arm(fault.nth, fault.way, fault.burst);
    scenario->act(scenario, shared, directory, &account->faulty);
    faults_disarm(&account->report);
    account->wall_ms = (unsigned)(now_ms() - wall);
    account->cpu_ms = (unsigned)(cpu_ms() - cpu);
    for (unsigned i = 0; faults_called(i); i++)
        strncpy(account->called[i], faults_called(i), sizeof account->called[i] - 1);
    scenario->act(scenario, shared, directory, &account->after);
    long began = now_ms();
    for (;;) {
        account->descriptors = entries(getpid(), "fd");
        account->threads = entries(getpid(), "task");
        if (!allowed || (account->descriptors <= allowed->descriptors && account->threads <= allowed->threads))
            break;
        long waited = now_ms() - began;
        /* Threads that have had no work for ten seconds end. */
        if (waited > 40000)
            break;
        if (waited > 20 && !account->parked) {
            account->parked = true;
            /* The runner waits for the end of this. */
            close(2);
        }
        pause_ms(account->parked ? 50 : 2);
    }
    account->finished = true;
    _exit(0);
}

/* Runs a subject; what it wrote to stderr goes to `said`. False: it did not end by itself in order. */
static bool run_subject(const struct scenario *scenario, struct fault fault, const struct account *allowed, char *said, size_t said_len, char *ending, size_t ending_len) {
    int errors[2];
    if (pipe2(errors, O_CLOEXEC))
        abort();
    memset(account, 0, sizeof *account);
    fflush(stdout);
    pid_t subject = fork();
    if (subject < 0)
        abort();
    if (subject == 0) {
        dup2(errors[1], 2);
        close(errors[0]);
        close(errors[1]);
        be_subject(scenario, fault, allowed);
    }
    close(errors[1]);
    size_t len = 0;
    long end = now_ms() + WATCHDOG_SECONDS * 1000;
    bool hangs = false;
    for (;;) {
        struct pollfd ready = {errors[0], POLLIN, 0};
        long left = end - now_ms();
        if (left <= 0 || poll(&ready, 1, (int)left) == 0) {
            hangs = true;
            kill(subject, SIGKILL);
            break;
        }
        char rest[512];
        ssize_t count = read(errors[0], rest, sizeof rest);
        if (count <= 0)
            break;
        size_t room = said_len - 1 - len;
        memcpy(said + len, rest, (size_t)count < room ? (size_t)count : room);
        len += (size_t)count < room ? (size_t)count : room;
    }
    said[len] = 0;
    close(errors[0]);
    ending[0] = 0;
    if (!hangs && account->parked) {
        account->process = subject;
        return true;
    }
    int status = 0;
    waitpid(subject, &status, 0);
    if (hangs)
        snprintf(ending, ending_len, "it hangs");
    else if (WIFSIGNALED(status))
        snprintf(ending, ending_len, "it was ended by signal %d", WTERMSIG(status));
    else if (!account->finished)
        snprintf(ending, ending_len, "it ended with %d", WEXITSTATUS(status));
    return !ending[0];
}

/* The listener that is well, when the client is the subject. */
static pid_t start_listener(const struct scenario *scenario, int *release) {
    int ready[2], end[2];
    if (pipe2(ready, O_CLOEXEC) || pipe2(end, O_CLOEXEC))
        abort();
    fflush(stdout);
    pid_t process = fork();
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(end[1]);
        struct result result = {0};
        sipc_listener *listener = serve(scenario, shared, directory, &result);
        char byte = 'r';
        if (!listener || write(ready[1], &byte, 1) != 1)
            _exit(1);
        while (read(end[0], &byte, 1) > 0) {
        }
        sipc_error *error = NULL;
        bool good = sipc_listener_close(listener, &error) == SIPC_OK;
        sipc_listener_free(listener);
        _exit(good ? 0 : 1);
    }
    close(ready[1]);
    close(end[0]);
    char byte;
    if (read(ready[0], &byte, 1) != 1) {
        fprintf(stderr, "faults: the listener that is well cannot listen\n");
        exit(2);
    }
    close(ready[0]);
    *release = end[1];
    return process;
}

static const char *outcome_name(int outcome) {
    return outcome > 0 ? strerrorname_np(outcome) : outcome == FAULT_SHORT ? "cut short" : "done, but interrupted";
}

static void complain(const struct scenario *scenario, struct fault fault, const char *what) {
    const char *outcome = outcome_name(account->report.outcome);
    if (fault.function)
        printf("# %s: every %s%s%s, way %u (%s): %s\n", scenario->name, fault.function, fault.path ? " of …" : "",
               fault.path ? fault.path : "", fault.way, outcome, what);
    else
        printf("# %s: call %u (%s), way %u (%s), %u in a row: %s\n", scenario->name, fault.nth, account->report.function,
               fault.way, outcome, fault.burst, what);
}

/* What was promised of messages against what the handlers saw. Returns how many promises were broken. */
static unsigned check_messages(const struct scenario *scenario) {
    unsigned broken = 0;
    for (unsigned i = 0; i < shared->next_message; i++) {
        unsigned fate = shared->fate[i], handled = shared->handled[i];
        if (handled > 1 || (fate == DONE && handled != 1) || (fate == CERTAINLY_NOT && handled != 0)) {
            broken++;
            printf("# %s: message %u was handled %u times, and its sender knows: %s\n", scenario->name, i, handled,
                   fate == DONE ? "done" : fate == CERTAINLY_NOT ? "certainly not" : "nothing");
        }
    }
    return broken;
}

/* Whether the fault made the lock file one that is not there, or not for this user to read: then the listener seems to be
 * of another kind. */
static bool hides_the_lock_file(const struct faults_report *fault) {
    bool hides = fault->outcome == ENOENT || fault->outcome == EACCES || fault->outcome == ELOOP;
    return hides && strcmp(fault->function, "open") == 0;
}

/* One try with a fault. Returns the ways in which the n-th call can go wrong; 0: there is no n-th call. */
static unsigned try_in(const struct scenario *scenario, struct fault fault, const struct account *allowed,
                       struct tally *tally, bool verbose) {
    static char said[8192];
    char ending[64];
    long began = now_ms();
    bool good = run_subject(scenario, fault, allowed, said, sizeof said, ending, sizeof ending);
    unsigned took = (unsigned)(now_ms() - began);
    unsigned ways = good ? account->report.ways : 1;
    if (took > tally->longest_ms)
        tally->longest_ms = took;
    if (good && account->report.failed == 0)
        return ways;
    tally->tries++;
    tally->failed_calls += account->report.failed;
    const char *wrong = NULL;
    char text[600];
    if (!good)
        wrong = ending;
    else if (strstr(said, "panicked"))
        wrong = "it panicked";
    else if (account->faulty.status == SIPC_INTERNAL)
        wrong = account->faulty.text;
    else if (account->faulty.status == SIPC_UNSUPPORTED_VERSION && !hides_the_lock_file(&account->report))
        wrong = "it spoke on the wrong wire, though it could not know that the other is not spoken";
    else if (account->faulty.status != SIPC_OK && (!account->faulty.text[0] || strchr(account->faulty.text, '\n')))
        wrong = "the error is not one line of text";
    else if (account->after.status != SIPC_OK)
        snprintf(text, sizeof text, "afterwards, without a fault: %s", account->after.text), wrong = text;
    else if (scenario->listens && !scenario->tcp && files() > 0)
        wrong = "files are left";
    else if (fault.function && account->wall_ms > allowed->wall_ms + scenario_deadlines_ms + BEYOND_DEADLINES_MS)
        snprintf(text, sizeof text, "it took %u ms, and its deadlines are %u ms", account->wall_ms, scenario_deadlines_ms),
            wrong = text;
    else if (fault.function && account->cpu_ms > 100 + 4 * allowed->cpu_ms + account->wall_ms / 10)
        snprintf(text, sizeof text, "it used %u ms of a core in %u ms, and %u ms where nothing goes wrong",
                 account->cpu_ms, account->wall_ms, allowed->cpu_ms),
            wrong = text;
    if (wrong) {
        tally->wrong++;
        complain(scenario, fault, wrong);
        if (said[0])
            printf("# stderr: %s\n", said);
        if (scenario->listens)
            remove_files();
    } else if (account->faulty.status == SIPC_OK) {
        tally->results++;
    } else {
        tally->errors++;
        tally->by_status[account->faulty.status]++;
    }
    if (verbose)
        printf("# %s %u %s%s %s, %u in a row: %s %s (%u messages, %u calls failed, %u ms, %u ms of a core)\n",
               fault.function ? "every" : "call", fault.nth, account->report.function, fault.path ? fault.path : "",
               outcome_name(account->report.outcome), fault.burst,
               account->faulty.status == SIPC_OK ? "result" : "error", account->faulty.text, shared->next_message,
               account->report.failed, took, account->cpu_ms);
    return ways;
}

/* Waits for a subject that was parked, and looks at what it had left in the end. */
static void collect(struct account *parked) {
    int status = 0;
    waitpid(parked->process, &status, 0);
    parked->process = 0;
    account = parked;
    char text[200];
    if (!parked->finished)
        snprintf(text, sizeof text, "it ended with %d while its threads were waited for", status);
    else if (parked->descriptors > parked->most_descriptors || parked->threads > parked->most_threads)
        snprintf(text, sizeof text, "%u descriptors and %u threads are left instead of %u and %u", parked->descriptors,
                 parked->threads, parked->most_descriptors, parked->most_threads);
    else
        return;
    left_over++;
    complain(parked->scenario, parked->fault, text);
}

/* One try, with a place for what it tells that no parked subject has. */
static unsigned try_once(const struct scenario *scenario, struct fault fault, const struct account *allowed,
                         struct tally *tally, bool verbose) {
    static unsigned next;
    struct account *place = &accounts[next++ % MOST_PARKED];
    if (place->process)
        collect(place);
    account = place;
    unsigned ways = try_in(scenario, fault, allowed, tally, verbose);
    place->scenario = scenario;
    place->fault = fault;
    place->most_descriptors = allowed->descriptors, place->most_threads = allowed->threads;
    return ways;
}

/* Every call fails, of each function in turn that the subject called when nothing went wrong. */
static void run_staying(const struct scenario *scenario, bool full, const struct account *allowed, struct tally *tally,
                        bool verbose) {
    static const char *const takes_path[] = {"open", "lstat64", "statx", "fstatat64", "chmod", "unlink"};
    static const char *const paths[] = {NULL, ".lock", ".socket"};
    for (unsigned i = 0; i < 64 && allowed->called[i][0]; i++) {
        const char *function = allowed->called[i];
        bool has_path = false;
        for (size_t j = 0; j < sizeof takes_path / sizeof takes_path[0]; j++)
            has_path = has_path || strcmp(function, takes_path[j]) == 0;
        for (unsigned j = 0; j < (has_path ? 3 : 1); j++) {
            struct fault fault = {.burst = 1, .function = function, .path = paths[j]};
            unsigned ways = 1;
            /* Each scenario begins with another one. */
            fault.way = full ? 0 : (unsigned)(scenario - scenarios + i);
            for (unsigned tried = 0; tried < (full ? ways : 1); tried++, fault.way++) {
                unsigned known = try_once(scenario, fault, allowed, tally, verbose);
                if (known > ways)
                    ways = known;
                if (!full && known && fault.way >= known) {
                    fault.way %= known;
                    try_once(scenario, fault, allowed, tally, verbose);
                }
            }
        }
    }
}

/* Which tries are made. */
struct choice {
    bool full, staying_only;
    unsigned scenario;
    /* If it has a call or a function, this alone. */
    struct fault only;
};

/* Returns whether all went well. */
static bool run_scenario(const struct scenario *scenario, const struct choice *choice, struct tally *all) {
    const bool full = choice->full;
    account = &accounts[MOST_PARKED];
    snprintf(directory, sizeof directory, "/tmp/sipc-faults-XXXXXX");
    if (!mkdtemp(directory))
        abort();
    memset(shared, 0, sizeof *shared);
    int release = -1;
    pid_t listener = scenario->listens ? 0 : start_listener(scenario, &release);
    struct tally tally = {0};
    char said[512], ending[64];

    /* Runs without a fault show what is there when nothing is left over. */
    struct account allowed = {0};
    bool good = true;
    for (int i = 0; i < 3; i++) {
        if (!run_subject(scenario, (struct fault){.burst = 1}, NULL, said, sizeof said, ending, sizeof ending) ||
            account->faulty.status != SIPC_OK || account->after.status != SIPC_OK) {
            printf("# %s: without a fault: %s %s %s\n", scenario->name, ending, account->faulty.text, account->after.text);
            good = false;
        }
        if (account->descriptors > allowed.descriptors)
            allowed.descriptors = account->descriptors;
        if (account->threads > allowed.threads)
            allowed.threads = account->threads;
        if (account->wall_ms > allowed.wall_ms)
            allowed.wall_ms = account->wall_ms;
        if (account->cpu_ms > allowed.cpu_ms)
            allowed.cpu_ms = account->cpu_ms;
    }
    memcpy(allowed.called, account->called, sizeof allowed.called);
    if (!scenario->listens && scenario->wire == SIPC_WIRE_DENO) {
        /* A caller that gives up leaves its connection to the process's background thread. */
        allowed.descriptors += 4;
        allowed.threads++;
    }
    unsigned listener_descriptors = listener ? entries(listener, "fd") : 0;
    unsigned calls = account->report.calls;

    const bool verbose = getenv("VERBOSE") != NULL;
    if (choice->only.nth || choice->only.function) {
        try_once(scenario, choice->only, &allowed, &tally, true);
    } else if (good) {
        unsigned untouched = choice->staying_only || scenario->late ? 2 : 0;
        for (unsigned nth = 1; untouched < 2; nth++) {
            struct fault fault = {.nth = nth, .way = full ? 0 : (nth * 7) % 11, .burst = 1};
            unsigned ways = try_once(scenario, fault, &allowed, &tally, verbose);
            untouched = ways == 0 ? untouched + 1 : 0;
            if (!full && ways && fault.way >= ways) {
                fault.way %= ways;
                try_once(scenario, fault, &allowed, &tally, verbose);
            }
            for (fault.way = 1; full && fault.way < ways; fault.way++)
                try_once(scenario, fault, &allowed, &tally, verbose);
            fault.burst = 20;
            for (fault.way = 0; full && fault.way < ways; fault.way++)
                try_once(scenario, fault, &allowed, &tally, verbose);
        }
        run_staying(scenario, full, &allowed, &tally, verbose);
    }

    if (listener) {
        /* The connections of all those clients are gone again. */
        long began = now_ms();
        unsigned now;
        while ((now = entries(listener, "fd")) > listener_descriptors + 1 && now_ms() - began < 40000)
            pause_ms(20);
        if (now > listener_descriptors + 1) {
            printf("# %s: the listener has %u descriptors instead of %u\n", scenario->name, now, listener_descriptors);
            good = false;
        }
        close(release);
        int status = 0;
        waitpid(listener, &status, 0);
        if (status != 0) {
            printf("# %s: the listener that is well did not end well (%d)\n", scenario->name, status);
            good = false;
        }
    }
    unsigned broken = check_messages(scenario);
    good = good && tally.wrong == 0 && broken == 0 && (tally.tries > 0 || choice->only.nth || choice->only.function);
    remove_files();
    rmdir(directory);

    printf("%s - %s: %u calls; %u tries, %u calls made to fail: %u results, %u errors", good ? "ok" : "not ok",
           scenario->name, calls, tally.tries, tally.failed_calls, tally.results, tally.errors);
    const char *between = " (";
    for (int status = 0; status < 600; status++)
        if (tally.by_status[status]) {
            printf("%s%s %u", between, sipc_status_name(status), tally.by_status[status]);
            between = ", ";
            all->by_status[status] += tally.by_status[status];
        }
    printf("%s, %u wrong; %u messages, longest try %u ms\n", tally.errors ? ")" : "", tally.wrong,
           shared->next_message, tally.longest_ms);
    all->tries += tally.tries;
    all->failed_calls += tally.failed_calls;
    all->results += tally.results;
    all->errors += tally.errors;
    all->wrong += tally.wrong + broken;
    if (tally.longest_ms > all->longest_ms)
        all->longest_ms = tally.longest_ms;
    return good;
}

int main(int argc, char **argv) {
    struct choice choice = {.only.burst = 1};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--full") == 0)
            choice.full = true;
        else if (strcmp(argv[i], "--staying") == 0)
            choice.staying_only = true;
        else if (more && strcmp(argv[i], "--scenario") == 0)
            choice.scenario = (unsigned)atoi(argv[++i]);
        else if (more && strcmp(argv[i], "--nth") == 0)
            choice.only.nth = (unsigned)atoi(argv[++i]);
        else if (more && strcmp(argv[i], "--way") == 0)
            choice.only.way = (unsigned)atoi(argv[++i]);
        else if (more && strcmp(argv[i], "--burst") == 0)
            choice.only.burst = (unsigned)atoi(argv[++i]);
        else if (more && strcmp(argv[i], "--function") == 0)
            choice.only.function = argv[++i];
        else if (more && strcmp(argv[i], "--path") == 0)
            choice.only.path = argv[++i];
        else {
            fprintf(stderr,
                    "faults: unknown argument \"%s\"; it takes [--full] [--scenario N] [--staying] "
                    "[--nth N --way N [--burst N] | --function NAME --way N [--path END]]\n",
                    argv[i]);
            return 2;
        }
    }
    /* A peer that dies must show in a status, not end the test. */
    signal(SIGPIPE, SIG_IGN);
    shared = mmap(NULL, sizeof *shared + (MOST_PARKED + 1) * sizeof *account, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    account = accounts = (struct account *)(shared + 1);
    struct tally all = {0};
    unsigned passed = 0, failed = 0;
    for (size_t i = 0; i < scenarios_len; i++) {
        if (choice.scenario && choice.scenario != i + 1)
            continue;
        if (run_scenario(&scenarios[i], &choice, &all))
            passed++;
        else
            failed++;
        fflush(stdout);
    }
    for (unsigned i = 0; i < MOST_PARKED; i++)
        if (accounts[i].process)
            collect(&accounts[i]);
    printf("%s - no descriptor and no thread is left of any try\n", left_over ? "not ok" : "ok");
    if (left_over)
        failed++;
    else
        passed++;
    printf("# in all: %u tries, %u calls made to fail: %u results, %u errors, %u wrong; longest try %u ms\n", all.tries,
           all.failed_calls, all.results, all.errors, all.wrong, all.longest_ms);
    for (int status = 0; status < 600; status++)
        if (all.by_status[status])
            printf("#   %-18s %u\n", sipc_status_name(status), all.by_status[status]);
    printf("%u passed, %u failed\n", passed, failed);
    return failed != 0;
}
