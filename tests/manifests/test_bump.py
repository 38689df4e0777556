"""tools/bump.sh changes every place that holds the version, and nothing else."""

import json
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from tests.manifests.copy_of import copy_of_sources

NEW = "97.98.99"


class Bump(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = copy_of_sources(scratch.name)
        self.old = self.run_here("tools/version.sh").stdout.strip()

    def run_here(self, *command):
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True)

    def files(self):
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()
        }

    def bump(self, version):
        done = self.run_here("tools/bump.sh", version)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_every_manifest_has_the_new_version(self):
        self.bump(NEW)
        self.assertEqual(self.run_here("tools/version.sh").stdout.strip(), NEW)
        root, bridge = (tomllib.loads((self.root / name).read_text()) for name in ("Cargo.toml", "bridge/Cargo.toml"))
        self.assertEqual(root["workspace"]["dependencies"]["simple-ipc"]["version"], NEW)
        self.assertEqual((bridge["package"]["version"], bridge["dependencies"]["simple-ipc"]["version"]), (NEW, NEW))
        npm = json.loads((self.root / "bindings/node/package.json").read_text())
        lock = json.loads((self.root / "bindings/node/package-lock.json").read_text())
        self.assertEqual((npm["version"], lock["version"], lock["packages"][""]["version"]), (NEW, NEW, NEW))
        self.assertIn(f'#define SIPC_VERSION "{NEW}"\n', (self.root / "include/simple_ipc.h").read_text())
        self.assertRegex(
            (self.root / "CHANGELOG.md").read_text(), rf"(?m)^## \[Unreleased\]\n\n## \[{NEW}\] - \d{{4}}-\d\d-\d\d\n\n##"
        )

    @unittest.skipUnless(shutil.which("cargo"), "cargo is not on PATH")
    def test_lock_files_are_those_that_cargo_would_write(self):
        self.bump(NEW)
        for manifest in ("Cargo.toml", "bridge/Cargo.toml", "fuzz/Cargo.toml", "tests/loom/Cargo.toml"):
            done = self.run_here(
                "cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--manifest-path", manifest
            )
            # What a fresh machine has not downloaded yet is no fault of the lock file.
            if "--offline" in done.stderr and "lock file" not in done.stderr:
                self.skipTest(f"the dependencies of {manifest} are not downloaded")
            self.assertEqual(done.returncode, 0, done.stderr)
            if manifest == "Cargo.toml":
                ours = {package["name"]: package["version"] for package in json.loads(done.stdout)["packages"]}
                self.assertEqual({ours["simple-ipc"], ours["simple-ipc-cli"], ours["simple-ipc-ffi"]}, {NEW})

    def test_there_and_back_is_where_it_began_but_for_the_changelog(self):
        before = self.files()
        self.bump(NEW)
        after = self.files()
        back = {
            name: data.replace(NEW.encode(), self.old.encode())
            for name, data in after.items() if name != "CHANGELOG.md" and data != before[name]
        }
        self.assertEqual(back, {name: before[name] for name in back})
        self.assertEqual(set(after), set(before))

    def test_no_place_that_says_the_version_is_left_out(self):
        before = self.files()
        self.bump(NEW)
        # What looks like a line that holds a version, in the files that are read by programs.
        line = re.compile(rf'(?m)^.*\b(?:version|VERSION)\b.{{0,6}}"{re.escape(self.old)}".*$'.encode())
        told = {
            name for name, data in self.files().items()
            if line.search(data) and re.search(r"\.(toml|h|hpp|json|csproj|props|in|sh|yml|cff)$", name)
        }
        # Other people's packages, and recorded files of the wire.
        others = {"bindings/node/package-lock.json", "bindings/node/tests/runners/package-lock.json",
                  "benches/languages/package-lock.json", "benches/peers/package-lock.json", "tests/vectors/lock.json"}
        self.assertEqual(told - others, set())
        self.assertTrue(any(line.search(data) for data in before.values()))

    def test_a_version_follows_a_version(self):
        self.bump("97.98.98")
        self.bump(NEW)
        self.assertEqual(self.run_here("tools/version.sh").stdout.strip(), NEW)

    def test_a_version_that_is_none_or_not_later_changes_nothing(self):
        before = self.files()
        for version in ("", "1", "1.2", "v1.2.3", "1.2.3-rc1", "01.2.3", "0.0.0", self.old):
            done = self.run_here("tools/bump.sh", version)
            self.assertNotEqual(done.returncode, 0, version)
            self.assertIn("cannot give the version", done.stderr)
        self.assertEqual(self.files(), before)

    def test_a_place_that_does_not_fit_changes_nothing(self):
        header = self.root / "include/simple_ipc.h"
        header.write_text(header.read_text().replace("#define SIPC_VERSION", "#define OTHER"))
        before = self.files()
        done = self.run_here("tools/bump.sh", NEW)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("include/simple_ipc.h", done.stderr)
        self.assertEqual(self.files(), before)


if __name__ == "__main__":
    unittest.main()
