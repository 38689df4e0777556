"""A copy of the checkout's files, for what changes them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_of_sources(folder):
    """Puts what is in the repository, or about to be, under `folder`, links as links; and returns it as a path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    there = b"\0".join(name for name in listed.split(b"\0") if name and (ROOT / name.decode()).exists())
    packed = subprocess.run(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=there, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return Path(folder)
