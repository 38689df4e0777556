"""The Python package where it has no native part, as in the wheel `py3-none-any`."""

import base64
import hashlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / "bindings/python"
ABOUT = "libsimpleipc-9.8.7.dist-info"

# Each call, and what came of it.
CALLS = """
import asyncio
import simple_ipc
from simple_ipc import aio

assert simple_ipc.supported is False
calls = [
    lambda: simple_ipc.post_uds_request("a", 1),
    lambda: simple_ipc.post_ip_broadcast(1, 1),
    lambda: simple_ipc.listen_uds_request("a", print),
    lambda: simple_ipc.listen_ip_broadcast(0, print),
    lambda: simple_ipc.listen_uds_publish("a"),
    lambda: simple_ipc.subscribe_uds("a"),
    lambda: simple_ipc.post_uds_stream("a", 1),
    lambda: simple_ipc.connect("a"),
    lambda: simple_ipc.channels(),
    lambda: simple_ipc.Cancellation(),
    lambda: asyncio.run(awaited(lambda: aio.post_uds_request("a", 1))),
    lambda: asyncio.run(awaited(lambda: aio.subscribe_uds("a"))),
    lambda: asyncio.run(awaited(lambda: aio.post_uds_stream("a", 1))),
    lambda: asyncio.run(awaited(lambda: aio.listen_uds_request("a", print))),
]

async def awaited(call):
    await call()

for call in calls:
    try:
        call()
    except simple_ipc.NativeLibraryError as error:
        assert isinstance(error, (simple_ipc.IpcError, NotImplementedError))
        assert (error.code, error.may_have_been_handled) == ("native_library", False)
        assert error.__cause__ is not None
        text = str(error)
        assert text.startswith("cannot load the native part of libsimpleipc for ") and WHY in text and "\\n" not in text, text
    else:
        raise AssertionError("a call without a native part succeeded")
print(len(calls), simple_ipc.__version__)
"""


