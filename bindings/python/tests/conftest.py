"""Each test has a directory of its own for its channels."""

import faulthandler
import os
import subprocess
import sys

import pytest

# A watchdog, far beyond what any test takes, in an emulator on a busy machine as well.
HANG_SECONDS = 600


@pytest.fixture(autouse=True)
def directory(tmp_path_factory, monkeypatch):
    # Short, because a socket's path is.
    path = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("SIMPLE_IPC_DIR", str(path))
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    yield path
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def python(directory):
    """Runs a Python program in a process of its own and returns what it printed."""

    def run(program, *arguments, status=0):
        command = [sys.executable, "-X", "faulthandler", "-c", program, *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=HANG_SECONDS, env={**os.environ}, cwd=directory
        )
        assert done.returncode == status, f"status {done.returncode}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr or status, done.stderr
        return done.stdout

    return run
