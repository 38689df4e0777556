"""User namespaces that do not map every user: all whom they leave out show as one id there, the overflow id, which
is also `nobody`'s. A process that is `nobody` must not take them for itself."""

import os
import socket
import sys
import unittest
from pathlib import Path

from .spaces import SpacesTest, need_namespaces

#: A user that the namespace does not map.
STRANGER = 64802
#: Who `nobody` of the namespace is outside.
NOBODY_OUTSIDE = 64803
#: Inside: a root, a plain user, and nobody.
MAP = f"0 64800 1\n7 64807 1\n65534 {NOBODY_OUTSIDE} 1\n"

CHANNEL_STATUS = 3

#: Prints the channel that it listens on, and what it receives on its first connection.
RAW_LISTENER = """
import os, socket, sys
family, path = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET)
listener.bind(path if family == "unix" else ("127.0.0.1", 0))
if family == "unix":
    os.chmod(path, 0o666)
listener.listen()
print("x" if family == "unix" else ":%d" % listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
print("received", connection.recv(100))
"""


def setUpModule():
    need_namespaces()
    if Path("/proc/sys/kernel/overflowuid").read_text().strip() != "65534":
        raise unittest.SkipTest("the overflow id is another one here")


class UsersTest(SpacesTest):
    def setUp(self):
        super().setUp()
        self.inside = self.space("user", uid_map=MAP)
        self.socket = self.directory / ".deno.x.socket"
        self.lock = self.directory / ".deno.x.socket.lock"

    def as_outsider(self, uid, *command):
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *map(str, command)]

    def ask(self, uid, family, address):
        """What a raw client outside gets for a message on the Deno wire."""
        program = """
import socket, sys
family, address = sys.argv[1:]
sock = socket.socket(socket.AF_UNIX if family == "unix" else socket.AF_INET)
sock.settimeout(50)
try:
    sock.connect(address if family == "unix" else ("127.0.0.1", int(address)))
    sock.sendall(b'\\0"hey"')
    sock.shutdown(socket.SHUT_WR)
    while part := sock.recv(4096):
        print(part.hex(), end="")
except OSError:
    pass
"""
        done = self.run_command(self.as_outsider(uid, sys.executable, "-c", program, family, address))
        self.assertEqual(done.stderr, "")
        return bytes.fromhex(done.stdout)

    def test_a_listener_that_is_nobody_lets_no_unmapped_user_in(self):
        _, line = self.listen(self.inside.command(self.program, "listen", "x", "--echo", uid=65534))
        os.chmod(self.socket, 0o666)
        self.assertEqual(self.ask(STRANGER, "unix", str(self.socket)), b"")
        _, line = self.listen(self.inside.command(self.program, "listen", ":0", "--echo", uid=65534))
        port = line.split("listening on :")[1].split()[0]
        self.assertEqual(self.ask(STRANGER, "ip", port), b"")

    def test_a_listener_that_is_a_mapped_user_still_lets_itself_in(self):
        self.listen(self.inside.command(self.program, "listen", "x", "--echo", uid=7))
        done = self.run_command(self.inside.command(self.program, "post", "x", "7", uid=7))
        self.assertEqual((done.returncode, done.stdout), (0, "7\n"), done.stderr)

    def test_a_client_that_is_nobody_posts_to_no_unmapped_user(self):
        for owner in (STRANGER, 0):
            for family in ("unix", "ip"):
                with self.subTest(owner=owner, family=family):
                    listener = self.start(self.as_outsider(owner, sys.executable, "-c", RAW_LISTENER, family, self.socket))
                    channel = listener.stdout.readline().strip()
                    done = self.run_command(self.inside.command(self.program, "post", channel, "7", uid=65534))
                    self.assertEqual((done.returncode, done.stdout), (CHANNEL_STATUS, ""), done)
                    self.assertIn("a user whom this user namespace does not know", done.stderr)
                    self.assertNotIn("allow that user", done.stderr)
                    self.assertNotIn("user 65534", done.stderr)
                    output, errors = listener.communicate(timeout=60)
                    self.assertEqual(output, "received b''\n", errors)
                    self.socket.unlink(missing_ok=True)

    def test_nobody_takes_over_what_it_left_itself_and_nothing_of_an_unmapped_user(self):
        command = self.inside.command(self.program, "listen", "x", "--echo", uid=65534)
        process, _ = self.listen(command)
        process.kill()
        process.wait(timeout=60)
        self.assertTrue(self.socket.exists() and self.lock.exists())
        process, _ = self.listen(command)
        process.terminate()
        process.wait(timeout=60)
        self.assertFalse(self.socket.exists() or self.lock.exists())

        for path in (self.socket, self.lock):
            with self.subTest(path=path.name):
                if path is self.socket:
                    left = socket.socket(socket.AF_UNIX)
                    left.bind(str(path))
                    left.close()
                else:
                    path.write_text("")
                os.chown(path, STRANGER, STRANGER)
                os.chmod(path, 0o666)
                before = path.stat()
                done = self.run_command(command)
                self.assertEqual(done.returncode, CHANNEL_STATUS, done)
                self.assertIn("of a user whom this user namespace does not know", done.stderr)
                self.assertEqual(path.stat(), before)
                path.unlink()

    def test_where_every_user_is_mapped_nobody_is_a_user_like_any_other(self):
        self.listen(self.as_outsider(65534, self.program, "listen", "x", "--echo"))
        done = self.run_command(self.as_outsider(65534, self.program, "post", "x", "7"))
        self.assertEqual((done.returncode, done.stdout), (0, "7\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
