/*
 * A program in C whose plug-ins are processes of their own, in any language: one that crashes or hangs takes nothing with it.
 * host TEXT -- COMMAND OF A PLUG-IN… [-- COMMAND OF THE NEXT…]
 *
 * Each plug-in gets the name of its channel as one more argument, and listens there for the methods `describe` and `change`.
 */
#include <fcntl.h>
#include <simple_ipc.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define MOST_PLUGINS 16
#define MOST_ARGUMENTS 32
#define START_MS 60000 /* a plug-in may take its time to start */
#define CHANGE_MS 2000 /* and no more than this for its work */

struct plugin {
    pid_t process;
    int input; /* the plug-in ends when this ends, and so with this program, however that comes */
    char channel[32];
};

static void start(struct plugin *plugin, int number, char **command, int count) {
    char *arguments[MOST_ARGUMENTS + 2];
    int ends[2];
    snprintf(plugin->channel, sizeof plugin->channel, "plugin_%d", number);
    memcpy(arguments, command, (size_t)count * sizeof *arguments);
    arguments[count] = plugin->channel;
    arguments[count + 1] = NULL;
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0) {
        perror("cannot start a plug-in");
        exit(1);
    }
    /* Else the next plug-in would hold this one's input open. */
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    int failed = posix_spawnp(&plugin->process, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    if (failed) {
        fprintf(stderr, "cannot start %s: %s\n", arguments[0], strerror(failed));
        exit(1);
    }
    plugin->input = ends[1];
}

/* `{"method": METHOD, "params": [TEXT]}`, to be freed. */
static char *call(const char *method, const char *text) {
    char *json = malloc(strlen(text) * 6 + 64);
    if (!json)
        abort();
    char *end = json + sprintf(json, "{\"method\": \"%s\", \"params\": [\"", method);
    for (; *text; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            end += sprintf(end, "\\u%04x", (unsigned char)*text);
        else
            *end++ = *text;
    strcpy(end, "\"]}");
    return json;
}

static void ask(const struct plugin *plugin, const char *text) {
    sipc_options *options = sipc_options_new();
    sipc_message *name = NULL, *changed = NULL;
    sipc_error *error = NULL;
    char *change = call("change", text);
    sipc_options_set_wait_ms(options, START_MS);
    sipc_options_set_timeout_ms(options, CHANGE_MS);
    sipc_status status = sipc_post_uds_request(plugin->channel, sipc_json("{\"method\": \"describe\"}"), options, &name, &error);
    if (status == SIPC_OK)
        status = sipc_post_uds_request(plugin->channel, sipc_json(change), options, &changed, &error);
    const char *who = name ? sipc_message_text(name) : plugin->channel;
    if (status == SIPC_OK)
        printf("%s: %s\n", who, sipc_message_text(changed));
    else if (status == SIPC_HANDLER_FAILED) /* it lives, and says what is wrong */
        printf("%s: %s; the text stays: %s\n", who, sipc_error_message(error), text);
    else /* it crashed (connection_lost), or is too slow (timed_out) */
        printf("%s: %s; the text stays: %s\n", who, sipc_status_name(status), text);
    free(change);
    sipc_message_free(name);
    sipc_message_free(changed);
    sipc_error_free(error);
    sipc_options_free(options);
}

int main(int count, char **arguments) {
    struct plugin plugins[MOST_PLUGINS];
    int started = 0;
    if (count < 4 || strcmp(arguments[2], "--") != 0) {
        fprintf(stderr, "usage: host TEXT -- COMMAND OF A PLUG-IN… [-- COMMAND OF THE NEXT…]\n");
        return 2;
    }
    for (int at = 3; at < count && started < MOST_PLUGINS;) {
        int end = at;
        while (end < count && strcmp(arguments[end], "--") != 0)
            end++;
        if (end == at || end - at > MOST_ARGUMENTS) {
            fprintf(stderr, "a plug-in's command has 1 to %d words\n", MOST_ARGUMENTS);
            return 2;
        }
        start(&plugins[started], started + 1, arguments + at, end - at);
        started++;
        at = end + 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int number = 0; number < started; number++)
        ask(&plugins[number], arguments[1]);
    for (int number = 0; number < started; number++) {
        close(plugins[number].input);
        waitpid(plugins[number].process, NULL, 0);
    }
    return 0;
}
