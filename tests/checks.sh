# shellcheck shell=sh
# For a run.sh that counts what it checks, which sources this after setting `root`: a scratch folder, checks that print
# themselves, suites that print their own results, and the last line `N passed, N failed, N skipped`.
# shellcheck disable=SC2034,SC2154,SC2317 # set for, and by, who sources it; called by name
scratch=$(mktemp -d "${TMPDIR:-/tmp}/sipc-run-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac

passed=0
failed=0
skipped=0
pass() {
    passed=$((passed + 1))
    echo "ok - $1"
}
fail() {
    failed=$((failed + 1))
    echo "not ok - $1"
}
check() { # title, command…
    title=$1
    shift
    if "$@" >"$scratch/log" 2>&1; then
        pass "$title"
    else
        fail "$title"
        tail -n 60 "$scratch/log" | sed 's/^/# /'
    fi
}
# What this machine cannot do is counted, and said with its reason; tests/run.py repeats it at its end.
skip() {
    skipped=$((skipped + 1))
    echo "# left out: $1"
}
# In continuous integration it is there.
needs() { # command, what is left out without it
    has "$1" && return
    if [ -n "${CI:-}" ]; then fail "$1 is there"; else skip "$2: $1 is not installed"; fi
    return 1
}
has() { command -v "$1" >/dev/null 2>&1; }
finish() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
}

# A program that prints its own results; those of its last line are counted.
suite() { # title, command…
    title=$1
    shift
    echo "== $title"
    "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
    cat "$scratch/out"
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$scratch/out" | tail -n 1)
    if [ -z "$counts" ] || { [ $status -ne 0 ] && [ "${counts#* }" -eq 0 ]; }; then
        fail "$title: ended with $status"
    fi
    counts=${counts:-0 0}
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    [ $status -eq 0 ] || sed 's/^/# /' "$scratch/err"
}

# The library as its users have it: in `prefix`, which is installed into the scratch folder if it is empty.
install_library() {
    if [ -z "$prefix" ]; then
        prefix=$scratch/prefix
        check "the library is built and installed" env -u LIBDIR -u INCLUDEDIR -u BINDIR -u DATADIR -u MAKEFLAGS \
            make -s -C "$root" install PREFIX="$prefix" DESTDIR=
        [ "$failed" -eq 0 ] || finish
    fi
    export LD_LIBRARY_PATH="$prefix/lib"
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
}
# The tree that `make stage` installs, brought up to date: for one suite alone.
use_stage() {
    env -u MAKEFLAGS make -s -C "$root" stage >/dev/null || exit 1
    prefix=$target/stage
}

# Compiles a program that is linked with the library, unless it is there, by the same command, and newer than all that it
# was made of: the compiler itself has written that down beside it.
compiled() { # program, command that takes -o PROGRAM…
    program=$1
    shift
    if [ "$(cat "$program.command" 2>/dev/null)" = "$*" ] && is_newer "$program"; then return; fi
    mkdir -p "$(dirname "$program")"
    rm -f "$program.command"
    "$@" -MMD -MF "$program.made_of" -o "$program" && printf '%s\n' "$*" >"$program.command"
}
is_newer() { # program
    [ -x "$1" ] || return 1
    # What is not there any more is said, too.
    # shellcheck disable=SC2046 # a list of files
    [ -z "$(find $(sed 's/^[^:]*://; s/\\$//' "$1.made_of") -newer "$1" 2>&1)" ]
}
