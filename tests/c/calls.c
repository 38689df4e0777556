/* The eight calls, and what a body, a listener and a handler are told. */
#include "testing.h"

static void on_example(const sipc_message *request, sipc_responder *responder, void *user_data) {
    (void)user_data;
    CHECK_TEXT("request-foo", sipc_message_text(request));
    CHECK_OK(sipc_respond(responder, sipc_text("response-bar"), NULL));
}

static void the_example_of_the_mission_works(void) {
    sipc_listener *listener = NULL;
    sipc_message *reply = NULL;
    sipc_error *error = NULL;
    CHECK_OK(sipc_listen_uds_request("example_channel", on_example, NULL, NULL, NULL, &listener, &error));
    CHECK_OK(sipc_post_uds_request("example_channel", sipc_text("request-foo"), NULL, &reply, &error));
    CHECK_TEXT("response-bar", sipc_message_text(reply));
    CHECK_TEXT("\"response-bar\"", sipc_message_json(reply));
    CHECK(!error);
    sipc_message_free(reply);
    sipc_listener_free(listener);
}

static void a_request_goes_over_tcp(void) {
    sipc_listener *listener = NULL;
    sipc_message *reply = NULL;
    CHECK_OK(sipc_listen_ip_request(0, on_echo, NULL, NULL, NULL, &listener, NULL));
    CHECK(sipc_listener_port(listener) > 0);
    CHECK_OK(sipc_post_ip_request(sipc_listener_port(listener), sipc_json("[1,2]"), NULL, &reply, NULL));
    CHECK_TEXT("[1,2]", sipc_message_json(reply));
    CHECK(!sipc_message_text(reply));
    sipc_message_free(reply);
    sipc_listener_free(listener);
}

static void a_broadcast_that_succeeds_has_reached_the_handler(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_broadcast("news", on_counted, &arrived, NULL, NULL, &listener, NULL));
    for (int sent = 1; sent <= 3; sent++) {
        CHECK_OK(sipc_post_uds_broadcast("news", sipc_json("{\"n\":1}"), NULL, NULL));
        CHECK(count_now(&arrived) == sent);
    }
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void a_broadcast_goes_over_tcp(void) {
    struct count arrived = COUNT_FROM_ZERO;
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_ip_broadcast(0, on_counted, &arrived, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_post_ip_broadcast(sipc_listener_port(listener), sipc_bytes("\0\1", 2), NULL, NULL));
    CHECK(count_now(&arrived) == 1);
    CHECK_OK(sipc_listener_close(listener, NULL));
    sipc_listener_free(listener);
}

static void check_echo(const sipc_options *options, sipc_body body, int32_t kind, const char *data, size_t len) {
    sipc_message *reply = NULL;
    CHECK_OK(sipc_post_uds_request("echo", body, options, &reply, NULL));
    CHECK(sipc_message_kind(reply) == kind);
    CHECK(sipc_message_len(reply) == len);
    CHECK(memcmp(sipc_message_data(reply), data, len) == 0);
    sipc_message_free(reply);
}

static void bodies_arrive_as_they_were_sent_on_every_wire(void) {
    enum { MEBIBYTE = 1 << 20 };
    static char large[MEBIBYTE];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 31 + i / 256);
    sipc_listener *listener = listen_echo("echo");
    int32_t wires[] = WIRES_OF_NAMES;
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        sipc_options *options = sipc_options_new();
        CHECK_OK(sipc_options_set_wire(options, wires[i]));
        check_echo(options, sipc_json("{\"a\":[1,2.5,null]}"), SIPC_KIND_JSON, "{\"a\":[1,2.5,null]}", 18);
        check_echo(options, sipc_json_n("17 and more", 2), SIPC_KIND_JSON, "17", 2);
        check_echo(options, sipc_text("a\"\xc3\xa9"), SIPC_KIND_JSON, "\"a\\\"\xc3\xa9\"", 7);
        check_echo(options, sipc_text(""), SIPC_KIND_JSON, "\"\"", 2);
        check_echo(options, sipc_text_n("a\0b", 3), SIPC_KIND_JSON, "\"a\\u0000b\"", 10);
        check_echo(options, sipc_bytes("a\0b\xff", 4), SIPC_KIND_BYTES, "a\0b\xff", 4);
        check_echo(options, sipc_bytes(NULL, 0), SIPC_KIND_BYTES, "", 0);
        check_echo(options, sipc_bytes(large, sizeof large), SIPC_KIND_BYTES, large, sizeof large);
        sipc_options_free(options);
    }
    sipc_listener_free(listener);
}

