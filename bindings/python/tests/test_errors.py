"""One class for each kind of core's table, and what is raised when."""

import asyncio
import contextlib
import gc
import json
import os
import pickle
import subprocess
import sys
import threading

import pytest
import simple_ipc
from simple_ipc import _errors, _native, aio


def test_every_kind_has_exactly_one_class_and_every_class_is_a_kind():
    kinds = {name for _, name in _native.error_kinds()}
    assert set(_errors.CLASSES) == kinds
    classes = [value for value in vars(simple_ipc).values() if isinstance(value, type)]
    apart = (simple_ipc.IpcError, simple_ipc.NativeLibraryError)
    exported = [cls for cls in classes if issubclass(cls, simple_ipc.IpcError) and cls not in apart]
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
        ({"path_style": "v9"}, simple_ipc.InvalidArgumentError),
        ({"peers": "all"}, simple_ipc.InvalidArgumentError),
        ({"peers": [-1]}, simple_ipc.InvalidArgumentError),
        ({"max_message": 0}, simple_ipc.InvalidArgumentError),
        ({"max_message": -1}, simple_ipc.InvalidArgumentError),
        ({"max_message": 10**50}, simple_ipc.InvalidArgumentError),
        ({"max_message": 1.5}, TypeError),
        ({"spin": 1e300}, simple_ipc.InvalidArgumentError),
        ({"shared_memory": -1}, simple_ipc.InvalidArgumentError),
        ({"shared_memory": 0.5}, TypeError),
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


POSTS = {
    "post": lambda options: simple_ipc.post_uds_request("options", 1, **options),
    "broadcast": lambda options: simple_ipc.post_ip_broadcast(1, 1, **options),
    "connect": lambda options: simple_ipc.connect("options", **options),
    "asyncio": lambda options: asyncio.run(aio.post_uds_broadcast("options", 1, **options)),
    "asyncio's connect": lambda options: asyncio.run(connected("options", **options)),
}


async def connected(*given, **options):
    async with aio.connect(*given, **options):
        pass


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": -1}, simple_ipc.InvalidArgumentError),
        ({"timeout": float("nan")}, simple_ipc.InvalidArgumentError),
        ({"timeout": float("inf")}, simple_ipc.InvalidArgumentError),
        ({"timeout": "1"}, TypeError),
        ({"wire": "other"}, simple_ipc.InvalidArgumentError),
        ({"wire": 1}, TypeError),
        ({"wait": -1}, simple_ipc.InvalidArgumentError),
        ({"wait": float("inf")}, simple_ipc.InvalidArgumentError),
        ({"wait": 1e300}, simple_ipc.InvalidArgumentError),
        ({"cancellation": 1}, TypeError),
        ({"no_such_option": 1}, TypeError),
    ],
)
def test_options_of_posts_without_sense_are_refused(post, options, error):
    with pytest.raises(error) as caught:
        POSTS[post](options)
    assert len(str(caught.value)) < 200
    name = next(iter(options))
    assert name in str(caught.value)
    if error is TypeError:
        assert f"option '{name}'" in str(caught.value)
    if options[name] == float("inf"):
        assert "None for no limit" in str(caught.value)


LISTENERS = sorted(set(simple_ipc.ListenOptions.__annotations__) - set(simple_ipc.PostOptions.__annotations__))
CALLERS = sorted(set(simple_ipc.PostOptions.__annotations__) - set(simple_ipc.ListenOptions.__annotations__))
STREAMERS = sorted(set(simple_ipc.StreamOptions.__annotations__) - set(simple_ipc.PostOptions.__annotations__))
SUBSCRIBERS = sorted(set(simple_ipc.SubscribeOptions.__annotations__) - set(simple_ipc.PostOptions.__annotations__))


def test_who_takes_which_option_is_as_the_librarys_table_says(request):
    table = json.loads((request.config.rootpath / "../../core/options.json").read_text())["options"]
    both = set(simple_ipc.PostOptions.__annotations__) & set(simple_ipc.ListenOptions.__annotations__)
    takers = {
        ("posts",): {*CALLERS, *STREAMERS},
        ("listeners", "publishers"): set(LISTENERS),
        ("subscribers",): set(SUBSCRIBERS),
        ("both",): both,
    }
    for who, names in takers.items():
        assert names == {row["name"] for row in table if row["for"] in who and "python" not in row.get("not_in", {})}


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize("name", LISTENERS)
def test_a_post_refuses_an_option_that_only_listeners_take(post, name):
    with pytest.raises(TypeError, match=f"option '{name}' is for listeners"):
        POSTS[post]({name: True if name in ("plain_text", "publish", "retain", "tap") else 1})


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize("name", SUBSCRIBERS)
def test_a_post_refuses_an_option_that_only_subscriptions_take(post, name):
    with pytest.raises(TypeError, match=f"option '{name}' is for subscriptions"):
        POSTS[post]({name: {"topics": ["a"], "overflow": "block"}.get(name, 1)})


