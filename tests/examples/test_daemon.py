"""examples/daemon: one instance, its command in another language than its own, and an orderly stop."""

import signal
import unittest

from tests.examples.programs import Application


class Daemon(Application):
    name = "daemon"

    def languages(self):
        return {
            "Python": lambda: self.python("daemon"),
            "JavaScript": lambda: self.javascript("daemon"),
            "C++": lambda: self.cpp("daemon", "nlohmann_json"),
            "Rust": lambda: self.rust("daemon"),
        }

    def started(self, program):
        daemon = self.start(program, "start")
        self.assertEqual(daemon.stdout.readline(), "ready\n")
        return daemon

    def test_every_command_talks_to_every_daemon(self):
        for ours, program in self.languages().items():
            for theirs, command in self.languages().items():
                with self.subTest(daemon=ours, command=theirs):
                    daemon = self.started(program())
                    command = command()
                    self.assertEqual(self.run_program(command, "add", "buy", "milk"), "note 1\n")
                    self.assertEqual(self.run_program(command, "add", "call Ada"), "note 2\n")
                    self.assertEqual(self.run_program(command, "list"), "1. buy milk\n2. call Ada\n")
                    self.assertEqual(self.run_program(command, "status"), "running with 2 notes\n")
                    self.assertEqual(self.run_program(command, "stop"), "stopping\n")
                    self.assertEqual(self.end(daemon), "stopped\n")
                    self.nothing_left()

    def test_a_second_instance_is_refused_and_the_first_goes_on(self):
        for language, program in self.languages().items():
            with self.subTest(language=language):
                program = program()
                daemon = self.started(program)
                said = self.run_program(program, "start", status=1)
                self.assertIn("already running", said)
                self.assertIn(str(daemon.pid), said)
                self.assertEqual(self.run_program(program, "status"), "running with 0 notes\n")
                daemon.send_signal(signal.SIGTERM)
                self.assertEqual(self.end(daemon), "stopped\n")
                self.nothing_left()

    def test_without_a_daemon_the_command_says_how_to_start_it(self):
        for language, program in self.languages().items():
            with self.subTest(language=language):
                self.assertIn("not running", self.run_program(program(), "list", status=1))

    def test_a_killed_daemon_is_replaced(self):
        for language, program in self.languages().items():
            with self.subTest(language=language):
                program = program()
                first = self.started(program)
                first.kill()
                first.wait()
                self.assertIn("not running", self.run_program(program, "list", status=1))
                second = self.started(program)
                self.assertEqual(self.run_program(program, "stop"), "stopping\n")
                self.assertEqual(self.end(second), "stopped\n")


if __name__ == "__main__":
    unittest.main()
