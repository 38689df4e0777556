"""The raw clients get their answers, and the stand-in of the original dies of what the original dies of."""

import contextlib
import faulthandler
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from . import clients, decoder

HERE = Path(__file__).resolve().parent
#: Far beyond what any test here takes: only a hang meets it.
WATCHDOG = 60.0


def setUpModule():
    faulthandler.dump_traceback_later(3 * WATCHDOG, exit=True)


def tearDownModule():
    faulthandler.cancel_dump_traceback_later()


class ScratchTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "test.sock")

    def fails_with(self, code):
        @contextlib.contextmanager
        def check():
            with self.assertRaises(clients.ClientError) as caught:
                yield
            self.assertEqual(caught.exception.code, code, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))

        return check()


class OriginalTest(ScratchTest):
    def start(self, *options, address=None):
        """Starts the stand-in, waits until it listens, and returns its process; its port is the attribute `port`."""
        process = subprocess.Popen(
            [sys.executable, HERE / "original.py", address or self.path, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(WATCHDOG, process.kill)
        watchdog.start()

        def end():
            watchdog.cancel()
            process.kill()
            process.communicate()

        self.addCleanup(end)
        ready, _, port = process.stdout.readline().rstrip("\n").partition(" ")
        self.assertEqual(ready, "ready")
        process.port = port
        return process

    def assert_lives(self, process):
        self.assertEqual(clients.deno_request(self.path, b"1"), ("json", b"1"))
        self.assertIsNone(process.poll())

    def assert_dies(self, process):
        self.assertEqual(process.wait(WATCHDOG), 1)
        self.assertIn("Uncaught", process.stderr.read())

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        self.addCleanup(connection.close)
        connection.settimeout(WATCHDOG)
        connection.connect(self.path)
        return connection


class OriginalAnswers(OriginalTest):
    def test_json_comes_back_as_the_original_writes_it(self):
        process = self.start()
        for sent, expected in (
            (b'"request-foo"', b'"request-foo"'),
            (b' { "a" : [1, null] } ', b'{"a":[1,null]}'),
            (b'"\\ud800"', b'"\\ud800"'),
            ('"\u3042\U0001f600"'.encode(), '"\u3042\U0001f600"'.encode()),
            (b'\xef\xbb\xbf"bom"', b'"bom"'),
            (b'"\xff"', '"\ufffd"'.encode()),
            (b"1e400", b"null"),
        ):
            with self.subTest(sent=sent):
                self.assertEqual(clients.deno_request(self.path, sent), ("json", expected))
        self.assert_lives(process)

    def test_bytes_come_back_as_bytes(self):
        self.start()
        for sent in (b"", b"\x00", b"\xff" * 300_000):
            self.assertEqual(clients.deno_request(self.path, sent, "bytes"), ("bytes", sent))

    def test_a_fixed_reply_answers_everything(self):
        self.start("--reply", '"response-bar"')
        self.assertEqual(clients.deno_request(self.path, b'"request-foo"'), ("json", b'"response-bar"'))

    def test_null_can_be_the_fixed_reply(self):
        self.start("--reply", "null")
        self.assertEqual(clients.deno_request(self.path, b"1"), ("json", b"null"))

    def test_a_port_works_like_a_path(self):
        process = self.start(address="0")
        self.assertEqual(clients.deno_request(int(process.port), b"1"), ("json", b"1"))
        self.assertEqual(clients.deno_request(f":{process.port}", b"2"), ("json", b"2"))

    def test_a_broadcast_listener_never_sends_a_byte(self):
        process = self.start("--broadcast")
        clients.deno_broadcast(self.path, b'"hello"')
        with self.fails_with("no_reply"):
            clients.deno_request(self.path, b"1")
        self.assertIsNone(process.poll())

    def test_a_broadcast_listener_survives_a_sender_that_leaves(self):
        process = self.start("--broadcast", "--hold")
        clients.deno_broadcast(self.path, b"1", wait=False)
        process.stdin.write("\n\n")
        process.stdin.flush()
        clients.deno_broadcast(self.path, b"2")
        self.assertIsNone(process.poll())

    def test_a_stuck_client_delays_nobody(self):
        process = self.start()
        self.connect().sendall(b"\x00")
        self.assert_lives(process)


class OriginalDies(OriginalTest):
    def test_of_a_client_that_leaves_without_a_byte(self):
        for mode in ([], ["--broadcast"]):
            with self.subTest(mode=mode):
                process = self.start(*mode)
                self.connect().close()
                self.assert_dies(process)
                os.unlink(self.path)

    def test_of_a_body_that_is_not_json(self):
        for body in (b"{", b"", b'"a""b"', b"NaN"):
            with self.subTest(body=body):
                process = self.start()
                with self.fails_with("no_reply"):
                    clients.deno_request(self.path, body)
                self.assert_dies(process)
                os.unlink(self.path)

    def test_of_a_client_that_is_gone_before_its_reply(self):
        process = self.start("--hold")
        connection = self.connect()
        connection.sendall(b"\x001")
        connection.close()
        process.stdin.write("\n")
        process.stdin.flush()
        self.assert_dies(process)

    def test_of_a_broadcast_sent_to_its_request_listener(self):
        process = self.start("--hold")
        clients.deno_broadcast(self.path, b"1", wait=False)
        process.stdin.write("\n")
        process.stdin.flush()
        self.assert_dies(process)

    def test_and_leaves_a_socket_file_on_which_nobody_listens(self):
        process = self.start()
        self.connect().close()
        self.assert_dies(process)
        self.assertTrue(os.path.exists(self.path))
        with self.fails_with("not_listening"):
            clients.deno_request(self.path, b"1")
        second = subprocess.run(
            [sys.executable, HERE / "original.py", self.path], capture_output=True, text=True, timeout=WATCHDOG
        )
        self.assertEqual(second.returncode, 1)
        self.assertIn("cannot listen", second.stderr)


class Failures(OriginalTest):
    def test_a_request_listener_is_the_wrong_one_for_a_broadcast(self):
        process = self.start()
        with self.fails_with("wrong_mode"):
            clients.deno_broadcast(self.path, b"1")
        self.assert_lives(process)

    def test_nobody_listens_where_no_socket_is(self):
        for call in (clients.deno_request, clients.native_request, clients.native_broadcast):
            with self.fails_with("not_listening"):
                call(self.path, b"1")
        with self.fails_with("invalid_port"):
            clients.deno_request(65536, b"1")

    def test_an_answer_that_never_comes_ends_at_the_timeout(self):
        self.start("--hold")
        with self.fails_with("timed_out"):
            clients.deno_request(self.path, b"1", timeout=0.05)

    def test_the_commands_tell_a_failure_in_one_line(self):
        run = subprocess.run(
            [sys.executable, HERE / "clients.py", "deno-request", self.path, "1"],
            capture_output=True,
            text=True,
            timeout=WATCHDOG,
        )
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertEqual(len(run.stderr.splitlines()), 1)
        self.assertTrue(run.stderr.startswith("not_listening: "), run.stderr)

    def test_the_commands_print_the_reply(self):
        self.start()
        for arguments, expected in ((['"request-foo"'], b'"request-foo"\n'), (["raw", "--bytes"], b"raw")):
            run = subprocess.run(
                [sys.executable, HERE / "clients.py", "deno-request", self.path, *arguments],
                capture_output=True,
                timeout=WATCHDOG,
            )
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, expected, b""))


