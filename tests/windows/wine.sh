#!/bin/bash
# Wine 10, for scripts that source this: brought in a root of its own, and programs run in it. Who sources it has sourced
# tools/targets.sh, and defines `leave_out REASON`, which does not return.
# shellcheck disable=SC2154 # set by who sources it

root=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/wine-root

# Installs Debian packages where that may be done.
bring() { # command, package
    [ -z "$(command -v "$1")" ] || return 0
    if [ "$(id -u)" != 0 ] || [ -z "$(command -v apt-get)" ]; then leave_out "$1 is missing; install $2"; fi
    told "installing $2"
    apt-get -qq install -y --no-install-recommends "$2" >/dev/null 2>&1 || leave_out "$2 cannot be installed"
}

bring_wine() {
    [ "$(id -u)" = 0 ] || leave_out "Wine runs in a root of its own, which takes root"
    bring debootstrap debootstrap
    # One brings it, and others that came at the same time wait for it.
    exec 8>"$root.lock"
    flock 8
    [ -e "$root/complete" ] || {
        told "bringing Wine 10"
        rm -rf "$root"
        debootstrap --variant=minbase --include=wine64,libwine trixie "$root" "$(debian_server)" >"$root.log" 2>&1 ||
            leave_out "Wine cannot be had: $(tail -n 1 "$root.log")"
        touch "$root/complete"
    }
    [ -e "$root/prefix" ] || {
        make_scratch
        enter wineboot -i >>"$root.log" 2>&1 8>&- || true
        enter winecfg -v win10 >>"$root.log" 2>&1 8>&- || true
        touch "$root/prefix"
    }
    exec 8>&-
}

# Makes the scratch directory, which goes at the end. Programs under Wine see it as Z:/scratch/NAME, and start in it.
make_scratch() {
    [ -z "${scratch:-}" ] || return 0
    mkdir -p "$root/scratch"
    scratch=$(mktemp -d "$root/scratch/XXXXXX")
    export root scratch
    trap 'rm -rf "$scratch"' EXIT
}

# Runs a program under Wine, with the scratch directory as its working directory: in a mount namespace, so that nothing stays mounted.
# What it opens stands in the root itself, since the server of Wine that opens it may have been started by an earlier run. The
# environment goes with it.
enter() { # program, argument…
    (become "$@")
}
# The same in place of the calling shell, so that who knows its number can end the program.
become() { # program, argument…
    # shellcheck disable=SC2016 # The inner shell expands them.
    exec unshare --mount bash -c '
        set -e
        root=$1 inside=$2
        shift 2
        mount --make-rprivate /
        mount --rbind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        exec chroot "$root" /usr/bin/env -C "$inside" WINEDEBUG=-all WINEPREFIX=/root/.wine HOME=/root XDG_RUNTIME_DIR=/tmp \
            LANG=C.UTF-8 PATH=/usr/lib/wine:/usr/bin:/bin SIMPLE_IPC_DIR="${SIMPLE_IPC_DIR:-}" /usr/lib/wine/wine64 "$@"
    ' enter "$root" "/scratch/${scratch##*/}" "$@"
}
export -f enter become

# Runs a program, with its output in a file, since some of them cannot write to a pipe there; it is ended where it hangs.
run_for() { # seconds, output, program, argument…
    # Of this machine's own, and not there.
    env -u NODE_EXTRA_CA_CERTS -u SSL_CERT_FILE -u SSL_CERT_DIR timeout --kill-after 10 "$1" bash -c 'enter "$@"' enter "${@:3}" \
        >"$2" 2>&1 </dev/null
}

# The counts, which each part adds to.
passed=0
failed=0
skipped=0
ok() { passed=$((passed + 1)); }
bad() {
    say "failed: $*" >&2
    failed=$((failed + 1))
}
# What is not tried, and why.
left() {
    say "left out: $*"
    skipped=$((skipped + 1))
}
same() { # what, expected, got
    if [ "$2" = "$3" ]; then ok; else bad "$1: expected $2, got $3"; fi
}
# Waits, a minute at most, until a file has a line like this.
until_said() { # file, pattern
    for _ in $(seq 600); do
        if grep -qs -- "$2" "$1"; then return 0; fi
        sleep 0.1
    done
    return 1
}
# Adds the counts of a program that ends with `N passed, N failed` or `N passed, N failed, N skipped`, and shows what it said of failures.
counted() { # what, its output
    local counts
    counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?\r?$/\1 \2 \4/p' "$2" | tail -n 1)
    if [ -z "$counts" ]; then
        bad "$1 did not end:"
        tail -n 20 "$2" >&2
        return
    fi
    grep -aE '^(not ok|# )' "$2" >&2 || true
    local of_it
    read -r -a of_it <<<"$counts 0"
    say "$1: ${of_it[0]} passed, ${of_it[1]} failed, ${of_it[2]} skipped"
    passed=$((passed + of_it[0])) failed=$((failed + of_it[1])) skipped=$((skipped + of_it[2]))
}
