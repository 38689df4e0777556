"""One class for each kind of core's table, and what is raised when."""

import asyncio
import gc
import pickle
import threading

import pytest
import simple_ipc
from simple_ipc import _errors, _native, aio


def test_every_kind_has_exactly_one_class_and_every_class_is_a_kind():
    kinds = {name for _, name in _native.error_kinds()}
    assert set(_errors.CLASSES) == kinds
    classes = [value for value in vars(simple_ipc).values() if isinstance(value, type)]
    exported = [cls for cls in classes if issubclass(cls, simple_ipc.IpcError) and cls is not simple_ipc.IpcError]
    assert sorted(cls.code for cls in exported) == sorted(kinds)


@pytest.mark.parametrize("cls", _errors.CLASSES.values(), ids=lambda cls: cls.__name__)
def test_errors_are_os_errors_and_survive_pickling(cls):
    error = _errors.make(cls.code, "what, why, what to do", True, 5, ("out_of_stock", '{"left":[3]}'))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) is cls
    assert isinstance(again, OSError)
    assert (str(again), again.code, again.may_have_been_handled, again.errno) == (str(error), cls.code, True, 5)
    if cls is simple_ipc.HandlerFailedError:
        assert (again.handler_code, again.handler_data) == ("out_of_stock", {"left": [3]})
    assert cls.__doc__


def test_the_readme_names_each_class_with_its_code_and_built_ins(request):
    text = (request.config.rootpath / "README.md").read_text()
    for cls in _errors.CLASSES.values():
        built_ins = [f"`{base.__name__}`" for base in cls.__bases__ if base is not simple_ipc.IpcError]
        row = f"| `{cls.__name__}` | `{cls.code}` |{' ' + ', '.join(built_ins) if built_ins else ''} |"
        assert row in text


def test_nobody_listens():
    with pytest.raises(ConnectionRefusedError, match="nobody listens") as caught:
        simple_ipc.post_uds_request("nobody", 1)
    assert caught.value.code == "not_listening"
    assert not caught.value.may_have_been_handled


def test_a_timeout_is_a_timeout_error():
    release = threading.Event()
    with simple_ipc.listen_uds_request("slow", lambda _: release.wait(60)):
        with pytest.raises(TimeoutError) as caught:
            simple_ipc.post_uds_request("slow", 1, timeout=0.05)
        assert caught.value.may_have_been_handled
        release.set()


def test_a_second_listener_is_refused():
    with (
        simple_ipc.listen_uds_request("taken", print),
        pytest.raises(simple_ipc.InUseError, match="already listens"),
    ):
        simple_ipc.listen_uds_request("taken", print)


def test_the_wrong_mode_is_refused():
    with simple_ipc.listen_uds_broadcast("news", print), pytest.raises(simple_ipc.WrongModeError):
        simple_ipc.post_uds_request("news", 1)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": -1}, simple_ipc.InvalidArgumentError),
        ({"timeout": float("nan")}, simple_ipc.InvalidArgumentError),
        ({"timeout": float("inf")}, simple_ipc.InvalidArgumentError),
        ({"timeout": "1"}, TypeError),
        ({"wire": "other"}, simple_ipc.InvalidArgumentError),
        ({"path_style": "v9"}, simple_ipc.InvalidArgumentError),
        ({"peers": "all"}, simple_ipc.InvalidArgumentError),
        ({"peers": [-1]}, simple_ipc.InvalidArgumentError),
        ({"max_message": 0}, simple_ipc.InvalidArgumentError),
        ({"max_message": -1}, simple_ipc.InvalidArgumentError),
        ({"max_message": 10**50}, simple_ipc.InvalidArgumentError),
        ({"max_message": 1.5}, TypeError),
        ({"spin": 1e300}, simple_ipc.InvalidArgumentError),
        ({"wire": 1}, TypeError),
        ({"peers": ["root"]}, TypeError),
        ({"plain_text": 1}, TypeError),
        ({"socket_mode": 0o1777}, simple_ipc.InvalidArgumentError),
        ({"threads": 0}, simple_ipc.InvalidArgumentError),
        ({"max_session_in_flight": 0}, simple_ipc.InvalidArgumentError),
        ({"max_in_flight": 0}, simple_ipc.InvalidArgumentError),
        ({"max_session_waiting": 0}, simple_ipc.InvalidArgumentError),
        ({"max_waiting": 0}, simple_ipc.InvalidArgumentError),
        ({"hello_timeout": 0}, simple_ipc.InvalidArgumentError),
        ({"stall_timeout": 0}, simple_ipc.InvalidArgumentError),
        ({"directory": "/no/such/directory"}, FileNotFoundError),
        ({"no_such_option": 1}, TypeError),
    ],
)
def test_options_without_sense_are_refused(options, error):
    with pytest.raises(error) as caught:
        simple_ipc.listen_uds_request("options", print, **options)
    assert len(str(caught.value)) < 200
    if error is TypeError:
        assert f"option '{next(iter(options))}'" in str(caught.value)