class WithoutNativePart(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.site = self.scratch / "site"
        shutil.copytree(PYTHON / "python", self.site, ignore=shutil.ignore_patterns("*.so", "__pycache__"))

    def says(self, program, site):
        start = f"import sys; sys.path.insert(0, {str(site)!r}); WHY = {self.why!r}\n"
        done = subprocess.run([sys.executable, "-I", "-c", start + program], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_package_is_imported_and_each_call_says_what_is_missing(self):
        self.why = "run: pip install --no-binary libsimpleipc"
        self.assertEqual(self.says(CALLS, self.site), "14 unknown\n")

    def test_native_part_that_the_system_refuses_is_named(self):
        (self.site / "simple_ipc/_native.abi3.so").write_text("no library at all")
        self.why = "its file is not for this system or is damaged"
        self.assertEqual(self.says(CALLS, self.site), "14 unknown\n")

    def test_an_error_of_the_native_parts_own_is_no_missing_one(self):
        (self.site / "simple_ipc/_native.py").write_text('raise ImportError("not in this interpreter")')
        done = subprocess.run(
            [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(self.site)!r}); import simple_ipc"],
            capture_output=True, text=True,
        )
        self.assertIn("ImportError: not in this interpreter", done.stderr)

    def test_wheel_for_every_platform_is_whole_and_has_no_native_part(self):
        # As maturin lays out the wheel of one platform.
        wheel = self.scratch / "libsimpleipc-9.8.7-cp311-abi3-manylinux_2_28_x86_64.whl"
        with zipfile.ZipFile(wheel, "w") as packed:
            for path in sorted(self.site.rglob("*")):
                if path.is_file():
                    packed.write(path, path.relative_to(self.site))
            packed.writestr("simple_ipc/_native.abi3.so", "a library")
            packed.writestr(f"{ABOUT}/METADATA", "Metadata-Version: 2.4\nName: libsimpleipc\nVersion: 9.8.7\n")
            packed.writestr(f"{ABOUT}/licenses/LICENSE-MIT", (ROOT / "LICENSE-MIT").read_bytes())
            packed.writestr(f"{ABOUT}/sboms/simple-ipc-python.cyclonedx.json", "{}")
            packed.writestr(
                f"{ABOUT}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: maturin\nRoot-Is-Purelib: false\nTag: cp311-abi3-manylinux_2_28_x86_64\n",
            )
            packed.writestr(f"{ABOUT}/RECORD", "")
        made = [self.pure(wheel), self.pure(wheel)]
        self.assertEqual(made[0].read_bytes(), made[1].read_bytes())
        self.assertEqual(made[0].name, "libsimpleipc-9.8.7-py3-none-any.whl")
        with zipfile.ZipFile(made[0]) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
            packed.extractall(self.scratch / "installed")
        about = files[f"{ABOUT}/WHEEL"].decode().splitlines()
        self.assertIn("Root-Is-Purelib: true", about)
        self.assertEqual([line for line in about if line.startswith("Tag")], ["Tag: py3-none-any"])
        self.assertIn(f"{ABOUT}/licenses/LICENSE-MIT", files)
        self.assertEqual([name for name in files if name.endswith(".so") or "sboms" in name], [])
        listed = {}
        for line in files[f"{ABOUT}/RECORD"].decode().splitlines():
            name, digest, size = line.rsplit(",", 2)
            listed[name] = (digest, size)
        self.assertEqual(set(listed), set(files))
        for name, data in files.items():
            if name != f"{ABOUT}/RECORD":
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                self.assertEqual(listed[name], (f"sha256={digest}", str(len(data))))
        # Installed, it knows its version.
        self.why = "run: pip install"
        self.assertEqual(self.says(CALLS, self.scratch / "installed"), "14 9.8.7\n")

    def test_wheel_for_another_platform_has_its_native_part_and_its_tag(self):
        wheel = self.scratch / "libsimpleipc-9.8.7-cp311-abi3-linux_x86_64.whl"
        with zipfile.ZipFile(wheel, "w") as packed:
            packed.writestr("simple_ipc/__init__.py", "words = 1\n")
            packed.writestr("simple_ipc/_native.abi3.so", b"this machine's")
            packed.writestr(f"{ABOUT}/METADATA", "Name: libsimpleipc\n")
            packed.writestr(f"{ABOUT}/WHEEL", "Root-Is-Purelib: false\nTag: cp311-abi3-linux_x86_64\n")
            packed.writestr(f"{ABOUT}/RECORD", "")
        library = self.scratch / "lib_native.so"
        library.write_bytes(b"the other's")
        made = [self.foreign(wheel, library, "musllinux_1_2_aarch64") for _ in range(2)]
        self.assertEqual(made[0].read_bytes(), made[1].read_bytes())
        self.assertEqual(made[0].name, "libsimpleipc-9.8.7-cp311-abi3-musllinux_1_2_aarch64.whl")
        with zipfile.ZipFile(made[0]) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
        self.assertEqual(files["simple_ipc/_native.abi3.so"], b"the other's")
        self.assertEqual(files["simple_ipc/__init__.py"], b"words = 1\n")
        self.assertIn("Tag: cp311-abi3-musllinux_1_2_aarch64", files[f"{ABOUT}/WHEEL"].decode().splitlines())
        listed = {line.rsplit(",", 2)[0]: line.rsplit(",", 2)[1] for line in files[f"{ABOUT}/RECORD"].decode().splitlines()}
        self.assertEqual(set(listed), set(files))
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"the other's").digest()).rstrip(b"=").decode()
        self.assertEqual(listed["simple_ipc/_native.abi3.so"], f"sha256={digest}")

    def test_wheel_for_windows_has_its_native_part_under_the_name_that_python_loads_there(self):
        wheel = self.scratch / "libsimpleipc-9.8.7-cp311-abi3-linux_x86_64.whl"
        with zipfile.ZipFile(wheel, "w") as packed:
            packed.writestr("simple_ipc/_native.abi3.so", b"this machine's")
            packed.writestr(f"{ABOUT}/WHEEL", "Root-Is-Purelib: false\nTag: cp311-abi3-linux_x86_64\n")
            packed.writestr(f"{ABOUT}/RECORD", "")
        library = self.scratch / "_native.dll"
        library.write_bytes(b"the other's")
        made = self.foreign(wheel, library, "win_amd64")
        self.assertEqual(made.name, "libsimpleipc-9.8.7-cp311-abi3-win_amd64.whl")
        with zipfile.ZipFile(made) as packed:
            self.assertEqual(packed.read("simple_ipc/_native.pyd"), b"the other's")
            self.assertEqual([name for name in packed.namelist() if name.endswith(".so")], [])

    def foreign(self, wheel, library, tag):
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        done = subprocess.run(
            [sys.executable, str(PYTHON / "foreign_wheel.py"), str(wheel), str(library), tag, str(folder)],
            capture_output=True, text=True, check=True,
        )
        return Path(done.stdout.strip())

    def pure(self, wheel):
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        done = subprocess.run(
            [sys.executable, str(PYTHON / "pure_wheel.py"), str(wheel), str(folder)], capture_output=True, text=True, check=True
        )
        return Path(done.stdout.strip())


if __name__ == "__main__":
    unittest.main()
