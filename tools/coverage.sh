#!/bin/bash
# How much of the library's own code its tests run: the Rust tests of core, ffi and the command, and the C tests against a C library
# that counts what is run. Prints a table, one line for each folder and crate, and writes which lines were run as pages.
#
#   tools/coverage.sh
#
# cargo-llvm-cov writes the reports; a `cargo llvm-cov` on PATH is used as it is, else the version named here is built into the user's
# cache folder once. It needs LLVM's llvm-profdata and llvm-cov in the version of the Rust compiler: those of the component
# llvm-tools where it is installed, else Debian's packages, which are brought into the cache. What a test kills is not counted, for a
# process writes at its end what it ran.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

version=0.9.1
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
target=$target/coverage

leave_out() {
    echo "coverage.sh: cannot measure: $*" >&2
    exit 1
}
# shellcheck source=tools/targets.sh
. tools/targets.sh

if ! cargo llvm-cov --version >/dev/null 2>&1; then
    program=$(tools/cargo_tool.sh cargo-llvm-cov "$version") || leave_out "cargo-llvm-cov $version cannot be built; put one on PATH"
    PATH=$(dirname "$program"):$PATH
    export PATH
fi

# LLVM's programs read what a compiler of their own version writes.
if ! compgen -G "$(rustc --print sysroot)/lib/rustlib/*/bin/llvm-profdata" >/dev/null; then
    llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    bring_debs llvm "$(dpkg --print-architecture)" sid "llvm-$llvm" || leave_out "LLVM $llvm cannot be brought: rustup component add llvm-tools"
    for program in llvm-profdata llvm-cov; do
        # They were linked with a newer C library than this machine may have, so they run with the one that came along.
        loader=$(find "$debs/usr" -name 'ld-linux*' | head -n 1)
        cat >"$debs/$program" <<END
#!/bin/sh
exec $loader --library-path "$debs/usr/lib/$(uname -m)-linux-gnu:$debs/usr/lib/llvm-$llvm/lib" $debs/usr/lib/llvm-$llvm/bin/$program "\$@"
END
        chmod +x "$debs/$program"
    done
    export LLVM_PROFDATA=$debs/llvm-profdata LLVM_COV=$debs/llvm-cov
fi

export CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0
# Names of environment variables and flags for a build that counts, and where counts go: cargo and the C tests alike.
# shellcheck disable=SC1090 # it is a program's output
source <(cargo llvm-cov show-env --no-cfg-coverage --sh)
cargo llvm-cov clean --workspace

# A program that counts takes memory and a descriptor more than one that does not: a test that measures these may fail here. What it ran
# is counted all the same; whether tests pass is what `make test` tells.
cargo nextest run --locked -p simple-ipc -p simple-ipc-ffi -p simple-ipc-cli --no-fail-fast >&2 ||
    echo "coverage.sh: of the tests above some failed while they were counted" >&2
cargo build --quiet --locked -p simple-ipc-ffi -p simple-ipc-cli
stage=$target/stage
RELEASE_DIR=$target/debug PREFIX=$stage DESTDIR='' tools/install.sh >&2
tests/c/run.sh --prefix "$stage" plain >&2 || echo "coverage.sh: of the C tests some failed while they were counted" >&2

files='/fuzzing|/tests?\.rs$|/tests/|/examples/|/bindings/|/\.cargo/|/rustc/'
cargo llvm-cov report --html --ignore-filename-regex "$files" --output-dir "$target" >&2
cargo llvm-cov report --json --summary-only --ignore-filename-regex "$files" --output-path "$target/coverage.json" >&2
python3 - "$target/coverage.json" "$root" <<'END'
import collections, json, pathlib, sys

root = pathlib.Path(sys.argv[2])
lines = collections.defaultdict(lambda: [0, 0])
for file in json.load(open(sys.argv[1]))["data"][0]["files"]:
    parts = pathlib.Path(file["filename"]).relative_to(root).parts
    room = "/".join(parts[:3]) if parts[0] == "core" and len(parts) > 3 else f"{parts[0]}/src"
    count = file["summary"]["lines"]
    for name in (room, "all"):
        lines[name][0] += count["covered"]
        lines[name][1] += count["count"]
print("| folder | lines | run by the tests |\n|---|---|---|")
for name, (covered, total) in sorted(lines.items(), key=lambda item: (item[0] == "all", item[0])):
    print(f"| {name} | {total:,} | {100 * covered / total:.1f} % |")
END
echo "coverage.sh: line by line: $target/html/index.html" >&2
