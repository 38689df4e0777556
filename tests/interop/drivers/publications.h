/* The half of driver.c that publishes and subscribes; driver.c includes it. */

struct publishers {
    char name[128];
    sipc_listener *named, *port;
};

static sipc_listener *publisher_at(const struct publishers *publishers, const char *address) {
    return strcmp(address, publishers->name) == 0 ? publishers->named : publishers->port;
}

static void say_count(const char *head, unsigned long long count) {
    char line[64];
    snprintf(line, sizeof line, "%s%llu", head, count);
    say_id(line, "");
}

static void publish_one(const sipc_listener *publisher, const char *topic, const char *value) {
    void *memory;
    size_t queued = 0;
    sipc_error *error = NULL;
    topic = strcmp(topic, "-") == 0 ? NULL : topic;
    if (sipc_publish(publisher, topic, parse_value(value, &memory), &queued, &error) == SIPC_OK)
        say_count("ok\t", queued);
    else
        say_error(error);
    sipc_error_free(error);
    free(memory);
}

/* The strings `flood:0:`, `flood:1:` and so on, filled up with `x`. */
static void flood(const sipc_listener *publisher, unsigned long count, size_t size) {
    char *text = malloc(size + 1);
    if (text == NULL || size < 32)
        die("a flood needs memory, and events of at least 32 characters");
    sipc_error *error = NULL;
    for (unsigned long number = 0; number < count && error == NULL; number++) {
        memset(text, 'x', size);
        char head[32];
        memcpy(text, head, (size_t)snprintf(head, sizeof head, "flood:%lu:", number));
        sipc_publish(publisher, NULL, sipc_text_n(text, size), NULL, &error);
    }
    if (error == NULL)
        say_id("ok", "");
    else
        say_error(error);
    sipc_error_free(error);
    free(text);
}

static void say_counters(const sipc_listener *publisher) {
    sipc_counters counters;
    sipc_error *error = NULL;
    counters.size = sizeof counters;
    must(sipc_listener_counters(publisher, &counters, &error), error);
    char line[128];
    snprintf(line, sizeof line, "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64, counters.subscribers,
             counters.published, counters.dropped, counters.too_slow);
    say_id("ok\t", line);
}

static int publish_until_end(const char *prefix) {
    struct publishers publishers;
    sipc_error *error = NULL;
    snprintf(publishers.name, sizeof publishers.name, "%s_publications", prefix);
    sipc_options *options = sipc_options_new();
    sipc_options_set_retain(options, true);
    sipc_options_set_patience_ms(options, 20000);
    must(sipc_listen_uds_publish(publishers.name, options, &publishers.named, &error), error);
    must(sipc_listen_ip_publish(0, options, &publishers.port, &error), error);
    sipc_options_free(options);
    say_count("ready\t", sipc_listener_port(publishers.port));
    for (char *line; (line = read_line()) != NULL;) {
        char *place = NULL;
        const char *verb = strtok_r(line, "\t", &place), *address = strtok_r(NULL, "\t", &place);
        const char *first = strtok_r(NULL, "\t", &place), *second = strtok_r(NULL, "\t", &place);
        if (address == NULL)
            die("a publisher's command has a verb and an address");
        const sipc_listener *publisher = publisher_at(&publishers, address);
        if (strcmp(verb, "counters") == 0)
            say_counters(publisher);
        else if (strcmp(verb, "publish") == 0 && second != NULL)
            publish_one(publisher, first, second);
        else if (strcmp(verb, "flood") == 0 && second != NULL)
            flood(publisher, strtoul(first, NULL, 10), strtoul(second, NULL, 10));
        else
            die("unknown command");
    }
    must(sipc_listener_close(publishers.named, &error), error);
    must(sipc_listener_close(publishers.port, &error), error);
    sipc_listener_free(publishers.named);
    sipc_listener_free(publishers.port);
    return 0;
}

static int overflow_of(const char *name) {
    if (strcmp(name, "drop_oldest") == 0)
        return SIPC_OVERFLOW_DROP_OLDEST;
    return strcmp(name, "block") == 0 ? SIPC_OVERFLOW_BLOCK : SIPC_OVERFLOW_FAIL;
}

