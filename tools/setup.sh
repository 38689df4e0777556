#!/bin/sh
# Brings what this machine lacks to build, test or lint the project, and says in one line what it does.
# Costs a few milliseconds when nothing is missing, so the Makefile's verbs call it every time.
#
#   tools/setup.sh            everything; fails if anything is still missing at the end
#   tools/setup.sh VERB       for build, test, demo, lint or bench: fails only if that verb cannot do without
set -eu

verb=${1:-all}
oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
oldest_python=3.11

has() { command -v "$1" >/dev/null 2>&1; }
say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# True if version $1 is at least $2; both have the form 1.95 or 1.95.0.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# Debian's own Rust is older than what the workspace needs, so a package manager cannot help here.
check_rust() {
    if ! has cargo; then
        fail "cannot build without Rust $oldest_rust or newer: cargo is not on PATH; install it from https://rustup.rs"
    fi
    found=$(rustc --version | cut -d ' ' -f 2)
    at_least "$found" "$oldest_rust" ||
        fail "cannot build with Rust $found: $oldest_rust or newer is needed; run: rustup update stable"
}

check_rust_component() { # command, component
    cargo "$1" --version >/dev/null 2>&1 && return
    if has rustup; then
        say "adding the Rust component $2"
        rustup component add "$2"
    else
        fail "cannot lint without cargo $1: install the component $2 of your Rust toolchain"
    fi
}

needed=""     # Debian packages without which the verb stops
optional=""   # Debian packages without which it leaves something out
need() { has "$1" || needed="$needed $2"; }
want() { has "$1" || optional="$optional $2"; }
want_library() { pkg-config --exists "$1" 2>/dev/null || optional="$optional $2"; }

check_rust
need cc gcc
case $verb in
    build | bench) ;;
    test | demo | lint | all)
        need g++ g++
        need pkg-config pkg-config
        ;;
    *) fail "cannot set up for \"$verb\": the verbs are build, test, demo, lint and bench" ;;
esac
case $verb in build) ;; *) need python3 python3 ;; esac
case $verb in bench) need pkg-config pkg-config ;; esac
case $verb in test | all)
    want cmake cmake
    want valgrind valgrind
    want chromium chromium
    want openssl openssl
    want_library libuv libuv1-dev
    want_library glib-2.0 libglib2.0-dev
    want_library nlohmann_json nlohmann-json3-dev
    ;;
esac
case $verb in lint | all)
    check_rust_component clippy clippy
    check_rust_component fmt rustfmt
    want shellcheck shellcheck
    ;;
esac

packages=$(printf '%s' "$needed$optional" | sed 's/^ //')
if [ -n "$packages" ]; then
    command_line="apt-get install --no-install-recommends $packages"
    # A hosted machine of continuous integration lets its user become root without being asked; nobody else's is tried.
    as_root=
    if [ "$(id -u)" != 0 ] && [ -n "${CI:-}" ] && sudo -n true 2>/dev/null; then as_root="sudo -n env DEBIAN_FRONTEND=noninteractive"; fi
    if { [ "$(id -u)" = 0 ] || [ -n "$as_root" ]; } && has apt-get; then
        say "installing with apt-get: $packages"
        log=$(mktemp)
        export DEBIAN_FRONTEND=noninteractive
        # Package lists on a fresh machine are absent or old; they are fetched only when the first try needs them.
        # shellcheck disable=SC2086 # the list of packages is meant to be split, and how to become root
        if ! $as_root apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 $packages >"$log" 2>&1; then
            if ! { $as_root apt-get update -q && $as_root apt-get install -y -q --no-install-recommends \
                -o DPkg::Lock::Timeout=120 $packages; } >"$log" 2>&1; then
                tail -n 20 "$log" >&2
                say "apt-get could not install $packages: its last lines are above" >&2
            fi
        fi
        rm -f "$log"
    elif has apt-get; then
        say "missing: $packages; run: sudo $command_line" >&2
    else
        say "missing: $packages; install what your system calls these Debian packages" >&2
    fi

    # What counts is what can be run now, not what a package manager reported.
    before_needed=$needed
    needed=""
    optional=""
    case " $before_needed " in *" gcc "*) need cc gcc ;; esac
    case " $before_needed " in *" g++ "*) need g++ g++ ;; esac
    case " $before_needed " in *" pkg-config "*) need pkg-config pkg-config ;; esac
    case " $before_needed " in *" python3 "*) need python3 python3 ;; esac
    case " $packages " in *" cmake "*) want cmake cmake ;; esac
    case " $packages " in *" valgrind "*) want valgrind valgrind ;; esac
    case " $packages " in *" chromium "*) want chromium chromium ;; esac
    case " $packages " in *" openssl "*) want openssl openssl ;; esac
    case " $packages " in *" libuv1-dev "*) want_library libuv libuv1-dev ;; esac
    case " $packages " in *" libglib2.0-dev "*) want_library glib-2.0 libglib2.0-dev ;; esac
    case " $packages " in *" nlohmann-json3-dev "*) want_library nlohmann_json nlohmann-json3-dev ;; esac
    case " $packages " in *" shellcheck "*) want shellcheck shellcheck ;; esac
fi

[ -z "$needed" ] || fail "cannot go on without:$needed"
if [ -n "$optional" ]; then
    [ "$verb" != all ] || fail "still missing:$optional"
    say "going on without:$optional; the checks that use them are left out" >&2
fi

if has python3; then
    found=$(python3 -c 'import platform; print(platform.python_version())')
    at_least "$found" "$oldest_python" ||
        fail "cannot run the tests with Python $found: $oldest_python or newer is needed"
fi

case $verb in test | lint | all)
    # Downloads 140 MB the first time on a machine without a .NET SDK.
    if ! "$(dirname "$0")/dotnet.sh" --bring; then
        if [ "$verb" = all ] || [ -n "${CI:-}" ]; then fail "still missing: a .NET SDK"; fi
        say "going on without a .NET SDK; the checks that use it are left out" >&2
    fi
    ;;
esac
case $verb in test | all)
    if ! "$(dirname "$0")/nats.sh" >/dev/null; then
        if [ "$verb" = all ] || [ -n "${CI:-}" ]; then fail "still missing: nats-server"; fi
        say "going on without nats-server; the tests of the bridge are left out" >&2
    fi
    ;;
esac
case $verb in test | lint | all) "$(dirname "$0")/../bindings/python/environment.sh" ;; esac
case $verb in
    test | all) "$(dirname "$0")/../bindings/node/setup.sh" test ;;
    lint) "$(dirname "$0")/../bindings/node/setup.sh" lint ;;
esac

if [ "$verb" = all ]; then
    cargo nextest --version >/dev/null 2>&1 || say "cargo-nextest is absent: tests run under cargo test instead"
    say "everything is there"
fi
