"""A `/proc` that is not there, and processes that do not see each other: what the library reads in `/proc` it must be
able to do without."""

import ctypes
import subprocess
import sys
import unittest
from pathlib import Path

from .spaces import KEEPER, WATCHDOG, Space, SpacesTest, need_namespaces

#: A user like any other.
SOMEBODY = 64801
CHANNEL_STATUS = 3


def setUpModule():
    need_namespaces()


def hide_proc():
    """Puts an empty directory in place of /proc, for the calling process's mount namespace alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    private_and_all_below = (1 << 18) | (1 << 14)  # MS_PRIVATE | MS_REC
    for arguments in ((b"none", b"/", None, private_and_all_below, None), (b"none", b"/proc", b"tmpfs", 0, None)):
        if libc.mount(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "mount")


class PidSpace(Space):
    """A pid namespace with a /proc of its own."""

    def __init__(self):
        self.kinds = ("pid", "mount")
        keeper = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", KEEPER]
        self.outside = subprocess.Popen(keeper, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.outside.stdout.readline()
        pid = self.outside.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.init = int(children[0])

    def command(self, *command, uid=None):
        user = [] if uid is None else [f"--setuid={uid}", f"--setgid={uid}"]
        return ["nsenter", f"--target={self.init}", "--pid", "--mount", *user, *map(str, command)]

    def close(self):
        self.outside.stdin.close()
        self.outside.stdout.close()
        self.outside.wait(timeout=WATCHDOG)


class ProcTest(SpacesTest):
    def check(self, listening, asking):
        """Everything that a channel is good for, with a listener here and its clients there."""
        for channel in ("x", ":0"):
            with self.subTest(channel=channel):
                process, line = self.listen(listening(self.program, "listen", channel, "--echo"))
                channel = line.split("listening on ")[1].split()[0]
                done = self.run_command(asking(self.program, "post", channel, "7"))
                self.assertEqual((done.returncode, done.stdout), (0, "7\n"), done.stderr)
                done = self.run_command(asking(self.program, "post", channel, "7", "--wire", "deno"))
                self.assertEqual((done.returncode, done.stdout), (0, "7\n"), done.stderr)
                done = self.run_command(asking(self.program, "ping", channel, "--count", "1"))
                self.assertEqual(done.returncode, 0, done.stderr)
                done = self.run_command(asking(self.program, "ls"))
                self.assertIn(channel, [row.split()[0] for row in done.stdout.splitlines()[1:]], done.stderr)
                done = self.run_command(asking(self.program, "listen", channel, "--echo"))
                self.assertEqual(done.returncode, CHANNEL_STATUS, done.stderr)
                self.assertIn("already listens there", done.stderr)

                self.end_inside(process)
                done = self.run_command(asking(self.program, "ping", channel, "--count", "1"))
                self.assertEqual(done.returncode, CHANNEL_STATUS, done.stdout)
                self.assertIn("nobody listens on channel", done.stderr)
                done = self.run_command(asking(self.program, "post", channel, "7"))
                self.assertIn("nobody listens on channel", done.stderr)
                again, line = self.listen(asking(self.program, "listen", channel, "--echo"))
                done = self.run_command(listening(self.program, "post", channel, "7"))
                self.assertEqual((done.returncode, done.stdout), (0, "7\n"), done.stderr)
                self.end_inside(again)
                for left in self.directory.iterdir():
                    left.unlink()

    def end_inside(self, process):
        """Kills a listener, as a crash would, where it may be the child of the process that was started."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in children or [process.pid]:
            subprocess.run(["kill", "-KILL", str(pid)], check=True)
        process.wait(timeout=WATCHDOG)

    def test_channels_work_without_proc(self):
        space = self.space("mount", before=hide_proc)
        for uid in (0, SOMEBODY):
            def inside(*command, uid=uid):
                return space.command(*command, uid=uid)

            self.check(inside, inside)

    def test_nobody_is_not_known_to_itself_without_proc(self):
        space = self.space("mount", before=hide_proc)
        self.listen(space.command(self.program, "listen", "x", "--echo", uid=65534))
        done = self.run_command(space.command(self.program, "post", "x", "7", uid=65534))
        self.assertEqual((done.returncode, done.stdout), (CHANNEL_STATUS, ""), done)
        self.assertIn("without /proc", done.stderr)

    def test_channels_work_between_pid_namespaces(self):
        space = PidSpace()
        self.addCleanup(space.close)

        def outside(*command):
            return list(map(str, command))

        self.check(space.command, outside)
        self.check(outside, space.command)


if __name__ == "__main__":
    unittest.main()
