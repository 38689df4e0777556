"""What the manifests of the packages say: names, platforms, licences, pages. Nothing is built."""

import json
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "bindings/node"
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
PLATFORMS = json.loads((NODE / "lib/platforms.json").read_text())


def npm_manifests(folder, *target):
    subprocess.run(["node", str(NODE / "manifests.cjs"), folder, *target], check=True)
    return {path.parent.name: path.read_bytes() for path in Path(folder).glob("*/package.json")}


@unittest.skipUnless(shutil.which("npm"), "npm is not on PATH")
class Npm(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name

    def test_main_package_names_the_add_on_of_every_platform_wherever_it_is_made(self):
        mains = {npm_manifests(f"{self.scratch}/{p['name']}", p["target"])["main"] for p in PLATFORMS}
        self.assertEqual(len(mains), 1)
        main = json.loads(mains.pop())
        due = {f"simple-ipc-{p['name']}": CARGO["version"] for p in PLATFORMS}
        self.assertEqual(main["optionalDependencies"], due)
        self.assertNotIn("dependencies", main)
        self.assertNotIn("scripts", main)

    def test_each_add_on_is_of_its_platform_and_of_the_main_packages_version(self):
        for p in PLATFORMS:
            add_on = json.loads(npm_manifests(f"{self.scratch}/{p['name']}", p["target"])["platform"])
            said = (add_on["name"], add_on["version"], add_on["os"], add_on["cpu"], add_on.get("libc"))
            libc = [p["libc"]] if "libc" in p else None
            self.assertEqual(said, (f"simple-ipc-{p['name']}", CARGO["version"], [p["os"]], [p["cpu"]], libc))
            self.assertNotIn("scripts", add_on)
            self.assertLessEqual({"LICENSE-MIT", "LICENSE-APACHE", "README.md", add_on["main"]}, set(add_on["files"]))
            page = Path(self.scratch, p["name"], "platform/README.md").read_text()
            self.assertTrue(page.startswith(f"# {add_on['name']}\n"))

    def test_platforms_are_of_different_names_and_targets(self):
        for member in ("name", "target"):
            self.assertEqual(len({p[member] for p in PLATFORMS}), len(PLATFORMS))

    def test_a_target_without_a_platform_is_refused(self):
        made = subprocess.run(
            ["node", str(NODE / "manifests.cjs"), self.scratch, "sparc-sun-solaris"], capture_output=True, text=True
        )
        self.assertNotEqual(made.returncode, 0)
        self.assertIn("does not know it", made.stderr)

    def test_main_package_installs_where_other_platforms_add_ons_cannot_be_had(self):
        npm_manifests(self.scratch)
        shutil.copytree(NODE / "lib", f"{self.scratch}/main/lib", ignore=shutil.ignore_patterns("*.node*"))
        program = Path(self.scratch, "program")
        program.mkdir()
        (program / "package.json").write_text('{ "name": "a-program", "private": true }')
        cache = ["--cache", f"{self.scratch}/cache", "--offline", "--no-audit", "--no-fund", "--loglevel=error"]
        packed = subprocess.run(
            ["npm", "pack", "--ignore-scripts", *cache, "--pack-destination", self.scratch],
            cwd=f"{self.scratch}/main", capture_output=True, text=True, check=True,
        ).stdout.split()[-1]
        done = subprocess.run(
            ["npm", "install", *cache, f"{self.scratch}/{packed}"], cwd=program, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        said = subprocess.run(
            ["node", "-e", 'console.log(require("simple-ipc").supported)'], cwd=program, capture_output=True, text=True
        )
        self.assertEqual((said.stdout, said.stderr), ("false\n", ""))


class Names(unittest.TestCase):
    def test_readme_has_each_registrys_name_and_import(self):
        rows = re.findall(r"^\| ([\w.]+) \| `([\w-]+)`[^|]*\| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
        named = {(registry, name) for registry, name, _ in rows}
        python = tomllib.loads((ROOT / "bindings/python/pyproject.toml").read_text())
        nuget = re.search(r"<PackageId>(.*)</PackageId>", (ROOT / "bindings/dotnet/src/SimpleIpc.csproj").read_text())[1]
        npm = json.loads((NODE / "package.json").read_text())["name"]
        crates = {("Cargo", name) for name in published()}
        self.assertLessEqual({("PyPI", python["project"]["name"]), ("NuGet", nuget), ("npm", npm)} | crates, named)
        self.assertEqual(python["project"]["name"], "libsimpleipc")
        self.assertEqual(python["tool"]["maturin"]["module-name"].split(".")[0], "simple_ipc")


def published():
    """The crates that a registry is to get, with their folders."""
    found = {}
    for manifest in (ROOT / "core/Cargo.toml", ROOT / "cli/Cargo.toml", ROOT / "ffi/Cargo.toml", ROOT / "bridge/Cargo.toml",
                     NODE / "Cargo.toml", ROOT / "bindings/python/Cargo.toml"):
        package = tomllib.loads(manifest.read_text())["package"]
        if package.get("publish", True):
            found[package["name"]] = manifest.parent
    return found


class Crates(unittest.TestCase):
    def test_each_published_crate_brings_its_page_its_licences_and_its_address(self):
        self.assertEqual(set(published()), {"simple-ipc", "simple-ipc-cli", "simple-ipc-bridge"})
        for name, folder in published().items():
            package = tomllib.loads((folder / "Cargo.toml").read_text())["package"]
            self.assertEqual(package["readme"], "README.md", name)
            self.assertIn(package["repository"], ({"workspace": True}, CARGO["repository"]), name)
            for file in ("README.md", "LICENSE-MIT", "LICENSE-APACHE"):
                self.assertGreater((folder / file).stat().st_size, 200, f"{name}: {file}")
            for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
                self.assertEqual((folder / licence).read_bytes(), (ROOT / licence).read_bytes(), name)


class Python(unittest.TestCase):
    def test_the_package_brings_its_licences(self):
        for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
            self.assertEqual((ROOT / "bindings/python" / licence).read_bytes(), (ROOT / licence).read_bytes())


if __name__ == "__main__":
    unittest.main()