@pytest.mark.parametrize("name", CALLERS)
def test_a_listener_refuses_an_option_that_only_posts_take(name):
    async def in_loop(options):
        aio.listen_uds_request("options", print, **options)

    options = {name: {"wire": "deno", "cancellation": None}.get(name, 1)}
    for listen in (
        lambda: simple_ipc.listen_uds_request("options", print, **options),
        lambda: asyncio.run(in_loop(options)),
    ):
        with pytest.raises(TypeError, match=f"option '{name}' is for posts and clients"):
            listen()


def test_an_asyncio_call_refuses_a_cancellation_and_says_what_to_do():
    async def in_loop():
        async with aio.listen_uds_request("echo", print), aio.connect("echo") as client:
            calls = (client.ping, client.flush, client.close, lambda **given: client.request(1, **given))
            for call in calls:
                with pytest.raises(TypeError, match="cancel the task instead"):
                    await call(cancellation=simple_ipc.Cancellation())
            with pytest.raises(TypeError, match="cancel the task instead"):
                await aio.post_uds_request("echo", 1, cancellation=simple_ipc.Cancellation())

    asyncio.run(in_loop())


@pytest.mark.parametrize("options", [{"timeout": "1"}, {"wait": 1}, {"threads": 1}, {"no_such_option": 1}])
def test_a_wrong_option_of_a_clients_call_is_named(options):
    with simple_ipc.listen_uds_request("echo", print), simple_ipc.connect("echo") as client:
        for call in (lambda: client.request(1, **options), client.flush, client.ping, client.close):
            with pytest.raises(TypeError, match=f"option '{next(iter(options))}'"):
                call(**options) if isinstance(call, type(client.ping)) else call()


@pytest.mark.parametrize("call", [
    lambda: aio.listen_uds_request("x", print),
    lambda: drive(aio.post_uds_request("x", 1)),
    lambda: drive(aio.connect("x").__aenter__()),
], ids=["listen", "post", "connect"])  # fmt: skip
def test_a_call_without_an_asyncio_loop_says_what_to_do(call):
    with pytest.raises(simple_ipc.InvalidArgumentError, match=r"no running event loop.*asyncio\.run.*trio") as caught:
        call()
    assert isinstance(caught.value, RuntimeError)


def drive(coroutine):
    """As a loop that is not asyncio's does."""
    with contextlib.closing(coroutine):
        coroutine.send(None)


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


def test_a_handler_of_broadcasts_with_yield_is_refused():
    def generator(data):
        yield data

    async def async_generator(data):
        yield data

    async def in_loop(handler):
        aio.listen_uds_broadcast("x", handler)

    for handler in (generator, async_generator):
        with pytest.raises(simple_ipc.InvalidArgumentError, match="take the yield out"):
            simple_ipc.listen_uds_broadcast("x", handler)
        with pytest.raises(simple_ipc.InvalidArgumentError, match="take the yield out"):
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
        # A broadcast may be acknowledged while its handler still runs.
        while server.counters.failed == 0:
            pass
        assert server.counters.failed == 1
    assert "simple_ipc.aio" in caplog.text
    # A coroutine that was not closed would warn now, which is an error here.
    gc.collect()


def test_the_variable_for_logs_shows_what_the_library_does(directory):
    program = """
import simple_ipc
with simple_ipc.listen_uds_request("watched", lambda data: data):
    simple_ipc.post_uds_request("watched", 1)
"""
    for level, expected in [("debug", ["info: listening", "debug: connected", "info: closed"]), ("off", [])]:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "SIMPLE_IPC_LOG": level},
            capture_output=True,
            text=True,
            cwd=directory,
            timeout=120,
            check=True,
        )
        assert all(part in done.stderr for part in expected), done.stderr
        assert expected or not done.stderr, done.stderr
