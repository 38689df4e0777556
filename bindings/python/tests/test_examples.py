"""The README's examples and the programs in `examples` do what they say; the documentation's examples, too."""

import doctest
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import simple_ipc

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def blocks(request):
    text = (request.config.rootpath / "README.md").read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_readmes_examples_run(python, request):
    blocking, aio, publishing, streaming, methods, aio_publishing, sending, aio_streaming = blocks(request)
    assert python(blocking) == "response-bar\n"
    assert python(aio) == "{'n': 2}\n"
    assert python(publishing) == "{'n': 1} 0\n"
    assert python(streaming) == "0\n1\n2\n"
    assert python(methods) == "3\n"
    assert python(aio_publishing) == "{'n': 1}\n"
    assert python(sending) == "6\n"
    assert python(aio_streaming) == "[0]\n[1]\n"


@pytest.mark.parametrize(
    ("name", "prints"), [("one_way", "1000"), ("cancel", "cancelled"), ("worker_pool", "328350"), ("hub", "ann: hello")]
)
def test_example(name, prints, directory):
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.returncode) == (f"{prints}\n", 0), done.stderr


STREAMS = {
    "progress": "1 of 3\n2 of 3\n3 of 3\n",
    "follow_a_log": "started\nworking\nstopped\nthe log is no longer followed\n",
    "upload": "a film: 100 chunks, 6553600 bytes\n",
    "chat": "hello, Ada\nyou said: how are you?\nyou said: see you\ngoodbye\n",
}


@pytest.mark.parametrize("name", STREAMS)
def test_example_of_streams(name, request, python):
    path = request.config.rootpath / "../../examples/streams/python" / f"{name}.py"
    assert python(path.read_text()) == STREAMS[name]


def test_the_echo_examples_talk(directory):
    listener = subprocess.Popen([sys.executable, EXAMPLES / "echo_listener.py", "e"], stdout=subprocess.PIPE, text=True)
    with listener:
        assert listener.stdout.readline() == "listening on e\n"
        client = [sys.executable, EXAMPLES / "echo_client.py", "e"]
        assert subprocess.check_output(client, text=True, timeout=300) == "hello\n"
        listener.send_signal(signal.SIGINT)
        assert listener.stdout.read() == "closed\n"
        assert listener.wait() == 0


def test_the_documentations_examples_run(directory):
    result = doctest.testmod(simple_ipc)
    assert result.attempted
    assert not result.failed


def test_what_is_tested_is_what_was_installed():
    assert "site-packages" in simple_ipc.__file__