static void a_string_with_a_nul_has_no_c_text(void) {
    sipc_listener *listener = listen_echo("echo");
    sipc_message *reply = NULL;
    CHECK_OK(sipc_post_uds_request("echo", sipc_text_n("a\0b", 3), NULL, &reply, NULL));
    CHECK(!sipc_message_text(reply));
    CHECK_TEXT("\"a\\u0000b\"", sipc_message_json(reply));
    sipc_message_free(reply);
    sipc_listener_free(listener);
}

static void a_reply_that_nobody_wants_is_thrown_away(void) {
    sipc_listener *listener = listen_echo("echo");
    CHECK_OK(sipc_post_uds_request("echo", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(listener);
}

static void counters_are_as_many_as_the_caller_knows_of(void) {
    /* What a program was built with whose header ended after `messages`, and what one has that is newer. */
    size_t older = offsetof(sipc_counters, failed);
    struct {
        sipc_counters known;
        uint64_t unknown;
    } newer;
    sipc_listener *listener = listen_echo("echo");
    CHECK_OK(sipc_post_uds_request("echo", sipc_text("x"), NULL, NULL, NULL));
    sipc_counters counters;
    memset(&counters, 0x5a, sizeof counters);
    counters.size = older;
    CHECK_OK(sipc_listener_counters(listener, &counters, NULL));
    CHECK(counters.size == older && counters.messages == 1 && counters.connections >= 1);
    CHECK(counters.failed == UINT64_C(0x5a5a5a5a5a5a5a5a));
    /* Half a counter is none. */
    memset(&counters, 0x5a, sizeof counters);
    counters.size = older - 1;
    CHECK_OK(sipc_listener_counters(listener, &counters, NULL));
    CHECK(counters.size == older - sizeof counters.messages && counters.messages == UINT64_C(0x5a5a5a5a5a5a5a5a));
    memset(&newer, 0x5a, sizeof newer);
    newer.known.size = sizeof newer;
    CHECK_OK(sipc_listener_counters(listener, &newer.known, NULL));
    CHECK(newer.known.size == sizeof newer.known && newer.known.failed == 0);
    CHECK(newer.unknown == UINT64_C(0x5a5a5a5a5a5a5a5a));
    sipc_listener_free(listener);
}

static void a_listener_tells_where_it_listens_and_what_it_counted(void) {
    sipc_listener *listener = listen_echo("echo");
    char path[256];
    snprintf(path, sizeof path, "%s" SEPARATOR ".deno.echo.socket", getenv("SIMPLE_IPC_DIR"));
    CHECK_TEXT("echo", sipc_listener_channel(listener));
    CHECK_TEXT(path, sipc_listener_address(listener));
    CHECK_TEXT(path, sipc_listener_path(listener));
    CHECK(sipc_listener_port(listener) == 0);
    CHECK(has_socket(path, 0600));

    CHECK_OK(sipc_post_uds_request("echo", sipc_text("x"), NULL, NULL, NULL));
    sipc_counters counters;
    memset(&counters, 0xff, sizeof counters);
    counters.size = sizeof counters;
    CHECK_OK(sipc_listener_counters(listener, &counters, NULL));
    CHECK(counters.size == sizeof counters);
    CHECK(counters.messages == 1 && counters.connections >= 1);
    CHECK(counters.failed == 0 && counters.malformed == 0 && counters.refused == 0);

    CHECK_OK(sipc_listener_close(listener, NULL));
    struct stat file;
    CHECK(stat(path, &file) != 0 && errno == ENOENT);
    CHECK(!has_socket(path, 0600));
    CHECK_TEXT("echo", sipc_listener_channel(listener));
    sipc_listener_free(listener);
}

static void a_tcp_listener_has_a_port_and_no_path(void) {
    sipc_listener *listener = NULL;
    char channel[16], address[32];
    CHECK_OK(sipc_listen_ip_request(0, on_echo, NULL, NULL, NULL, &listener, NULL));
    snprintf(channel, sizeof channel, ":%u", (unsigned)sipc_listener_port(listener));
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)sipc_listener_port(listener));
    CHECK_TEXT(channel, sipc_listener_channel(listener));
    CHECK_TEXT(address, sipc_listener_address(listener));
    CHECK(!sipc_listener_path(listener));
    sipc_listener_free(listener);
}

