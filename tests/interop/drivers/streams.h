/* The half of driver.c that has to do with streams; driver.c includes it. */

enum { HEAD = 32 };

/* An item of a size: `item:I:`, filled up with `x`. Freed by the caller; the length goes to *len. */
static char *item_of(unsigned long long number, size_t size, size_t *len) {
    char head[HEAD];
    *len = (size_t)snprintf(head, sizeof head, "item:%llu:", number);
    size_t whole = size > *len ? size : *len;
    char *text = malloc(whole + 1);
    if (text == NULL)
        die("out of memory");
    memset(text, 'x', whole);
    memcpy(text, head, *len);
    *len = whole;
    return text;
}

/* Items that come in order. */
struct order {
    long long taken, chars, last;
    bool is_kept;
};

static void order_item(struct order *order, const sipc_message *item) {
    const char *text = sipc_message_text(item), *number = after(text, "item:");
    long long found = number != NULL ? strtoll(number, NULL, 10) : -1;
    /* From the first one, or from where it was left. */
    order->is_kept = order->is_kept && number != NULL && (found == order->last + 1 || (order->taken == 0 && found == 0));
    order->last = found;
    order->taken++;
    order->chars += text != NULL ? (long long)strlen(text) : 0;
}

/* The handler's side. */

/* The handlers that have run what they run at their end; how often those that are stubborn were let go. */
static unsigned cleaned_up, releases;

static void note_cleanup(void) {
    pthread_mutex_lock(&mutex);
    cleaned_up++;
    pthread_mutex_unlock(&mutex);
}

/* What follows a key of the opening, which is an object of texts and numbers. */
static const char *member(const char *json, const char *key) {
    char quoted[HEAD];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *found = json != NULL ? strstr(json, quoted) : NULL;
    return found != NULL ? found + strlen(quoted) + strspn(found + strlen(quoted), " :") : NULL;
}

static unsigned long long number_in(const char *json, const char *key) {
    const char *found = member(json, key);
    return found != NULL ? strtoull(found, NULL, 10) : 0;
}

static bool does(const char *json, const char *what) {
    const char *rest = after(member(json, "do"), "\"");
    rest = after(rest, what);
    return rest != NULL && rest[0] == '"';
}

static sipc_status send_item(const sipc_stream *stream, unsigned long long number, size_t size, sipc_error **error) {
    size_t len;
    char *text = item_of(number, size, &len);
    sipc_status status = sipc_stream_send(stream, sipc_text_n(text, len), SIPC_NO_TIMEOUT, error);
    free(text);
    return status;
}

static sipc_status send_items(const sipc_stream *stream, unsigned long long count, size_t size) {
    sipc_status status = SIPC_OK;
    for (unsigned long long i = 0; i < count && status == SIPC_OK; i++)
        status = send_item(stream, i, size, NULL);
    return status;
}

/* The next item; NULL at the end, and when the caller has left. */
static sipc_message *next_of(const sipc_stream *stream) {
    sipc_message *item = NULL;
    return sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, NULL) == SIPC_OK ? item : NULL;
}

static void answer_total(sipc_responder *responder) {
    sipc_stream *items = NULL;
    sipc_error *error = NULL;
    must(sipc_responder_items(responder, &items, &error), error);
    struct order order = {0, 0, -1, true};
    for (sipc_message *item; (item = next_of(items)) != NULL; sipc_message_free(item))
        order_item(&order, item);
    sipc_stream_free(items);
    char json[128];
    snprintf(json, sizeof json, "{\"items\":%lld,\"chars\":%lld,\"in_order\":%s}", order.taken, order.chars,
             order.is_kept ? "true" : "false");
    sipc_respond(responder, sipc_json(json), NULL);
}

static void answer_first(const sipc_stream *stream, unsigned long long count) {
    for (unsigned long long i = 0; i < count; i++)
        sipc_message_free(next_of(stream));
    char json[HEAD];
    snprintf(json, sizeof json, "%llu", count);
    sipc_stream_send(stream, sipc_json(json), SIPC_NO_TIMEOUT, NULL);
    sipc_stream_end(stream, NULL);
}

static void echo(const sipc_stream *stream) {
    sipc_status status = SIPC_OK;
    for (sipc_message *item; status == SIPC_OK && (item = next_of(stream)) != NULL; sipc_message_free(item))
        status = sipc_stream_send(stream, body_of(item), SIPC_NO_TIMEOUT, NULL);
    note_cleanup();
    sipc_stream_end(stream, NULL);
}

static void be_silent(const sipc_stream *stream) {
    for (sipc_message *item; (item = next_of(stream)) != NULL;)
        sipc_message_free(item);
    /* The caller may have ended, and still be there. */
    while (!sipc_stream_is_over(stream))
        nap();
    note_cleanup();
}

