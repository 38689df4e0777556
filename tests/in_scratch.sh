#!/bin/sh
# Runs a command whose programs find their channels in a directory of their own, which is removed afterwards.
set -u
SIMPLE_IPC_DIR=$(mktemp -d) || exit 1
export SIMPLE_IPC_DIR
trap 'rm -rf "$SIMPLE_IPC_DIR"' EXIT
"$@"
