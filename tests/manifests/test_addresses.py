"""Where the project lives is written once, and a release is refused while it is the placeholder."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from tests.manifests.copy_of import copy_of_sources

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = "https://simple-ipc.invalid/simple-ipc"
REAL = "https://forge.example/people/simple-ipc"


def addresses(root, verb):
    return subprocess.run([str(root / "tools/addresses.py"), verb], capture_output=True, text=True)


class Addresses(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = copy_of_sources(scratch.name)

    def move(self, address):
        home = self.root / "Cargo.toml"
        text = home.read_text()
        home.write_text("".join(
            f'repository = "{address}"\n' if line.startswith("repository = ") else line for line in text.splitlines(True)
        ))

    def test_one_edit_changes_the_address_everywhere(self):
        old = next(line for line in (self.root / "Cargo.toml").read_text().splitlines() if line.startswith("repository = "))
        old = old.split('"')[1]
        self.move(REAL)
        self.assertEqual(addresses(self.root, "--check").returncode, 1)
        self.assertEqual(addresses(self.root, "--write").returncode, 0)
        self.assertEqual(addresses(self.root, "--check").returncode, 0)
        # The tool and these tests name the placeholder to know it.
        known = {"tools/addresses.py", "tests/manifests/test_addresses.py", "tests/manifests/test_release.py"}
        left = [
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and not path.is_symlink() and old.encode() in path.read_bytes()
        ]
        self.assertEqual(set(left) - known, set())

    def test_release_is_refused_while_the_address_is_the_placeholder(self):
        self.move(PLACEHOLDER)
        addresses(self.root, "--write")
        refused = addresses(self.root, "--release")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("placeholder", refused.stderr)
        self.move(REAL)
        addresses(self.root, "--write")
        self.assertEqual(addresses(self.root, "--release").returncode, 0)

    def test_an_address_that_cannot_be_extended_is_refused(self):
        for address in ["", "http://forge.example/a", f"{REAL}/", f"{REAL}.git"]:
            self.move(address)
            done = addresses(self.root, "--write")
            self.assertEqual(done.returncode, 1, address)
            self.assertIn("cannot use", done.stderr)

    def test_the_checkout_has_the_same_address_everywhere(self):
        done = addresses(ROOT, "--check")
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
