/* The library loaded twice and unloaded late, by a program that is not linked with it.
 *
 *     loads SCENARIO LIBRARY COPY    the shared library, and a copy of it under another name
 *     loads --list
 */
#define _POSIX_C_SOURCE 200809L

#include "../c/check.h"

#include <simple_ipc.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the scenarios need of one loaded library. */
struct library {
    void *handle;
    sipc_status (*listen)(const char *, sipc_handler, void *, sipc_drop, const sipc_options *, sipc_listener **,
                          sipc_error **);
    sipc_status (*post)(const char *, sipc_body, const sipc_options *, sipc_message **, sipc_error **);
    sipc_status (*post_async)(const char *, sipc_body, const sipc_options *, sipc_reply_callback, void *, sipc_drop,
                              sipc_operation **, sipc_error **);
    sipc_status (*respond)(sipc_responder *, sipc_body, sipc_error **);
    sipc_body (*text)(const char *);
    sipc_status (*close)(const sipc_listener *, sipc_error **);
    void (*free)(sipc_listener *);
};

static const char *path, *copy;

/* ISO C has no conversion between pointers to objects and to functions; POSIX has the same representation. */
static void find(void *handle, const char *name, void *function) {
    void *symbol = dlsym(handle, name);
    CHECK(symbol);
    memcpy(function, &symbol, sizeof symbol);
}

static struct library load(const char *file) {
    struct library library;
    library.handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library.handle == NULL)
        printf("# %s\n", dlerror());
    CHECK(library.handle);
    find(library.handle, "sipc_listen_uds_request", &library.listen);
    find(library.handle, "sipc_post_uds_request", &library.post);
    find(library.handle, "sipc_post_uds_request_async", &library.post_async);
    find(library.handle, "sipc_respond", &library.respond);
    find(library.handle, "sipc_text", &library.text);
    find(library.handle, "sipc_listener_close", &library.close);
    find(library.handle, "sipc_listener_free", &library.free);
    return library;
}

static void on_request(const sipc_message *message, sipc_responder *responder, void *library) {
    (void)message;
    ((struct library *)library)->respond(responder, ((struct library *)library)->text("x"), NULL);
}

static sipc_listener *listen_with(struct library *library, const char *channel) {
    sipc_listener *listener = NULL;
    CHECK(library->listen(channel, on_request, library, NULL, NULL, &listener, NULL) == SIPC_OK);
    return listener;
}

static void ask(struct library *library, const char *channel) {
    CHECK(library->post(channel, library->text("x"), NULL, NULL, NULL) == SIPC_OK);
}

static void end_listener(struct library *library, sipc_listener *listener) {
    CHECK(library->close(listener, NULL) == SIPC_OK);
    library->free(listener);
}

static void two_copies_talk(void) {
    static struct library first, second;
    first = load(path), second = load(copy);
    CHECK(first.post != second.post);
    sipc_listener *listener = listen_with(&first, "exits"), *other = listen_with(&second, "exits_other");
    sipc_listener *none = NULL;
    CHECK(second.listen("exits", on_request, &second, NULL, NULL, &none, NULL) == SIPC_IN_USE);
    for (int i = 0; i < 20; i++) {
        ask(&first, "exits"), ask(&first, "exits_other");
        ask(&second, "exits"), ask(&second, "exits_other");
    }
    end_listener(&second, other);
    CHECK(dlclose(second.handle) == 0);
    ask(&first, "exits");
    end_listener(&first, listener);
    CHECK(dlclose(first.handle) == 0);
}

static void two_copies_and_exit(void) {
    static struct library first, second;
    first = load(path), second = load(copy);
    listen_with(&first, "exits"), listen_with(&second, "exits_other");
    ask(&first, "exits_other");
    ask(&second, "exits");
}

static void load_and_unload_again_and_again(void) {
    for (int i = 0; i < 20; i++) {
        struct library library = load(path);
        sipc_listener *listener = listen_with(&library, "exits");
        ask(&library, "exits");
        end_listener(&library, listener);
        CHECK(dlclose(library.handle) == 0);
    }
}

/* Its threads, which wait for work, must not lose the code under their feet. */
static void unload_with_a_listener(void) {
    static struct library library;
    library = load(path);
    listen_with(&library, "exits");
    ask(&library, "exits");
    CHECK(dlclose(library.handle) == 0);
    library = load(path);
    ask(&library, "exits");
}

static void on_reply(sipc_status status, sipc_message *reply, sipc_error *error, void *user_data) {
    (void)status, (void)reply, (void)error, (void)user_data;
}

static void unload_with_calls_in_flight(void) {
    static struct library library;
    library = load(path);
    listen_with(&library, "exits");
    for (int i = 0; i < 32; i++)
        CHECK(library.post_async("exits", library.text("x"), NULL, on_reply, NULL, NULL, NULL, NULL) == SIPC_OK);
    CHECK(dlclose(library.handle) == 0);
}

static void *use_and_end(void *library) {
    ask(library, "exits");
    return NULL;
}

/* A thread's own storage of the library is freed when the thread ends: after the unloading. */
static void unload_in_one_thread_and_end_in_another(void) {
    static struct library library;
    library = load(path);
    sipc_listener *listener = listen_with(&library, "exits");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_and_end, &library) == 0);
    ask(&library, "exits");
    CHECK(dlclose(library.handle) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    end_listener(&library, listener);
}

static struct library late;

static void unload_late(void) {
    CHECK(dlclose(late.handle) == 0);
}

static void unload_in_atexit(void) {
    CHECK(atexit(unload_late) == 0);
    late = load(path);
    listen_with(&late, "exits");
    ask(&late, "exits");
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"two_copies_talk", two_copies_talk},
    {"two_copies_and_exit", two_copies_and_exit},
    {"load_and_unload_again_and_again", load_and_unload_again_and_again},
    {"unload_with_a_listener", unload_with_a_listener},
    {"unload_with_calls_in_flight", unload_with_calls_in_flight},
    {"unload_in_one_thread_and_end_in_another", unload_in_one_thread_and_end_in_another},
    {"unload_in_atexit", unload_in_atexit},
};

int main(int argc, char **argv) {
    bool list = argc == 2 && strcmp(argv[1], "--list") == 0;
    if (!list && argc != 4)
        return 2;
    path = argv[list ? 0 : 2], copy = argv[list ? 0 : 3];
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (list)
            puts(scenarios[i].name);
        else if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    }
    return list ? 0 : 2;
}
