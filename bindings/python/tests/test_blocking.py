"""Calls that block: handlers on threads, clients, options."""

import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import simple_ipc
from where import WINDOWS, WIRES


def test_ports_and_names_answer_on_every_wire():
    with (
        simple_ipc.listen_uds_request("name", lambda data: [data]) as name,
        simple_ipc.listen_ip_request(0, lambda data: [data]) as port,
    ):
        assert name.port is None
        # Names are pipes there, which are no files.
        assert WINDOWS or os.path.exists(name.path)
        assert port.path is None
        for wire in ("auto", *WIRES):
            assert simple_ipc.post_uds_request("name", "x", wire=wire) == ["x"]
        for wire in ("auto", "native", "deno"):
            assert simple_ipc.post_ip_request(port.port, "x", wire=wire) == ["x"]
        assert {found.channel for found in simple_ipc.channels()} == {"name", f":{port.port}"}
        assert all(found.pid == os.getpid() for found in simple_ipc.channels())
    assert simple_ipc.channels() == []


def test_a_handler_that_raises_is_the_callers_error_and_the_next_call_works(caplog):
    def handler(data):
        if data == "silent":
            raise KeyError
        if data == "none":
            return None
        raise ValueError(f"no {data} today")

    with simple_ipc.listen_uds_request("fails", handler) as server:
        with pytest.raises(simple_ipc.HandlerFailedError, match="no luck today") as caught:
            simple_ipc.post_uds_request("fails", "luck")
        assert caught.value.may_have_been_handled
        with pytest.raises(simple_ipc.HandlerFailedError, match="KeyError"):
            simple_ipc.post_uds_request("fails", "silent")
        assert simple_ipc.post_uds_request("fails", "none") is None
        assert server.counters.failed == 2
    assert "no luck today" in caplog.text


@pytest.mark.parametrize("reply", [{1}, float("nan"), print])
def test_a_reply_that_json_cannot_hold_is_the_handlers_failure(reply):
    with (
        simple_ipc.listen_uds_request("bad", lambda _: reply),
        pytest.raises(simple_ipc.HandlerFailedError, match="cannot become JSON"),
    ):
        simple_ipc.post_uds_request("bad", 1)


class Held:
    """Something that a thread holds."""


def test_a_handlers_thread_stays_for_the_next_message_and_lets_go_of_all_when_it_ends():
    local, gone = threading.local(), threading.Event()

    def handler(_):
        if not hasattr(local, "held"):
            local.held, local.count = Held(), 0
            weakref.finalize(local.held, gone.set)
        local.count += 1
        return local.count

    with simple_ipc.listen_uds_request("stays", handler, threads=1):
        assert max(simple_ipc.post_uds_request("stays", None) for _ in range(20)) > 1
    assert gone.wait(60)


def test_a_listener_has_exactly_as_many_messages_in_flight_as_it_may():
    entered, may_leave = threading.Semaphore(0), threading.Semaphore(0)

    def handler(data):
        entered.release()
        may_leave.acquire()
        return data

    bounds = {
        "max_session_in_flight": 1,
        "max_session_waiting": 1,
        "max_waiting": 1,
        "shared_memory": 1 << 20,
        "hello_timeout": 300,
        "stall_timeout": 300,
        "tap": True,
    }
    with (
        simple_ipc.listen_uds_request("bounded", handler, max_in_flight=2, **bounds) as server,
        ThreadPoolExecutor(8) as pool,
    ):
        answers = [pool.submit(simple_ipc.post_uds_request, "bounded", number, timeout=300) for number in range(8)]
        for left in range(8, 0, -1):
            # As many as it may have are with the handler, all that are left at the end; then no more of them.
            while server.counters.connections < 8:
                pass
            if left == 8:
                assert entered.acquire(timeout=300)
            if left > 1:
                assert entered.acquire(timeout=300)
            # The one that was answered is still counted for a moment; there are never more than two.
            while (in_flight := server.counters.in_flight) != min(2, left):
                assert in_flight <= 2
            assert not entered.acquire(blocking=False)
            may_leave.release()
            # One is answered before the next one is taken.
            while sum(answer.done() for answer in answers) < 9 - left:
                pass
        assert [answer.result() for answer in answers] == list(range(8))


def test_handlers_run_side_by_side():
    together = threading.Barrier(8)
    with (
        simple_ipc.listen_uds_request("meet", lambda _: together.wait(60) >= 0),
        ThreadPoolExecutor(8) as pool,
    ):
        assert all(pool.map(lambda n: simple_ipc.post_uds_request("meet", n), range(8)))


def test_broadcasts_keep_their_order_and_flush_waits_for_them():
    got = []
    with simple_ipc.listen_ip_broadcast(0, got.append) as server:
        with simple_ipc.connect(server.port) as client:
            for number in range(5000):
                client.broadcast(number)
            client.flush()
            assert got == list(range(5000))
            client.broadcast("last")
        assert got[-1] == "last"
        simple_ipc.post_ip_broadcast(server.port, "posted")
        assert got[-1] == "posted"


def test_a_client_serves_many_threads():
    with (
        simple_ipc.listen_uds_request("echo", lambda data: data),
        simple_ipc.connect("echo") as client,
        ThreadPoolExecutor(8) as pool,
    ):
        assert list(pool.map(client.request, range(2000))) == list(range(2000))
        assert client.ping() > 0


def test_closing_twice_is_silent_and_use_after_close_an_error():
    server = simple_ipc.listen_uds_request("echo", lambda data: data)
    client = simple_ipc.connect("echo")
    client.close()
    client.close()
    for call in (lambda: client.request(1), lambda: client.broadcast(1), client.flush, client.ping):
        with pytest.raises(simple_ipc.ClosedError):
            call()
    server.close()
    server.close()
    assert server.wait(60)
    assert "closed" in repr(server)


def test_the_context_tells_who_asks_and_whether_somebody_waits():
    gone = threading.Event()

    def handler(data, context):
        assert context.pid == os.getpid()
        # Users have no numbers there.
        assert context.uid == (None if WINDOWS else os.getuid())
        assert context.gid == (None if WINDOWS else os.getgid())
        if data == "slow":
            assert 0 <= context.time_left <= 0.1
            while not context.cancelled:
                gone.wait(0.001)
            gone.set()
        return [context.cancelled, context.time_left is None]

    with simple_ipc.listen_uds_request("who", handler, context=True):
        assert simple_ipc.post_uds_request("who", 1, timeout=None) == [False, True]
        with pytest.raises(TimeoutError):
            simple_ipc.post_uds_request("who", "slow", timeout=0.1)
        assert gone.wait(60)


def test_a_client_takes_a_timeout_for_one_request():
    release = threading.Event()
    with simple_ipc.listen_uds_request("slow", lambda _: release.wait(60)), simple_ipc.connect("slow") as client:
        with pytest.raises(TimeoutError):
            client.request(1, timeout=0.05)
        with pytest.raises(TypeError, match="wait"):
            client.request(1, wait=1)
        release.set()
        assert client.request(1, timeout=None) is True


def test_a_server_that_is_let_go_warns_and_stops(directory):
    server = simple_ipc.listen_uds_request("lost", print)
    with pytest.warns(ResourceWarning, match="was not closed"):
        del server
    with pytest.raises(simple_ipc.NotListeningError):
        simple_ipc.post_uds_request("lost", 1)