class ScriptedTest(ScratchTest):
    """Against a listener of this test's own, which takes one connection and hands it to a function."""

    def listen(self, serve):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        listener.settimeout(WATCHDOG)

        def run():
            with listener:
                connection, _ = listener.accept()
            with connection:
                connection.settimeout(WATCHDOG)
                serve(connection)

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def listen_natively(self, mode, *answers):
        """Serves one session: the answers go out, in this order, once the first message has come."""

        def serve(connection):
            session = decoder.ClientSession(mode)
            while len(session.events) < 2:
                session.feed(connection.recv(1 << 16))
            self.received = session.events[1]
            stream = decoder.Hello(mode, 0, 1024).encode() + b"".join(answer.encode() for answer in answers)
            for at in range(len(stream)):
                connection.sendall(stream[at : at + 1])
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(1 << 16):
                session.feed(piece)
            self.later = session.events[2:]

        self.listen(serve)


class NativeClients(ScriptedTest):
    def test_a_request_gets_its_response(self):
        self.listen_natively("request", decoder.Frame("response", 1, body=b'"response-bar"'))
        self.assertEqual(clients.native_request(self.path, b'"request-foo"'), ("json", b'"response-bar"'))
        self.assertEqual((self.received["body_hex"], self.received["bytes"]), (b'"request-foo"'.hex(), False))
        self.assertEqual(self.received["timeout_ms"], 30_000)

    def test_bytes_stay_bytes(self):
        self.listen_natively("request", decoder.Frame("response", 1, decoder.BYTES, body=b"\xff"))
        self.assertEqual(clients.native_request(self.path, b"\x00", "bytes"), ("bytes", b"\xff"))
        self.assertTrue(self.received["bytes"])

    def test_a_ping_meanwhile_is_answered(self):
        self.listen_natively("request", decoder.Frame("ping", 7), decoder.Frame("response", 1, body=b"1"))
        self.assertEqual(clients.native_request(self.path, b"1"), ("json", b"1"))
        self.doCleanups()
        self.assertEqual(self.later, [{"event": "pong", "id": 7}])

    def test_a_broadcast_waits_for_its_ack(self):
        self.listen_natively("broadcast", decoder.Frame("ack", 1))
        clients.native_broadcast(self.path, b'"hello"')
        self.assertTrue(self.received["ack_wanted"])

    def test_an_error_frame_is_the_calls_error(self):
        body = b'{"code":"handler_failed","message":"no such file"}'
        self.listen_natively("request", decoder.Frame("error", 1, body=body))
        with self.fails_with("handler_failed"):
            clients.native_request(self.path, b"1")

    def test_a_goaway_before_the_message_says_closing(self):
        self.listen_natively("request", decoder.Frame("goaway", 0))
        with self.fails_with("closing"):
            clients.native_request(self.path, b"1")

    def test_a_connection_that_ends_before_the_answer_is_lost(self):
        self.listen_natively("request")
        with self.fails_with("connection_lost"):
            clients.native_request(self.path, b"1")

    def test_a_listener_that_breaks_the_protocol_is_told_of(self):
        for answer, code in (
            (decoder.Frame("cancel", 1), "protocol"),
            (decoder.Frame("error", 1, body=b"{}"), "protocol"),
        ):
            with self.subTest(answer=answer):
                self.listen_natively("request", answer)
                with self.fails_with(code):
                    clients.native_request(self.path, b"1")
                os.unlink(self.path)


class ReadmeClient(ScriptedTest):
    def test_the_raw_client_of_the_readme_gets_a_reply_for_each_text(self):
        seen = []

        def serve(connection):
            while piece := connection.recv(1 << 16):
                seen.append(piece)
                connection.sendall(b"response-bar")

        self.listen(serve)
        shown = []
        replies = clients.readme_raw_client(self.path, pause=0, show=shown.append)
        self.assertEqual(replies, ["response-bar"] * 3)
        self.assertEqual(shown, replies)
        self.doCleanups()
        self.assertEqual(seen, [b"request-foo"] * 3)

    def test_the_raw_client_of_the_readme_says_when_it_gets_nothing(self):
        self.listen(lambda connection: connection.recv(1 << 16))
        with self.fails_with("no_reply"):
            clients.readme_raw_client(self.path, pause=0)
