/* Whatever a C program gets wrong, and whatever a peer sends: a status and one line that tells what to do, never a
 * crash. */
#include "testing.h"

#ifndef _WIN32
#include <sys/socket.h>
#include <sys/un.h>
#endif

static void a_wrong_name_is_refused(void) {
    char long_name[87];
    memset(long_name, 'x', 86);
    long_name[86] = 0;
    const char *names[] = {"", "a-b", "a/b", "a b", "a\n", "\xc3\xa9", "\xff", long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sipc_listener *listener = NULL;
        sipc_client *client = NULL;
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_INVALID_NAME, sipc_listen_uds_request(names[i], on_echo, NULL, NULL, NULL, &listener, &error));
        check_error(error, SIPC_INVALID_NAME, "channel name");
        CHECK_STATUS(SIPC_INVALID_NAME, sipc_post_uds_request(names[i], sipc_text("x"), NULL, NULL, NULL));
        CHECK_STATUS(SIPC_INVALID_NAME, sipc_post_uds_broadcast(names[i], sipc_text("x"), NULL, NULL));
        CHECK_STATUS(SIPC_INVALID_NAME, sipc_client_connect_uds(names[i], NULL, &client, NULL));
        CHECK(!listener && !client);
    }
}

static void a_port_out_of_range_is_refused(void) {
    uint32_t ports[] = {65536, 70000, UINT32_MAX};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        sipc_listener *listener = NULL;
        sipc_client *client = NULL;
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_INVALID_PORT, sipc_listen_ip_request(ports[i], on_echo, NULL, NULL, NULL, &listener, &error));
        check_error(error, SIPC_INVALID_PORT, "port");
        CHECK_STATUS(SIPC_INVALID_PORT, sipc_post_ip_request(ports[i], sipc_text("x"), NULL, NULL, NULL));
        CHECK_STATUS(SIPC_INVALID_PORT, sipc_client_connect_ip(ports[i], NULL, &client, NULL));
    }
    /* The system chooses a port for listeners only. */
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_post_ip_request(0, sipc_text("x"), NULL, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_PORT, sipc_post_ip_broadcast(0, sipc_text("x"), NULL, NULL));
}

static sipc_options *options_for_directory(const char *directory) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_directory(options, directory));
    return options;
}

#ifndef _WIN32
static void a_path_that_is_too_long_is_refused(void) {
    char directory[121];
    memset(directory, 'd', 120);
    directory[0] = '/';
    directory[120] = 0;
    sipc_options *options = options_for_directory(directory);
    sipc_listener *listener = NULL;
    sipc_client *client = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_PATH_TOO_LONG, sipc_listen_uds_request("x", on_echo, NULL, NULL, options, &listener, &error));
    check_error(error, SIPC_PATH_TOO_LONG, "107");
    CHECK_STATUS(SIPC_PATH_TOO_LONG, sipc_post_uds_request("x", sipc_text("x"), options, NULL, NULL));
    CHECK_STATUS(SIPC_PATH_TOO_LONG, sipc_client_connect_path(directory, NULL, &client, NULL));
    sipc_options_free(options);
}
#endif

static void a_directory_that_does_not_exist_is_named(void) {
    sipc_options *options = options_for_directory("/nonexistent/x");
    sipc_listener *listener = NULL;
    sipc_channel_list *list = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_NO_DIRECTORY, sipc_listen_uds_request("x", on_echo, NULL, NULL, options, &listener, &error));
    check_error(error, SIPC_NO_DIRECTORY, "nonexistent");
    error = NULL;
    CHECK_STATUS(SIPC_NO_DIRECTORY, sipc_channels("/nonexistent/x", &list, &error));
    check_error(error, SIPC_NO_DIRECTORY, "nonexistent");
    sipc_options_free(options);
}

static void check_nobody_listens(const char *name) {
    sipc_client *client = NULL;
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_post_uds_request(name, sipc_text("x"), NULL, &reply, &error));
    CHECK(!sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_NOT_LISTENING, name);
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_post_uds_broadcast(name, sipc_text("x"), NULL, NULL));
    error = NULL;
    /* A socket that may be the Deno original's is not connected to before there is a message for it. */
    if (sipc_client_connect_uds(name, NULL, &client, &error) == SIPC_OK)
        CHECK_STATUS(SIPC_NOT_LISTENING, sipc_client_request(client, sipc_text("x"), NULL, &reply, &error));
    check_error(error, SIPC_NOT_LISTENING, name);
    CHECK(!reply);
    sipc_client_free(client);
}

