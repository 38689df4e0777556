"""Releasing: what stands in its way, how packages of several machines become one release, and what is published in which order."""

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
import unittest
import zipfile
from pathlib import Path

from tests.manifests.copy_of import copy_of_sources

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = json.loads((ROOT / "bindings/node/lib/platforms.json").read_text())
VERSION = subprocess.run([ROOT / "tools/version.sh"], capture_output=True, text=True, check=True).stdout.strip()
RUNTIMES = {
    "x86_64-unknown-linux-gnu": ("linux-x64", "manylinux_2_28_x86_64", "libsimpleipc.so"),
    "aarch64-unknown-linux-gnu": ("linux-arm64", "manylinux_2_28_aarch64", "libsimpleipc.so"),
    "x86_64-unknown-linux-musl": ("linux-musl-x64", "musllinux_1_2_x86_64", "libsimpleipc.so"),
    "aarch64-unknown-linux-musl": ("linux-musl-arm64", "musllinux_1_2_aarch64", "libsimpleipc.so"),
    "x86_64-apple-darwin": ("osx-x64", "macosx_10_12_x86_64", "libsimpleipc.dylib"),
    "aarch64-apple-darwin": ("osx-arm64", "macosx_11_0_arm64", "libsimpleipc.dylib"),
    "x86_64-pc-windows-gnu": ("win-x64", "win_amd64", "libsimpleipc.dll"),
}


def tar(path, text, time=0):
    with tarfile.open(path, "w:gz") as packed:
        entry = tarfile.TarInfo("package/package.json")
        entry.size, entry.mtime = len(text), time
        packed.addfile(entry, io.BytesIO(text.encode()))


def packed(path, files):
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)


