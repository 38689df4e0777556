#!/bin/bash
# Makes every package, installs each into an empty place outside the checkout and runs the example from there; looks at what
# the native files in them need; and builds the C library twice, in two folders, which has to give the same bytes.
# The last line is `N passed, N failed, N skipped`.
#
#   tests/packages/run.sh [LANGUAGE...]
#
# With $SIMPLE_IPC_TARGET, Rust's name of another target, the packages are that one's: elsewhere.sh beside this tries them.
# shellcheck disable=SC2317 # the checks are functions that are called by name
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
root=$PWD

# shellcheck source=tests/checks.sh
. tests/checks.sh
export CARGO_TARGET_DIR="$target"

triple=$(tools/portable_build.sh --triple)
languages=("$@")
if [ $# -eq 0 ]; then
    # tools/package.sh makes no archive of the C library for other systems.
    case $triple in *-linux-* | *-windows-*) languages=(c) ;; esac
    for script in bindings/*/package.sh; do
        [ -x "$script" ] && languages+=("$(basename "$(dirname "$script")")")
    done
fi

make_packages() { tools/package.sh "$1" >"$scratch/$1.packages"; }

carries_the_version() {
    while read -r _ package; do
        case $(basename "$package") in
            *"$(tools/version.sh)"*) ;;
            *)
                echo "$package does not carry the version $(tools/version.sh) in its name"
                return 1
                ;;
        esac
    done <"$scratch/$1.packages"
    [ -s "$scratch/$1.packages" ] || { echo "no package was made"; return 1; }
}

runs_elsewhere() {
    local script=bindings/$1/check_package.sh
    [ "$1" != c ] || script=packaging/c/check_package.sh
    [ -x "$script" ] || { echo "there is no $script"; return 1; }
    local packages=()
    while read -r _ package; do packages+=("$package"); done <"$scratch/$1.packages"
    if [ -n "${SIMPLE_IPC_TARGET:-}" ]; then
        tests/packages/elsewhere.sh "$1" "${packages[@]}"
    else
        "$script" "${packages[@]}"
    fi
}

# What C has inside, the others have beside them: what the library is made of, in the versions of the lock file.
has_a_bill_of_materials() {
    local bom
    bom=${OUT:-$target/packages}/simple-ipc-$1-$(tools/version.sh).cdx.json
    python3 - "$bom" <<'END'
import json, sys, tomllib
listed = {(part["name"], part["version"]) for part in json.load(open(sys.argv[1]))["components"]}
locked = {(part["name"], part["version"]) for part in tomllib.load(open("Cargo.lock", "rb"))["package"]}
names = {name for name, _ in listed}
if not {"simple-ipc", "tokio", "serde_json", "rustix"} <= names:
    sys.exit(f"the bill of materials leaves something out: {sorted(names)}")
if listed - locked:
    sys.exit(f"not in Cargo.lock: {sorted(listed - locked)}")
END
}

# Whoever gets a package gets its page (a wheel's stands in its METADATA), its licences, and where the project lives.
brings_its_page_and_licences() {
    # shellcheck disable=SC2046 # no path here has a space
    python3 - $(sed 's/^[^ ]* //' "$scratch/$1.packages") <<'END'
import sys, tarfile, tomllib, zipfile
home = tomllib.load(open("Cargo.toml", "rb"))["workspace"]["package"]["repository"]
for package in sys.argv[1:]:
    if package.endswith("gz"):
        with tarfile.open(package) as packed:
            files = {entry.name: packed.extractfile(entry).read() for entry in packed if entry.isfile()}
    else:
        with zipfile.ZipFile(package) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        if open(licence, "rb").read() not in files.values():
            sys.exit(f"{package} lacks {licence}")
    about = [data for name, data in files.items() if name.endswith(("/README.md", "METADATA")) or name == "README.md"]
    if not any(b"# Simple IPC" in data or b"# simple-ipc" in data for data in about):
        sys.exit(f"{package} lacks a page; it has {', '.join(sorted(files))}")
    manifests = ("package.json", "METADATA", "PKG-INFO", ".nuspec", "simple_ipc.pc")
    if not any(home.encode() in data for name, data in files.items() if name.endswith(manifests)):
        sys.exit(f"{package} does not say where the project lives")
END
}

unpack_all() { # language; sets `unpacked`, where its packages' files are
    unpacked=$scratch/$1.unpacked
    mkdir "$unpacked"
    while read -r _ package; do
        case $package in
            *.tar.gz | *.tgz) tar xzf "$package" -C "$unpacked" ;;
            *.whl | *.nupkg) python3 -m zipfile -e "$package" "$unpacked/$(basename "$package")" ;;
            *)
                echo "$package is of a form that is not known here"
                return 1
                ;;
        esac
    done <"$scratch/$1.packages"
}

# Every file in a package that the loader would load.
loads_on_old_systems() {
    unpack_all "$1" || return 1
    local natives=()
    while IFS= read -r -d '' file; do
        if [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then natives+=("$file"); fi
    done < <(find "$unpacked" -type f \( -name '*.so*' -o -name '*.node' -o -perm -100 \) -print0)
    [ "${#natives[@]}" -gt 0 ] || { echo "no native file is in the packages"; return 1; }
    case ${SIMPLE_IPC_TARGET:-} in
        *-musl) needs_musl_alone "${natives[@]}" || return 1 ;;
        *) tools/oldest_glibc.sh 2.28 "${natives[@]}" || return 1 ;;
    esac
    # Nothing of this machine's folders is in them.
    ! grep -l -a -F -e "$root/" -e "$HOME/.cargo" "${natives[@]}"
}

# What is for macOS may have been made elsewhere, where it cannot be run.
are_of_macos() {
    unpack_all "$1" || return 1
    tests/packages/mach_o.py "$triple" "$unpacked" || return 1
    ! grep -rl -a -F -e "$root/" -e "$HOME/.cargo" --include='*.so' --include='*.dylib' --include='*.node' "$unpacked"
}

# The system's own libraries, and Python's for what it loads.
are_of_windows() {
    unpack_all "$1" || return 1
    local natives=() file others
    mapfile -t natives < <(find "$unpacked" -type f \( -name '*.dll' -o -name '*.pyd' -o -name '*.node' -o -name '*.exe' \) ! -path '*/lib/net*')
    [ "${#natives[@]}" -gt 0 ] || { echo "no native file is in the packages"; return 1; }
    for file in "${natives[@]}"; do
        x86_64-w64-mingw32-objdump -p "$file" >"$scratch/needs" || return 1
        others=$(sed -n 's/.*DLL Name: //p' "$scratch/needs" | tr '[:upper:]' '[:lower:]' | sort -u |
            grep -vxE '(kernel32|msvcrt|ntdll|userenv|ws2_32|advapi32|iphlpapi|bcryptprimitives|bcrypt|python3)\.dll|api-ms-win-[a-z0-9-]*\.dll' || true)
        [ -z "$others" ] || { echo "$(basename "$file") needs $others"; return 1; }
    done
    ! grep -l -a -F -e "$root/" -e "$HOME/.cargo" "${natives[@]}"
}

