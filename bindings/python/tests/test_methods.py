"""Handlers that are tables of functions, and calls of their methods."""

import asyncio

import pytest
import simple_ipc
from simple_ipc import aio


def add(a, b):
    return a + b


def echo(value=None):
    return value


def count(n):
    yield from range(n)


def refuse():
    raise simple_ipc.HandlerError("not today", code="not_today")


TABLE = {"add": add, "echo": echo, "count": count, "refuse": refuse, "upper": str.upper, "largest": max}


@pytest.fixture
def client():
    with simple_ipc.listen_uds_request("calc", TABLE), simple_ipc.connect("calc") as client:
        yield client


def failure(call, *arguments, **named):
    with pytest.raises(simple_ipc.HandlerFailedError) as caught:
        call(*arguments, **named)
    return caught.value


def test_a_method_is_called_with_parameters_by_position_and_by_name(client):
    assert client.call("add", 1, 2) == 3
    assert client.call("add", a="x", b="y") == "xy"
    assert client.call("echo") is None
    assert client.call("echo", {"a": [1]}) == {"a": [1]}
    assert client.call("upper", "abc") == "ABC"
    # A function of C that does not say what it takes.
    assert client.call("largest", 1, 7, 3) == 7


def test_a_plain_request_calls_a_method_and_other_members_are_passed_over(client):
    assert client.request({"method": "add", "params": [1, 2], "id": 1, "jsonrpc": "2.0"}) == 3
    assert client.request({"method": "add", "params": {"a": 1, "b": 2}}, timeout=None) == 3
    assert client.request({"method": "echo"}) is None
    assert list(client.stream({"method": "count", "params": [3]})) == [0, 1, 2]


@pytest.mark.parametrize("params", [[], [1], [1, 2, 3], {"a": 1}, {"a": 1, "c": 2}, {"a": 1, "b": 2, "c": 3}])
def test_wrong_parameters_are_told_by_a_code_of_their_own(client, params):
    error = failure(client.request, {"method": "add", "params": params})
    assert error.handler_code == "invalid_params"
    assert error.handler_data == {"method": "add"}
    assert "add" in str(error)


@pytest.mark.parametrize("name", ["", "sub", "__class__", "add ", "Add"])
def test_a_method_that_is_not_in_the_table_is_told_by_a_code_of_its_own(client, name):
    error = failure(client.call, name, 1)
    assert error.handler_code == "method_not_found"
    assert error.handler_data == {"method": name}


@pytest.mark.parametrize(
    "message",
    [None, 1, "add", [], ["add", 1, 2], {}, {"method": 1}, {"method": None, "params": []}, b"add"]
    + [{"method": "add", "params": params} for params in (1, "ab", None, True)],
)
def test_a_message_that_calls_no_method_is_told_by_a_code_of_its_own(client, message):
    assert failure(client.request, message).handler_code == "invalid_request"


def test_what_a_method_raises_is_its_own(client):
    assert failure(client.call, "refuse").handler_code == "not_today"
    error = failure(client.call, "add", 1, "x")
    assert error.handler_code is None
    assert "TypeError" in str(error)


def test_a_call_takes_parameters_by_position_or_by_name(client):
    with pytest.raises(TypeError, match="not with both"):
        client.call("add", 1, b=2)
    with pytest.raises(TypeError, match="is a str"):
        client.call(1)
    with pytest.raises(TypeError):
        client.call()


def test_methods_get_the_context_by_name():
    def sender(greeting, *, context):
        return [greeting, context.pid is not None]

    with (
        simple_ipc.listen_uds_request("who", {"sender": sender}, context=True),
        simple_ipc.connect("who") as client,
    ):
        assert client.call("sender", "hello") == ["hello", True]
        assert client.call("sender", greeting="hello") == ["hello", True]
        error = failure(client.call, "sender", greeting="hello", context=1)
        assert error.handler_code == "invalid_params"


def test_a_later_change_of_the_table_has_no_part_in_the_listener():
    table = {"one": lambda: 1}
    with simple_ipc.listen_uds_request("table", table), simple_ipc.connect("table") as client:
        table["two"] = lambda: 2
        del table["one"]
        assert client.call("one") == 1
        assert failure(client.call, "two").handler_code == "method_not_found"


def test_a_table_that_cannot_work_is_refused_at_once():
    async def later():
        pass

    for table, kind in (
        ({}, simple_ipc.InvalidArgumentError),
        ({"later": later}, simple_ipc.InvalidArgumentError),
        ({1: add}, TypeError),
        ({"add": 1}, TypeError),
        ("add", TypeError),
        ([add], TypeError),
    ):
        with pytest.raises(kind):
            simple_ipc.listen_uds_request("refused", table)
    with pytest.raises(simple_ipc.InvalidArgumentError, match="yield"):
        simple_ipc.listen_uds_broadcast("refused", {"count": count})
    assert simple_ipc.channels() == []


def test_broadcasts_call_methods_and_unknown_ones_are_logged(caplog):
    seen = []
    with simple_ipc.listen_uds_broadcast("log", {"log": seen.append}), simple_ipc.connect("log") as client:
        client.broadcast({"method": "log", "params": ["a"]})
        client.broadcast({"method": "gol", "params": ["b"]})
        client.broadcast({"method": "log", "params": ["c"]})
        client.flush()
    assert seen == ["a", "c"]
    assert "there is no method 'gol'" in caplog.text


def test_on_an_event_loop_methods_may_be_coroutines_and_generators():
    async def later(n):
        await asyncio.sleep(0)
        return n + 1

    async def numbers(n):
        for number in range(n):
            yield number

    async def main():
        table = {"later": later, "numbers": numbers, "add": add}
        async with aio.listen_uds_request("calc", table), aio.connect("calc") as client:
            assert await client.call("later", 1) == 2
            assert await client.call("add", a=1, b=2) == 3
            assert [n async for n in client.stream({"method": "numbers", "params": [3]})] == [0, 1, 2]
            for method, params, code in (
                ("later", [], "invalid_params"),
                ("sooner", [], "method_not_found"),
            ):
                with pytest.raises(simple_ipc.HandlerFailedError) as caught:
                    await client.call(method, *params)
                assert caught.value.handler_code == code
            with pytest.raises(TypeError, match="not with both"):
                await client.call("add", 1, b=2)

    asyncio.run(main())