def test_a_clients_timeout_of_the_wrong_type_is_named():
    with (
        simple_ipc.listen_uds_request("echo", print),
        simple_ipc.connect("echo") as client,
        pytest.raises(TypeError, match="option 'timeout'"),
    ):
        client.request(1, timeout="1")


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "é", "x" * 86, "\ud800", "a\0"])
def test_names_without_sense_are_refused(name):
    with pytest.raises(simple_ipc.InvalidNameError):
        simple_ipc.post_uds_request(name, 1)


@pytest.mark.parametrize("port", [-1, 0, 65536, 10**50])
def test_ports_without_sense_are_refused(port):
    for call in (lambda: simple_ipc.post_ip_request(port, 1), lambda: simple_ipc.connect(port)):
        with pytest.raises(simple_ipc.InvalidPortError, match=str(port)):
            call()


@pytest.mark.parametrize("call", [
    lambda: simple_ipc.post_uds_request(1, 1),
    lambda: simple_ipc.post_ip_request("a", 1),
    lambda: simple_ipc.post_ip_request(True, 1),
    lambda: simple_ipc.listen_uds_request("x", None),
    lambda: simple_ipc.connect(None),
])  # fmt: skip
def test_wrong_types_are_type_errors(call):
    with pytest.raises(TypeError):
        call()


def test_an_async_handler_is_refused_by_the_blocking_api():
    async def handler(_):
        return 1

    with pytest.raises(simple_ipc.InvalidArgumentError, match=r"simple_ipc\.aio"):
        simple_ipc.listen_uds_request("x", handler)


def test_a_handler_with_yield_is_refused():
    def generator(data):
        yield data

    async def async_generator(data):
        yield data

    async def in_loop(handler):
        aio.listen_uds_broadcast("x", handler)

    for handler in (generator, async_generator):
        with pytest.raises(simple_ipc.InvalidArgumentError, match="return the answer"):
            simple_ipc.listen_uds_broadcast("x", handler)
        with pytest.raises(simple_ipc.InvalidArgumentError, match="return the answer"):
            asyncio.run(in_loop(handler))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["request", "broadcast"])
def test_a_coroutine_that_a_handler_returns_is_the_handlers_failure(kind, caplog):
    async def handler(_):
        return 1

    listen, post = getattr(simple_ipc, f"listen_uds_{kind}"), getattr(simple_ipc, f"post_uds_{kind}")
    with listen("x", lambda data: handler(data)) as server:
        if kind == "request":
            with pytest.raises(simple_ipc.HandlerFailedError, match=r"coroutine.*simple_ipc\.aio"):
                post("x", 1)
        else:
            post("x", 1)
        assert server.counters.failed == 1
    assert "simple_ipc.aio" in caplog.text
    # A coroutine that was not closed would warn now, which is an error here.
    gc.collect()
