#define _GNU_SOURCE
#include "channel.h"
#include "measure.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[] = "/tmp/simple-ipc-bench-XXXXXX";

void make_scratch(void) {
    if (!mkdtemp(scratch))
        die("make a scratch folder");
    setenv("SIMPLE_IPC_DIR", scratch, 1);
}

static void remove_scratch(void) {
    DIR *folder = opendir(scratch);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(scratch);
}

void remove_scratch_at_exit(void) {
    atexit(remove_scratch);
}

_Noreturn void die_of(const char *attempted, sipc_status status, sipc_error *error) {
    const char *reason = error ? sipc_error_message(error) : "no reason given";
    fprintf(stderr, "bench: cannot %s: %s (status %d)\n", attempted, reason, (int)status);
    exit(1);
}

void write_byte(int pipe) {
    if (write(pipe, "", 1) != 1)
        die("write to a pipe");
}

bool read_byte(int pipe) {
    char byte;
    ssize_t got;
    do
        got = read(pipe, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        die("read from a pipe");
    return got == 1;
}

void answer_with_body(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)user_data;
    sipc_respond(responder, sipc_bytes(sipc_message_data(message), sipc_message_len(message)), NULL);
}