static void be_stubborn(const sipc_stream *stream) {
    pthread_mutex_lock(&mutex);
    unsigned seen = releases;
    pthread_mutex_unlock(&mutex);
    send_item(stream, 0, 0, NULL);
    pthread_mutex_lock(&mutex);
    while (releases == seen)
        pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
    sipc_stream_end(stream, NULL);
}

static void answer_stream(const char *json, const sipc_stream *stream) {
    unsigned long long count = number_in(json, "n");
    size_t size = (size_t)number_in(json, "size");
    if (does(json, "count")) {
        send_items(stream, count, size);
        sipc_stream_end(stream, NULL);
    } else if (does(json, "fail")) {
        char data[HEAD];
        snprintf(data, sizeof data, "%llu", count);
        send_items(stream, count, 0);
        sipc_stream_fail_with(stream, "on purpose", "stopped", data, NULL);
    } else if (does(json, "first")) {
        answer_first(stream, count);
    } else if (does(json, "echo")) {
        echo(stream);
    } else if (does(json, "forever")) {
        send_items(stream, UINT64_MAX, size);
        note_cleanup();
    } else if (does(json, "silent")) {
        be_silent(stream);
    } else {
        be_stubborn(stream);
    }
}

static void on_opening(const sipc_message *message, sipc_responder *responder, void *user_data) {
    (void)user_data;
    static const char *const known[] = {"count", "fail", "first", "echo", "forever", "silent", "stubborn"};
    const char *json = sipc_message_json(message);
    if (does(json, "total")) {
        answer_total(responder);
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!does(json, known[i]))
            continue;
        sipc_stream *stream = NULL;
        if (sipc_responder_stream(responder, &stream, NULL) == SIPC_OK)
            answer_stream(json, stream);
        sipc_stream_free(stream);
        return;
    }
    sipc_respond_error(responder, "unknown", NULL);
}

static void say_streams(const sipc_listener *listener) {
    sipc_counters counters;
    sipc_error *error = NULL;
    counters.size = sizeof counters;
    must(sipc_listener_counters(listener, &counters, &error), error);
    char line[128];
    snprintf(line, sizeof line, "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64, counters.in_flight, counters.abandoned,
             counters.streams);
    say_id("ok\t", line);
}

static int listen_for_streams(const char *prefix) {
    char name[128];
    sipc_listener *named = NULL, *port = NULL;
    sipc_error *error = NULL;
    snprintf(name, sizeof name, "%s_streams", prefix);
    must(sipc_listen_uds_request(name, on_opening, NULL, NULL, NULL, &named, &error), error);
    must(sipc_listen_ip_request(0, on_opening, NULL, NULL, NULL, &port, &error), error);
    say_count("ready\t", sipc_listener_port(port));
    for (char *line; (line = read_line()) != NULL;) {
        const char *address = after(line, "counters\t");
        pthread_mutex_lock(&mutex);
        unsigned cleaned = cleaned_up;
        pthread_mutex_unlock(&mutex);
        if (address != NULL) {
            say_streams(address[0] == ':' ? port : named);
        } else if (strcmp(line, "cleaned") == 0) {
            say_count("ok\t", cleaned);
        } else if (strcmp(line, "release") == 0) {
            pthread_mutex_lock(&mutex);
            releases++;
            pthread_cond_broadcast(&changed);
            pthread_mutex_unlock(&mutex);
            say_id("ok", "");
        } else {
            die("unknown command");
        }
    }
    must(sipc_listener_close(named, &error), error);
    must(sipc_listener_close(port, &error), error);
    sipc_listener_free(named);
    sipc_listener_free(port);
    return 0;
}

/* The caller's side. */

static sipc_stream *open_stream(const char *address, const char *opening) {
    sipc_stream *stream = NULL;
    sipc_error *error = NULL;
    if (address[0] == ':')
        sipc_post_ip_stream((uint32_t)strtoul(address + 1, NULL, 10), sipc_json(opening), NULL, &stream, &error);
    else
        sipc_post_uds_stream(address, sipc_json(opening), NULL, &stream, &error);
    if (stream != NULL)
        say_id("ok", "");
    else
        say_error(error);
    sipc_error_free(error);
    return stream;
}

static void say_item(sipc_status status, sipc_message *item, sipc_error *error, void *user_data) {
    (void)user_data;
    if (status != SIPC_OK)
        say_error(error);
    else if (item == NULL)
        say_id("ok\t", "end");
    else
        say_message("ok", item);
    sipc_error_free(error);
    sipc_message_free(item);
}

static void say_next_item(const sipc_stream *stream, int64_t timeout) {
    sipc_message *item = NULL;
    sipc_error *error = NULL;
    sipc_status status = sipc_stream_next(stream, timeout, &item, &error);
    say_item(status, item, error, NULL);
}

static void say_done(sipc_status status, sipc_error *error) {
    if (status == SIPC_OK)
        say_id("ok", "");
    else
        say_error(error);
    sipc_error_free(error);
}

