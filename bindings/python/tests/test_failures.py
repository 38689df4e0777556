"""What a caller hears of a handler that fails, what is logged, and that no failure harms another message."""

import asyncio
import contextlib
import gc
import logging
import threading

import pytest
import simple_ipc
from simple_ipc import aio
from where import RUNNERS, WIRES


class NoText(Exception):
    def __str__(self):
        raise ValueError("no text")


class ExitingText(Exception):
    def __str__(self):
        raise SystemExit(4)


class NotAString(Exception):
    def __str__(self):
        return 1


class Meta(type(Exception)):
    @property
    def __name__(cls):
        raise ValueError("no name")


class NoName(Exception, metaclass=Meta):
    pass


class Falsy(Exception):
    def __bool__(self):
        raise ValueError("neither")

    @property
    def __class__(self):
        raise ValueError("no class")


class Bare(BaseException):
    pass


class Unprepared(simple_ipc.HandlerError):
    def __init__(self):
        Exception.__init__(self, "never prepared")


class Recursive(Exception):
    def __str__(self):
        return str(self)


# What a handler raises, and the text that its caller gets.
RAISED = {
    "KeyError": (lambda: KeyError("nope"), "KeyError: 'nope'"),
    "without text": (lambda: KeyError(), "KeyError"),
    "SystemExit": (lambda: SystemExit(3), "SystemExit: 3"),
    "KeyboardInterrupt": (lambda: KeyboardInterrupt(), "KeyboardInterrupt"),
    "GeneratorExit": (lambda: GeneratorExit(), "GeneratorExit"),
    "CancelledError": (lambda: asyncio.CancelledError(), "CancelledError"),
    "BaseException": (lambda: Bare("x"), "Bare: x"),
    "StopIteration": (lambda: StopIteration(1), "StopIteration"),
    "lines": (lambda: ValueError("a\nb\r\0c\u2028d"), "ValueError: a b  c d"),
    "lone surrogate": (lambda: ValueError("a\ud800b"), "ValueError: a"),
    "no text": (lambda: NoText(), "NoText"),
    "text that exits": (lambda: ExitingText(), "ExitingText"),
    "text that is none": (lambda: NotAString(), "NotAString"),
    "text without end": (lambda: Recursive(), "Recursive"),
    "no name": (lambda: NoName("x"), "NoName: x"),
    "neither true nor false": (lambda: Falsy("x"), "Falsy: x"),
    "group": (lambda: ExceptionGroup("some", [KeyError(1)]), "ExceptionGroup: some (1 sub-exception)"),
    "unprepared HandlerError": (lambda: Unprepared(), "Unprepared: never prepared"),
    "large": (lambda: ValueError("é" * (1 << 20)), "ValueError: é"),
}

ENDS_THE_LOOP = (SystemExit, KeyboardInterrupt)


def raising(error):
    def handler(data):
        if data == "fail":
            raise error
        return data

    return handler


def raising_async(error):
    async def handler(data):
        await asyncio.sleep(0)
        if data == "fail":
            raise error
        return data

    return handler


@pytest.mark.parametrize("what", RAISED)
def test_an_exceptions_type_and_text_reach_the_caller_in_one_line(what):
    error, text = RAISED[what][0](), RAISED[what][1]
    with simple_ipc.listen_uds_request("fails", raising(error)):
        with pytest.raises(simple_ipc.HandlerFailedError) as caught:
            simple_ipc.post_uds_request("fails", "fail")
        assert text in str(caught.value)
        assert str(caught.value).isprintable() or "\ufffd" in str(caught.value)
        assert caught.value.may_have_been_handled
        assert (caught.value.handler_code, caught.value.handler_data) == (None, None)
        assert simple_ipc.post_uds_request("fails", 1) == 1


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("what", RAISED)
def test_every_request_of_a_turn_is_answered_whatever_one_of_them_raises(what, kind, runner):
    """Requests that come while the loop is busy are one batch; those after the one that fails are answered, too."""
    error, text = RAISED[what][0](), RAISED[what][1]
    handler = (raising if kind == "def" else raising_async)(error)
    if kind == "async def" and what == "StopIteration":
        text = "RuntimeError: coroutine raised StopIteration"
    answers = {}

    def post(number):
        try:
            answers[number] = simple_ipc.post_uds_request("batch", "fail" if number == 0 else number, timeout=60)
        except simple_ipc.IpcError as error:
            answers[number] = error

    async def main():
        server = aio.listen_uds_request("batch", handler)
        threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
        # Nothing of the loop runs meanwhile: all of them are in one batch.
        for thread in threads:
            thread.start()
            while server.counters.messages <= threads.index(thread):
                pass
        try:
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])
            await server.close()
        finally:
            # A loop that is ended by the handler takes its listener with it.
            server._abandon()
            for thread in threads:
                thread.join()

    ends = issubclass(type(error), ENDS_THE_LOOP)
    if ends:
        with pytest.raises(type(error)):
            runner(main())
    else:
        runner(main())
    assert isinstance(answers[0], simple_ipc.HandlerFailedError)
    assert text in str(answers[0])
    if kind == "def" or not ends:
        assert [answers[number] for number in range(1, 8)] == list(range(1, 8))
    else:
        # Their tasks are cancelled with the loop, or done before.
        for number in range(1, 8):
            assert answers[number] == number or isinstance(answers[number], simple_ipc.HandlerFailedError)


