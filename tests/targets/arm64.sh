#!/bin/bash
# Linux on arm64 in an emulator on x86-64: what is built for glibc 2.28 is run by qemu-user, with the libraries, and the Python, of
# Debian for arm64. The last line is `N passed, N failed, N skipped`, and everything that is left out is said.
#
#   tests/targets/arm64.sh [--short]     --short: a part of the library's tests, the command, and one suite of each language
#
# tools/targets.sh tells where the compiler comes from. Nothing is installed: qemu and the libraries are unpacked packages of Debian's,
# Node is a package of PyPI's.
# shellcheck disable=SC2317 # the checks are functions that are called by name
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
# shellcheck source=tests/checks.sh
. tests/checks.sh
# shellcheck source=tests/targets/parts.sh
. tests/targets/parts.sh

# What is built needs this glibc at most.
glibc=2.28

short=
[ "${1:-}" != --short ] || short=1
[ "$(uname -m)" != aarch64 ] || leave_out "this machine is arm64 itself: make test"
triple=aarch64-unknown-linux-gnu
set_up_targets
lock_target "$triple"
enter "$triple"
left_out=left_out_of_arm64.txt
built=$CARGO_TARGET_DIR/$triple/debug
# Random cases of proptest, which take minutes in an emulator.
export PROPTEST_CASES=16

# As tools/cross.sh builds, so that nothing is built twice.
RUSTFLAGS="-D warnings" check "core, C library, command and add-ons are built for arm64, glibc $glibc" build_parts "$triple.$glibc"
[ "$failed" = 0 ] || finish
check "  and need no newer glibc" tools/oldest_glibc.sh "$glibc" "$built/libsimpleipc.so" "$built/simple-ipc" \
    "$built/lib_native.so"

if [ -n "$short" ]; then
    rust_tests core subscriptions:: absent::
    rust_tests cli posting::
else
    rust_tests core
    rust_tests cli
fi

c_suites=(calls)
[ -n "$short" ] || mapfile -t c_suites < <(all_c_suites)
check "the C library is installed" install_c
c_compiler "aarch64-linux-gnu.$glibc"
c_tests

copy_tree
node_suites=(calls)
[ -n "$short" ] || node_suites=(calls bodies values errors handlers closing cancel publications)
if bring_node "$triple"; then
    node_tests "Node $node" "" "$runtime" --expose-gc
else
    skip "Node for arm64 cannot be had"
fi

python_tests() { # file…
    local site=$scratch/site packages=()
    mapfile -t packages < <(grep -iE '^(pytest|iniconfig|packaging|pluggy|pygments|uvloop)==' bindings/python/requirements.txt)
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --target "$site" --only-binary :all: \
        --implementation cp --python-version 3.11 --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 \
        --platform manylinux_2_28_aarch64 "${packages[@]}" || return 1
    cp -R bindings/python/python/simple_ipc "$site/"
    cp "$built/lib_native.so" "$site/simple_ipc/_native.abi3.so"
    "${inside[@]}" env PYTHONPATH="$site" PYTHONDONTWRITEBYTECODE=1 "$system/usr/bin/python3.11" -m pytest \
        -c bindings/python/pyproject.toml --rootdir bindings/python -p no:cacheprovider -rs "${@/#/bindings/python/tests/}" \
        >"$scratch/pytest" 2>&1 </dev/null
    local status=$?
    cat "$scratch/pytest"
    # As pytest counts.
    local count
    for count in passed:passed failed:failed error:failed errors:failed skipped:skipped; do
        local number
        number=$(tail -n 1 "$scratch/pytest" | grep -oE "[0-9]+ ${count%:*}\b" | cut -d ' ' -f 1)
        declare -g "${count#*:}=$((${count#*:} + ${number:-0}))"
    done
    return "$status"
}
before=$failed
echo "== Python"
python_suites=(test_blocking.py)
[ -n "$short" ] || python_suites+=(test_aio.py test_errors.py test_failures.py test_closing.py test_publications.py test_aio_publications.py test_giving_up.py test_values.py)
python_tests "${python_suites[@]}" || [ "$failed" != "$before" ] || fail "Python's tests ended badly"

skip "whatever depends on the order of memory accesses: the emulator keeps x86-64's"
skip ".NET on arm64: no runtime for it is in a registry"
finish