# musl's own name of its library, and the one that Alpine gives it.
needs_musl_alone() {
    local file others
    for file; do
        others=$(readelf -dV "$file" | grep -oE '\(NEEDED\).*|GLIBC_[0-9.]+' |
            grep -vE '\[(libc\.so|libc\.musl-[a-z0-9_]+\.so\.1)\]' || true)
        [ -z "$others" ] || {
            echo "$file needs more than musl: $others"
            return 1
        }
        echo "$(basename "$file") needs musl alone"
    done
}

the_same_bytes_in_another_folder() {
    local first second copy=$scratch/another/folder
    first=$(tools/portable_build.sh simple-ipc-ffi) || return 1
    mkdir -p "$copy"
    git ls-files -z --cached --others --exclude-standard | xargs -0 tar cf - --ignore-failed-read | tar xf - -C "$copy"
    # The tools are the same; the folders of the sources and of what is built are not.
    mkdir -p "$copy/.tools"
    cp -r .tools/zig-*-* "$copy/.tools/"
    second=$(cd "$copy" && env -u CARGO_TARGET_DIR tools/portable_build.sh simple-ipc-ffi) || return 1
    cmp "$first/libsimpleipc.so" "$second/libsimpleipc.so" && cmp "$first/libsimpleipc.a" "$second/libsimpleipc.a"
}

for language in "${languages[@]}"; do
    check "$language: packages are made" make_packages "$language"
    check "$language: they carry the version" carries_the_version "$language"
    check "$language: they bring their page, their licences and an address" brings_its_page_and_licences "$language"
    check "$language: the example runs from the installed package, without the checkout" runs_elsewhere "$language"
    # What could not be run there is said, and counted.
    while read -r reason; do skip "$reason"; done < <(sed -n 's/^left out: //p' "$scratch/log")
    promised="with glibc 2.28"
    case ${SIMPLE_IPC_TARGET:-} in *-musl) promised="with musl" ;; esac
    case $triple in
        *-linux-*) check "$language: native files load $promised" loads_on_old_systems "$language" ;;
        *-windows-*) check "$language: native files are of Windows on x64, and need what every Windows has" are_of_windows "$language" ;;
        *-apple-*) check "$language: native files are of macOS, and signed" are_of_macos "$language" ;;
    esac
    # Its own check looks into the one of C.
    [ "$language" = c ] || check "$language: there is a bill of materials" has_a_bill_of_materials "$language"
done
case " ${languages[*]} " in *" c "*)
    if [ -z "${SIMPLE_IPC_TARGET:-}" ]; then
        check "c: the library is the same bytes when it is built in another folder" the_same_bytes_in_another_folder
    fi
    ;;
esac

finish
