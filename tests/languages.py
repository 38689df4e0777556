"""How a program in each language is built and started with the library of this checkout.

`STAGE` is where the library is installed; `RELEASE_DIR` where cargo's programs are. tests/build.sh builds the bindings.
"""

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Program:
    command: list
    environment: dict = dataclasses.field(default_factory=dict)
    #: Why it cannot run on this machine, if it cannot.
    missing: str = ""


def compiled(program, source, *flags, libraries=()):
    """Compiles a C or C++ program against the installed library."""
    stage = os.environ["STAGE"]
    if source.suffix == ".c":
        compiler = [os.environ.get("CC", "cc"), "-std=c99"]
    else:
        compiler = [os.environ.get("CXX", "c++"), "-std=c++17"]
    linked = [f"-L{stage}/lib", f"-Wl,-rpath,{stage}/lib", "-lsimpleipc", *libraries]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    command = [*compiler, *flags, "-O2", *warnings, "-pthread", f"-I{stage}/include", "-o", program, source, *linked]
    subprocess.run(command, check=True)
    return program


def python(*arguments):
    """With the package that is installed in the virtual environment of the checkout."""
    program = ROOT / ".venv" / "bin" / "python"
    there = program.exists() and subprocess.run([program, "-c", "import simple_ipc"], cwd="/", capture_output=True)
    missing = "" if there and there.returncode == 0 else "the package is not built and installed in .venv"
    return Program([program, *arguments], missing=missing)


def runtimes():
    """The JavaScript runtimes that are there, by name, with their commands."""
    setup = ROOT / "bindings" / "node" / "setup.sh"
    printed = subprocess.run([setup, "print"], capture_output=True, text=True).stdout if setup.exists() else ""
    return {name: command.split() for name, command in (line.split(" ", 1) for line in printed.splitlines())}


def javascript(runtime, *arguments):
    """Under one of `runtimes`, with the add-on of the checkout; `SIMPLE_IPC_MODULE` says what to import."""
    module = ROOT / "bindings" / "node" / "lib" / "index.mjs"
    command = ["node"] if runtime == "node" and shutil.which("node") else runtimes().get(runtime)
    missing = "" if command else f"there is no {runtime}: make setup brings it"
    if not module.with_name("simple-ipc.node").exists():
        missing = "the add-on is not built"
    return Program([*(command or []), *arguments], {"SIMPLE_IPC_MODULE": module.as_uri()}, missing)


def dotnet(project, assembly):
    """Builds a project, and gives its program, with the assembly of the checkout and the installed C library."""
    target, tool = Path(os.environ["RELEASE_DIR"]).parent, ROOT / "tools" / "dotnet.sh"
    command = [tool, "build", "--nologo", "--verbosity", "quiet", "--configuration", "Release", project]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    missing = "" if done.returncode == 0 else " ".join((done.stdout + done.stderr).split())[-300:]
    programs = target.glob(f"dotnet/{project.stem}/bin/Release/*/{assembly}.dll")
    # The newest, of several frameworks.
    program = max(programs, key=lambda file: file.stat().st_mtime, default="")
    library = str(Path(os.environ["STAGE"]) / "lib" / "libsimpleipc.so")
    return Program([tool, "exec", program], {"SIMPLE_IPC_LIBRARY": library}, missing)
