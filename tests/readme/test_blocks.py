"""The first program of the start page, in each language, is built as the page says and prints what it says; and so does the README's.

Wants what was built: the library installed in STAGE, and the bindings of this checkout (tests/build.sh). The Rust
block is run by the documentation's own tests. The blocks of all other pages are in test_pages.py.
"""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGE = Path(os.environ.get("STAGE", ROOT / "target" / "stage")).resolve()
PYTHON = ROOT / ".venv" / "bin" / "python"

# A watchdog for a program that hangs; it is not a limit on how long one may take.
HANG_SECONDS = 600


README = ROOT / "README.md"
START = ROOT / "docs" / "start.md"


def blocks(language, page=START):
    """The whole programs of a page in this language, in order."""
    text = page.read_text()
    return re.findall(rf"^```{re.escape(language)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def pasted(block):
    """What a reader of a console block pastes, as one script, and the lines that the page shows as printed."""
    lines = block.splitlines()
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return "\n".join(commands) + "\n", [line for line in lines if not line.startswith("$ ")]


class Blocks(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        channels = self.scratch / "channels"
        channels.mkdir()
        self.environment = {
            **os.environ,
            "SIMPLE_IPC_DIR": str(channels),
            "PATH": f"{STAGE / 'bin'}:{os.environ['PATH']}",
            "PKG_CONFIG_PATH": str(STAGE / "lib" / "pkgconfig"),
            "LD_LIBRARY_PATH": str(STAGE / "lib"),
        }
        self.channels = channels

    def tearDown(self):
        self.assertEqual(os.listdir(self.channels), [], "a block leaves files behind")

    def run_here(self, *command, **environment):
        """What a command prints; that it fails is a failure."""
        done = subprocess.run(
            [str(part) for part in command], cwd=self.scratch, env={**self.environment, **environment},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG_SECONDS,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def block(self, language):
        found = blocks(language)
        self.assertEqual(len(found), 1, f"blocks of {language} in the start page")
        return found[0]

    def write(self, name, text):
        (self.scratch / name).write_text(text)
        return self.scratch / name

    def test_no_block_is_left_out(self):
        def tagged(page):
            return set(re.findall(r"^```(\S+)$", page.read_text(), re.MULTILINE))

        self.assertEqual(tagged(README), {"console", "python"})
        self.assertEqual(tagged(START), {"console", "c", "cpp", "python", "csharp", "rust", "rust,no_run", "toml", "js"})

    def test_the_readmes_program_runs(self):
        (program,) = blocks("python", README)
        self.assertEqual(self.run_here(PYTHON, self.write("example.py", program)), "response-bar\n")

    def test_shell_blocks_pasted_as_one_script_twenty_times(self):
        first, streams = [block for block in blocks("console") if "simple-ipc listen" in block]
        for block in (first, streams):
            script, printed = pasted(block)
            for _ in range(20):
                output = self.run_here("bash", "-c", script + "wait\n").splitlines()
                for line in printed:
                    self.assertIn(line, output)
                if block is first:
                    self.assertTrue(any(line.startswith("example_channel ") for line in output), output)

    def test_the_verbs_of_the_first_block_exist(self):
        makefile = (ROOT / "Makefile").read_text()
        for line in blocks("console", README)[0].splitlines():
            verb = re.match(r"\$ make (\w+)", line).group(1)
            self.assertRegex(makefile, rf"(?m)^{verb}:")

    def test_c_block_builds_and_runs_as_the_lines_below_it_say(self):
        self.write("example.c", self.block("c"))
        (block,) = [block for block in blocks("console") if "cc example.c" in block]
        script, printed = pasted(block)
        install, rest = script.split("\n", 1)
        self.assertTrue(install.startswith("make install PREFIX=$HOME/.local"))
        homes = {name: os.environ.get(name, str(Path.home() / folder))
                 for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"))}
        # The first line is typed in the checkout, the others where the program is.
        output = self.run_here("bash", "-ec", f"(cd '{ROOT}' && {install} >&2)\n{rest}", HOME=str(self.scratch), **homes)
        self.assertEqual(output.splitlines(), printed)

    def test_cpp_block_builds_and_runs(self):
        source = self.write("example.cpp", self.block("cpp"))
        self.run_here("bash", "-c", f"c++ -std=c++17 {source} $(pkg-config --cflags --libs simple_ipc) -o example")
        self.assertEqual(self.run_here(self.scratch / "example"), "response-bar\n")

    def test_python_block_runs(self):
        self.assertEqual(self.run_here(PYTHON, self.write("example.py", self.block("python"))), "response-bar\n")

    def test_javascript_block_runs_in_each_runtime(self):
        (self.scratch / "node_modules").mkdir()
        (self.scratch / "node_modules" / "simple-ipc").symlink_to(ROOT / "bindings" / "node")
        self.write("package.json", '{"type": "module"}')
        program = self.write("example.mjs", self.block("js"))
        runtimes = subprocess.run(
            [ROOT / "bindings" / "node" / "setup.sh", "print"], capture_output=True, text=True, check=True).stdout
        names = []
        for line in runtimes.splitlines():
            name, *command = line.split()
            if name in ("node", "deno", "bun"):
                names.append(name)
                with self.subTest(runtime=name):
                    self.assertEqual(self.run_here(*command, program, NO_COLOR="1"), "response-bar\n")
        self.assertEqual(sorted(names), ["bun", "deno", "node"])

    def test_csharp_block_builds_and_runs(self):
        self.write("Example.cs", self.block("csharp"))
        binding = ROOT / "bindings" / "dotnet"
        self.write("Directory.Build.props", f'<Project><Import Project="{binding}/Directory.Build.props" /></Project>')
        project = self.write("ReadmeExample.csproj", f"""<Project Sdk="Microsoft.NET.Sdk">
  <Import Project="{binding}/Framework.props" />
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>$(SdkFramework)</TargetFramework></PropertyGroup>
  <ItemGroup><ProjectReference Include="{binding}/src/SimpleIpc.csproj" /></ItemGroup>
</Project>""")
        dotnet = ROOT / "tools" / "dotnet.sh"
        self.run_here(dotnet, "build", "--nologo", "--verbosity", "quiet", "--output", self.scratch / "out", project)
        library = STAGE / "lib" / "libsimpleipc.so"
        output = self.run_here(dotnet, "exec", self.scratch / "out" / "ReadmeExample.dll", SIMPLE_IPC_LIBRARY=str(library))
        self.assertEqual(output, "response-bar\n")

    def test_rust_block_is_run_by_the_documentation_tests_and_its_dependency_is_there(self):
        self.assertIn("fn main()", self.block("rust"))
        path = re.search(r'simple-ipc = \{ path = "…/simple-ipc/(\w+)" \}', self.block("toml")).group(1)
        self.assertTrue((ROOT / path / "Cargo.toml").exists())


if __name__ == "__main__":
    unittest.main()