class Assembling(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.out = self.scratch / "release"
        self.parts = [self.part(platform) for platform in PLATFORMS]

    def part(self, platform):
        """What `make package` leaves on one machine."""
        runtime, tag, file = RUNTIMES[platform["target"]]
        folder = self.scratch / platform["name"]
        folder.mkdir()
        # The times of an archive differ from machine to machine.
        tar(folder / f"simple-ipc-{VERSION}.tgz", "main", len(platform["name"]))
        tar(folder / f"libsimpleipc-{VERSION}.tar.gz", "sources", len(platform["name"]))
        tar(folder / f"simple-ipc-{platform['name']}-{VERSION}.tgz", platform["name"])
        packed(folder / f"libsimpleipc-{VERSION}-py3-none-any.whl", {"simple_ipc/__init__.py": "none"})
        packed(folder / f"libsimpleipc-{VERSION}-cp311-abi3-{tag}.whl", {"simple_ipc/_native.abi3.so": runtime})
        if runtime.startswith(("linux", "win")):
            tar(folder / f"simple-ipc-c-{VERSION}-{runtime}.tar.gz", runtime)
        (folder / f"simple-ipc-node-{VERSION}.cdx.json").write_text("{}")
        packed(folder / f"SimpleIpc.{VERSION}.nupkg", {
            "SimpleIpc.nuspec": "about",
            "lib/netcoreapp3.1/SimpleIpc.dll": "assembly",
            f"runtimes/{runtime}/native/{file}": runtime,
            "[Content_Types].xml": f'<Types><Default Extension="{file.split(".")[1]}" ContentType="application/octet" /></Types>',
            "_rels/.rels": f"a number of {runtime}",
            f"package/services/metadata/core-properties/{runtime}.psmdcp": "a number",
        })
        return folder

    def assemble(self):
        return subprocess.run(
            [ROOT / "tools/assemble.py", self.out, *self.parts], capture_output=True, text=True
        )

    def refused(self, reason):
        done = self.assemble()
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(reason, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertFalse((self.out / "SHA256SUMS").exists())

    def test_every_package_of_every_platform_is_there_once_with_its_checksum(self):
        done = self.assemble()
        self.assertEqual(done.returncode, 0, done.stderr)
        there = {path.name for path in self.out.iterdir()}
        self.assertEqual(there, {"SHA256SUMS"} | {path.name for part in self.parts for path in part.iterdir()})
        for line in (self.out / "SHA256SUMS").read_text().splitlines():
            digest, name = line.split("  ")
            self.assertEqual(digest, hashlib.sha256((self.out / name).read_bytes()).hexdigest())
            there.remove(name)
        self.assertEqual(there, {"SHA256SUMS"})

    def test_nuget_package_has_the_library_of_every_platform(self):
        self.assertEqual(self.assemble().returncode, 0)
        with zipfile.ZipFile(self.out / f"SimpleIpc.{VERSION}.nupkg") as package:
            for runtime, _, file in RUNTIMES.values():
                self.assertEqual(package.read(f"runtimes/{runtime}/native/{file}").decode(), runtime)
            self.assertEqual(package.read("lib/netcoreapp3.1/SimpleIpc.dll"), b"assembly")
            types = package.read("[Content_Types].xml").decode()
            self.assertEqual(re.findall(r'Extension="(\w+)"', types), ["dll", "dylib", "so"])
            numbers = [name for name in package.namelist() if name.endswith(".psmdcp")]
            self.assertEqual(len(numbers), 1)
            self.assertIn(Path(numbers[0]).stem, package.read("_rels/.rels").decode())
            self.assertEqual(len(package.namelist()), len(set(package.namelist())))

    def test_a_missing_platform_is_refused_by_name(self):
        for pattern, said in [
            ("simple-ipc-darwin-arm64-*.tgz", f"simple-ipc-darwin-arm64-{VERSION}.tgz"),
            ("*macosx_11_0_arm64.whl", "a wheel for aarch64-apple-darwin"),
            ("*.nupkg", "the library for osx-arm64"),
        ]:
            with self.subTest(pattern):
                (gone,) = (self.scratch / "darwin-arm64").glob(pattern)
                data = gone.read_bytes()
                gone.unlink()
                self.refused(said)
                gone.write_bytes(data)
                for path in self.out.iterdir():
                    path.unlink()

    def test_packages_that_contradict_each_other_are_refused(self):
        tar(self.parts[-1] / f"simple-ipc-{VERSION}.tgz", "another main package")
        self.refused("build both from one commit")

    def test_an_assembly_that_differs_is_refused(self):
        with zipfile.ZipFile(self.parts[-1] / f"SimpleIpc.{VERSION}.nupkg", "w") as package:
            package.writestr("lib/netcoreapp3.1/SimpleIpc.dll", "another assembly")
        self.refused("SimpleIpc.dll")

    def test_a_package_of_another_version_is_refused(self):
        (self.parts[0] / "simple-ipc-9.9.9.tgz").write_text("")
        self.refused(f"is not of version {VERSION}")

    def test_a_folder_that_is_not_empty_is_left_as_it_is(self):
        self.out.mkdir()
        (self.out / "mine").write_text("mine")
        self.refused("is not empty")
        self.assertEqual([path.name for path in self.out.iterdir()], ["mine"])

    def test_npm_gets_the_main_package_last_and_pypi_all_wheels(self):
        self.assertEqual(self.assemble().returncode, 0)
        shown = self.publish("npm").splitlines()
        self.assertEqual(len(shown), len(PLATFORMS) + 1)
        self.assertTrue(shown[-1].endswith(f"/simple-ipc-{VERSION}.tgz"))
        for platform in PLATFORMS:
            self.assertEqual(sum(line.endswith(f"/simple-ipc-{platform['name']}-{VERSION}.tgz") for line in shown), 1)
        self.assertEqual(self.publish("pypi", DIST="dist").count(".whl"), len(PLATFORMS) + 1)
        self.assertEqual(len(self.publish("crates").splitlines()), 3)
        (self.out / f"simple-ipc-{VERSION}.tgz").write_text("changed")
        changed = subprocess.run(
            [ROOT / "tools/publish.sh", "npm", self.out], capture_output=True, text=True, env={**os.environ, "DRY_RUN": "1"}
        )
        self.assertNotEqual(changed.returncode, 0)
        self.assertEqual(changed.stdout.count("publish"), 0)

    def publish(self, registry, **environment):
        done = subprocess.run(
            [ROOT / "tools/publish.sh", registry, self.out],
            capture_output=True, text=True, env={**os.environ, "DRY_RUN": "1", **environment},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Checking(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = copy_of_sources(scratch.name)
        self.git("init", "--quiet")

    def git(self, *arguments):
        who = ["-c", "user.name=nobody", "-c", "user.email=nobody@nowhere.invalid", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "all")

    def move(self, address):
        home = self.root / "Cargo.toml"
        home.write_text(re.sub(r'(?m)^repository = ".*"$', f'repository = "{address}"', home.read_text()))
        subprocess.run(["tools/addresses.py", "--write"], cwd=self.root, check=True, capture_output=True)

    def check(self, tag):
        return subprocess.run(["tools/check_release.sh", tag], cwd=self.root, capture_output=True, text=True)

    def test_everything_that_stands_in_the_way_is_named(self):
        self.move("https://simple-ipc.invalid/simple-ipc")
        self.commit()
        (self.root / "untracked").write_text("")
        done = self.check("v9.9.9")
        self.assertEqual(done.returncode, 1)
        for reason in ("is a placeholder", "the tag is v9.9.9", "not committed"):
            self.assertIn(reason, done.stderr)

    def test_a_bumped_commit_with_an_address_can_be_released(self):
        self.move("https://forge.example/people/simple-ipc")
        subprocess.run(["tools/bump.sh", "97.98.99"], cwd=self.root, check=True, capture_output=True)
        self.commit()
        self.assertIn("is not frozen", self.check("v97.98.99").stderr)
        subprocess.run(["tools/freeze_wire.py", "--write"], cwd=self.root, check=True, capture_output=True)
        self.commit()
        done = self.check("v97.98.99")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Workflows(unittest.TestCase):
    def test_each_step_is_a_verb_of_the_makefile_or_an_action(self):
        makefile = (ROOT / "Makefile").read_text()
        verbs = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
        runs = 0
        for workflow in (ROOT / ".github/workflows").glob("*.yml"):
            for command in re.findall(r"^ +(?:- )?run: (.*)$", workflow.read_text(), re.MULTILINE):
                runs += 1
                if command == ".ci/run":
                    continue
                verb = re.match(r"make ([a-z0-9-]+)\b", command)
                self.assertIsNotNone(verb, command)
                self.assertTrue(verb[1] in verbs or verb[1].startswith("publish-"), command)
        self.assertGreater(runs, 10)

    def test_every_verb_that_tests_is_run_somewhere(self):
        verbs = re.findall(r"^(test-[a-z0-9-]+|check-packages-all):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        text = (ROOT / ".github/workflows/ci.yml").read_text()
        self.assertGreater(len(verbs), 3)
        for verb in verbs:
            self.assertIn(f"- run: make {verb}\n", text)

    def test_release_builds_on_every_platform(self):
        text = (ROOT / ".github/workflows/release.yml").read_text()
        built = re.findall(r"^ +- platform: (\S+)$", text, re.MULTILINE)
        self.assertEqual(sorted(built), sorted(platform["name"] for platform in PLATFORMS))

    def test_what_is_built_for_another_target_than_its_machines_own_is_that_platforms(self):
        text = (ROOT / ".github/workflows/release.yml").read_text()
        named = dict(re.findall(r"^ +- platform: (\S+)\n +machine: \S+\n +target: (\S+)$", text, re.MULTILINE))
        targets = {platform["name"]: platform["target"] for platform in PLATFORMS}
        self.assertEqual(set(named), {name for name, target in targets.items() if target.endswith(("-musl", "-windows-gnu"))})
        for name, target in named.items():
            self.assertEqual(target, targets[name])
        self.assertIn("SIMPLE_IPC_TARGET: ${{ matrix.target }}", text)


if __name__ == "__main__":
    unittest.main()
