"""The programs of examples/APPLICATION, in each language that is there, and how they are started."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
os.environ.setdefault("STAGE", str(TARGET / "stage"))
os.environ.setdefault("RELEASE_DIR", str(TARGET / "release"))
sys.path.insert(0, str(ROOT / "tests"))

import languages  # noqa: E402  (needs the path above)

# A watchdog for a program that hangs; it is not a limit on how long one may take.
HANG_SECONDS = 300


class Application(unittest.TestCase):
    """Programs of one application, in a directory of channels and of files of their own."""

    name = ""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.built = Path(scratch.name)
        cls.folder = ROOT / "examples" / cls.name
        modules = cls.built / "node_modules"
        modules.mkdir()
        (modules / "simple-ipc").symlink_to(ROOT / "bindings" / "node")
        (cls.built / "package.json").write_text('{"type": "module"}\n')

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.channels = self.scratch / "channels"
        self.channels.mkdir()
        self.running = []
        self.addCleanup(self.end_all)

    def python(self, name):
        return self.there(languages.python(self.folder / "python" / f"{name}.py"))

    def javascript(self, name, runtime="node"):
        """As in a project of a user's own, which has the package installed."""
        for source in (self.folder / "javascript").iterdir():
            (self.built / source.name).write_bytes(source.read_bytes())
        return self.there(languages.javascript(runtime, self.built / f"{name}.mjs"))

    def c(self, name, *packages):
        """With the libraries of these packages, as pkg-config knows them."""
        return self.compiled(self.folder / "c" / f"{name}.c", *packages)

    def cpp(self, name, *packages):
        return self.compiled(self.folder / "cpp" / f"{name}.cpp", *packages)

    def compiled(self, source, *packages):
        program = self.built / f"{source.parent.name}_{source.stem}"
        if not program.exists():
            libraries = []
            for package in packages:
                asked = subprocess.run(["pkg-config", "--cflags", "--libs", package], capture_output=True, text=True)
                missing = "" if asked.returncode == 0 else f"the library {package} is not installed"
                self.there(languages.Program([], missing=missing))
                libraries += asked.stdout.split()
            # The programs use what POSIX has, besides C.
            languages.compiled(program, source, "-D_GNU_SOURCE", libraries=libraries)
        return languages.Program([program])

    def rust(self, example):
        """An example of the crate, which cargo builds with all its tests."""
        cargo = [os.environ.get("CARGO", "cargo"), "build", "--quiet", "--locked", "-p", "simple-ipc", "--example", example]
        done = subprocess.run(cargo, cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return languages.Program([TARGET / "debug" / "examples" / example])

    def dotnet(self, name, *arguments):
        project = self.folder / "dotnet" / f"{name}.csproj"
        if not hasattr(type(self), "dotnet_program"):
            type(self).dotnet_program = languages.dotnet(project, name)
        program = self.there(type(self).dotnet_program)
        return languages.Program([*program.command, *arguments], program.environment)

    def there(self, program):
        if program.missing and "CI" not in os.environ:
            self.skipTest(program.missing)
        self.assertFalse(program.missing)
        return program

    def start(self, program, *arguments, **environment):
        """Starts a program whose output is read by the test."""
        process = subprocess.Popen(
            [str(part) for part in (*program.command, *arguments)],
            cwd=self.scratch,
            env={**os.environ, "SIMPLE_IPC_DIR": str(self.channels), **program.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def end(self, process, status=0):
        """What a program printed; that it ends otherwise than with `status` is a failure."""
        output, errors = process.communicate(timeout=HANG_SECONDS)
        self.assertEqual(process.returncode, status, output + errors)
        return output if status == 0 else errors

    def run_program(self, program, *arguments, status=0, **environment):
        return self.end(self.start(program, *arguments, **environment), status)

    def end_all(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def nothing_left(self):
        self.assertEqual(os.listdir(self.channels), [], "the application leaves files behind")