class BrokenLog(logging.Handler):
    def emit(self, record):
        raise RuntimeError("the log is broken")


@pytest.fixture
def broken_log():
    handler = BrokenLog()
    logger = logging.getLogger("simple_ipc")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_log_that_raises_costs_no_answer(broken_log):
    with simple_ipc.listen_uds_request("logs", raising(KeyError(1))):
        for _ in range(3):
            with pytest.raises(simple_ipc.HandlerFailedError, match="KeyError: 1"):
                simple_ipc.post_uds_request("logs", "fail")
        assert simple_ipc.post_uds_request("logs", 2) == 2

    async def main():
        heard = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
        async with aio.listen_uds_request("logs", raising(KeyError(1))):
            posts = [aio.post_uds_request("logs", data) for data in ("fail", 1, "fail", 2)]
            answers = await asyncio.gather(*posts, return_exceptions=True)
        assert [answers[1], answers[3]] == [1, 2]
        assert all("KeyError: 1" in str(answers[n]) for n in (0, 2))
        assert heard

    asyncio.run(main())


class Spy:
    """Awaitables of the user's whose methods raise."""

    def __init__(self, where):
        self.where = where

    def __await__(self):
        if self.where == "await":
            raise KeyError("in await")
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self.where == "next":
            raise KeyError("in next")
        return "no future"


@pytest.mark.parametrize("where", ["await", "next", "yield", "factory"])
def test_what_a_handler_returns_may_raise_and_harms_no_other_request(where):
    async def main():
        if where == "factory":

            def factory(loop, coroutine, **keywords):
                if coroutine.__qualname__ == "Server._finish":
                    raise KeyError("in factory")
                return asyncio.Task(coroutine, loop=loop, **keywords)

            asyncio.get_running_loop().set_task_factory(factory)
        async with aio.listen_uds_request("spy", lambda data: Spy(where) if data == "fail" else data):
            posts = [aio.post_uds_request("spy", data, timeout=60) for data in (0, "fail", 1)]
            zero, failed, one = await asyncio.gather(*posts, return_exceptions=True)
            assert (zero, one) == (0, 1)
            assert isinstance(failed, simple_ipc.HandlerFailedError)

    asyncio.run(main())


def listening(api, kind, handler):
    """A listener of one of the two kinds of API, around which calls are made from elsewhere."""
    if api == "threads":
        return getattr(simple_ipc, f"listen_uds_{kind}")("channel", handler)

    @contextlib.contextmanager
    def on_a_loop():
        up, stop = threading.Event(), None

        async def main():
            nonlocal stop
            loop, stopped = asyncio.get_running_loop(), asyncio.Event()
            async with getattr(aio, f"listen_uds_{kind}")("channel", handler):
                stop = lambda: loop.call_soon_threadsafe(stopped.set)  # noqa: E731
                up.set()
                await stopped.wait()

        thread = threading.Thread(target=asyncio.run, args=(main(),))
        thread.start()
        up.wait()
        try:
            yield
        finally:
            stop()
            thread.join()

    return on_a_loop()


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("api", ["threads", "asyncio"])
def test_a_failure_on_purpose_crosses_with_code_and_data(api, wire, caplog):
    def handler(data):
        raise simple_ipc.HandlerError("only 3\nare left", code="out_of_stock", data={"left": [3, {"é": None}]})

    with listening(api, "request", handler), pytest.raises(simple_ipc.IpcError) as caught:
        simple_ipc.post_uds_request("channel", 1, wire=wire)
    if wire == "native":
        assert isinstance(caught.value, simple_ipc.HandlerFailedError)
        assert "only 3 are left" in str(caught.value)
        assert "HandlerError" not in str(caught.value)
        assert caught.value.handler_code == "out_of_stock"
        assert caught.value.handler_data == {"left": [3, {"é": None}]}
        # Its caller heard of it.
        assert caplog.records == []
    else:
        # That wire carries no text: nobody has heard of it but the log.
        assert isinstance(caught.value, simple_ipc.NoReplyError)
        assert len(caplog.records) == 1
        assert "only 3 are left" in caplog.text


