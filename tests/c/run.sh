#!/bin/sh
# The C library as its users meet it: installed into a scratch prefix, found through pkg-config and through CMake, linked
# shared and static, from C99 and C++11; then the C tests plainly, under valgrind and under AddressSanitizer.
# The last line is `N passed, N failed`.
#
#   tests/c/run.sh [--prefix DIR] [installed] [plain] [valgrind] [asan]
#
# --prefix uses a tree that is installed already, instead of building and installing one. Without names everything runs.
# shellcheck disable=SC2317 # the checks are functions that are called by name
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
cxx=${CXX:-c++}
suites='calls bad_input responders failures cancellations closing clients operations queues forks'

prefix=
wanted=
while [ $# -gt 0 ]; do
    case $1 in
        --prefix)
            prefix=$2
            shift
            ;;
        installed | plain | valgrind | asan) wanted="$wanted $1" ;;
        *)
            echo "run.sh: unknown argument \"$1\"; it takes [--prefix DIR] [installed] [plain] [valgrind] [asan]" >&2
            exit 2
            ;;
    esac
    shift
done

scratch=$(mktemp -d "${TMPDIR:-/tmp}/sipc-run-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

passed=0
failed=0
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
        sed 's/^/# /' "$scratch/log"
    fi
}
has() { command -v "$1" >/dev/null 2>&1; }
wants() {
    case " $wanted " in
        "  " | *" $1 "*) return 0 ;;
        *) return 1 ;;
    esac
}
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

if [ -z "$prefix" ]; then
    prefix=$scratch/prefix
    if ! env -u LIBDIR -u INCLUDEDIR -u BINDIR -u DATADIR -u MAKEFLAGS \
        make -s -C "$root" install PREFIX="$prefix" DESTDIR= >"$scratch/log" 2>&1; then
        sed 's/^/# /' "$scratch/log"
        fail "the library is built and installed"
        finish
    fi
    pass "the library is built and installed"
fi
library=$prefix/lib/libsimpleipc.so
abi=$(cat "$root/ffi/abi_version")
export LD_LIBRARY_PATH="$prefix/lib"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"

# What the shared library shows of itself.

only_sipc_is_exported() {
    others=$(nm -D --defined-only "$library" | awk '$3 !~ /^sipc_/ { print $3 }')
    [ -z "$others" ] || {
        echo "exported, too: $others"
        return 1
    }
}
every_function_of_the_header_is_exported() {
    declared=$(sed -n 's/^[a-z].*[ *]\(sipc_[a-z0-9_]*\)(.*/\1/p' "$prefix/include/simple_ipc.h" | grep -v '^sipc_handler\|callback$\|sipc_drop$' | sort)
    exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
    if [ -z "$declared" ] || [ "$declared" != "$exported" ]; then
        printf 'declared:\n%s\nexported:\n%s\n' "$declared" "$exported"
        return 1
    fi
}
the_soname_carries_the_abi_number() { readelf -d "$library" | grep -q "SONAME.*\[libsimpleipc\.so\.$abi\]"; }
the_code_stays_after_dlclose() { readelf -d "$library" | grep -q 'FLAGS_1.*NODELETE'; }

# The two smallest programs, as a user would build them.

says() { # expected line, program
    expected=$1
    shift
    said=$(SIMPLE_IPC_DIR=$(mktemp -d "$scratch/channels-XXXXXX") timeout 120 "$@")
    status=$?
    if [ "$status" -ne 0 ] || [ "$said" != "$expected" ]; then
        echo "\"$said\" instead of \"$expected\", ended with $status"
        return 1
    fi
}
builds_and_says() { # expected line, program, compile command…
    expected=$1
    program=$2
    shift 2
    "$@" -o "$program" && says "$expected" "$program"
}
needs_the_library() { readelf -d "$1" | grep -q 'NEEDED.*libsimpleipc'; }
links_as() { # shared or static, program
    if [ "$1" = shared ]; then needs_the_library "$2"; else ! needs_the_library "$2"; fi
}

