#!/bin/sh
# On macOS: installs by Homebrew the GNU tools that scripts here use, and prints their folders, one a line, to be put on PATH.
set -eu
if [ "$(uname -s)" != Darwin ]; then exit 0; fi
brew install --quiet flock coreutils findutils gnu-sed gnu-tar grep pkgconf >&2
for tool in coreutils findutils gnu-sed gnu-tar grep; do
    printf '%s\n' "$(brew --prefix)/opt/$tool/libexec/gnubin"
done