static void no_listener_is_told_at_once(void) {
    check_nobody_listens("nobody");
}

static void no_listener_on_a_port_is_told(void) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_ip_request(0, on_echo, NULL, NULL, NULL, &listener, NULL));
    uint32_t port = sipc_listener_port(listener);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
    CHECK_STATUS(SIPC_NOT_LISTENING, sipc_post_ip_request(port, sipc_text("x"), NULL, NULL, &error));
    check_error(error, SIPC_NOT_LISTENING, "127.0.0.1");
}

static void a_second_listener_is_told_who_has_the_channel(void) {
    sipc_listener *first = listen_echo("mine"), *second = NULL;
    sipc_error *error = NULL;
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    CHECK_STATUS(SIPC_IN_USE, sipc_listen_uds_request("mine", on_echo, NULL, NULL, NULL, &second, &error));
    check_error(error, SIPC_IN_USE, pid);
    CHECK(!second);
    CHECK_OK(sipc_post_uds_request("mine", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(first);
}

static void the_other_mode_is_told(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *request = listen_echo("request"), *broadcast = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("broadcast", on_counted, &arrived, NULL, NULL, &broadcast, NULL));
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_post_uds_broadcast("request", sipc_text("x"), NULL, &error));
    check_error(error, SIPC_WRONG_MODE, "request");
    error = NULL;
    CHECK_STATUS(SIPC_WRONG_MODE, sipc_post_uds_request("broadcast", sipc_text("x"), NULL, NULL, &error));
    check_error(error, SIPC_WRONG_MODE, "broadcast");
    CHECK(count_now(&arrived) == 0);
    sipc_listener_free(request);
    sipc_listener_free(broadcast);
}

static void a_body_over_the_limit_is_refused(void) {
    static char large[2000];
    sipc_options *small = sipc_options_new();
    CHECK_OK(sipc_options_set_max_message(small, 1000));
    sipc_listener *listener = NULL, *limited = NULL;
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_uds_request("any", on_echo, NULL, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_listen_uds_request("limited", on_echo, NULL, NULL, small, &limited, NULL));
    /* By the sender's own limit, */
    CHECK_STATUS(SIPC_TOO_LARGE, sipc_post_uds_request("any", sipc_bytes(large, sizeof large), small, &reply, &error));
    CHECK(!sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_TOO_LARGE, "2000");
    /* and by the listener's. */
    error = NULL;
    CHECK_STATUS(SIPC_TOO_LARGE,
                 sipc_post_uds_request("limited", sipc_bytes(large, sizeof large), NULL, &reply, &error));
    check_error(error, SIPC_TOO_LARGE, "1000");
    CHECK_OK(sipc_post_uds_request("limited", sipc_bytes(large, 1000), NULL, NULL, NULL));
    sipc_options_free(small);
    sipc_listener_free(listener);
    sipc_listener_free(limited);
}

static void a_body_that_is_not_json_is_refused_before_it_is_sent(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("json", on_counted, &arrived, NULL, NULL, &listener, NULL));
    sipc_body bodies[] = {
        sipc_json(""), sipc_json("{"), sipc_json("1 2"), sipc_json("NaN"), sipc_json("\"\xff\""), sipc_text("\xff"),
        sipc_json_n("1\0", 2),
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        sipc_error *error = NULL;
        CHECK_STATUS(SIPC_INVALID_JSON, sipc_post_uds_broadcast("json", bodies[i], NULL, &error));
        check_error(error, SIPC_INVALID_JSON, "body");
    }
    CHECK(count_now(&arrived) == 0);
    sipc_listener_free(listener);
}

#ifndef _WIN32
static void own_path(char *path, size_t len, const char *name) {
    snprintf(path, len, "%s" SEPARATOR ".deno.%s.socket", getenv("SIMPLE_IPC_DIR"), name);
}