static void on_asked_about_the_caller(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)message, (void)user_data;
    check_own(sipc_responder_peer_uid(responder), sipc_responder_peer_pid(responder));
    check_own_group(sipc_responder_peer_gid(responder));
    int64_t left = sipc_responder_time_left_ms(responder);
    CHECK(left > 0 && left <= 30000);
    CHECK(!sipc_responder_is_cancelled(responder));
    CHECK_OK(sipc_respond(responder, sipc_json("null"), NULL));
}

static void a_handler_can_ask_who_calls_and_how_long_it_waits(void) {
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("who", on_asked_about_the_caller, NULL, NULL, NULL, &listener, NULL));
    CHECK_OK(sipc_post_uds_request("who", sipc_text("x"), NULL, NULL, NULL));
    sipc_listener_free(listener);
}

static void live_channels_are_found(void) {
    sipc_listener *request = listen_echo("one"), *broadcast = NULL;
    struct count arrived = COUNT_FROM_ZERO;
    CHECK_OK(sipc_listen_uds_broadcast("two", on_counted, &arrived, NULL, NULL, &broadcast, NULL));
    sipc_channel_list *list = NULL;
    CHECK_OK(sipc_channels(NULL, &list, NULL));
    CHECK(sipc_channel_list_len(list) == 2);
    const sipc_channel_info *one = sipc_channel_list_get(list, 0), *two = sipc_channel_list_get(list, 1);
    CHECK_TEXT("one", one->channel);
    CHECK_TEXT(sipc_listener_address(request), one->address);
    CHECK(one->mode == SIPC_MODE_REQUEST && one->pid == (int64_t)getpid() && one->started_ms > 0);
    CHECK_TEXT(sipc_version(), one->version);
    CHECK_TEXT("two", two->channel);
    CHECK(two->mode == SIPC_MODE_BROADCAST);
    CHECK(!sipc_channel_list_get(list, 2));
    sipc_listener_free(request);
    sipc_listener_free(broadcast);
    /* The list is a copy: it outlives what it names. */
    CHECK_TEXT("one", one->channel);
    sipc_channel_list_free(list);

    CHECK_OK(sipc_channels(getenv("SIMPLE_IPC_DIR"), &list, NULL));
    CHECK(sipc_channel_list_len(list) == 0);
    sipc_channel_list_free(list);
}

static void *listen_when_a_post_waits(void *started) {
    count_await(started, 1);
    return listen_echo("late");
}

static void a_post_waits_for_its_listener_when_told_to(void) {
    struct count started = COUNT_FROM_ZERO;
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_wait_ms(options, 200000));
    pthread_t thread = thread_start(listen_when_a_post_waits, &started);
    count_up(&started);
    sipc_message *reply = NULL;
    CHECK_OK(sipc_post_uds_request("late", sipc_text("x"), options, &reply, NULL));
    CHECK_TEXT("x", sipc_message_text(reply));
    void *listener = NULL;
    CHECK(pthread_join(thread, &listener) == 0);
    sipc_message_free(reply);
    sipc_options_free(options);
    sipc_listener_free(listener);
}