def test_code_and_data_are_checked_where_the_error_is_made():
    with pytest.raises(simple_ipc.InvalidJsonError, match=r"data\.a\[0\]: bytes inside JSON"):
        simple_ipc.HandlerError("x", data={"a": [b"x"]})
    with pytest.raises(simple_ipc.InvalidJsonError, match="data: bytes inside JSON"):
        simple_ipc.HandlerError("x", data=b"x")
    for arguments in ((1,), ("x", 2)):
        with pytest.raises(TypeError, match="HandlerError is a str"):
            simple_ipc.HandlerError(*arguments)


@pytest.mark.parametrize("error", [KeyError("nope"), simple_ipc.HandlerError("nope"), GeneratorExit("nope")], ids=repr)
@pytest.mark.parametrize("kind", ["request", "broadcast"])
@pytest.mark.parametrize("api", ["threads", "asyncio"])
def test_a_failure_is_logged_once_with_channel_function_and_traceback(api, kind, error, caplog):
    def on_message(data):
        raise error

    with listening(api, kind, on_message):
        for _ in range(2):
            with contextlib.suppress(simple_ipc.HandlerFailedError):
                getattr(simple_ipc, f"post_uds_{kind}")("channel", 1)
    if kind == "request" and isinstance(error, simple_ipc.HandlerError):
        assert caplog.records == []
        return
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert record.name == "simple_ipc"
        assert record.levelname == "ERROR"
        for part in ('channel "channel"', "on_message", "nope"):
            assert part in record.getMessage()
        assert record.exc_info[1] is error


@pytest.mark.parametrize("api", ["threads", "asyncio"])
def test_an_answer_that_cannot_be_sent_is_logged(api, caplog):
    def on_message(data):
        return "x" * 5000

    with listening(api, "request", on_message), pytest.raises(simple_ipc.IpcError):
        simple_ipc.post_uds_request("channel", 1, max_message=1000)
    assert len(caplog.records) == 1
    for part in ('channel "channel"', "on_message", "the answer could not be sent"):
        assert part in caplog.text


@pytest.mark.parametrize("api", ["threads", "asyncio"])
def test_an_answer_that_nobody_waits_for_is_logged(api, caplog):
    begun, release = threading.Event(), threading.Event()

    def on_message(data):
        begun.set()
        release.wait()
        return data

    def post():
        with contextlib.suppress(simple_ipc.IpcError):
            simple_ipc.post_uds_request("channel", 1, timeout=0.01)

    with listening(api, "request", on_message):
        post()
        begun.wait()
        release.set()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "on_message has answered, and the answer could not be sent" in caplog.text.replace(
        ' of channel "channel"', ""
    )


@pytest.mark.filterwarnings("error")
def test_a_caller_that_is_gone_before_its_handler_begins_leaves_nothing_behind():
    """Its message and the word that it has gone are in one batch: the task is cancelled before it begins."""
    begun = []

    def give_up(data, token):
        with contextlib.suppress(simple_ipc.CancelledError):
            simple_ipc.post_uds_request("gone", data, cancellation=token)

    async def work(data):
        begun.append(data)

    async def main():
        inner = []

        def handler(data):
            # A coroutine, and something that runs by itself.
            if data == "coroutine":
                return work(data)
            inner.append(asyncio.ensure_future(asyncio.sleep(3600)))
            return inner[-1]

        async with aio.listen_uds_request("gone", handler) as server:
            for data in ("coroutine", "task"):
                before, token = server.counters.messages, simple_ipc.Cancellation()
                post = threading.Thread(target=give_up, args=(data, token))
                post.start()
                # Nothing of the loop runs meanwhile: the caller gives up when its message has been taken, not before.
                while server.counters.messages == before:
                    pass
                token.cancel()
                post.join()
                # The listener's background thread has put the news in the inbox when it answers a later session.
                while server.counters.abandoned == 0:
                    pass
                await aio.post_uds_request("gone", "coroutine")
            while not inner[0].done():
                await asyncio.sleep(0)
            assert inner[0].cancelled()
        gc.collect()
        assert begun == ["coroutine"] * 2

    asyncio.run(main())


def test_a_handler_without_a_name_is_told_by_its_type(caplog):
    class Callable:
        def __getattr__(self, name):
            raise ZeroDivisionError if name == "__qualname__" else AttributeError

        def __call__(self, data):
            raise KeyError

    with simple_ipc.listen_ip_broadcast(0, Callable()) as server:
        simple_ipc.post_ip_broadcast(server.port, 1)
        port = server.port
    assert f"handler of channel port {port} failed: KeyError" in caplog.text
