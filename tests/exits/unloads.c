/* Plug-ins that use the library and are unloaded, many times, by one thread and by several.
 *
 *     unloads SCENARIO PLUGIN…    one copy of the plug-in for each thread
 *     unloads --list
 */
#define _POSIX_C_SOURCE 200809L

#include "../c/check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 10, MOST_THREADS = 8 };

/* What the plug-in does between being loaded and being unloaded. */
static const char *const scenarios[] = {
    "use_listener",  "use_listener_that_closes_itself", "use_failures", "use_callbacks", "use_queue",
    "use_stream",    "use_cancel_callbacks",
};

struct host {
    const char *plugin, *function;
    char channel[32];
};

static void *load_use_and_unload(void *user_data) {
    const struct host *host = user_data;
    for (int round = 0; round < ROUNDS; round++) {
        void *handle = dlopen(host->plugin, RTLD_NOW | RTLD_LOCAL);
        if (handle == NULL)
            printf("# %s\n", dlerror());
        CHECK(handle);
        void *symbol = dlsym(handle, host->function);
        CHECK(symbol);
        /* ISO C has no conversion between pointers to objects and to functions; POSIX has the same representation. */
        void (*use)(const char *);
        memcpy(&use, &symbol, sizeof symbol);
        use(host->channel);
        CHECK(dlclose(handle) == 0);
        /* Its code is gone: it would not be if it were loaded still. */
        CHECK(!dlopen(host->plugin, RTLD_NOW | RTLD_NOLOAD));
    }
    return NULL;
}

int main(int argc, char **argv) {
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0) {
            puts(scenarios[i]);
            continue;
        }
        if (argc < 3 || argc > 2 + MOST_THREADS || strcmp(argv[1], scenarios[i]) != 0)
            continue;
        struct host hosts[MOST_THREADS];
        pthread_t threads[MOST_THREADS];
        int count = argc - 2;
        for (int thread = 0; thread < count; thread++) {
            hosts[thread] = (struct host){.plugin = argv[2 + thread], .function = scenarios[i]};
            snprintf(hosts[thread].channel, sizeof hosts[thread].channel, "exits_plugin_%d", thread);
            CHECK(pthread_create(&threads[thread], NULL, load_use_and_unload, &hosts[thread]) == 0);
        }
        for (int thread = 0; thread < count; thread++)
            CHECK(pthread_join(threads[thread], NULL) == 0);
        return 0;
    }
    return argc == 2 ? 0 : 2;
}
