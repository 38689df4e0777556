#!/bin/sh
# Writes the bill of materials of cargo packages of this workspace, CycloneDX as JSON:
#
#   tools/sbom.sh FILE PACKAGE...
#
# It lists what is compiled in: normal and build dependencies with versions, licences and checksums from Cargo.lock. The same
# sources give the same bytes. cargo-cyclonedx comes from Rust's registry into the user's cache folder.
set -eu

cargo_cyclonedx=0.5.9

root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 2 ] || {
    echo "sbom.sh: cannot write a bill of materials: usage: sbom.sh FILE PACKAGE..." >&2
    exit 2
}
file=$1
shift
case $file in /*) ;; *) file=$PWD/$file ;; esac

cyclonedx=$("$root/tools/cargo_tool.sh" cargo-cyclonedx "$cargo_cyclonedx")

# It writes beside each manifest, so it works on a copy of what is committed or about to be.
copy=$(mktemp -d "${TMPDIR:-/tmp}/sipc-sbom-XXXXXX")
trap 'rm -rf "$copy"' EXIT
(cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 tar cf - --ignore-failed-read) |
    tar xf - -C "$copy"
(cd "$copy" && SOURCE_DATE_EPOCH=0 "$cyclonedx" cyclonedx --quiet --format json --all \
    --spec-version 1.5 --target all --override-filename sbom >&2)

python3 - "$copy" "$file" "$@" <<'END'
import json, subprocess, sys
from pathlib import Path

copy, file, packages = sys.argv[1], sys.argv[2], sys.argv[3:]
metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"], cwd=copy,
                                     capture_output=True, text=True, check=True).stdout)
folders = {package["name"]: Path(package["manifest_path"]).parent for package in metadata["packages"]}
boms = [json.loads((folders[name] / "sbom.json").read_text()) for name in packages]
whole = boms[0]
components, edges = {}, {}
for bom in boms:
    for component in [bom["metadata"]["component"]] * (bom is not whole) + bom.get("components", []):
        components.setdefault(component["bom-ref"], component)
    for edge in bom.get("dependencies", []):
        edges.setdefault(edge["ref"], edge)
whole["components"] = sorted(components.values(), key=lambda component: component["bom-ref"])
whole["dependencies"] = sorted(edges.values(), key=lambda edge: edge["ref"])
# A number and a time of their own would make every file another one.
whole.pop("serialNumber", None)
whole["metadata"].pop("timestamp", None)
text = json.dumps(whole, indent=1, sort_keys=True).replace(copy, "/simple-ipc")
Path(file).write_text(text + "\n")
END