static void a_socket_can_be_given_by_its_path(void) {
    char path[256];
    snprintf(path, sizeof path, "%s" SEPARATOR "own.sock", getenv("SIMPLE_IPC_DIR"));
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_path(options, path));
    CHECK_OK(sipc_options_set_socket_mode(options, 0660));
    sipc_listener *listener = NULL;
    CHECK_OK(sipc_listen_uds_request("ignored", on_echo, NULL, NULL, options, &listener, NULL));
    sipc_options_free(options);
    CHECK_TEXT(path, sipc_listener_path(listener));
    CHECK(has_socket(path, 0660));
    sipc_client *client = NULL;
    CHECK_OK(sipc_client_connect_path(path, NULL, &client, NULL));
    CHECK_OK(sipc_client_request(client, sipc_text("x"), NULL, NULL, NULL));
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void an_older_programs_path_is_found_by_its_style(void) {
    sipc_options *options = sipc_options_new();
    CHECK_OK(sipc_options_set_path_style(options, SIPC_PATH_V0_0_14));
    sipc_listener *listener = NULL;
    char path[256];
    snprintf(path, sizeof path, "%s" SEPARATOR "old.sock", getenv("SIMPLE_IPC_DIR"));
    CHECK_OK(sipc_listen_uds_request("old", on_echo, NULL, NULL, options, &listener, NULL));
    CHECK_TEXT(path, sipc_listener_path(listener));
    CHECK_OK(sipc_post_uds_request("old", sipc_text("x"), options, NULL, NULL));
    sipc_options_free(options);
    sipc_listener_free(listener);
}

static void check_attached(const sipc_message *message, const char *json, const void *data, size_t len) {
    CHECK(sipc_message_kind(message) == SIPC_KIND_ATTACHED);
    CHECK(sipc_message_len(message) == len);
    CHECK(memcmp(sipc_message_data(message), data, len) == 0);
    CHECK_TEXT(json, sipc_message_json(message));
    CHECK(!sipc_message_text(message));
    size_t json_len = 0;
    CHECK(memcmp(sipc_message_json_n(message, &json_len), json, strlen(json)) == 0);
    CHECK(json_len == strlen(json));
}

static void json_with_bytes_arrives_as_it_was_sent(void) {
    enum { MEBIBYTE = 1 << 20 };
    static char large[MEBIBYTE];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 31 + i / 256);
    sipc_listener *listener = listen_echo("echo");
    for (size_t len = 0; len <= sizeof large; len = len * 16 + 1) {
        sipc_attached parts = sipc_attach("{\"shape\":[2,3]}", large, len);
        sipc_message *reply = NULL, *copy = NULL;
        CHECK_OK(sipc_post_uds_request("echo", sipc_attached_body(&parts), NULL, &reply, NULL));
        check_attached(reply, "{\"shape\":[2,3]}", large, len);
        copy = sipc_message_clone(reply);
        sipc_message_free(reply);
        check_attached(copy, "{\"shape\":[2,3]}", large, len);
        sipc_message_free(copy);
    }
    double numbers[] = {1.5, -2, 3};
    sipc_attached parts = sipc_attach_n("7 and more", 1, numbers, sizeof numbers);
    sipc_message *reply = NULL;
    CHECK_OK(sipc_post_uds_request("echo", sipc_attached_body(&parts), NULL, &reply, NULL));
    check_attached(reply, "7", numbers, sizeof numbers);
    sipc_message_free(reply);

    sipc_stream *events = NULL;
    sipc_listener *news = NULL;
    CHECK_OK(sipc_listen_uds_publish("news", NULL, &news, NULL));
    CHECK_OK(sipc_subscribe_uds("news", NULL, &events, NULL));
    CHECK_OK(sipc_publish(news, "topic", sipc_attached_body(&parts), NULL, NULL));
    CHECK_OK(sipc_stream_next(events, SIPC_NO_TIMEOUT, &reply, NULL));
    check_attached(reply, "7", numbers, sizeof numbers);
    CHECK_TEXT("topic", sipc_message_topic(reply));
    sipc_message_free(reply);
    sipc_stream_free(events);
    sipc_listener_free(news);
    sipc_listener_free(listener);
}

