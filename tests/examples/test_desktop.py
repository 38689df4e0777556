"""examples/desktop: a front end in each JavaScript runtime, a worker in Python with numpy."""

import subprocess
import unittest

from tests.examples.programs import Application


class Desktop(Application):
    name = "desktop"

    def prints_what_is_expected(self, runtime):
        worker = self.python("worker")
        if subprocess.run([worker.command[0], "-c", "import numpy"], capture_output=True).returncode:
            self.fail("numpy is not in .venv: bindings/python/environment.sh brings it")
        printed = self.run_program(self.javascript("front", runtime), *worker.command)
        self.assertEqual(printed, (self.folder / "expected.txt").read_text())
        self.nothing_left()

    def test_node_shows_what_numpy_computed(self):
        self.prints_what_is_expected("node")

    def test_deno_shows_what_numpy_computed(self):
        self.prints_what_is_expected("deno")

    def test_bun_shows_what_numpy_computed(self):
        self.prints_what_is_expected("bun")


if __name__ == "__main__":
    unittest.main()
