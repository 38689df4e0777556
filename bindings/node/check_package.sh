#!/bin/sh
# Installs the npm packages that package.sh has made into an empty folder outside the checkout, without a network, and runs the
# first example from them: as an ES module, as CommonJS, and under every runtime that is there. The last line is
# `N passed, N failed`.
#
#   bindings/node/check_package.sh      from $OUT, or packages/ in cargo's target folder
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
version=$("$root/tools/version.sh")
out=${OUT:-${CARGO_TARGET_DIR:-$root/target}/packages}
oldest_glibc=2.28
passed=0
failed=0

check() { # title, command…
    title=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        echo "ok $title"
        passed=$((passed + 1))
    else
        echo "not ok $title"
        cat "$work/said"
        failed=$((failed + 1))
    fi
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/project" "$work/channels"
cd "$work/project"
printf '{ "name": "a-program", "private": true }\n' >package.json
main=$out/simple-ipc-$version.tgz
add_on=$(ls "$out"/simple-ipc-linux-*-"$version".tgz)

check "npm installs both without a network" npm install --offline --no-audit --no-fund --loglevel=error "$main" "$add_on"
binary=$(ls node_modules/simple-ipc-linux-*/simple-ipc.node)

needs_no_newer_glibc() {
    newest=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1)
    echo "it needs glibc $newest"
    [ "$(printf '%s\n' "$newest" "$oldest_glibc" | sort -V | tail -n 1)" = "$oldest_glibc" ]
}
is_stripped() { [ -z "$(nm "$binary" 2>/dev/null)" ]; }
runs_no_script() { ! grep -l '"\(pre\|post\)\?install"' node_modules/simple-ipc*/package.json; }
check "the add-on needs glibc $oldest_glibc at most" needs_no_newer_glibc
check "the add-on is stripped" is_stripped
check "no package has an install script" runs_no_script

# The README's first example.
# shellcheck disable=SC2016 # the backticks are Markdown's
sed -n '/^```js$/,/^```$/{/^```js$/d;/^```$/q;p}' node_modules/simple-ipc/README.md >example.mjs
{
    echo '(async () => {'
    sed 's/^import \(.*\) from \(".*"\);$/const \1 = require(\2);/' example.mjs
    echo '})();'
} >example.cjs
export SIMPLE_IPC_DIR="$work/channels" NO_COLOR=1

says_what_is_due() {
    said=$("$@") || true
    echo "it said: $said"
    [ "$said" = "request-foo
response-bar" ]
}

"$here/setup.sh" print >"$work/runtimes"
while read -r name command; do
    for program in example.mjs example.cjs; do
        # shellcheck disable=SC2086 # the command is several words
        check "$program under $name" says_what_is_due $command "$program"
    done
done <"$work/runtimes"

[ -z "$(ls -A "$work/channels")" ] || { echo "not ok files are left: $(ls -A "$work/channels")"; failed=$((failed + 1)); }
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