static void say_order(const struct order *order) {
    char line[64];
    snprintf(line, sizeof line, "%lld\t%d", order->taken, order->is_kept);
    say_id("ok\t", line);
}

/* Takes so many items; fewer where the end or an error comes first, which the next one tells. */
static struct order take_items(const sipc_stream *stream, long long count, long long last) {
    struct order order = {0, 0, last, true};
    while (order.taken < count) {
        sipc_message *item = next_of(stream);
        if (item == NULL)
            break;
        order_item(&order, item);
        sipc_message_free(item);
    }
    return order;
}

static void say_sends(const sipc_stream *stream, unsigned long long count, size_t size) {
    unsigned long long sent = 0;
    sipc_error *error = NULL;
    sipc_status status = SIPC_OK;
    while (sent < count && (status = send_item(stream, sent, size, &error)) == SIPC_OK)
        sent++;
    if (status == SIPC_OK || status == SIPC_CLOSED)
        say_count("ok\t", sent);
    else
        say_error(error);
    sipc_error_free(error);
}

struct pumped {
    const sipc_stream *stream;
    unsigned long long count;
    size_t size;
};

static void *pump_items(void *user_data) {
    const struct pumped *pumped = user_data;
    send_items(pumped->stream, pumped->count, pumped->size);
    sipc_stream_end(pumped->stream, NULL);
    return NULL;
}

/* Sends and ends in a thread, while this one takes what comes back. */
static void pump(const sipc_stream *stream, unsigned long long count, size_t size) {
    struct pumped pumped = {stream, count, size};
    pthread_t sender;
    if (pthread_create(&sender, NULL, pump_items, &pumped) != 0)
        die("cannot start a thread");
    struct order order = take_items(stream, INT64_MAX, -1);
    pthread_join(sender, NULL);
    sipc_message *item = NULL;
    sipc_error *error = NULL;
    if (sipc_stream_next(stream, SIPC_NO_TIMEOUT, &item, &error) == SIPC_OK)
        say_order(&order);
    else
        say_error(error);
    sipc_error_free(error);
    sipc_message_free(item);
}

/* A call that waits is ended by closing its stream. */
static void cancel_next(const sipc_stream *stream) {
    sipc_operation *operation = NULL;
    sipc_error *error = NULL;
    must(sipc_stream_next_async(stream, SIPC_NO_TIMEOUT, say_item, NULL, NULL, &operation, &error), error);
    sipc_stream_close(stream);
    must(sipc_operation_wait(operation, SIPC_NO_TIMEOUT, &error), error);
    sipc_operation_free(operation);
}

static int call_streams(void) {
    sipc_stream *stream = NULL;
    long long last = -1;
    say_id("ready", "");
    for (char *line; (line = read_line()) != NULL;) {
        char *place = NULL;
        const char *verb = strtok_r(line, "\t", &place), *first = strtok_r(NULL, "\t", &place);
        const char *second = strtok_r(NULL, "\t", &place);
        sipc_error *error = NULL;
        if (verb == NULL) {
            die("an empty command");
        } else if (strcmp(verb, "open") == 0 && second != NULL) {
            sipc_stream_free(stream);
            stream = open_stream(first, second);
            last = -1;
        } else if (strcmp(verb, "next") == 0 && first != NULL) {
            say_next_item(stream, strtoll(first, NULL, 10));
        } else if (strcmp(verb, "take") == 0 && first != NULL) {
            struct order order = take_items(stream, strtoll(first, NULL, 10), last);
            last = order.last;
            say_order(&order);
        } else if (strcmp(verb, "send") == 0 && first != NULL) {
            void *memory;
            sipc_body body = parse_value(first, &memory);
            sipc_status status = sipc_stream_send(stream, body, SIPC_NO_TIMEOUT, &error);
            say_done(status, error);
            free(memory);
        } else if (strcmp(verb, "sends") == 0 && second != NULL) {
            say_sends(stream, strtoull(first, NULL, 10), strtoull(second, NULL, 10));
        } else if (strcmp(verb, "end") == 0) {
            sipc_status status = sipc_stream_end(stream, &error);
            say_done(status, error);
        } else if (strcmp(verb, "pump") == 0 && second != NULL) {
            pump(stream, strtoull(first, NULL, 10), strtoull(second, NULL, 10));
        } else if (strcmp(verb, "cancel") == 0) {
            cancel_next(stream);
        } else if (strcmp(verb, "leave") == 0) {
            sipc_message_free(next_of(stream));
            sipc_stream_free(stream);
            stream = NULL;
            say_id("ok", "");
        } else if (strcmp(verb, "close") == 0) {
            sipc_stream_close(stream);
            say_id("ok", "");
        } else {
            die("unknown command");
        }
    }
    sipc_stream_free(stream);
    return 0;
}
