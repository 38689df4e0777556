"""Streams with calls that block: what is sent, what arrives, and how they end."""

import gc
import itertools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import simple_ipc
from streaming import COST, WINDOW, Watched, count, echo, send_for_ever, send_until_full, total, until


@pytest.fixture(params=["name", "port"])
def place(request):
    """How to listen and to open streams in both kinds of places."""
    if request.param == "name":
        return lambda handler, **options: simple_ipc.listen_uds_request(
            "s", handler, **options
        ), lambda _, data, **options: simple_ipc.post_uds_stream("s", data, **options)
    return lambda handler, **options: simple_ipc.listen_ip_request(
        0, handler, **options
    ), lambda server, data, **options: simple_ipc.post_ip_stream(server.port, data, **options)


def test_what_a_generator_yields_arrives_in_order_and_the_loop_ends(place):
    listen, post = place
    with listen(count) as server:
        assert list(post(server, 1000)) == list(range(1000))
        with post(server, 2) as stream:
            assert isinstance(stream, simple_ipc.Stream)
            assert next(stream) == 0
            assert stream.next(timeout=60) == 1
            for _ in range(2):
                with pytest.raises(StopIteration):
                    stream.next()
            assert next(stream, "end") == "end"
        assert list(post(server, 0)) == []


def test_a_caller_sends_items_and_gets_one_answer(place):
    listen, post = place
    with listen(total, context=True) as server, post(server, None) as stream:
        for number in range(1000):
            stream.send(number)
        stream.end()
        stream.end()
        assert list(stream) == [sum(range(1000))]


def test_both_sides_send_at_once():
    with simple_ipc.listen_uds_request("s", echo, context=True), simple_ipc.post_uds_stream("s", None) as stream:

        def send():
            for number in range(20_000):
                stream.send([number])
            stream.end()

        with ThreadPoolExecutor() as pool:
            sent = pool.submit(send)
            assert list(stream) == [[number] for number in range(20_000)]
            sent.result()


def test_items_are_values_as_messages_are():
    values = [None, {"a": [1.5, "\ud800", 1 << 70]}, b"\x00\xff", bytearray(b"x"), "text", b"", [], False]
    with simple_ipc.listen_uds_request("s", echo, context=True), simple_ipc.post_uds_stream("s", None) as stream:
        for value in values:
            stream.send(value)
        with pytest.raises(simple_ipc.InvalidJsonError, match=r"data\.set: an object of type set"):
            stream.send({"set": {1}})
        stream.end()
        assert list(stream) == values


def test_large_items_cross_both_ways():
    large = [bytes(3 << 20), "x" * (1 << 20)]
    with simple_ipc.listen_uds_request("s", echo, context=True), simple_ipc.post_uds_stream("s", None) as stream:
        for item in large:
            stream.send(item)
            assert next(stream) == item


@pytest.mark.parametrize(
    ("answer", "items"),
    [
        (lambda: [1, 2], [[1, 2]]),
        (lambda: (1, 2), [[1, 2]]),
        (lambda: iter([1, 2]), [1, 2]),
        (lambda: map(str, [1, 2]), ["1", "2"]),
        (lambda: itertools.repeat("x", 3), ["x"] * 3),
        (lambda: None, [None]),
        (lambda: b"", [b""]),
    ],
)
def test_iterators_are_sequences_and_all_else_is_one_item(answer, items):
    with simple_ipc.listen_uds_request("s", lambda _: answer()):
        assert list(simple_ipc.post_uds_stream("s", 0)) == items


def test_a_file_is_a_sequence_of_lines_and_is_closed(tmp_path):
    path = tmp_path / "lines"
    path.write_text("a\nb\n")
    opened = []

    def lines(_):
        opened.append(path.open())
        return opened[-1]

    with simple_ipc.listen_uds_request("s", lines):
        assert list(simple_ipc.post_uds_stream("s", 0)) == ["a\n", "b\n"]
        until(lambda: opened[0].closed)


def test_a_plain_request_has_no_items_and_gets_no_sequence():
    closed = threading.Event()

    class Numbers:
        def __iter__(self):
            return self

        def __next__(self):
            raise AssertionError("nobody asked for a sequence")

        def close(self):
            closed.set()

    with simple_ipc.listen_uds_request("s", lambda data: Numbers() if data else [data]):
        with pytest.raises(simple_ipc.WrongModeError, match="post a stream"):
            simple_ipc.post_uds_request("s", 1)
        assert closed.wait()
        assert simple_ipc.post_uds_request("s", 0) == [0]
    with simple_ipc.listen_uds_request("s", lambda _, context: list(context.items), context=True):
        assert simple_ipc.post_uds_request("s", 0) == []
    with simple_ipc.listen_uds_request(
        "s", lambda _, context: [isinstance(context.items, simple_ipc.Items)], context=True
    ):
        assert simple_ipc.post_uds_request("s", 0) == [True]