test_installed() {
    check "only sipc_* is exported" only_sipc_is_exported
    check "what the header declares is what is exported" every_function_of_the_header_is_exported
    check "the library's name carries the ABI number" the_soname_carries_the_abi_number
    check "the library's code stays after dlclose" the_code_stays_after_dlclose
    check "pkg-config knows the version" pkg-config --exact-version="$(sed -n 's/^#define SIPC_VERSION "\(.*\)"/\1/p' \
        "$prefix/include/simple_ipc.h")" simple_ipc

    warnings='-Wall -Wextra -Werror -pedantic'
    cflags=$(pkg-config --cflags simple_ipc)
    for kind in shared static; do
        if [ "$kind" = shared ]; then
            libs=$(pkg-config --libs simple_ipc)
        else
            libs=$(pkg-config --variable=static_libs simple_ipc)
        fi
        # shellcheck disable=SC2086 # lists of flags
        check "C99 through pkg-config, $kind" builds_and_says response-bar "$scratch/example-$kind" \
            "$cc" -std=c99 $warnings $cflags "$here/example.c" $libs
        check "  and it is $kind" links_as "$kind" "$scratch/example-$kind"
        # shellcheck disable=SC2086
        check "C++11 through pkg-config, $kind" builds_and_says "hello, C++" "$scratch/cpp_smoke-$kind" \
            "$cxx" -std=c++11 $warnings $cflags "$here/cpp_smoke.cpp" $libs
        check "  and it is $kind" links_as "$kind" "$scratch/cpp_smoke-$kind"
    done

    if ! has cmake; then
        echo "# left out: CMake is not installed, so its package is not tried"
        return
    fi
    check "CMake finds the package" cmake -S "$here/installed" -B "$scratch/cmake" "-DCMAKE_PREFIX_PATH=$prefix"
    check "CMake builds against it" cmake --build "$scratch/cmake"
    for kind in shared static; do
        check "C99 through CMake, $kind" says response-bar "$scratch/cmake/example-$kind"
        check "  and it is $kind" links_as "$kind" "$scratch/cmake/example-$kind"
        check "C++11 through CMake, $kind" says "hello, C++" "$scratch/cmake/cpp_smoke-$kind"
        check "  and it is $kind" links_as "$kind" "$scratch/cmake/cpp_smoke-$kind"
    done
}

# The tests.

compile() { # program, flags…
    source=$here/$(basename "$1").c
    program=$1
    shift
    # shellcheck disable=SC2046 # lists of flags
    "$cc" -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -pedantic "$@" -pthread \
        $(pkg-config --cflags simple_ipc) -o "$program" "$source" $(pkg-config --libs simple_ipc)
}
run_suites() { # title, folder of the programs, command before the program…
    title=$1
    folder=$2
    shift 2
    for suite in $suites; do
        echo "== $suite, $title"
        # A suite prints its own results; its last line is counted.
        env -u SIMPLE_IPC_DIR "$@" "$folder/$suite" >"$scratch/out" 2>"$scratch/err"
        status=$?
        cat "$scratch/out"
        counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$scratch/out" | tail -n 1)
        if [ -z "$counts" ] || { [ $status -ne 0 ] && [ "${counts#* }" -eq 0 ]; }; then
            fail "$suite, $title: ended with $status"
        fi
        counts=${counts:-0 0}
        passed=$((passed + ${counts% *}))
        failed=$((failed + ${counts#* }))
        [ $status -eq 0 ] || sed 's/^/# /' "$scratch/err"
    done
}
compile_suites() { # folder, flags…
    folder=$1
    shift
    mkdir -p "$folder"
    for suite in $suites; do
        check "$suite compiles $*" compile "$folder/$suite" "$@"
    done
}
checker_finds() { # what it says of the faulty program, command…
    expected=$1
    shift
    "$@" xxxx >"$scratch/faulty.log" 2>&1
    status=$?
    cat "$scratch/faulty.log"
    [ "$status" -ne 0 ] && [ "$status" -ne 3 ] && grep -q "$expected" "$scratch/faulty.log"
}

test_plain() {
    compile_suites "$scratch/plain" -O2
    run_suites "plainly" "$scratch/plain"
}

test_valgrind() {
    if ! has valgrind; then
        echo "# left out: valgrind is not installed"
        return
    fi
    compile_suites "$scratch/valgrind" -O1 -g
    check "the faulty program compiles" "$cc" -g -O0 -w "$here/faulty.c" -o "$scratch/valgrind/faulty"
    check "valgrind is on" checker_finds "Invalid read" valgrind --error-exitcode=99 "$scratch/valgrind/faulty"
    # 'Possibly lost' is what is reached by inner pointers only: hash tables, and the stacks and thread-local storage of
    # threads that wait for work when the process ends. In a forked child those threads are gone and all that was theirs is
    # lost: there only wrong accesses count.
    everything=$suites
    suites=$(echo "$everything" | sed 's/ *forks//')
    run_suites "under valgrind" "$scratch/valgrind" \
        valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
        --errors-for-leak-kinds=definite,indirect --fair-sched=yes
    suites=forks
    run_suites "under valgrind" "$scratch/valgrind" valgrind --quiet --error-exitcode=99 --fair-sched=yes
    suites=$everything
}

test_asan() {
    flags='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g'
    # shellcheck disable=SC2086 # a list of flags
    everything=$suites
    # Its allocator may be locked by another thread while a process forks, and then stays locked in the child.
    echo "# left out under AddressSanitizer: forks"
    suites=$(echo "$everything" | sed 's/ *forks//')
    # shellcheck disable=SC2086
    compile_suites "$scratch/asan" $flags
    # shellcheck disable=SC2086
    check "the faulty program compiles" "$cc" $flags -w "$here/faulty.c" -o "$scratch/asan/faulty"
    check "AddressSanitizer is on" checker_finds "AddressSanitizer: heap-use-after-free" "$scratch/asan/faulty"
    run_suites "under AddressSanitizer" "$scratch/asan"
    suites=$everything
}

if wants installed; then test_installed; fi
if wants plain; then test_plain; fi
if wants valgrind; then test_valgrind; fi
if wants asan; then test_asan; fi
finish
