"""Who takes part in the chaos and soak runs, and how each is started.

`STAGE` is where the library is installed, `RELEASE_DIR` where cargo's programs are.
"""

import dataclasses
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
sys.path.insert(0, str(HERE.parent.parent))

from tests import languages  # noqa: E402  (needs the path above)


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


def started(name, program, **more):
    """A peer by the program that it is."""
    return Peer(name, program.command, program.environment, missing=program.missing, **more)


def present(built):
    """Those that can take part. Continuous integration leaves nobody out."""
    if "UNDER_WINE" in os.environ:
        # The C peer as a program for Windows: this is the command that starts it there.
        return [Peer("c", [os.environ["UNDER_WINE"]], listens=True)]
    c = languages.compiled(Path(built) / "peer", PEERS / "peer.c")
    everyone = [
        Peer("c", [c], listens=True),
        Peer("rust", [Path(os.environ["RELEASE_DIR"]) / "simple-ipc-chaos-peer"], listens=True),
        started("python", languages.python(PEERS / "peer.py"), listens=True, collected=True),
        started("node", languages.javascript("node", PEERS / "peer.mjs"), listens=True, collected=True),
        started("dotnet", languages.dotnet(PEERS / "dotnet" / "Peer.csproj", "ChaosPeer"), collected=True),
    ]
    for peer in everyone:
        if peer.missing:
            if "CI" in os.environ:
                sys.exit(f"{peer.name} cannot take part: {peer.missing}")
            print(f"# left out: {peer.name}: {peer.missing}", flush=True)
    return [peer for peer in everyone if not peer.missing]


def seconds(text):
    """`90`, `90s`, `10m` or `1h`."""
    return float(text.rstrip("smh")) * {"m": 60, "h": 3600}.get(text[-1], 1)
