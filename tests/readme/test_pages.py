"""Each block of the pages in docs runs, compiles or is read, and prints what the page says; and what the pages name is there.

Wants what was built: the library installed in STAGE, and the bindings of this checkout (tests/build.sh). Blocks in Rust are
compiled by the documentation's own tests. Blocks of the start page that install something are in test_blocks.py.
"""

import configparser
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import tomllib
import unittest
from pathlib import Path

from tests.readme.pages import DOCS, ROOT, SHOWN, blocks, pages

STAGE = Path(os.environ.get("STAGE", ROOT / "target" / "stage")).resolve()
PYTHON = ROOT / ".venv" / "bin" / "python"
NODE_PACKAGE = ROOT / "bindings" / "node"

# A watchdog for a program that hangs; it is not a limit on how long one may take.
HANG_SECONDS = 300


def pasted(text):
    """What a reader of a console block pastes, as one script, and the lines that the page shows as printed."""
    lines = text.splitlines()
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return "\n".join(commands) + "\n", [line for line in lines if not line.startswith("$ ")]


def end_session(leader):
    """Ends every process of a session; job control gives each its own group."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            session = int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[3])
            if session == leader:
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue  # it has ended meanwhile


def installs(block):
    """Whether a block brings something onto the reader's machine, or builds what an earlier one of test_blocks.py wrote."""
    return re.search(r"^\$ (pip|npm|dotnet|make|c\+\+|cc|export) ", block.text, re.MULTILINE) is not None


