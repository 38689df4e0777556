"""Who takes part in the chaos and soak runs, and how each is started.

`STAGE` is where the library is installed, `RELEASE_DIR` where cargo's programs are.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = HERE / "peers"


@dataclasses.dataclass
class Peer:
    name: str
    command: list
    environment: dict = dataclasses.field(default_factory=dict)
    listens: bool = False
    #: Whether its memory is a garbage collector's, which keeps what it may need again.
    collected: bool = False
    #: Why it cannot take part on this machine, if it cannot.
    missing: str = ""


def c(built):
    stage, program = Path(os.environ["STAGE"]), Path(built) / "peer"
    subprocess.run(
        [
            os.environ.get("CC", "cc"),
            "-std=c99",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            f"-I{stage}/include",
            "-o",
            program,
            PEERS / "peer.c",
            f"-L{stage}/lib",
            f"-Wl,-rpath,{stage}/lib",
            "-lsimpleipc",
        ],
        check=True,
    )
    return Peer("c", [program], listens=True)


def rust():
    return Peer("rust", [Path(os.environ["RELEASE_DIR"]) / "simple-ipc-chaos-peer"], listens=True)


def python():
    """The package as it is installed in the checkout's virtual environment."""
    program = ROOT / ".venv" / "bin" / "python"
    there = program.exists() and subprocess.run([program, "-c", "import simple_ipc"], cwd=PEERS, capture_output=True)
    missing = "" if there and there.returncode == 0 else "the package is not built and installed in .venv"
    return Peer("python", [program, PEERS / "peer.py"], listens=True, collected=True, missing=missing)


def node():
    module, program = ROOT / "bindings" / "node" / "lib" / "index.mjs", shutil.which("node")
    missing = "" if module.with_name("simple-ipc.node").exists() else "the add-on is not built"
    return Peer(
        "node",
        [program, PEERS / "peer.mjs"],
        {"SIMPLE_IPC_MODULE": module.as_uri()},
        listens=True,
        collected=True,
        missing=missing if program else "there is no node",
    )


def dotnet():
    target, tool = Path(os.environ["RELEASE_DIR"]).parent, ROOT / "tools" / "dotnet.sh"
    done = subprocess.run(
        [
            tool,
            "build",
            "--nologo",
            "--verbosity",
            "quiet",
            "--configuration",
            "Release",
            PEERS / "dotnet" / "Peer.csproj",
        ],
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        capture_output=True,
        text=True,
    )
    missing = "" if done.returncode == 0 else " ".join((done.stdout + done.stderr).split())[-300:]
    programs = sorted(target.glob("dotnet/Peer/bin/Release/*/ChaosPeer.dll"), key=lambda file: file.stat().st_mtime)
    library = str(Path(os.environ["STAGE"]) / "lib" / "libsimpleipc.so")
    return Peer(
        "dotnet",
        [tool, "exec", programs[-1] if programs else ""],
        {"SIMPLE_IPC_LIBRARY": library},
        collected=True,
        missing=missing,
    )


def present(built):
    """Those that can take part. Continuous integration leaves nobody out."""
    everyone = [c(built), rust(), python(), node(), dotnet()]
    for peer in everyone:
        if peer.missing:
            if "CI" in os.environ:
                sys.exit(f"{peer.name} cannot take part: {peer.missing}")
            print(f"# left out: {peer.name}: {peer.missing}", flush=True)
    return [peer for peer in everyone if not peer.missing]
