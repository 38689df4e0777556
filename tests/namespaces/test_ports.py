"""Ports that the system also picks for connections: in a network namespace that has only two or four of them, what
happens once in thousands of tries elsewhere happens at once."""

import os
import subprocess
import sys
import unittest

from .spaces import RELEASE, ROOT, SpacesTest, need_namespaces, ports_from

#: The exit status of the command for 'nobody listens' and its kin.
CHANNEL_STATUS = 3


def setUpModule():
    need_namespaces()


class PortsTest(SpacesTest):
    def poster(self):
        """The C program that posts in each way."""
        program = self.scratch / "post"
        subprocess.run([os.environ.get("CC", "cc"), "-std=c99", f"-I{ROOT}/include", "-o", program,
                        ROOT / "tests/namespaces/post.c", RELEASE / "libsimpleipc.a", "-lpthread", "-ldl", "-lm"],
                       check=True)
        return program

    def test_nobody_listens_on_a_port_that_every_connect_would_come_from(self):
        space = self.space("net", before=ports_from(40000, 40001))
        poster = self.poster()
        for wait in ("0", "300"):
            for port in ("40000", "40001"):
                done = self.run_command(space.command(poster, port, wait))
                self.assertEqual(done.returncode, 0, done.stderr)
                ways = dict(line.split(": ") for line in done.stdout.splitlines())
                self.assertEqual(set(ways.values()), {"not_listening"}, ways)
                self.assertEqual(len(ways), 4)

    def test_the_command_finds_nobody_there_on_any_wire(self):
        space = self.space("net", before=ports_from(40000, 40001))
        for arguments in (["post", ":40000", "1"], ["post", ":40000", "1", "--wire", "deno"],
                          ["post", ":40001", "1", "--wait", "500ms"], ["post", ":40000", "1", "--broadcast"],
                          ["ping", ":40000", "--count", "1"]):
            done = self.run_command(space.command(self.program, *arguments))
            self.assertEqual((done.returncode, done.stdout), (CHANNEL_STATUS, ""), f"{arguments}: {done}")
            self.assertIn("nobody listens on channel", done.stderr)

    def test_python_finds_nobody_there(self):
        python = ROOT / ".venv/bin/python"
        if not python.exists() or subprocess.run([python, "-c", "import simple_ipc"], capture_output=True).returncode:
            self.skipTest("the Python package is not built; bindings/python/test.sh does that")
        space = self.space("net", before=ports_from(40000, 40001))
        program = """
import asyncio, simple_ipc, simple_ipc.aio
def refused(call):
    try:
        print("answered", call())
    except simple_ipc.NotListeningError:
        print("refused")
for wait in (0, 0.5):
    refused(lambda: simple_ipc.post_ip_request(40000, 7, wait=wait, timeout=2))
    refused(lambda: simple_ipc.post_ip_broadcast(40000, 7, wait=wait, timeout=2))
    refused(lambda: asyncio.run(simple_ipc.aio.post_ip_request(40000, 7, wait=wait, timeout=2)))
"""
        done = self.run_command(space.command(python, "-c", program))
        self.assertEqual(done.stdout.split(), ["refused"] * 6, done.stderr)

    def test_a_listener_that_clients_wait_for_gets_its_port_and_they_their_answers(self):
        space = self.space("net", before=ports_from(40000, 40007))
        waiting = [self.start(space.command(self.program, "post", ":40000", "7", "--wait", "60s", "--timeout", "60s"))
                   for _ in range(4)]
        self.listen(space.command(self.program, "listen", ":40000", "--echo"))
        for process in waiting:
            output, errors = process.communicate(timeout=60)
            self.assertEqual((process.returncode, output), (0, "7\n"), errors)

    def test_connections_of_clients_keep_no_listener_from_the_ports_that_they_come_from(self):
        space = self.space("net", before=ports_from(40000, 40001))
        self.listen(space.command(self.program, "listen", ":50000", "--echo"))
        # Open, and with one that is over and not yet forgotten.
        pinging = self.start(space.command(self.program, "ping", ":50000", "--interval", "1h"))
        self.assertIn("reply from", pinging.stdout.readline())
        self.assertEqual(self.run_command(space.command(self.program, "post", ":50000", "7")).stdout, "7\n")
        for port in ("40000", "40001"):
            self.listen(space.command(self.program, "listen", f":{port}", "--echo"))

    def test_two_clients_that_look_for_two_listeners_are_never_taken_for_them(self):
        # Each comes now and then from the port that the other one looks for, at the same time.
        space = self.space("net", before=ports_from(40000, 40003))
        poster = self.poster()
        both = [self.start(space.command(poster, port, "for", "3")) for port in ("40000", "40002")]
        for process in both:
            output, errors = process.communicate(timeout=60)
            self.assertIn("not refused: 0\n", output, errors)


class OriginalTest(SpacesTest):
    """A listener of the Deno original's kind in another network namespace, whose table of sockets cannot be seen from
    outside: its process would end if somebody connected and left without a byte."""

    def test_nobody_connects_to_it_without_a_message(self):
        space = self.space("net")
        path = self.directory / ".deno.x.socket"
        program = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print(flush=True)
sys.stdin.read()
listener.setblocking(False)
try:
    print("connected", listener.accept())
except BlockingIOError:
    print("left alone")
"""
        original = subprocess.Popen(space.command(sys.executable, "-c", program, path), stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        self.addCleanup(original.stdout.close)
        self.addCleanup(original.kill)
        original.stdout.readline()
        done = self.run_command([self.program, "listen", "x", "--echo"])
        self.assertEqual(done.returncode, CHANNEL_STATUS, done.stderr)
        self.assertIn("already listens there", done.stderr)
        done = self.run_command([self.program, "ping", "x", "--count", "1"])
        self.assertIn("speaks the Deno wire only", done.stdout + done.stderr)
        done = self.run_command([self.program, "post", "x", "7", "--wire", "native"])
        self.assertIn("nobody listens on channel", done.stderr)
        original.stdin.close()
        self.assertEqual(original.stdout.readline(), "left alone\n")
        original.wait(timeout=60)


if __name__ == "__main__":
    unittest.main()