class Pages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        self.channels = self.scratch / "channels"
        self.channels.mkdir()
        (self.scratch / "node_modules").mkdir()
        (self.scratch / "node_modules" / "simple-ipc").symlink_to(NODE_PACKAGE)
        self.environment = {
            **os.environ,
            "SIMPLE_IPC_DIR": str(self.channels),
            "PATH": f"{STAGE / 'bin'}:{PYTHON.parent}:{os.environ['PATH']}",
            "PKG_CONFIG_PATH": str(STAGE / "lib" / "pkgconfig"),
            "LD_LIBRARY_PATH": str(STAGE / "lib"),
            "SIMPLE_IPC_LIBRARY": str(STAGE / "lib" / "libsimpleipc.so"),
        }

    def run_here(self, *command):
        # A session of its own, so that the watchdog ends what a block started in the background, too.
        process = subprocess.Popen(
            [str(part) for part in command], cwd=self.scratch, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            end_session(process.pid)
            output, errors = process.communicate()
            self.fail(f"{command} hangs:\n{output}{errors}")
        self.assertEqual(process.returncode, 0, output + errors)
        return output

    def write(self, name, text):
        (self.scratch / name).write_text(text)
        return self.scratch / name

    def compiled(self, command, name, text):
        source = self.write(name, text)
        program = source.with_suffix("")
        flags = self.run_here("pkg-config", "--cflags", "--libs", "simple_ipc").split()
        self.run_here(*command, "-Wall", "-Wextra", source, *flags, "-o", program)
        return program

    def run_python(self, block):
        return self.run_here(PYTHON, self.write("block.py", block.text))

    def run_js(self, block):
        return self.run_here("node", self.write("block.mjs", block.text))

    def run_c(self, block):
        return self.run_here(self.compiled(["cc", "-std=c11"], "block.c", block.text))

    def run_cpp(self, block):
        return self.run_here(self.compiled(["c++", "-std=c++17"], "block.cpp", block.text))

    def run_console(self, block):
        script, printed = pasted(block.text)
        # With job control, as in a terminal: else what runs in the background would not hear of Ctrl-C.
        output = self.run_here("bash", "-c", f"exec 2>&1\nset -m\n{script}wait\n")
        # What runs in the background prints when it likes, so only that each line is printed is sure.
        for line in printed:
            self.assertIn(line, output.splitlines())
        return output

    def read_python(self, block):
        compile(block.text, str(block), "exec")

    def read_js(self, block):
        self.run_here("node", "--check", self.write("fragment.mjs", block.text))

    def read_c(self, block):
        includes = "#include <simple_ipc.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
        flags = self.run_here("pkg-config", "--cflags", "simple_ipc").split()
        body = block.text if re.search(r"^\w.*\) \{$", block.text, re.MULTILINE) else f"void part(void) {{\n{block.text}\n}}\n"
        self.run_here("cc", "-std=c11", "-fsyntax-only", self.write("fragment.c", includes + body), *flags)

    def read_cpp(self, block):
        includes = "#include <simple_ipc.hpp>\n#include <chrono>\n#include <iostream>\n#include <string>\n"
        flags = self.run_here("pkg-config", "--cflags", "simple_ipc").split()
        source = self.write("fragment.cpp", f"{includes}void part() {{\n{block.text}\n}}\n")
        self.run_here("c++", "-std=c++17", "-fsyntax-only", source, *flags)

    def commands_exist(self, block):
        """A block of `sh` is read, not run: its verbs and commands exist."""
        makefile = (ROOT / "Makefile").read_text()
        for verb in re.findall(r"^(?:\w+)?\$? ?make ([\w-]+)", block.text, re.MULTILINE):
            self.assertRegex(makefile, rf"(?m)^{re.escape(verb)}(?:-%)?:", str(block))
        known = self.run_here("simple-ipc", "--help")
        for command in re.findall(r"\bsimple-ipc ([a-z]+)\b", block.text):
            self.assertRegex(known, rf"(?m)^ +{command} ", str(block))

    def read_sh(self, block):
        self.commands_exist(block)

    def read_console(self, block):
        for line in block.text.splitlines():
            if line.startswith("$ "):
                shlex.split(line, comments=True)
        self.commands_exist(block)

    def read_toml(self, block):
        tomllib.loads(block.text)

    def read_json(self, block):
        json.loads(block.text)

    def read_ini(self, block):
        # A key may stand several times, as systemd has it.
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str
        unit.read_string(block.text)
        self.assertTrue(unit.sections(), str(block))

    def read_dockerfile(self, block):
        for line in re.sub(r"\\\n", "", block.text).splitlines():
            if line.strip():
                self.assertRegex(line, r"^(FROM|RUN|COPY|ENV|USER|VOLUME|WORKDIR|CMD|ENTRYPOINT|#)", str(block))


def a_test_of(page):
    def test(self):
        for block in blocks(page):
            with self.subTest(block=str(block)):
                note = block.note
                if block.language in SHOWN or block.language in ("csharp", "rust") or "rust" in block.language:
                    continue
                if block.language == "console" and installs(block):
                    self.read_console(block)
                    continue
                if note and note != "fragment":
                    self.write(note, block.text)
                    continue
                runs = getattr(self, f"run_{block.language}", None)
                if note == "fragment" or runs is None:
                    reads = getattr(self, f"read_{block.language}", None)
                    self.assertIsNotNone(reads, f"{block}: nobody runs or reads {block.language}")
                    reads(block)
                    continue
                output = runs(block)
                if block.prints is not None:
                    self.assertEqual(output, block.prints)
                self.assertEqual(os.listdir(self.channels), [], "a block leaves files behind")

    return test


for found in pages():
    setattr(Pages, f"test_blocks_of_{found.relative_to(DOCS).with_suffix('').as_posix().replace('/', '_')}", a_test_of(found))


class WhatPagesName(unittest.TestCase):
    """What the pages say of others, held against those."""

    def test_rust_blocks_are_among_the_documentations_tests(self):
        crate = (ROOT / "core" / "src" / "lib.rs").read_text()
        for page in pages():
            if any(block.language.split(",")[0] == "rust" for block in blocks(page)):
                self.assertIn(f'include_str!("../../{page.relative_to(ROOT)}")', crate)

    def test_fragments_of_csharp_compile(self):
        dotnet = ROOT / "tools" / "dotnet.sh"
        if subprocess.run([dotnet, "--bring"], stdout=subprocess.DEVNULL).returncode and "CI" not in os.environ:
            self.skipTest("there is no .NET SDK")
        parts = [block for page in pages() for block in blocks(page) if (block.language, block.note) == ("csharp", "fragment")]
        self.assertTrue(parts)
        methods = "".join(
            f'#line {block.line + 1} "{block.page}"\nstatic async Task Part{number}() {{\n{block.text}\nawait Task.Yield(); }}\n'
            for number, block in enumerate(parts)
        )
        binding = ROOT / "bindings" / "dotnet"
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "Parts.cs").write_text(
                "using System;\nusing System.Collections.Generic;\nusing System.Linq;\nusing System.Threading;\n"
                f"using System.Threading.Tasks;\nusing SimpleIpc;\nstatic class Parts\n{{\n{methods}}}\n"
            )
            (folder / "Directory.Build.props").write_text(
                f'<Project><Import Project="{binding}/Directory.Build.props" /></Project>'
            )
            (folder / "Parts.csproj").write_text(f"""<Project Sdk="Microsoft.NET.Sdk">
  <Import Project="{binding}/Framework.props" />
  <PropertyGroup><TargetFramework>$(SdkFramework)</TargetFramework></PropertyGroup>
  <ItemGroup><ProjectReference Include="{binding}/src/SimpleIpc.csproj" /></ItemGroup>
</Project>""")
            done = subprocess.run(
                [dotnet, "build", "--nologo", "--verbosity", "quiet", "--output", folder / "out", folder / "Parts.csproj"],
                capture_output=True, text=True, timeout=HANG_SECONDS,
            )
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_kind_of_error_has_its_row_of_help(self):
        source = (ROOT / "core" / "src" / "error.rs").read_text()
        kinds = dict(re.findall(r'^    \w+ = (\d+), "(\w+)";$', source, re.MULTILINE))
        self.assertGreater(len(kinds), 20)
        page = (DOCS / "troubleshooting.md").read_text()
        rows = re.findall(r"^### `(\w+)` \((\d+)\)\n\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
        self.assertEqual({number: name for name, number, _ in rows}, kinds)
        for name, _, text in rows:
            with self.subTest(kind=name):
                self.assertRegex(text, r"(?m)^- \*\*Look at\*\*: \S")
                self.assertRegex(text, r"(?m)^- \*\*Do\*\*: \S")

    def test_the_book_and_its_index_name_each_page(self):
        subprocess.run(["tools/book.py", "pages"], cwd=ROOT, check=True, timeout=HANG_SECONDS)

    def test_links_between_pages_and_to_files_lead_somewhere(self):
        wrong = []
        for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "bindings").glob("*/README.md"), *pages()]:
            text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
            for target in re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", text):
                if "://" not in target and not (page.parent / target).exists():
                    wrong.append(f"{page.relative_to(ROOT)}: {target}")
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
