"""What is left out of the tests of other targets is there, and says why."""

import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class LeftOut(unittest.TestCase):
    def test_each_is_the_name_of_a_test_and_has_a_reason(self):
        sources = "".join(path.read_text() for folder in ("core", "cli") for path in (ROOT / folder).rglob("*.rs"))
        lists = sorted((ROOT / "tests/targets").glob("left_out_of_*.txt"))
        self.assertEqual([path.name for path in lists], ["left_out_of_arm64.txt", "left_out_of_musl.txt"])
        for path in lists:
            for line in path.read_text().splitlines():
                if line.startswith("#"):
                    continue
                name, reason = line.split(None, 1)
                self.assertIn(f"fn {name.rsplit('::', 1)[-1]}(", sources, path.name)
                self.assertGreater(len(reason.split()), 3, line)

    def test_a_verb_for_a_target_that_is_not_known_is_refused(self):
        done = subprocess.run([ROOT / "tests/targets/inside.sh", "sparc", "true"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))


if __name__ == "__main__":
    unittest.main()
