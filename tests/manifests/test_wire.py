"""What a version has said on its wires stands among the golden vectors for good."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.manifests.copy_of import copy_of_sources

ROOT = Path(__file__).resolve().parents[2]


class Frozen(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = copy_of_sources(scratch.name)
        self.vectors = self.root / "tests/vectors/native_sessions.json"

    def freeze(self, how):
        return subprocess.run(["tools/freeze_wire.py", how], cwd=self.root, capture_output=True, text=True)

    def edit(self, change):
        vectors = json.loads(self.vectors.read_text())
        change(vectors["valid"])
        self.vectors.write_text(json.dumps(vectors))

    def refused(self, change, reason):
        self.edit(change)
        done = self.freeze("--check")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn(f"cannot speak with 0.1.0 any more: example_request of native_sessions.json {reason}", done.stderr)

    def test_all_that_a_version_has_said_is_understood(self):
        done = subprocess.run([ROOT / "tools/freeze_wire.py", "--check"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        versions = json.loads((ROOT / "tests/vectors/frozen/versions.json").read_text())["versions"]
        self.assertGreater(sum(map(len, versions["0.1.0"].values())), 300)

    def test_a_case_that_is_gone_is_refused(self):
        self.refused(lambda valid: valid.pop(0), "is gone")

    def test_a_case_with_other_bytes_is_refused(self):
        self.refused(lambda valid: valid[0]["hex"].append("00"), "has other bytes")

    def test_a_case_more_is_taken_and_frozen_with_the_version_that_has_it(self):
        self.edit(lambda valid: valid.append({**valid[0], "name": "another"}))
        self.assertEqual(self.freeze("--check").returncode, 0)
        subprocess.run(["tools/bump.sh", "97.98.99"], cwd=self.root, check=True, capture_output=True)
        self.assertIn("what it says on the wire is not frozen", self.freeze("--release").stderr)
        before = json.loads((self.root / "tests/vectors/frozen/versions.json").read_text())["versions"]
        self.assertEqual(self.freeze("--write").returncode, 0)
        after = json.loads((self.root / "tests/vectors/frozen/versions.json").read_text())["versions"]
        self.assertEqual({**after, **before}, after)
        self.assertIn("another", after["97.98.99"]["native_sessions"])
        self.assertEqual(self.freeze("--release").returncode, 0)


if __name__ == "__main__":
    unittest.main()
