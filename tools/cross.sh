#!/bin/bash
# Builds for machines that this is not: core, library, command and both add-ons are compiled and linked for macOS on
# either processor and for Linux on arm64; core, library and command are checked for Windows, for which `make test-windows` links.
#
#   tools/cross.sh              every target
#   tools/cross.sh TARGET...    for instance: tools/cross.sh aarch64-apple-darwin
#
# No Apple SDK takes part: zig links, and knows the system's library. tools/targets.sh tells where the compiler comes from; only the
# first run is long. The last line is `N passed, N failed, N skipped`; a target counts as one.
set -eu

targets=${*:-aarch64-apple-darwin x86_64-apple-darwin aarch64-unknown-linux-gnu x86_64-pc-windows-gnu}

cd "$(dirname "$0")/.."
say() { printf 'cross: %s\n' "$*"; }

# What cannot be had here and now is no fault of the sources: every target is left out, aloud.
leave_out() {
    printf 'cross: left out: %s\n' "$*"
    echo "0 passed, 0 failed, $(wc -w <<<"$targets") skipped"
    exit 0
}
[ "$(uname -s)" = Linux ] || leave_out "building for other machines than $(uname -s) takes Linux"

# shellcheck source=tools/targets.sh
. tools/targets.sh
set_up_targets
# Nothing of what is built is run here, and cargo itself lets builds wait.
unlock_targets

crates=(-p simple-ipc -p simple-ipc-ffi -p simple-ipc-cli)
# Sets `what`, in words, of that which is tried.
made_for() { # target
    case $1 in
        *-windows-*)
            what="compiles"
            # zig would link against other libraries than MinGW's, for which this target is; a check links nothing.
            "$CARGO" check --quiet --locked -Zbuild-std=std,panic_unwind --target "$1" "${crates[@]}"
            ;;
        *)
            what="compiles and links"
            build_for "$1" "${crates[@]}" -p simple-ipc-node -p simple-ipc-python
            ;;
    esac
}

passed=0
failed=0
for target in $targets; do
    if RUSTFLAGS="-D warnings" made_for "$target"; then
        say "$target $what"
        passed=$((passed + 1))
    else
        say "$target does not: it was to be seen that it $what" >&2
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
