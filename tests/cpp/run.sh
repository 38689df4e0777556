#!/bin/sh
# The C++ header as its users meet it: installed, found through pkg-config and CMake, compiled as C++17 and C++20 without
# a warning; its tests plainly and under AddressSanitizer and UndefinedBehaviorSanitizer; the README's first example and
# those of the examples folder. The last line is `N passed, N failed, N skipped`.
#
#   tests/cpp/run.sh [--prefix DIR]      a tree that is installed already, instead of building and installing one
#   tests/cpp/run.sh SUITE [TEST…]       tests, queues, subscriptions, streams or methods, or some of their tests, as C++17; nothing is built that
#                                        has not changed
# shellcheck disable=SC2317 # the checks are functions that are called by name
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
examples=$root/bindings/cpp/examples
cxx=${CXX:-c++}
# shellcheck source=tests/checks.sh
. "$root/tests/checks.sh"

prefix=
chosen=
case ${1:-} in
    --prefix) prefix=$2 ;;
    tests | queues | subscriptions | streams | methods)
        chosen=$1
        shift
        use_stage
        ;;
    ?*)
        echo "run.sh: unknown argument \"$1\"; it takes [--prefix DIR], or tests, queues, subscriptions, streams or methods and names of their tests" >&2
        exit 2
        ;;
esac
install_library

compile() { # program, source, flags…
    program=$1
    source=$2
    shift 2
    # shellcheck disable=SC2046 # lists of flags
    compiled "$program" "$cxx" -Wall -Wextra -Werror -pedantic "$@" -pthread $(pkg-config --cflags simple_ipc) "$source" \
        $(pkg-config --libs simple_ipc)
}
says() { # expected line, program
    mkdir -p "$scratch/channels"
    said=$(SIMPLE_IPC_DIR=$scratch/channels timeout 120 "$2")
    status=$?
    if [ "$status" -ne 0 ] || [ "$said" != "$1" ]; then
        echo "\"$said\" instead of \"$1\", ended with $status"
        return 1
    fi
}
echoes() {
    export SIMPLE_IPC_DIR="$scratch/echo"
    mkdir -p "$SIMPLE_IPC_DIR"
    # A pipe tells when the listener is there. A shell without job control starts it with the interrupt ignored, which
    # waiting for a blocked signal takes no notice of.
    mkfifo "$scratch/pipe"
    "$scratch/echo_listener" own_name >"$scratch/pipe" &
    listener=$!
    read -r line <"$scratch/pipe"
    said=$("$scratch/echo_client" own_name)
    kill -INT "$listener"
    wait "$listener"
    status=$?
    unset SIMPLE_IPC_DIR
    echo "\"$line\", \"$said\", ended with $status"
    [ "$said" = hello ] && [ "$status" -eq 0 ]
}

if [ -n "$chosen" ]; then
    check "$chosen compile" compile "$target/cpp-tests/$chosen" "$here/$chosen.cpp" -std=c++17 -O2
    suite "$chosen" "$target/cpp-tests/$chosen" "$@"
    finish
fi

# Without optimisation nothing that is looked for is optimised away, and the compiler takes a fourth of the time.
sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O0 -g'
with_json=
if pkg-config --exists nlohmann_json || echo '#include <nlohmann/json.hpp>' | "$cxx" -x c++ -std=c++17 -fsyntax-only - 2>/dev/null; then
    with_json=methods
elif [ -n "${CI:-}" ]; then
    fail "nlohmann/json is there"
else
    skip "the tests of simple_ipc_json.hpp: nlohmann/json is not installed"
fi
for tests in tests queues subscriptions streams $with_json; do
    for standard in 17 20; do
        check "$tests compile as C++$standard" compile "$scratch/$tests-$standard" "$here/$tests.cpp" -std=c++$standard -O2
        suite "$tests, C++$standard" timeout 900 "$scratch/$tests-$standard"
    done
    # shellcheck disable=SC2086 # a list of flags
    check "$tests compile with sanitizers" compile "$scratch/$tests-sanitized" "$here/$tests.cpp" -std=c++17 $sanitize
    suite "$tests, AddressSanitizer and UndefinedBehaviorSanitizer" timeout 900 "$scratch/$tests-sanitized"
done

check "without exceptions and type information it compiles" \
    compile "$scratch/bare" "$here/bare.cpp" -std=c++17 -O2 -fno-exceptions -fno-rtti
suite "without exceptions and type information" timeout 900 "$scratch/bare"

