"""Publishing and subscribing with calls that block."""

import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import simple_ipc
from where import not_on_windows

START = "import os, signal, sys, threading, time\nimport simple_ipc\n"


def until(condition):
    """Asks until it is so; the watchdog is far away."""
    while not condition():
        time.sleep(0)


def numbers(events, last):
    """What is delivered up to the event `last`, and how many were missed on the way."""
    got, missed = [], 0
    for event in events:
        got.append(event.data)
        missed += event.missed
        if event.data == last:
            return got, missed
    raise AssertionError("the subscription ended before its last event")


@pytest.fixture(params=["name", "port"])
def place(request):
    """How to publish and to subscribe in both kinds of places."""
    if request.param == "name":
        return lambda **options: simple_ipc.listen_uds_publish(
            "news", **options
        ), lambda _, **options: simple_ipc.subscribe_uds("news", **options)
    return lambda **options: simple_ipc.listen_ip_publish(
        0, **options
    ), lambda server, **options: simple_ipc.subscribe_ip(server.port, **options)


def test_everything_that_is_published_after_subscribe_has_returned_arrives_in_order(place):
    listen, subscribe = place
    with listen() as server:
        assert server.publish("to nobody") == 0
        with subscribe(server) as events:
            for number in range(1000):
                assert server.publish({"n": number}, topic="tick") == 1
            for number in range(1000):
                event = next(events)
                assert (event.data, event.topic, event.missed, event.retained) == ({"n": number}, "tick", 0, False)
            with pytest.raises(simple_ipc.TimedOutError):
                events.next(timeout=0)


