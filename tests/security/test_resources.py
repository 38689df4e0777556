"""A machine that has run out of something: descriptors, space on the disk, the right to write."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = str(Path(os.environ.get("RELEASE_DIR") or ROOT / "target/release") / "simple-ipc")
#: Far beyond what any call here takes.
WATCHDOG = 60


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ResourcesTest(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = scratch.name
        self.environment = {**os.environ, "SIMPLE_IPC_DIR": self.directory}

    def run_command(self, *arguments):
        return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=WATCHDOG,
                              env=self.environment)

    def listen(self, *before):
        process = subprocess.Popen([*before, COMMAND, "listen", "channel", "--echo", "--quiet"], env=self.environment,
                                   stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        watchdog = threading.Timer(WATCHDOG, process.kill)
        watchdog.start()

        def end():
            process.terminate()
            process.communicate()
            watchdog.cancel()

        self.addCleanup(end)
        done = self.run_command("post", "--wait", "50s", "channel", "1")
        self.assertEqual(done.stdout, "1\n", done.stderr)
        return process

    def assert_refused(self, done, *parts):
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)

    @unittest.skipUnless(shutil.which("prlimit"), "left out: prlimit is absent")
    def test_a_listener_without_descriptors_neither_spins_nor_ends_and_goes_on(self):
        listener = self.listen("prlimit", "--nofile=32:32")
        path = os.path.join(self.directory, ".deno.channel.socket")
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.connect(path)
                # Half a hello: it is held, and nothing comes of it.
                sock.sendall(b"\xf5SIP")
            deadline = time.monotonic() + WATCHDOG
            while len(os.listdir(f"/proc/{listener.pid}/fd")) < 32:
                self.assertLess(time.monotonic(), deadline, "the listener's descriptors are never used up")
                time.sleep(0.01)
            # What is measured is work, not time: a slow machine does less of it.
            before, began = cpu_seconds(listener.pid), time.monotonic()
            time.sleep(2)
            used, elapsed = cpu_seconds(listener.pid) - before, time.monotonic() - began
            self.assertLess(used, elapsed / 4, "it spins")
            self.assertIsNone(listener.poll())
        done = self.run_command("post", "channel", '"still there"')
        self.assertEqual(done.stdout, '"still there"\n', done.stderr)

    @contextlib.contextmanager
    def mounted(self, options):
        """A small file system at the channel's directory."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.directory], capture_output=True)
        if done.returncode != 0:
            if os.environ.get("CI"):
                self.fail(f"cannot mount: {done.stderr}")
            self.skipTest("left out: mounting a file system needs root")
        try:
            yield
        finally:
            subprocess.run(["umount", self.directory], check=True)

    def test_a_full_disk_is_named_and_nothing_is_left(self):
        # The root directory takes the only inode.
        with self.mounted("nr_inodes=1"):
            self.assert_refused(self.run_command("listen", "channel", "--echo"), "cannot listen", "No space left")
            self.assertEqual(os.listdir(self.directory), [])
        # Room for the lock file's name, none for the socket.
        with self.mounted("nr_inodes=2"):
            self.assert_refused(self.run_command("listen", "channel", "--echo"), "cannot listen", "No space left")
            self.assertEqual(os.listdir(self.directory), [])
        # Room for its name, none for its content.
        with self.mounted("size=4k"):
            Path(self.directory, "full").write_bytes(b"x" * 4096)
            self.assert_refused(self.run_command("listen", "channel", "--echo"), "cannot listen", "No space left")
            self.assertEqual(os.listdir(self.directory), ["full"])

    def test_a_directory_that_cannot_be_written_to_is_named(self):
        with self.mounted("ro"):
            self.assert_refused(self.run_command("listen", "channel", "--echo"), "cannot listen", self.directory,
                                "choose a directory that this user may write to")
            self.assert_refused(self.run_command("listen", ":0", "--echo"), "cannot listen", self.directory)
            self.assert_refused(self.run_command("post", "channel", "1"), "nobody listens")


if __name__ == "__main__":
    unittest.main()