static void a_file_that_is_no_socket_is_left_alone(void) {
    char path[256];
    own_path(path, sizeof path, "occupied");
    FILE *file = fopen(path, "w");
    CHECK(file && fputs("precious", file) >= 0 && fclose(file) == 0);
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_PATH_OCCUPIED, sipc_listen_uds_request("occupied", on_echo, NULL, NULL, NULL, &listener, &error));
    check_error(error, SIPC_PATH_OCCUPIED, path);
    char content[16] = "";
    file = fopen(path, "r");
    CHECK(file && fgets(content, sizeof content, file) && fclose(file) == 0);
    CHECK_TEXT("precious", content);
}

/* A Unix socket that listens at the path of a channel, without this library. */
static int raw_listen(const char *name) {
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    own_path(address.sun_path, sizeof address.sun_path, name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 8) == 0);
    return fd;
}

static int raw_connect(const char *name) {
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    own_path(address.sun_path, sizeof address.sun_path, name);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void no_listener_is_told_where_a_stale_socket_is_left(void) {
    CHECK(close(raw_listen("stale")) == 0);
    check_nobody_listens("stale");
    /* And a listener takes the place over. */
    sipc_listener *listener = listen_echo("stale");
    CHECK_OK(sipc_post_uds_request("stale", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(listener);
}

static void *answer_broken_json(void *socket) {
    int fd = accept(*(int *)socket, NULL, NULL);
    CHECK(fd >= 0);
    char buffer[256];
    while (read(fd, buffer, sizeof buffer) > 0)
        continue;
    CHECK(write(fd, "\0{", 2) == 2 && close(fd) == 0);
    return NULL;
}

static void a_reply_that_is_not_json_is_reported(void) {
    int socket = raw_listen("broken");
    pthread_t thread = thread_start(answer_broken_json, &socket);
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_wire(options, SIPC_WIRE_DENO));
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    CHECK_STATUS(SIPC_INVALID_BODY, sipc_post_uds_request("broken", sipc_text("x"), options, &reply, &error));
    CHECK(sipc_error_may_have_been_handled(error));
    check_error(error, SIPC_INVALID_BODY, "JSON");
    CHECK(!reply);
    sipc_options_free(options);
    thread_join(thread);
    CHECK(close(socket) == 0);
}

static void broken_messages_are_counted_and_reach_no_handler(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("raw", on_counted, &arrived, NULL, NULL, &listener, NULL));
    const struct {
        const char *data;
        size_t len;
    } inputs[] = {
        {"\0{", 2}, /* broken JSON on the Deno wire */
        {"\0", 1}, /* no JSON at all */
        {"\xff", 1}, /* the first byte of no dialect */
        {"\xf5SIX\1\1\0\0\0\0\0\0\1\0\0\0", 16}, /* a native hello with another magic */
        {"\x72\xff\n", 3}, /* plain text that is not UTF-8 */
    };
    size_t len = sizeof inputs / sizeof inputs[0];
    for (size_t i = 0; i < len; i++) {
        int fd = raw_connect("raw");
        CHECK(write(fd, inputs[i].data, inputs[i].len) == (ssize_t)inputs[i].len);
        CHECK(shutdown(fd, SHUT_WR) == 0);
        char buffer[256];
        while (read(fd, buffer, sizeof buffer) > 0)
            continue;
        CHECK(close(fd) == 0);
    }
    sipc_counters counters;
    do {
        /* A connection is counted when its session ends, which is just after the peer sees it end. */
        counters.size = sizeof counters;
        CHECK_OK(sipc_listener_counters(listener, &counters, NULL));
        sched_yield();
    } while (counters.malformed < len);
    CHECK(counters.malformed == len && counters.messages == 0 && count_now(&arrived) == 0);
    sipc_listener_free(listener);
}
#endif

static void null_arguments_are_reported(void) {
    enum { NULL_ARGUMENT = SIPC_INVALID_ARGUMENT };
    struct count drops = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL, *live = listen_echo("live");
    sipc_client *client = NULL, *connected = connect_to("live");
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    const sipc_body x = sipc_text("x");

    CHECK_STATUS(NULL_ARGUMENT, sipc_listen_uds_request(NULL, on_echo, &drops, drop_count, NULL, &listener, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "\"channel\" is NULL");
    error = NULL;
    CHECK_STATUS(NULL_ARGUMENT, sipc_listen_uds_request("x", NULL, &drops, drop_count, NULL, &listener, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "\"handler\" is NULL");
    CHECK_STATUS(NULL_ARGUMENT, sipc_listen_uds_broadcast("x", on_echo, &drops, drop_count, NULL, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_listen_ip_request(0, NULL, &drops, drop_count, NULL, &listener, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_listen_ip_broadcast(0, NULL, &drops, drop_count, NULL, &listener, NULL));
    CHECK(count_now(&drops) == 5);

    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_request(NULL, x, NULL, &reply, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_broadcast(NULL, x, NULL, NULL));
    error = NULL;
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_request("live", sipc_json(NULL), NULL, &reply, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "\"body\" is NULL");
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_request("live", sipc_text(NULL), NULL, &reply, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_request("live", sipc_bytes(NULL, 1), NULL, &reply, NULL));
    sipc_body zeroed;
    memset(&zeroed, 0, sizeof zeroed);
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_request("live", zeroed, NULL, &reply, NULL));
    zeroed.data = "x";
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_request("live", zeroed, NULL, &reply, NULL));

    CHECK_STATUS(NULL_ARGUMENT, sipc_client_connect_uds(NULL, NULL, &client, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_connect_path(NULL, NULL, &client, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_connect_uds("live", NULL, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_request(NULL, x, NULL, &reply, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_broadcast(NULL, x, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_flush(NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_ping(NULL, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_close(NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_request_async(NULL, x, NULL, NULL, &drops, drop_count, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_request_async(connected, x, NULL, NULL, &drops, drop_count, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_broadcast_async(connected, x, NULL, &drops, drop_count, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_request_async("live", x, NULL, NULL, &drops, drop_count, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_ip_broadcast_async(1, x, NULL, NULL, &drops, drop_count, NULL, NULL));
    CHECK(count_now(&drops) == 10);
    CHECK_STATUS(NULL_ARGUMENT, sipc_operation_wait(NULL, SIPC_NO_TIMEOUT, NULL));
    sipc_operation_cancel(NULL);

    CHECK_STATUS(NULL_ARGUMENT, sipc_respond(NULL, x, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_respond_error(NULL, "x", NULL));
    CHECK(sipc_responder_is_cancelled(NULL) && sipc_responder_time_left_ms(NULL) == 0);
    CHECK(sipc_responder_peer_uid(NULL) == -1 && sipc_responder_peer_gid(NULL) == -1);
    CHECK(sipc_responder_peer_pid(NULL) == -1);

    sipc_stream *stream = NULL;
    CHECK(!sipc_responder_is_stream(NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_responder_items(NULL, &stream, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_responder_stream(NULL, &stream, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "\"responder\" is NULL");
    CHECK_STATUS(NULL_ARGUMENT, sipc_stream_items(NULL, &stream, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_post_uds_stream(NULL, x, NULL, &stream, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_stream(connected, x, NULL, NULL, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_client_stream(connected, sipc_json(NULL), NULL, &stream, NULL));
    CHECK(!stream);

    sipc_counters counters;
    memset(&counters, 0, sizeof counters);
    CHECK_STATUS(NULL_ARGUMENT, sipc_listener_counters(NULL, &counters, NULL));
    CHECK_STATUS(NULL_ARGUMENT, sipc_listener_counters(live, NULL, NULL));
    error = NULL;
    CHECK_STATUS(NULL_ARGUMENT, sipc_listener_counters(live, &counters, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "counters.size");
    CHECK_STATUS(NULL_ARGUMENT, sipc_listener_close(NULL, NULL));
    CHECK(!sipc_listener_channel(NULL) && !sipc_listener_address(NULL) && !sipc_listener_path(NULL));
    CHECK(sipc_listener_port(NULL) == 0);

    CHECK_STATUS(NULL_ARGUMENT, sipc_channels(NULL, NULL, NULL));
    CHECK(sipc_channel_list_len(NULL) == 0 && !sipc_channel_list_get(NULL, 0));

    CHECK(sipc_message_kind(NULL) == 0 && sipc_message_len(NULL) == 0 && !sipc_message_data(NULL));
    CHECK(!sipc_message_text(NULL) && !sipc_message_json(NULL) && !sipc_message_clone(NULL));

    CHECK_TEXT("no error", sipc_error_message(NULL));
    CHECK(sipc_error_status(NULL) == SIPC_OK && sipc_error_os_code(NULL) == 0);
    CHECK(!sipc_error_may_have_been_handled(NULL));

    sipc_listener_free(NULL);
    sipc_client_free(NULL);
    sipc_message_free(NULL);
    sipc_responder_free(NULL);
    sipc_operation_free(NULL);
    sipc_options_free(NULL);
    sipc_channel_list_free(NULL);
    sipc_error_free(NULL);
    CHECK(!listener && !client && !reply);
    sipc_client_free(connected);
    sipc_listener_free(live);
}

static void nonsense_in_options_is_reported(void) {
    sipc_listener *listener = NULL;
    sipc_error *error = NULL;
    sipc_options *options = sipc_options_new();

    /* What a setter can tell. */
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_wire(options, 77));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_path_style(options, -1));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_timeout_ms(options, -2));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_wait_ms(options, -1));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_grace_ms(options, -1));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_spin_us(options, -1));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_shared_memory(NULL, 1));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_check_interval_ms(options, -1));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_directory(options, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_path(options, NULL));
    /* A program that does not look at that is told by the call. */
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_listen_uds_request("x", on_echo, NULL, NULL, options, &listener, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "wire 77");
    sipc_options_free(options);

    /* What only the call can tell. */
    options = sipc_options_new();
    CHECK_OK(sipc_options_set_threads(options, 0));
    error = NULL;
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_listen_uds_request("x", on_echo, NULL, NULL, options, &listener, &error));
    check_error(error, SIPC_INVALID_ARGUMENT, "thread");
    sipc_options_free(options);
    options = sipc_options_new();
    CHECK_OK(sipc_options_set_max_message(options, 0));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_post_uds_request("x", sipc_text("x"), options, NULL, NULL));
    sipc_options_free(options);

    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_set_timeout_ms(NULL, 1));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_options_allow_anyone(NULL));
    options = sipc_options_clone(NULL);
    CHECK(options);
    sipc_options_free(options);
}

static void an_error_that_is_not_wanted_is_only_a_status(void) {
    sipc_listener *listener = NULL;
    CHECK_STATUS(SIPC_INVALID_NAME, sipc_listen_uds_request("a b", on_echo, NULL, NULL, NULL, &listener, NULL));
}

static void a_success_leaves_the_error_alone(void) {
    sipc_listener *listener = NULL;
    sipc_error *untouched = (sipc_error *)&listener, *error = untouched;
    CHECK_OK(sipc_listen_uds_request("fine", on_echo, NULL, NULL, NULL, &listener, &error));
    CHECK(error == untouched);
    sipc_listener_free(listener);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(a_wrong_name_is_refused),
        TEST(a_port_out_of_range_is_refused),
        TEST_ON_UNIX(a_path_that_is_too_long_is_refused, "a pipe's name has a number in the place of its path"),
        TEST(a_directory_that_does_not_exist_is_named),
        TEST_ON_UNIX(a_file_that_is_no_socket_is_left_alone, "no file stands where a pipe is"),
        TEST(no_listener_is_told_at_once),
        TEST_ON_UNIX(no_listener_is_told_where_a_stale_socket_is_left, "its peer is a Unix socket"),
        TEST(no_listener_on_a_port_is_told),
        TEST(a_second_listener_is_told_who_has_the_channel),
        TEST(the_other_mode_is_told),
        TEST(a_body_over_the_limit_is_refused),
        TEST(a_body_that_is_not_json_is_refused_before_it_is_sent),
        TEST_ON_UNIX(a_reply_that_is_not_json_is_reported, "its peer is a Unix socket"),
        TEST_ON_UNIX(broken_messages_are_counted_and_reach_no_handler, "its peer is a Unix socket"),
        TEST(null_arguments_are_reported),
        TEST(nonsense_in_options_is_reported),
        TEST(an_error_that_is_not_wanted_is_only_a_status),
        TEST(a_success_leaves_the_error_alone),
    };
    return RUN_TESTS(tests);
}
