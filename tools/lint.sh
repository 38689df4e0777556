#!/bin/sh
# Every check that reads the sources without running them. Changes no file; goes through all checks before it fails.
set -u
cd "$(dirname "$0")/.." || exit 1

failures=0
check() { # title, command…
    title=$1
    shift
    printf '== %s\n' "$title"
    "$@" || {
        printf 'lint: failed: %s\n' "$title" >&2
        failures=$((failures + 1))
    }
}

tracked() { git ls-files --cached --others --exclude-standard -- "$@"; }

python_compiles() {
    # Byte code goes to the build folder, never beside the sources.
    tracked '*.py' | PYTHONPYCACHEPREFIX=${CARGO_TARGET_DIR:-target}/pycache xargs -r python3 -m compileall -q
}

shell_is_clean() {
    scripts=$(tracked '*.sh' .ci/run)
    # shellcheck disable=SC2086 # one word a script; none has a space in its name
    for script in $scripts; do
        sh_or_bash=$(sed -n '1s/.*[/ ]\([a-z]*sh\).*/\1/p' "$script")
        "$sh_or_bash" -n "$script" || return 1
    done
    if command -v shellcheck >/dev/null 2>&1; then
        # shellcheck disable=SC2086
        shellcheck $scripts
    else
        echo "lint: shellcheck is absent: scripts were only parsed; make setup brings it" >&2
    fi
}

c_is_clean() {
    # Benchmarks are compiled by people with other compilers than ours.
    tracked 'benches/bare/*.c' 'benches/measure/*.c' |
        xargs -r "${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -pedantic -fsyntax-only -Ibenches/measure
}

bridge_is_clean() {
    "$cargo" clippy --manifest-path bridge/Cargo.toml --all-targets --quiet -- -D warnings &&
        RUSTDOCFLAGS="-D warnings" "$cargo" doc --manifest-path bridge/Cargo.toml --lib --no-deps --quiet
}

versions_agree() {
    version=$(tools/version.sh) || return 1
    newest=$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)
    if [ "$newest" != "$version" ]; then
        echo "CHANGELOG.md begins with version $newest, Cargo.toml has $version: write the missing section" >&2
        return 1
    fi
    if [ "$(sed -n 's/^version = "\(.*\)"/\1/p' bridge/Cargo.toml | head -n 1)" != "$version" ]; then
        echo "Cargo.toml has version $version, bridge/Cargo.toml another" >&2
        return 1
    fi
    # Crates of the workspace that name each other by version.
    sed -n '/^\[workspace.dependencies\]/,/^\[/p' Cargo.toml | grep 'path = ' | while read -r line; do
        case $line in
            *"version = \"$version\""*) ;;
            *)
                echo "Cargo.toml has version $version, but: $line" >&2
                exit 1
                ;;
        esac
    done
}

lock_is_current() {
    # Where a dependency of the library has changed: cargo metadata --manifest-path fuzz/Cargo.toml
    cargo metadata --locked --format-version 1 >/dev/null &&
        cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null &&
        cargo metadata --locked --format-version 1 --manifest-path tests/loom/Cargo.toml >/dev/null &&
        cargo metadata --locked --format-version 1 --manifest-path bridge/Cargo.toml >/dev/null
}

dotnet_is_clean() {
    if tools/dotnet.sh --bring >/dev/null || [ -n "${CI:-}" ]; then
        bindings/dotnet/lint.sh
    else
        echo "lint: left out: the checks of the .NET binding, since there is no SDK" >&2
    fi
}

cargo=${CARGO:-cargo}
check "formatting" "$cargo" fmt --all --check
check "Cargo.lock is current" lock_is_current
check "fuzz targets are formatted" "$cargo" fmt --manifest-path fuzz/Cargo.toml --check
check "models are formatted" "$cargo" fmt --manifest-path tests/loom/Cargo.toml --check
check "the bridge is formatted" "$cargo" fmt --manifest-path bridge/Cargo.toml --check
check "clippy" "$cargo" clippy --workspace --all-targets --quiet -- -D warnings
check "clippy without tokio" "$cargo" clippy -p simple-ipc --no-default-features --quiet -- -D warnings
check "the bridge without warnings" bridge_is_clean
check "rustdoc" env RUSTDOCFLAGS="-D warnings" "$cargo" doc --workspace --lib --no-deps --quiet
check "who imports whom" tools/layers.py
check "no operating system is named outside os" tools/os_names.py
check "options are as their table says" tools/options.py --check
check "Python compiles" python_compiles
check "shell scripts" shell_is_clean
check "C without warnings" c_is_clean
check "the Python package" bindings/python/lint.sh
check ".NET without warnings" dotnet_is_clean
check "versions agree" versions_agree
check "workflows" tools/workflows.sh
check "the project's address is the same everywhere" tools/addresses.py --check
check "JavaScript" bindings/node/lint.sh
check "dependencies" tools/deny.sh

if [ "$failures" -gt 0 ]; then
    echo "lint: $failures checks failed" >&2
    exit 1
fi
echo "lint: all checks passed"