def test_what_another_process_publishes_at_once_is_not_lost(directory):
    program = f"""{START}
with simple_ipc.listen_uds_broadcast("hub", lambda data: hub.publish(data), publish=True) as hub:
    print("ready", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        for number in range(300):
            with simple_ipc.subscribe_uds("hub") as events:
                simple_ipc.post_uds_broadcast("hub", number)
                assert next(events).data == number
        process.stdin.close()
        assert process.wait() == 0


def test_values_arrive_as_those_of_messages_do():
    values = [None, {"a": [1.5, "\ud800", 1 << 70]}, b"\x00\xff", bytearray(b"x"), "text", b""]
    with simple_ipc.listen_uds_publish("values") as server, simple_ipc.subscribe_uds("values") as events:
        for value in values:
            server.publish(value)
        assert [next(events).data for _ in values] == values
        with pytest.raises(simple_ipc.InvalidJsonError, match=r"data\.set: an object of type set"):
            server.publish({"set": {1}})
        assert server.counters.published == len(values)


def test_an_event_shows_what_it_is_and_can_be_matched():
    with simple_ipc.listen_uds_publish("news") as server, simple_ipc.subscribe_uds("news") as events:
        server.publish([1], topic="a")
        event = next(events)
        assert repr(event) == "Event(data=[1], topic='a', missed=0, retained=False)"
        assert isinstance(event, simple_ipc.Event)
        match event:
            case simple_ipc.Event([one], "a", missed=0):
                assert one == 1
            case _:
                raise AssertionError(event)
        # What refers to its own event is found by the collector.
        holder = type("Holder", (list,), {})([event])
        gone = weakref.ref(holder)
        event.data.append(holder)
        del event, holder, one
        gc.collect()
        assert gone() is None


def test_a_subscriber_gets_its_topics_and_no_others():
    with (
        simple_ipc.listen_uds_publish("topics") as server,
        simple_ipc.subscribe_uds("topics", topics=["tx", ""]) as some,
        simple_ipc.subscribe_uds("topics") as every,
    ):
        assert server.publish(1, topic="tx") == 2
        assert server.publish(2, topic="tx_trytes") == 1
        assert server.publish(3) == 2
        assert [(event.topic, event.data) for event in (next(some), next(some))] == [("tx", 1), ("", 3)]
        assert [next(every).data for _ in range(3)] == [1, 2, 3]


def test_who_comes_later_gets_the_last_event_of_each_topic_first():
    with simple_ipc.listen_uds_publish("kept", retain=True) as server:
        for number in range(3):
            server.publish(number, topic="a")
            server.publish(-number, topic="b")
        server.publish("gone", topic="c")
        server.publish(b"", topic="c")
        with simple_ipc.subscribe_uds("kept") as events:
            server.publish("new", topic="a")
            got = [next(events) for _ in range(3)]
        assert [(event.data, event.retained, event.missed) for event in got] == [
            (2, True, 0),
            (-2, True, 0),
            ("new", False, 0),
        ]
        with simple_ipc.subscribe_uds("kept", topics=["b"]) as events:
            assert next(events).data == -2


def test_with_drop_oldest_every_event_is_delivered_or_counted():
    with (
        simple_ipc.listen_uds_publish("flood") as server,
        simple_ipc.subscribe_uds("flood", overflow="drop_oldest", queue=10_000) as events,
    ):
        for number in range(20_000):
            server.publish(number)
        got, missed = numbers(events, 19_999)
        assert missed > 0
        assert len(got) + missed == 20_000
        assert got == sorted(got)
        assert server.counters.dropped == missed
        # It goes on as if nothing had been.
        server.publish("next")
        event = next(events)
        assert (event.data, event.missed) == ("next", 0)


def test_with_fail_the_loop_ends_with_too_slow_after_what_was_sent_and_says_so_again():
    got = []
    with (
        simple_ipc.listen_uds_publish("flood") as server,
        simple_ipc.subscribe_uds("flood", queue=10_000) as events,
    ):
        while server.publish(len(got)) == 1:
            got.append(len(got))
        delivered = []

        def loop():
            for event in events:
                assert event.missed == 0
                delivered.append(event.data)

        with pytest.raises(simple_ipc.TooSlowError) as caught:
            loop()
        assert delivered == got[: len(delivered)]
        assert caught.value.code == "too_slow"
        for call in (lambda: next(events), lambda: events.next(timeout=0)):
            with pytest.raises(simple_ipc.TooSlowError):
                call()
        assert server.counters.too_slow == 1


def test_with_block_nothing_is_lost_and_the_publisher_waits():
    with (
        simple_ipc.listen_uds_publish("flood", patience=100) as server,
        simple_ipc.subscribe_uds("flood", overflow="block", queue=10_000) as events,
        ThreadPoolExecutor() as pool,
    ):
        published = pool.submit(lambda: [server.publish(number) for number in range(20_000)])
        assert numbers(events, 19_999) == (list(range(20_000)), 0)
        assert published.result() == [1] * 20_000


def test_who_blocks_beyond_the_publishers_patience_is_cut_off():
    with (
        simple_ipc.listen_uds_publish("flood", patience=0.05) as server,
        simple_ipc.subscribe_uds("flood", overflow="block", queue=10_000) as events,
    ):
        until(lambda: server.publish("x" * 1000) == 0)
        with pytest.raises(simple_ipc.TooSlowError):
            for _ in events:
                pass


def test_to_block_a_publisher_without_patience_is_refused():
    with (
        simple_ipc.listen_uds_publish("hasty"),
        pytest.raises(simple_ipc.WrongModeError, match="patience"),
    ):
        simple_ipc.subscribe_uds("hasty", overflow="block")


def test_all_subscribers_get_what_many_threads_publish_in_one_order():
    with simple_ipc.listen_uds_publish("order") as server, ThreadPoolExecutor(12) as pool:
        subscribed = [simple_ipc.subscribe_uds("order") for _ in range(8)]
        heard = [pool.submit(lambda events=events: [next(events).data for _ in range(400)]) for events in subscribed]
        for thread in range(4):
            pool.submit(lambda thread=thread: [server.publish([thread, number]) for number in range(100)])
        orders = [one.result() for one in heard]
        assert all(order == orders[0] for order in orders)
        for thread in range(4):
            assert [number for of, number in orders[0] if of == thread] == list(range(100))


def test_a_listener_with_a_handler_publishes_what_is_posted_to_it():
    with (
        simple_ipc.listen_uds_broadcast("chat", lambda line: chat.publish(line, topic="line"), publish=True) as chat,
        simple_ipc.subscribe_uds("chat") as one,
        simple_ipc.subscribe_uds("chat") as other,
    ):
        for number in range(10):
            simple_ipc.post_uds_broadcast("chat", number)
        for events in (one, other):
            assert [next(events).data for _ in range(10)] == list(range(10))
        assert chat.counters.failed == 0


def test_close_in_another_thread_ends_the_loop_that_waits():
    with simple_ipc.listen_uds_publish("quiet") as server, ThreadPoolExecutor() as pool:
        events = simple_ipc.subscribe_uds("quiet")
        server.publish(1)
        begun = threading.Event()

        def loop():
            for _ in events:
                begun.set()
            return events.next()

        waits = pool.submit(loop)
        begun.wait()
        events.close()
        events.close()
        assert waits.result() is None
        until(lambda: server.counters.subscribers == 0)


def test_leaving_the_loop_ends_the_subscription():
    with simple_ipc.listen_uds_publish("left") as server:
        with simple_ipc.subscribe_uds("left") as events:
            server.publish(1)
            for event in events:
                assert event.data == 1
                break
            assert server.counters.subscribers == 1
        until(lambda: server.counters.subscribers == 0)
        assert events.next() is None
        assert list(events) == []

        events = simple_ipc.subscribe_uds("left", reconnect=0)
        server.publish(2)
        assert [event.data for event in [next(iter(events))]] == [2]
        del events, event
        # Nobody holds it any more.
        until(lambda: server.counters.subscribers == 0)


def test_next_waits_no_longer_than_it_is_told():
    with simple_ipc.listen_uds_publish("quiet") as server, simple_ipc.subscribe_uds("quiet") as events:
        for timeout in (0, 0.01):
            with pytest.raises(TimeoutError) as caught:
                events.next(timeout=timeout)
            assert caught.value.code == "timed_out"
        server.publish(1)
        assert events.next(timeout=60).data == 1
        for bad, error in ((-1, simple_ipc.InvalidArgumentError), ("1", TypeError)):
            with pytest.raises(error, match="timeout"):
                events.next(timeout=bad)


def test_other_threads_run_while_one_waits_for_an_event():
    with simple_ipc.listen_uds_publish("quiet") as server, simple_ipc.subscribe_uds("quiet") as events:
        got = []
        thread = threading.Thread(target=lambda: got.append(next(events).data))
        thread.start()
        for _ in range(100_000):
            assert not got
        server.publish(1)
        thread.join()
        assert got == [1]


def test_a_publisher_that_is_replaced_is_one_event_with_an_unknown_number_missed():
    with simple_ipc.listen_uds_publish("again") as server:
        events = simple_ipc.subscribe_uds("again")
        server.publish(1)
        assert next(events).missed == 0
    with events, simple_ipc.listen_uds_publish("again") as server, ThreadPoolExecutor() as pool:
        # It is the loop below that looks for the publisher.
        publishing = pool.submit(lambda: (until(lambda: server.publish(2) == 1), server.publish(3)))
        got = [next(events) for _ in range(2)]
        publishing.result()
        assert [(event.data, event.missed) for event in got] == [(2, -1), (3, 0)]


def test_without_reconnect_an_orderly_end_ends_the_loop_after_what_was_published():
    server = simple_ipc.listen_uds_publish("ends")
    with simple_ipc.subscribe_uds("ends", reconnect=0) as events:
        for number in range(100):
            server.publish(number)
        with ThreadPoolExecutor() as pool:
            closing = pool.submit(server.close)
            assert [event.data for event in events] == list(range(100))
            closing.result()
        assert events.next() is None


def test_without_reconnect_a_crash_is_a_lost_connection(directory):
    program = f"{START}server = simple_ipc.listen_uds_publish('crash')\nprint('ready', flush=True)\ntime.sleep(3600)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        with simple_ipc.subscribe_uds("crash", reconnect=0) as events:
            process.kill()
            for _ in range(2):
                with pytest.raises(simple_ipc.ConnectionLostError):
                    next(events)


def test_subscribe_waits_for_its_publisher_where_it_is_told_to():
    with pytest.raises(simple_ipc.NotListeningError):
        simple_ipc.subscribe_uds("later")
    with pytest.raises(simple_ipc.TimedOutError):
        simple_ipc.subscribe_uds("later", timeout=0)
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(simple_ipc.subscribe_uds, "later", wait=None)
        with simple_ipc.listen_uds_publish("later") as server, waits.result() as events:
            server.publish(1)
            assert next(events).data == 1


def test_a_subscription_that_waits_for_its_publisher_is_given_up():
    token = simple_ipc.Cancellation()
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(simple_ipc.subscribe_uds, "nobody", wait=None, timeout=None, cancellation=token)
        token.cancel()
        assert isinstance(waits.exception(), simple_ipc.CancelledError)


def test_it_is_seen_who_publishes_and_to_how_many():
    with (
        simple_ipc.listen_uds_publish("clock") as clock,
        simple_ipc.listen_uds_request("asks", abs, publish=True),
        simple_ipc.listen_uds_request("plain", abs),
        simple_ipc.subscribe_uds("clock"),
        simple_ipc.subscribe_uds("clock"),
    ):

        def seen():
            return {found.channel: (found.mode, found.publishes, found.subscribers) for found in simple_ipc.channels()}

        expected = {"clock": ("publish", True, 2), "asks": ("request", True, 0), "plain": ("request", False, None)}
        until(lambda: seen() == expected)
        assert clock.publish(1) == 2
        counters = clock.counters
        assert (counters.subscribers, counters.published, counters.dropped, counters.too_slow) == (2, 1, 0, 0)


@not_on_windows("no process sends another one Ctrl-C alone")
def test_ctrl_c_ends_the_loop(directory):
    program = f"""{START}
with simple_ipc.listen_uds_publish("quiet") as server, simple_ipc.subscribe_uds("quiet") as events:
    try:
        print("waiting", flush=True)
        for event in events:
            pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    # The subscription is as it was.
    server.publish(1)
    print(next(events).data, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n1\n"
        assert process.wait() == 0


def test_a_publisher_may_close_in_the_loop_of_its_own_subscriber():
    with simple_ipc.listen_uds_publish("self", grace=0.05) as server, simple_ipc.subscribe_uds("self") as events:
        server.publish(1)
        server.publish(2)
        for event in events:
            if event.data == 1:
                server.close()
            else:
                break