static sipc_stream *subscribe(const char *address, const char *timeout, const char *overflow, const char *queue,
                              char *topics) {
    const char *names[64];
    size_t count = 0;
    char *place = NULL;
    sipc_options *options = sipc_options_new();
    sipc_options_set_timeout_ms(options, strtoll(timeout, NULL, 10));
    sipc_options_set_overflow(options, overflow_of(overflow));
    if (strcmp(queue, "-") != 0)
        sipc_options_set_queue(options, strtoull(queue, NULL, 10));
    if (strcmp(topics, "*") != 0) {
        for (char *name = strtok_r(topics, ",", &place); name != NULL && count < 64; name = strtok_r(NULL, ",", &place))
            names[count++] = name;
        sipc_options_set_topics(options, names, count);
    }
    sipc_stream *stream = NULL;
    sipc_error *error = NULL;
    if (address[0] == ':')
        sipc_subscribe_ip((uint32_t)strtoul(address + 1, NULL, 10), options, &stream, &error);
    else
        sipc_subscribe_uds(address, options, &stream, &error);
    if (stream != NULL)
        say_id("ok", "");
    else
        say_error(error);
    sipc_error_free(error);
    sipc_options_free(options);
    return stream;
}

static void say_next(const sipc_stream *stream, int64_t timeout) {
    sipc_message *event = NULL;
    sipc_error *error = NULL;
    if (sipc_stream_next(stream, timeout, &event, &error) != SIPC_OK) {
        say_error(error);
    } else if (event == NULL) {
        say_id("ok\t", "end");
    } else {
        const char *topic = sipc_message_topic(event);
        char head[512];
        snprintf(head, sizeof head, "ok\t%lld\t%d\t%s", (long long)sipc_message_missed(event),
                 sipc_message_retained(event), topic[0] ? topic : "-");
        say_message(head, event);
    }
    sipc_error_free(error);
    sipc_message_free(event);
}

/* Takes events of a flood until delivered and missed are `total` together. */
static void take(const sipc_stream *stream, long long total, long pause) {
    long long delivered = 0, missed = 0, due = 0;
    bool in_order = true;
    while (delivered + missed < total) {
        sipc_message *event = NULL;
        sipc_error *error = NULL;
        if (sipc_stream_next(stream, SIPC_NO_TIMEOUT, &event, &error) != SIPC_OK || event == NULL) {
            if (error != NULL)
                say_error(error);
            else
                say_id("ok\t", "end");
            sipc_error_free(error);
            return;
        }
        const char *number = after(sipc_message_text(event), "flood:");
        if (sipc_message_missed(event) > 0)
            missed += sipc_message_missed(event);
        /* A gap of so many as were told, no more and no fewer. */
        due += sipc_message_missed(event);
        in_order = in_order && number != NULL && strtoll(number, NULL, 10) == due;
        due++;
        delivered++;
        sipc_message_free(event);
        struct timespec moment = {pause / 1000000, pause % 1000000 * 1000};
        if (pause > 0)
            nanosleep(&moment, NULL);
    }
    char line[128];
    snprintf(line, sizeof line, "%lld\t%lld\t%d", delivered, missed, in_order);
    say_id("ok\t", line);
}

static int subscribe_until_end(void) {
    sipc_stream *stream = NULL;
    say_id("ready", "");
    for (char *line; (line = read_line()) != NULL;) {
        char *place = NULL, *fields[6] = {NULL};
        size_t count = 0;
        for (char *field = strtok_r(line, "\t", &place); field != NULL && count < 6; field = strtok_r(NULL, "\t", &place))
            fields[count++] = field;
        if (count == 6 && strcmp(fields[0], "subscribe") == 0) {
            sipc_stream_free(stream);
            stream = subscribe(fields[1], fields[2], fields[3], fields[4], fields[5]);
        } else if (count == 2 && strcmp(fields[0], "next") == 0) {
            say_next(stream, strtoll(fields[1], NULL, 10));
        } else if (count == 3 && strcmp(fields[0], "take") == 0) {
            take(stream, strtoll(fields[1], NULL, 10), strtol(fields[2], NULL, 10));
        } else if (count == 1 && strcmp(fields[0], "close") == 0) {
            sipc_stream_free(stream);
            stream = NULL;
            say_id("ok", "");
        } else {
            die("unknown command");
        }
    }
    sipc_stream_free(stream);
    return 0;
}
