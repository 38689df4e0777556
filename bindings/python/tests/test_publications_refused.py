"""What publishing and subscribing refuse, and what they do with what cannot be taken."""

import fcntl
import gc
import json
import os
import socket
import struct
import threading
from pathlib import Path

import pytest
import simple_ipc


def test_a_listener_that_does_not_publish_says_so_on_both_sides():
    with simple_ipc.listen_uds_request("asks", lambda data: data) as server:
        with pytest.raises(simple_ipc.WrongModeError):
            simple_ipc.subscribe_uds("asks")
        with pytest.raises(simple_ipc.WrongModeError, match="publish"):
            server.publish(1)
        assert simple_ipc.post_uds_request("asks", 1) == 1


def test_a_listener_that_only_publishes_takes_no_messages():
    with simple_ipc.listen_uds_publish("news") as server:
        for post in (simple_ipc.post_uds_request, simple_ipc.post_uds_broadcast):
            with pytest.raises(simple_ipc.WrongModeError):
                post("news", 1)
        assert repr(server).startswith("<Server on ")
    with pytest.raises(simple_ipc.ClosedError):
        server.publish(1)
    assert server.wait(60)


def test_an_event_over_a_limit_is_too_large():
    with simple_ipc.listen_uds_publish("large", max_message=1000) as server:
        with pytest.raises(simple_ipc.TooLargeError):
            server.publish(bytes(1001))
        with simple_ipc.subscribe_uds("large", max_message=100) as events:
            server.publish(1)
            assert next(events).data == 1
            server.publish(bytes(500))
            with pytest.raises(simple_ipc.TooLargeError):
                next(events)
        with simple_ipc.subscribe_uds("large") as events:
            server.publish(bytes(1000), topic="t" * 255)
            assert next(events).data == bytes(1000)


PUBLISH = {
    "listen": simple_ipc.listen_uds_publish,
    "handler": lambda *a, **o: simple_ipc.listen_uds_request(*a, abs, **o),
}


@pytest.mark.parametrize(
    ("call", "options", "error", "text"),
    [
        (simple_ipc.subscribe_uds, {"topics": []}, simple_ipc.InvalidArgumentError, "topic"),
        (simple_ipc.subscribe_uds, {"topics": ["x" * 256]}, simple_ipc.InvalidArgumentError, "255"),
        (simple_ipc.subscribe_uds, {"topics": ["\ud800"]}, simple_ipc.InvalidArgumentError, "surrogate"),
        (simple_ipc.subscribe_uds, {"topics": ["x"] * 1025}, simple_ipc.InvalidArgumentError, "1024"),
        (simple_ipc.subscribe_uds, {"topics": "tick"}, TypeError, "option 'topics': a list of topics"),
        (simple_ipc.subscribe_uds, {"topics": [1]}, TypeError, "option 'topics': a topic is a str, not int"),
        (simple_ipc.subscribe_uds, {"topics": 1}, TypeError, "option 'topics'"),
        (simple_ipc.subscribe_uds, {"queue": 0}, simple_ipc.InvalidArgumentError, "room"),
        (simple_ipc.subscribe_uds, {"queue": -1}, simple_ipc.InvalidArgumentError, "queue"),
        (simple_ipc.subscribe_uds, {"overflow": "drop_newest"}, simple_ipc.InvalidArgumentError, '"drop_oldest"'),
        (simple_ipc.subscribe_uds, {"overflow": 1}, TypeError, "overflow"),
        (simple_ipc.subscribe_uds, {"reconnect": -1}, simple_ipc.InvalidArgumentError, "None for no limit"),
        (simple_ipc.subscribe_uds, {"retain": True}, TypeError, "is for listeners"),
        (simple_ipc.subscribe_uds, {"grace": 1}, TypeError, "is for listeners"),
        (PUBLISH["listen"], {"patience": -1}, simple_ipc.InvalidArgumentError, "patience"),
        (PUBLISH["listen"], {"patience": None}, TypeError, "patience"),
        (PUBLISH["listen"], {"retain": 1}, TypeError, "retain"),
        (PUBLISH["listen"], {"threads": 1}, TypeError, "is for listeners with a handler"),
        (PUBLISH["listen"], {"publish": True}, TypeError, "is for listeners with a handler"),
        (PUBLISH["listen"], {"timeout": 1}, TypeError, "is for posts and clients"),
        (PUBLISH["handler"], {"topics": ["a"]}, TypeError, "is for subscriptions"),
        (PUBLISH["handler"], {"publish": 1}, TypeError, "publish"),
        (simple_ipc.connect, {"queue": 1}, TypeError, "is for subscriptions"),
    ],
)
def test_options_without_sense_are_refused(call, options, error, text):
    with pytest.raises(error, match=text):
        call("nobody", **options)