def test_an_error_comes_after_all_items_before_it_and_stays(caplog):
    def fails(how):
        yield from range(3)
        if how == "on purpose":
            raise simple_ipc.HandlerError("on purpose", code="stopped", data=[3])
        raise KeyError("nope")

    with simple_ipc.listen_uds_request("s", fails):
        stream = simple_ipc.post_uds_stream("s", "on purpose")
        assert [next(stream) for _ in range(3)] == [0, 1, 2]
        for _ in range(2):
            with pytest.raises(simple_ipc.HandlerFailedError, match=r"^on purpose$") as caught:
                next(stream)
            assert (caught.value.handler_code, caught.value.handler_data) == ("stopped", [3])
            assert caught.value.may_have_been_handled
        assert not caplog.records
        with pytest.raises(simple_ipc.HandlerFailedError, match="KeyError: 'nope'"):
            list(simple_ipc.post_uds_stream("s", ""))
        until(lambda: caplog.records)
        [record] = caplog.records
        assert record.levelno == logging.ERROR
        assert record.exc_info


def test_an_item_that_cannot_be_sent_fails_the_handler_after_those_before_it(caplog):
    cleaned = threading.Event()

    def bad(_):
        try:
            yield 1
            yield {"a": {2}}
        finally:
            cleaned.set()

    with simple_ipc.listen_uds_request("s", bad):
        stream = simple_ipc.post_uds_stream("s", 0)
        assert next(stream) == 1
        with pytest.raises(simple_ipc.HandlerFailedError, match=r"^the handler's item cannot become JSON: item\.a"):
            next(stream)
        assert cleaned.is_set()


def test_a_listener_that_ends_first_ends_sending_and_what_it_sent_is_read():
    def first(n, context):
        yield sum(itertools.islice(context.items, n))

    with simple_ipc.listen_uds_request("s", first, context=True), simple_ipc.post_uds_stream("s", 3) as stream:
        with pytest.raises(simple_ipc.ClosedError):
            send_for_ever(stream)
        assert list(stream) == [3]


def test_nothing_is_sent_after_end_or_close():
    with simple_ipc.listen_uds_request("s", echo, context=True):
        stream = simple_ipc.post_uds_stream("s", 0)
        stream.send("a")
        stream.end()
        with pytest.raises(simple_ipc.ClosedError):
            stream.send("b")
        assert list(stream) == ["a"]
        stream.close()
        stream.close()
        with pytest.raises(simple_ipc.ClosedError):
            stream.send("c")
        assert list(stream) == []


def leave_by_break():
    for _ in simple_ipc.post_uds_stream("s", 0):
        break


def leave_by_with():
    with simple_ipc.post_uds_stream("s", 0) as stream:
        next(stream)


def leave_by_raising():
    with pytest.raises(ZeroDivisionError), simple_ipc.post_uds_stream("s", 0) as stream:
        1 // len(next(stream))


def leave_by_letting_go():
    stream = simple_ipc.post_uds_stream("s", 0)
    stream.send("x")
    next(stream)
    del stream


def leave_from_another_thread():
    stream = simple_ipc.post_uds_stream("s", 0)
    next(stream)
    threading.Timer(0, stream.close).start()
    for _ in stream:
        pass


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_with, leave_by_raising, leave_by_letting_go, leave_from_another_thread]
)
def test_leaving_runs_the_handlers_cleanup_in_its_thread_and_is_no_failure(leave, caplog):
    watched = Watched()
    with simple_ipc.listen_uds_request("s", watched) as server:
        leave()
        assert watched.cleaned.wait()
        until(lambda: server.counters.streams == 0)
        assert (server.counters.failed, server.counters.in_flight, server.counters.abandoned) == (0, 0, 0)
    assert not caplog.records


def silent(_, context):
    for _ in context.items:
        yield


@pytest.mark.parametrize("answers_with", ["items", "one value"])
def test_a_handler_that_waits_for_an_item_hears_at_once_that_its_caller_has_left(answers_with, caplog):
    came, raised = threading.Event(), []

    def reads(_, context):
        try:
            for _ in context.items:
                came.set()
        except simple_ipc.CancelledError as error:
            raised.append(error)
            raise

    def yields(data, context):
        reads(data, context)
        yield "never"

    handler = yields if answers_with == "items" else reads
    with simple_ipc.listen_uds_request("s", handler, context=True) as server:
        stream = simple_ipc.post_uds_stream("s", 0)
        stream.send(1)
        assert came.wait()
        stream.close()
        until(lambda: raised)
        until(lambda: server.counters.streams == 0)
    assert not caplog.records


