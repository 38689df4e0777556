#!/bin/sh
# Installs each package that is given, a wheel or a source distribution (default: those in $OUT, or in <target>/packages),
# into an empty environment outside the checkout, and runs the README's first example there. From the wheel without a native part
# the package is imported, and says that it is not supported.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OUT:-${CARGO_TARGET_DIR:-$root/target}/packages}
[ $# -gt 0 ] || set -- "$out"/libsimpleipc-*.whl "$out"/libsimpleipc-*.tar.gz
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

awk '/^```python$/ { inside = 1; next } /^```$/ && inside { exit } inside' "$here/README.md" >"$scratch/example.py"
expected=$(sed -n 's/.*print(.*# //p' "$scratch/example.py")

for package in "$@"; do
    [ -f "$package" ] || { echo "check_package.sh: there is no $package" >&2; exit 1; }
    place=$(mktemp -d "$scratch/XXXXXX")
    wheel=$package
    case $package in
        *.tar.gz)
            # What pip does with it, with the maturin of requirements.txt.
            "$here/environment.sh"
            PATH=$root/.venv/bin:$PATH "$root/.venv/bin/python" -m pip wheel -q --disable-pip-version-check --no-index \
                --no-deps --no-build-isolation -w "$place" "$package"
            wheel=$(echo "$place"/libsimpleipc-*.whl)
            ;;
    esac
    python3 -m venv "$place/venv"
    "$place/venv/bin/python" -m pip install -q --disable-pip-version-check --no-index "$wheel"
    case $package in
        *-none-any.whl)
            said=$("$place/venv/bin/python" -I -c 'import simple_ipc; print(simple_ipc.supported)')
            [ "$said" = False ] || {
                echo "check_package.sh: $package is supported: \"$said\", although it has no native part" >&2
                exit 1
            }
            echo "the package is imported from $(basename "$package")"
            continue
            ;;
    esac
    mkdir "$place/channels"
    printed=$(cd "$place" && SIMPLE_IPC_DIR=$place/channels "$place/venv/bin/python" -I "$scratch/example.py")
    if [ -z "$expected" ] || [ "$printed" != "$expected" ]; then
        echo "check_package.sh: from $package the example printed \"$printed\" and not \"$expected\"" >&2
        exit 1
    fi
    echo "the example runs from $(basename "$package")"
done