def test_topics_without_sense_are_refused():
    with simple_ipc.listen_uds_publish("topics") as server:
        for topic, error in (
            ("x" * 256, simple_ipc.InvalidArgumentError),
            ("\ud800", simple_ipc.InvalidArgumentError),
            (b"x", TypeError),
            (None, TypeError),
        ):
            with pytest.raises(error, match="topic"):
                server.publish(1, topic=topic)
        assert server.counters.published == 0


def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("overflow", ["fail", "drop_oldest"])
def test_memory_stays_flat_whatever_a_subscriber_does_not_take(overflow):
    event = bytes(64 << 10)
    with (
        simple_ipc.listen_uds_publish("flood") as server,
        simple_ipc.subscribe_uds("flood", overflow=overflow) as events,
    ):
        for _ in range(200):
            server.publish(event)
        before = resident()
        for _ in range(4000):
            server.publish(event)
        assert resident() - before < 16 << 20
        # What is left is delivered and counted, or it is the error.
        if overflow == "fail":
            with pytest.raises(simple_ipc.TooSlowError):
                list(events)
        else:
            due = 4200
            while due:
                came = next(events)
                assert came.data == event
                due -= 1 + came.missed
        assert resident() - before < 16 << 20


@pytest.fixture
def publishes_by_hand(directory):
    """A publisher that sends bodies as they are: one by one, numbered from 1, with how many were missed before each."""
    path, bodies = f"{directory}/.deno.byhand.socket", []
    with socket.socket(socket.AF_UNIX) as listening, open(f"{path}.lock", "w") as lock:
        about = {"pid": os.getpid(), "version": "9", "channel": "byhand", "mode": "publish", "started": 1}
        lock.write(json.dumps(about) + "\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        listening.bind(path)
        listening.listen()

        def frame(kind, number, body=b"", value=0):
            return struct.pack("<IBBHII", len(body), kind, 0, 0, number, value) + body

        def serve():
            with listening.accept()[0] as connection:
                connection.recv(16, socket.MSG_WAITALL)
                length, kind, _, _, number, _ = struct.unpack("<IBBHII", connection.recv(16, socket.MSG_WAITALL))
                connection.recv(length, socket.MSG_WAITALL)
                assert kind == 16
                connection.sendall(b"\xf5SIP" + bytes([1, 0x12, 0, 0]) + struct.pack("<II", 1, 1 << 20))
                answer = {"epoch": "0123456789abcdef", "next": 1, "queue": 1 << 20}
                connection.sendall(frame(2, number, json.dumps(answer).encode()))
                event = 1
                for missed, body in bodies:
                    event += missed
                    gap = frame(17, event, value=missed) if missed else b""
                    connection.sendall(gap + frame(18, event, body))
                    event += 1
                while connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield bodies
        thread.join()


def test_an_event_whose_value_python_cannot_hold_is_an_error_and_the_loop_goes_on(publishes_by_hand):
    publishes_by_hand += [(0, b"1"), (3, b"1e400"), (2, b"9" * 5000), (0, b"2"), (0, b"3")]
    with simple_ipc.subscribe_uds("byhand") as events:
        assert next(events).data == 1
        for _ in range(2):
            with pytest.raises(simple_ipc.InvalidBodyError):
                next(events)
        # What was missed before those two is told with the next one.
        got = [next(events) for _ in range(2)]
        assert [(event.data, event.missed) for event in got] == [(2, 5), (3, 0)]