def test_a_handler_sees_that_its_caller_has_left_and_may_go_on(caplog):
    seen, go_on = threading.Event(), threading.Event()

    def stubborn(_, context):
        yield 0
        until(lambda: context.cancelled)
        seen.set()
        assert go_on.wait()
        yield 1
        raise AssertionError("nobody is there")

    with simple_ipc.listen_uds_request("s", stubborn, context=True) as server:
        with simple_ipc.post_uds_stream("s", 0) as stream:
            assert next(stream) == 0
        assert seen.wait()
        until(lambda: server.counters.abandoned == 1)
        go_on.set()
        until(lambda: (server.counters.abandoned, server.counters.streams) == (0, 0))
    assert not caplog.records


def test_what_a_cleanup_raises_is_logged_and_harms_nobody(caplog):
    def unclean(_):
        try:
            yield 0
            yield 1
        finally:
            raise ValueError("unclean")

    with simple_ipc.listen_uds_request("s", unclean):
        for _ in range(2):
            for _ in simple_ipc.post_uds_stream("s", 0):
                break
            until(lambda: caplog.records)
            [record] = caplog.records
            assert "unclean" in record.getMessage()
            caplog.clear()


def test_a_wait_that_is_over_leaves_the_stream_as_it_was():
    go_on = threading.Event()

    def slow(_, context):
        assert go_on.wait()
        yield from context.items

    with simple_ipc.listen_uds_request("s", slow, context=True), simple_ipc.post_uds_stream("s", 0) as stream:
        for timeout in (0, 0.001):
            with pytest.raises(simple_ipc.TimedOutError):
                stream.next(timeout=timeout)
        sent = send_until_full(stream, bytes(10_000))
        assert sent <= WINDOW // 10_000 + 2
        go_on.set()
        assert [len(next(stream)) for _ in range(sent)] == [10_000] * sent
        stream.send(b"last")
        stream.end()
        assert list(stream) == [b"last"]
    with simple_ipc.listen_uds_request("s", lambda _, context: waits(context.items), context=True):
        assert list(simple_ipc.post_uds_stream("s", 0)) == ["timed_out"]


def waits(items):
    for timeout in (0, 0.001):
        with pytest.raises(simple_ipc.TimedOutError) as caught:
            items.next(timeout=timeout)
    return caught.value.code


def test_timeouts_of_a_stream_end_it_and_its_handler_hears():
    for options in ({"idle_timeout": 0.05}, {"timeout": 0.05}):
        with simple_ipc.listen_uds_request("s", silent, context=True) as server:
            # Whether it takes so long to be accepted, or to its first item.
            with pytest.raises(simple_ipc.TimedOutError):
                next(simple_ipc.post_uds_stream("s", 0, **options))
            until(lambda server=server: server.counters.streams == 0)


def test_an_idle_timeout_counts_from_item_to_item():
    with simple_ipc.listen_uds_request("s", echo, context=True):
        with simple_ipc.post_uds_stream("s", 0, idle_timeout=60) as stream:
            for number in range(3):
                stream.send(number)
                assert next(stream) == number
        with simple_ipc.post_uds_stream("s", 0, idle_timeout=None) as stream:
            stream.send(1)
            assert next(stream) == 1


def test_a_cancellation_gives_a_stream_up_that_is_not_accepted():
    stop = simple_ipc.Cancellation()
    threading.Timer(0, stop.cancel).start()
    with pytest.raises(simple_ipc.CancelledError):
        simple_ipc.post_uds_stream("s", 0, wait=None, cancellation=stop)
    with simple_ipc.listen_uds_request("s", count):
        with pytest.raises(simple_ipc.CancelledError):
            simple_ipc.post_uds_stream("s", 0, cancellation=stop)
        # One that was accepted is closed instead.
        stop = simple_ipc.Cancellation()
        stream = simple_ipc.post_uds_stream("s", 3, cancellation=stop)
        stop.cancel()
        assert list(stream) == [0, 1, 2]


def test_a_client_opens_streams_with_its_options_or_others():
    with simple_ipc.listen_uds_request("s", silent, context=True), simple_ipc.connect("s", idle_timeout=0.05) as client:
        with pytest.raises(simple_ipc.TimedOutError):
            next(client.stream(0))
        with client.stream(0, idle_timeout=None) as stream, pytest.raises(simple_ipc.TimedOutError):
            stream.next(timeout=0.1)
        with pytest.raises(
            TypeError, match="a client's stream takes 'timeout', 'idle_timeout' and 'cancellation' only"
        ):
            client.stream(0, wait=1)
    with simple_ipc.listen_uds_request("s", echo, context=True):
        with simple_ipc.connect("s") as client:
            streams = [client.stream(number) for number in range(3)]
        with pytest.raises(simple_ipc.ClosedError):
            client.stream(0)
        for number, stream in enumerate(streams):
            stream.send(number)
            stream.end()
            assert list(stream) == [number]


