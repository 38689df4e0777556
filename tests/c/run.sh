#!/bin/sh
# The C library as its users meet it: installed into a scratch prefix, found through pkg-config and through CMake, linked
# shared and static, from C99 and C++11; then the C tests plainly, under valgrind and under AddressSanitizer.
# The last line is `N passed, N failed, N skipped`.
#
#   tests/c/run.sh [--prefix DIR] [installed] [plain] [valgrind] [asan]
#   tests/c/run.sh [plain] [valgrind] [asan] SUITE [TEST…]      one of the files here, or some of its tests
#
# --prefix uses a tree that is installed already, instead of building and installing one. Without names everything runs.
# One suite runs plainly unless something else is said, against what `make stage` installs; nothing is built that has not
# changed.
# shellcheck disable=SC2317 # the checks are functions that are called by name
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
cxx=${CXX:-c++}
suites='calls bad_input responders failures cancellations closing clients operations queues queue_listeners publications subscriptions streams asynchronous_streams forks'
# shellcheck source=tests/checks.sh
. "$root/tests/checks.sh"

prefix=
wanted=
chosen=
while [ $# -gt 0 ] && [ -z "$chosen" ]; do
    case $1 in
        --prefix)
            prefix=$2
            shift
            ;;
        installed | plain | valgrind | asan) wanted="$wanted $1" ;;
        *)
            case " $suites " in
                *" $1 "*) chosen=$1 ;;
                *)
                    echo "run.sh: unknown argument \"$1\"; it takes [--prefix DIR] [installed] [plain] [valgrind] [asan]" \
                        "[SUITE [TEST...]], with SUITE one of: $suites" >&2
                    exit 2
                    ;;
            esac
            ;;
    esac
    shift
done
programs=$scratch
if [ -n "$chosen" ]; then
    suites=$chosen
    wanted=${wanted:-plain}
    programs=$target/c-tests
    [ -n "$prefix" ] || use_stage
fi
wants() {
    case " $wanted " in
        "  " | *" $1 "*) return 0 ;;
        *) return 1 ;;
    esac
}

install_library
library=$prefix/lib/libsimpleipc.so
abi=$(cat "$root/ffi/abi_version")

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
        check "C99 publishes, $kind" builds_and_says "tick 1, 0 missed" "$scratch/clock-$kind" \
            "$cc" -std=c99 $warnings $cflags "$here/clock.c" $libs
        # shellcheck disable=SC2086
        check "C++11 through pkg-config, $kind" builds_and_says "hello, C++" "$scratch/cpp_smoke-$kind" \
            "$cxx" -std=c++11 $warnings $cflags "$here/cpp_smoke.cpp" $libs
        check "  and it is $kind" links_as "$kind" "$scratch/cpp_smoke-$kind"
    done

    for example in progress follow_a_log upload chat; do
        # shellcheck disable=SC2046,SC2086 # lists of flags
        check "the example $example compiles" "$cc" -std=c99 $warnings -pthread $(pkg-config --cflags simple_ipc) \
            "$root/examples/streams/c/$example.c" -o "$scratch/$example" $(pkg-config --libs simple_ipc)
        check "  and prints what it is to" says "$(cat "$root/examples/streams/$example.txt")" "$scratch/$example"
    done

    needs cmake "CMake's package" || return
    check "CMake finds the package" cmake -S "$here/installed" -B "$scratch/cmake" "-DCMAKE_PREFIX_PATH=$prefix"
    check "CMake builds against it" cmake --build "$scratch/cmake"
    for kind in shared static; do
        check "C99 through CMake, $kind" says response-bar "$scratch/cmake/example-$kind"
        check "  and it is $kind" links_as "$kind" "$scratch/cmake/example-$kind"
        check "C++11 through CMake, $kind" says "hello, C++" "$scratch/cmake/cpp_smoke-$kind"
        check "  and it is $kind" links_as "$kind" "$scratch/cmake/cpp_smoke-$kind"
    done
}

# The tests. What is left of the arguments are names of tests.

compile() { # program, flags…
    source=$here/$(basename "$1").c
    program=$1
    shift
    # shellcheck disable=SC2046,SC2086 # lists of flags
    compiled "$program" "$cc" -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -pedantic "$@" -pthread \
        $(pkg-config --cflags simple_ipc) "$source" $(pkg-config --libs simple_ipc)
}
compile_and_run() { # title, folder of the programs, flags, names of suites, command before the program…
    how=$1
    folder=$2
    flags=$3
    some=$4
    shift 4
    for name in $some; do
        # shellcheck disable=SC2086 # a list of flags
        check "$name compiles $flags" compile "$folder/$name" $flags
        # shellcheck disable=SC2086 # names of tests
        suite "$name, $how" env -u SIMPLE_IPC_DIR "$@" "$folder/$name" $tests
    done
}
without_forks() { echo " $suites " | sed 's/ forks / /'; }
only_forks() { case " $suites " in *" forks "*) echo forks ;; esac; }
checker_finds() { # what it says of the faulty program, command…
    expected=$1
    shift
    "$@" xxxx >"$scratch/faulty.log" 2>&1
    status=$?
    cat "$scratch/faulty.log"
    [ "$status" -ne 0 ] && [ "$status" -ne 3 ] && grep -q "$expected" "$scratch/faulty.log"
}

test_plain() { compile_and_run "plainly" "$programs/plain" -O2 "$suites"; }

test_valgrind() {
    needs valgrind "valgrind" || return
    check "the faulty program compiles" "$cc" -g -O0 -w "$here/faulty.c" -o "$scratch/faulty"
    check "valgrind is on" checker_finds "Invalid read" valgrind --error-exitcode=99 "$scratch/faulty"
    # 'Possibly lost' is what is reached by inner pointers only: hash tables, and the stacks and thread-local storage of
    # threads that wait for work when the process ends. In a forked child those threads are gone and all that was theirs is
    # lost: there only wrong accesses count.
    compile_and_run "under valgrind" "$programs/valgrind" "-O1 -g" "$(without_forks)" \
        valgrind --quiet --suppressions="$here/valgrind.supp" --error-exitcode=99 --leak-check=full \
        --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect --fair-sched=yes
    compile_and_run "under valgrind" "$programs/valgrind" "-O1 -g" "$(only_forks)" \
        valgrind --quiet --suppressions="$here/valgrind.supp" --error-exitcode=99 --fair-sched=yes
}

test_asan() {
    flags='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g'
    # shellcheck disable=SC2086
    check "the faulty program compiles" "$cc" $flags -w "$here/faulty.c" -o "$scratch/faulty"
    check "AddressSanitizer is on" checker_finds "AddressSanitizer: heap-use-after-free" "$scratch/faulty"
    compile_and_run "under AddressSanitizer" "$programs/asan" "$flags" "$(without_forks)"
    [ -z "$(only_forks)" ] ||
        skip "forks under AddressSanitizer, whose allocator stays locked in a child if another thread had it when it forked"
}

tests=$*
if wants installed; then test_installed; fi
if wants plain; then test_plain; fi
if wants valgrind; then test_valgrind; fi
if wants asan; then test_asan; fi
finish