# What is discarded at once would not serve: compilers say so.
warns() { # warning, a statement that is to cause it
    printf '#include <simple_ipc_queue.hpp>\nint main() { const auto answer = [](auto &) { return 1; }; (void)answer; %s; }\n' \
        "$2" >"$scratch/discarded.cpp"
    ! compile "$scratch/discarded" "$scratch/discarded.cpp" -std=c++17 -fsyntax-only >"$scratch/discarded.log" 2>&1 ||
        return 1
    cat "$scratch/discarded.log"
    grep -q "$1" "$scratch/discarded.log"
}
for discarded in 'simple_ipc::listen_uds_request("x", answer)' 'simple_ipc::try_listen_ip_broadcast(0, answer)' \
    'simple_ipc::connect_uds("x")' 'simple_ipc::make_queue()' 'simple_ipc::listen_uds_publish("x")' \
    'simple_ipc::subscribe_uds("x")' 'simple_ipc::post_uds_stream<int>("x", 1)'; do
    check "discarding $discarded is warned of" warns unused "$discarded"
    check "  and keeping it is not" compile "$scratch/kept" "$scratch/discarded.cpp" -std=c++17 -fsyntax-only -Wno-unused-result
done

awk '/^```cpp$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$root/bindings/cpp/README.md" >"$scratch/readme.cpp"
check "the README's first example compiles" compile "$scratch/readme" "$scratch/readme.cpp" -std=c++17
check "  and prints its reply" says response-bar "$scratch/readme"
{
    printf '#include <simple_ipc.hpp>\n#include <iostream>\nint main() {\n'
    awk '/^```cpp$/ { inside = 1; block += 1; next } /^```$/ { inside = 0 } inside && block == 2' "$root/bindings/cpp/README.md"
    echo '}'
} >"$scratch/published.cpp"
check "the README's publication compiles" compile "$scratch/published" "$scratch/published.cpp" -std=c++17
check "  and prints its event" says "tick 1, 0 missed" "$scratch/published"
{
    printf '#include <simple_ipc.hpp>\n#include <iostream>\nint main() {\n'
    awk '/^```cpp$/ { inside = 1; block += 1; next } /^```$/ { inside = 0 } inside && block == 3' "$root/bindings/cpp/README.md"
    echo '}'
} >"$scratch/streamed.cpp"
check "the README's stream compiles" compile "$scratch/streamed" "$scratch/streamed.cpp" -std=c++17
check "  and prints its items" says "0
1
2" "$scratch/streamed"
for example in progress follow_a_log upload chat; do
    check "$example compiles" compile "$scratch/$example" "$root/examples/streams/cpp/$example.cpp" -std=c++17
    check "  and prints what it is to" says "$(cat "$root/examples/streams/$example.txt")" "$scratch/$example"
done
for example in echo_listener echo_client one_way cancel worker_pool event_loop publish hub; do
    check "$example compiles" compile "$scratch/$example" "$examples/$example.cpp" -std=c++17
done
check "one_way counts" says 1000 "$scratch/one_way"
check "cancel is heard" says cancelled "$scratch/cancel"
check "worker_pool adds squares" says 328350 "$scratch/worker_pool"
check "event_loop adds answers" says 500500 "$scratch/event_loop"
check "publish is heard" says "tick 1" "$scratch/publish"
check "hub passes on" says "hello, everybody" "$scratch/hub"
check "echo_client hears its own word, and echo_listener ends at an interrupt" echoes

if needs cmake "CMake's package"; then
    mkdir "$scratch/cmake"
    cp "$scratch/readme.cpp" "$scratch/cmake/"
    cat >"$scratch/cmake/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.10)
project(readme CXX)
set(CMAKE_CXX_STANDARD 17)
find_package(SimpleIpc REQUIRED)
foreach(kind IN ITEMS "" _static)
    add_executable(readme${kind} readme.cpp)
    target_link_libraries(readme${kind} PRIVATE SimpleIpc::simple_ipc${kind})
endforeach()
END
    check "CMake finds the package" cmake -S "$scratch/cmake" -B "$scratch/cmake/built" "-DCMAKE_PREFIX_PATH=$prefix"
    check "CMake builds against it" cmake --build "$scratch/cmake/built"
    check "  the program speaks, shared" says response-bar "$scratch/cmake/built/readme"
    check "  the program speaks, static" says response-bar "$scratch/cmake/built/readme_static"
fi
finish