def test_what_has_nothing_to_do_with_a_stream_is_refused():
    with pytest.raises(TypeError, match="idle_timeout' is for streams"):
        simple_ipc.post_uds_request("s", 0, idle_timeout=1)
    with pytest.raises(TypeError, match="idle_timeout' is for streams"):
        simple_ipc.listen_uds_request("s", count, idle_timeout=1)
    with pytest.raises(TypeError, match="'topics' is for subscriptions"):
        simple_ipc.post_uds_stream("s", 0, topics=["a"])
    with pytest.raises(simple_ipc.NotListeningError):
        simple_ipc.post_uds_stream("s", 0)
    with pytest.raises(TypeError, match="name is a str"):
        simple_ipc.post_uds_stream(1, 0)
    with pytest.raises(TypeError, match="port is an int"):
        simple_ipc.post_ip_stream("s", 0)
    with pytest.raises(TypeError):
        simple_ipc.Stream()


def test_a_stream_waits_for_its_listener():
    with ThreadPoolExecutor() as pool:
        stream = pool.submit(lambda: list(simple_ipc.post_uds_stream("s", 3, wait=None)))
        with simple_ipc.listen_uds_request("s", count):
            assert stream.result() == [0, 1, 2]


@pytest.mark.parametrize("item", [b"", b"x" * 1000])
def test_a_caller_that_takes_nothing_holds_no_more_than_its_window(item):
    watched = Watched(item)
    most = WINDOW // (COST + len(item)) + 1
    with (
        simple_ipc.listen_uds_request("s", watched),
        simple_ipc.listen_uds_request("other", lambda data: data),
        simple_ipc.post_uds_stream("s", 0) as stream,
    ):
        until(lambda: watched.given >= most)
        # Something to do meanwhile, in which a handler that nobody stops would give many more.
        for number in range(500):
            simple_ipc.post_uds_request("other", number)
        assert watched.given <= most + 1
        for _ in range(most * 3 // 4):
            assert next(stream) == item
        until(lambda: watched.given > most + 1)


def test_a_handler_that_takes_nothing_holds_no_more_than_its_window():
    go_on = threading.Event()

    def lazy(_, context):
        assert go_on.wait()
        return sum(1 for _ in context.items)

    with simple_ipc.listen_uds_request("s", lazy, context=True), simple_ipc.post_uds_stream("s", 0) as stream:
        sent = send_until_full(stream, b"")
        assert sent <= WINDOW // COST + 1
        go_on.set()
        stream.end()
        assert list(stream) == [sent]


def test_a_million_empty_items_cross():
    with simple_ipc.listen_uds_request("s", lambda n: itertools.repeat(b"", n)):
        assert sum(1 for _ in simple_ipc.post_uds_stream("s", 1_000_000)) == 1_000_000


def test_an_iterator_without_python_code_lets_other_threads_run():
    with simple_ipc.listen_uds_request("s", lambda _: itertools.repeat(0)):
        taken, stop = [], threading.Event()

        def take():
            with simple_ipc.post_uds_stream("s", 0) as stream:
                for _ in stream:
                    taken.append(1)
                    if stop.is_set():
                        break

        thread = threading.Thread(target=take)
        thread.start()
        until(lambda: len(taken) > 10_000)
        stop.set()
        thread.join()


def test_handlers_for_an_event_loop_are_refused():
    async def generator(_):
        yield 0

    with pytest.raises(simple_ipc.InvalidArgumentError, match=r"listen with simple_ipc\.aio"):
        simple_ipc.listen_uds_request("s", generator)
    with pytest.raises(simple_ipc.InvalidArgumentError, match="a handler of broadcasts with yield never runs"):
        simple_ipc.listen_uds_broadcast("s", count)
    with (
        simple_ipc.listen_uds_request("s", lambda data: generator(data)),
        pytest.raises(simple_ipc.HandlerFailedError, match="returned an async generator"),
    ):
        simple_ipc.post_uds_request("s", 0)


def test_ten_thousand_streams_need_only_a_few_sessions():
    with simple_ipc.listen_uds_request("s", count) as server:
        for number in range(10_000):
            stream = simple_ipc.post_uds_stream("s", 3)
            if number % 2:
                assert list(stream) == [0, 1, 2]
        del stream
        gc.collect()
        until(lambda: server.counters.streams == 0)
        # A stream that was given up frees its session a moment later.
        assert server.counters.open < 100
