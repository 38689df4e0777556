"""examples/worker: each front end with each worker."""

import unittest

from tests.examples.programs import Application


class Worker(Application):
    name = "worker"

    def workers(self):
        yield "Python", lambda: self.python("worker")
        yield "JavaScript", lambda: self.javascript("worker")
        yield "C", lambda: self.c("worker")
        yield "C++", lambda: self.cpp("worker", "nlohmann_json")
        yield ".NET", lambda: self.dotnet("Worker", "worker")

    def prints_what_is_expected(self, front):
        expected = (self.folder / "expected.txt").read_text()
        for language, worker in self.workers():
            with self.subTest(worker=language):
                program = worker()
                self.assertEqual(self.run_program(front, *program.command, **program.environment), expected)
                self.nothing_left()

    def test_python_drives_every_worker(self):
        self.prints_what_is_expected(self.python("front"))

    def test_javascript_drives_every_worker(self):
        self.prints_what_is_expected(self.javascript("front"))

    def test_c_drives_every_worker(self):
        self.prints_what_is_expected(self.c("front"))

    def test_cpp_drives_every_worker(self):
        self.prints_what_is_expected(self.cpp("front", "nlohmann_json"))

    def test_dotnet_drives_every_worker(self):
        self.prints_what_is_expected(self.dotnet("Worker", "front"))


if __name__ == "__main__":
    unittest.main()
