#!/bin/bash
# Compares the public Rust interface of the crate `simple-ipc` with the last released version's, by cargo-semver-checks.
#
#   tools/semver.sh [COMMIT]      against the newest tag vX.Y.Z before this commit unless another is given
#
# A `cargo semver-checks` on PATH is used as it is. Else the version named here is built into the user's cache folder, which takes
# some minutes of a processor once. Without a tag there is nothing to compare with, which is said, and nothing is built.
set -eu
cd "$(dirname "$0")/.."

version=0.51.0
against=${1:-$(git describe --tags --abbrev=0 --match 'v[0-9]*.[0-9]*.[0-9]*' 'HEAD^' 2>/dev/null || true)}
if [ -z "$against" ]; then
    echo "semver.sh: no tag vX.Y.Z to compare with: nothing was released before this commit"
    exit 0
fi

tool=(cargo semver-checks)
if ! "${tool[@]}" --version >/dev/null 2>&1; then
    program=$(tools/cargo_tool.sh cargo-semver-checks "$version") || {
        echo "semver.sh: cannot compare: cargo-semver-checks $version cannot be built; put one on PATH" >&2
        exit 1
    }
    tool=("$program" semver-checks)
fi
# All features are public; what a default build has is a part of that.
exec "${tool[@]}" check-release --package simple-ipc --baseline-rev "$against" --all-features