static void json_with_bytes_that_is_none_is_refused_and_so_is_the_deno_wire(void) {
    sipc_listener *listener = listen_echo("echo");
    sipc_client *client = connect_to("echo");
    sipc_error *error = NULL;
    sipc_attached parts[] = {sipc_attach(NULL, "a", 1), sipc_attach("1", NULL, 1), sipc_attach("{", "a", 1), sipc_attach("", "a", 1)};
    sipc_status expected[] = {SIPC_INVALID_ARGUMENT, SIPC_INVALID_ARGUMENT, SIPC_INVALID_JSON, SIPC_INVALID_JSON};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        CHECK_STATUS(expected[i], sipc_client_request(client, sipc_attached_body(&parts[i]), NULL, NULL, NULL));
    CHECK_STATUS(SIPC_INVALID_ARGUMENT, sipc_client_request(client, sipc_attached_body(NULL), NULL, NULL, NULL));
    sipc_options *options = sipc_options_new();
    sipc_attached good = sipc_attach("1", "a", 1);
    CHECK_OK(sipc_options_set_wire(options, SIPC_WIRE_DENO));
    CHECK_STATUS(SIPC_UNSUPPORTED_VERSION, sipc_post_uds_request("echo", sipc_attached_body(&good), options, NULL, &error));
    check_error(error, SIPC_UNSUPPORTED_VERSION, "Deno wire");
    sipc_options_free(options);
    sipc_client_free(client);
    sipc_listener_free(listener);
}

static void header_and_library_belong_together(void) {
    CHECK_TEXT(SIPC_VERSION, sipc_version());
    CHECK(sipc_abi_version() == SIPC_ABI_VERSION);
    CHECK_TEXT("ok", sipc_status_name(SIPC_OK));
    CHECK_TEXT("not_listening", sipc_status_name(SIPC_NOT_LISTENING));
    CHECK_TEXT("unknown", sipc_status_name(999));
    CHECK(sipc_status_category(SIPC_NOT_LISTENING) == SIPC_CATEGORY_CHANNEL);
}

int main(int argc, char **argv) {
    static const struct test tests[] = {
        TEST(the_example_of_the_mission_works),
        TEST(a_request_goes_over_tcp),
        TEST(a_broadcast_that_succeeds_has_reached_the_handler),
        TEST(a_broadcast_goes_over_tcp),
        TEST(bodies_arrive_as_they_were_sent_on_every_wire),
        TEST(a_string_with_a_nul_has_no_c_text),
        TEST(a_reply_that_nobody_wants_is_thrown_away),
        TEST(a_listener_tells_where_it_listens_and_what_it_counted),
        TEST(counters_are_as_many_as_the_caller_knows_of),
        TEST(a_tcp_listener_has_a_port_and_no_path),
        TEST(a_handler_can_ask_who_calls_and_how_long_it_waits),
        TEST(live_channels_are_found),
        TEST(a_post_waits_for_its_listener_when_told_to),
        TEST(a_socket_can_be_given_by_its_path),
        TEST(an_older_programs_path_is_found_by_its_style),
        TEST(json_with_bytes_arrives_as_it_was_sent),
        TEST(json_with_bytes_that_is_none_is_refused_and_so_is_the_deno_wire),
        TEST(header_and_library_belong_together),
    };
    return RUN_TESTS(tests);
}
