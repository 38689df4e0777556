"""Two users on one machine, neither of them root: who gets in, and what one of them puts in the other's way.

Needs root, to become either, and setpriv. Without them it is left out, and where CI is set it fails instead.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: Far beyond what any call here takes.
WATCHDOG = 60
#: Two users that need no names.
OWNER, STRANGER = 64801, 64802

#: Sends what is given in hexadecimal, says nothing more, and prints what comes back until the end.
RAW_CLIENT = """
import socket, sys
family, address, data = sys.argv[1:]
sock = socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET)
sock.settimeout(50)
try:
    sock.connect(address if family == "unix" else ("127.0.0.1", int(address)))
    sock.sendall(bytes.fromhex(data))
    sock.shutdown(socket.SHUT_WR)
    received = b""
    while part := sock.recv(4096):
        received += part
    print("received", received.hex())
except PermissionError:
    print("not permitted")
except OSError:
    # Reset, at whichever call it showed.
    print("received")
"""

DENO_MESSAGE = b'\x00"hey"'.hex()


def setUpModule():
    missing = [what for what, there in (("root", os.geteuid() == 0), ("setpriv", shutil.which("setpriv"))) if not there]
    if missing and not os.environ.get("CI"):
        raise unittest.SkipTest(f"left out: two users need {' and '.join(missing)}")


def as_user(uid, *command):
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]


class UsersTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        os.chmod(scratch.name, 0o755)
        # Where the build folder is may be out of the users' reach.
        built = Path(os.environ.get("RELEASE_DIR") or ROOT / "target/release") / "simple-ipc"
        self.command = os.path.join(scratch.name, "simple-ipc")
        shutil.copy(built, self.command)
        os.chmod(self.command, 0o755)
        # Like /tmp.
        self.directory = os.path.join(scratch.name, "channels")
        os.mkdir(self.directory)
        os.chmod(self.directory, 0o1777)
        self.socket = os.path.join(self.directory, ".deno.channel.socket")
        self.lock = self.socket + ".lock"

    def run_as(self, uid, *command):
        done = subprocess.run(as_user(uid, *command), capture_output=True, text=True, timeout=WATCHDOG,
                              env={**os.environ, "SIMPLE_IPC_DIR": self.directory})
        return done

    def post(self, uid, channel, *options):
        return self.run_as(uid, self.command, "post", *options, channel, '"hey"')

    def listen(self, uid, channel):
        """Starts a listener; returns its process, its channel, and a list of the lines that it prints."""
        process = subprocess.Popen(as_user(uid, self.command, "listen", channel, "--echo"), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "SIMPLE_IPC_DIR": self.directory})
        watchdog = threading.Timer(WATCHDOG, process.kill)
        watchdog.start()

        def end():
            process.terminate()
            process.communicate()
            watchdog.cancel()

        self.addCleanup(end)
        ready = process.stderr.readline()
        self.assertIn("listening", ready)
        return process, ready

    def assert_refused(self, done, *parts):
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    def messages(self, process):
        """What a listener printed, once it has ended in order."""
        process.terminate()
        out, _ = process.communicate()
        return out.splitlines()

    def port_of_the_channel(self):
        (lock,) = [name for name in os.listdir(self.directory) if name.startswith(".deno.tcp-")]
        return lock.removeprefix(".deno.tcp-").removesuffix(".lock")

    def raw(self, uid, family, address):
        done = self.run_as(uid, sys.executable, "-c", RAW_CLIENT, family, str(address), DENO_MESSAGE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    # Who gets in.

    def test_a_stranger_may_not_even_open_the_socket(self):
        process, _ = self.listen(OWNER, "channel")
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)
        self.assert_refused(self.post(STRANGER, "channel"), "Permission denied")
        self.assertEqual(self.raw(STRANGER, "unix", self.socket), "not permitted")
        self.assertEqual(self.messages(process), [])

    def test_a_stranger_who_can_open_the_socket_is_closed_without_an_answer(self):
        process, _ = self.listen(OWNER, "channel")
        os.chmod(self.socket, 0o666)
        self.assertEqual(self.raw(STRANGER, "unix", self.socket), "received")
        self.assertEqual(self.raw(OWNER, "unix", self.socket), "received " + DENO_MESSAGE)
        self.assertEqual(self.raw(0, "unix", self.socket), "received " + DENO_MESSAGE)
        self.assertEqual(self.messages(process), ['"hey"'] * 2)

    def test_a_stranger_on_a_port_is_closed_without_an_answer(self):
        process, _ = self.listen(OWNER, ":0")
        port = self.port_of_the_channel()
        self.assertEqual(self.raw(STRANGER, "tcp", port), "received")
        self.assertEqual(self.raw(OWNER, "tcp", port), "received " + DENO_MESSAGE)
        self.assertEqual(self.raw(0, "tcp", port), "received " + DENO_MESSAGE)
        self.assertEqual(self.messages(process), ['"hey"'] * 2)

    def test_a_strangers_listener_under_our_name_gets_nothing(self):
        process, _ = self.listen(STRANGER, "channel")
        os.chmod(self.socket, 0o666)
        self.assert_refused(self.post(OWNER, "channel"), f"belongs to user {STRANGER}", "not trusted")
        # Root's own programs do not trust it either.
        self.assert_refused(self.post(0, "channel"), f"belongs to user {STRANGER}")
        self.assertEqual(self.messages(process), [])

    def test_a_strangers_listener_on_our_port_gets_nothing(self):
        process, _ = self.listen(STRANGER, ":0")
        port = self.port_of_the_channel()
        self.assert_refused(self.post(OWNER, f":{port}"), f"belongs to user {STRANGER}", "not trusted")
        self.assertEqual(self.messages(process), [])

    def test_users_talk_to_themselves_and_to_roots_listener(self):
        self.listen(OWNER, "channel")
        self.assertEqual(self.post(OWNER, "channel").stdout, '"hey"\n')
        self.listen(0, "roots")
        os.chmod(os.path.join(self.directory, ".deno.roots.socket"), 0o666)
        # A client trusts root's listener; that listener takes only root.
        self.assert_refused(self.post(OWNER, "roots"))

    # What a stranger puts in the way.

    def as_stranger(self, make):
        """Does something with a stranger's rights, in a process of its own."""
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                os.setgroups([])
                os.setgid(STRANGER)
                os.setuid(STRANGER)
                make()
                status = 0
            os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def look(self, path):
        found = os.lstat(path)
        return found.st_ino, found.st_mode, found.st_size

    def assert_left_alone(self, path):
        before = self.look(path)
        self.assert_refused(self.run_as(OWNER, self.command, "listen", "channel", "--echo"), "cannot listen")
        self.assert_refused(self.run_as(0, self.command, "listen", "channel", "--echo"), "cannot listen")
        self.assert_refused(self.post(OWNER, "channel"))
        self.assertEqual(self.look(path), before)
        # Nor is anything left beside it.
        self.assertEqual(os.listdir(self.directory), [os.path.basename(path)])

    def test_whatever_stands_at_the_sockets_path_is_reported_and_left_alone(self):
        precious = os.path.join(self.directory, "..", "precious")
        Path(precious).write_text("precious")

        def dead_socket():
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(self.socket)

        makers = {
            "a link": lambda: os.symlink(precious, self.socket),
            "a dangling link": lambda: os.symlink("/nonexistent/x", self.socket),
            "a FIFO": lambda: os.mkfifo(self.socket, 0o666),
            "a directory": lambda: os.mkdir(self.socket),
            "a file": lambda: Path(self.socket).write_text("x"),
            "a dead socket": dead_socket,
        }
        for what, make in makers.items():
            with self.subTest(what):
                self.as_stranger(make)
                self.assert_left_alone(self.socket)
                os.rmdir(self.socket) if what == "a directory" else os.unlink(self.socket)
        self.assertEqual(Path(precious).read_text(), "precious")

    def test_whatever_stands_at_the_lock_files_path_is_reported_and_left_alone(self):
        precious = os.path.join(self.directory, "..", "precious")
        Path(precious).write_text("precious")

        def huge():
            with open(self.lock, "w") as file:
                file.truncate(1 << 40)

        def unreadable():
            Path(self.lock).write_text("{}")
            os.chmod(self.lock, 0)

        makers = {
            "a huge file": huge,
            "an unreadable file": unreadable,
            "a link": lambda: os.symlink(precious, self.lock),
            "a FIFO": lambda: os.mkfifo(self.lock, 0o666),
            "a directory": lambda: os.mkdir(self.lock),
            "a file": lambda: Path(self.lock).write_text("x"),
        }
        for what, make in makers.items():
            with self.subTest(what):
                self.as_stranger(make)
                self.assert_left_alone(self.lock)
                os.rmdir(self.lock) if what == "a directory" else os.unlink(self.lock)
        self.assertEqual(Path(precious).read_text(), "precious")

    def test_a_lock_that_a_stranger_holds_is_reported(self):
        Path(self.lock).touch()
        os.chown(self.lock, OWNER, OWNER)
        os.chmod(self.lock, 0o644)
        with open(self.lock) as file:
            # The stranger can read it, so it can lock it.
            fcntl.flock(file, fcntl.LOCK_SH)
            done = self.run_as(OWNER, self.command, "listen", "channel", "--echo")
            self.assert_refused(done, "cannot listen", str(os.getpid()))
        process, _ = self.listen(OWNER, "channel")
        self.assertEqual(json.loads(Path(self.lock).read_text())["pid"] > 0, True)
        self.assertEqual(self.messages(process), [])


if __name__ == "__main__":
    unittest.main()
