"""Namespaces of a test's own, as containers have them, and programs that run in them."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RELEASE = Path(os.environ.get("RELEASE_DIR") or ROOT / "target/release")
#: Far beyond what any call here takes.
WATCHDOG = 60

#: Kept alive by its standard input, and with it the namespaces that it has entered.
KEEPER = "import sys; print(flush=True); sys.stdin.read()"

FLAGS = {"mount": 0x00020000, "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000}


def unshare(*kinds):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(sum(FLAGS[kind] for kind in kinds)) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def missing():
    """Why there can be no namespaces here, or None."""
    needs = [("root", os.geteuid() == 0), *((tool, shutil.which(tool)) for tool in ("nsenter", "unshare", "mount"))]
    absent = [what for what, there in needs if not there]
    if absent:
        return f"namespaces need {' and '.join(absent)}"
    tried = subprocess.run(["unshare", "--net", "--mount", "--user", "--pid", "--fork", "true"], capture_output=True,
                           text=True)
    return None if tried.returncode == 0 else f"this system refuses namespaces: {tried.stderr.strip()}"


def need_namespaces():
    why = missing()
    if why and os.environ.get("CI"):
        raise AssertionError(why)
    if why:
        print(f"left out: {why}", file=sys.stderr, flush=True)
        raise unittest.SkipTest(why)


class Space:
    """Namespaces that live until `close`."""

    def __init__(self, *kinds, before=None, uid_map=None):
        def enter():
            unshare(*kinds)
            if before:
                before()

        self.kinds = kinds
        self.keeper = subprocess.Popen([sys.executable, "-c", KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       preexec_fn=enter)
        self.keeper.stdout.readline()
        if uid_map:
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{self.keeper.pid}/{name}").write_text(uid_map)

    def command(self, *command, uid=None):
        """The command as it runs in here, as this user (as known in here)."""
        names = [f"--{kind}" for kind in self.kinds]
        user = [] if uid is None else [f"--setuid={uid}", f"--setgid={uid}"]
        return ["nsenter", f"--target={self.keeper.pid}", *names, *user, *map(str, command)]

    def close(self):
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait(timeout=WATCHDOG)


def ports_from(first, last):
    """Has the loopback device work in a new network namespace, whose ephemeral ports are these."""

    def set_up():
        with socket.socket() as any_socket:
            up_and_running = struct.pack("16sh14x", b"lo", 0x1 | 0x40)
            fcntl.ioctl(any_socket, 0x8914, up_and_running)  # SIOCSIFFLAGS
        Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{first} {last}")

    return set_up


class SpacesTest(unittest.TestCase):
    """A test in a scratch directory in which everybody may make files, with a copy of the command."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        os.chmod(scratch.name, 0o755)
        self.scratch = Path(scratch.name)
        # Where the build folder is may be out of other users' reach.
        self.program = str(self.scratch / "simple-ipc")
        shutil.copy(RELEASE / "simple-ipc", self.program)
        os.chmod(self.program, 0o755)
        self.directory = self.scratch / "channels"
        self.directory.mkdir()
        os.chmod(self.directory, 0o777)
        self.environment = {**os.environ, "SIMPLE_IPC_DIR": str(self.directory)}

    def space(self, *kinds, **options):
        space = Space(*kinds, **options)
        self.addCleanup(space.close)
        return space

    def run_command(self, command, **options):
        return subprocess.run(command, capture_output=True, text=True, timeout=WATCHDOG, env=self.environment,
                              stdin=subprocess.DEVNULL, **options)

    def start(self, command):
        """Starts a program, which is ended with the test."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=self.environment)

        def end():
            process.kill()
            process.communicate(timeout=WATCHDOG)

        self.addCleanup(end)
        return process

    def listen(self, command):
        """Starts a listener and waits until it says where it listens; its process and that line."""
        process = self.start(command)
        line = process.stderr.readline()
        self.assertTrue(line.startswith("listening on "), f"{command}: {line}")
        return process, line
