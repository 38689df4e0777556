#!/bin/sh
# Publishes an assembled release, one registry at a time: tools/publish.sh REGISTRY FOLDER, where FOLDER is what tools/assemble.py made.
#
#   npm      every add-on, and then the main package, which names them
#   pypi     only copies what belongs there into the folder $DIST, for the action that publishes it
#   nuget    with the key in $NUGET_KEY
#   crates   the library, the command and the bridge, from the checkout
#   page     the page of the tag $TAG, with all files, by `gh`
#
# DRY_RUN=1 shows what would be done, and does nothing. What a registry has already is left as it is, so that a run that
# failed half-way can be run again.
set -eu

registry=${1:-}
folder=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd)
version=$("$root/tools/version.sh")
fail() {
    echo "publish.sh: cannot publish to $registry: $*" >&2
    exit 1
}
run() {
    if [ -n "${DRY_RUN:-}" ]; then
        echo "$*"
    else
        "$@"
    fi
}
case $registry in
    npm | pypi | nuget | page)
        [ -f "$folder/SHA256SUMS" ] || fail "\"$folder\" is no assembled release; run make assemble"
        (cd "$folder" && sha256sum --check --quiet --strict SHA256SUMS) || fail "$folder is not what was assembled"
        ;;
    crates) ;;
    *)
        echo "publish.sh: cannot publish to \"$registry\": give npm, pypi, nuget, crates or page" >&2
        exit 2
        ;;
esac

case $registry in
    npm)
        main=$folder/simple-ipc-$version.tgz
        for package in "$folder"/simple-ipc-*-"$version".tgz "$main"; do
            name=$(basename "$package" "-$version.tgz")
            if [ -z "${DRY_RUN:-}" ] && [ -n "$(npm view "$name@$version" version 2>/dev/null)" ]; then
                echo "publish.sh: npm has $name $version"
                continue
            fi
            run npm publish --provenance --access public "$package"
        done
        ;;
    pypi)
        dist=${DIST:-}
        [ -n "$dist" ] || fail "DIST names no folder"
        run mkdir -p "$dist"
        run cp "$folder/libsimpleipc-$version.tar.gz" "$folder/libsimpleipc-$version"-*.whl "$dist"
        ;;
    nuget)
        [ -n "${NUGET_KEY:-}${DRY_RUN:-}" ] || fail "NUGET_KEY is not set"
        [ -n "${NUGET_SOURCE:-}${DRY_RUN:-}" ] || fail "NUGET_SOURCE is not set: the address that packages are pushed to"
        # The key stands in no text that is shown.
        if [ -n "${DRY_RUN:-}" ]; then
            echo "dotnet nuget push $folder/SimpleIpc.$version.nupkg"
        else
            dotnet nuget push "$folder/SimpleIpc.$version.nupkg" --skip-duplicate --api-key "$NUGET_KEY" \
                --source "$NUGET_SOURCE"
        fi
        ;;
    crates)
        cd "$root"
        for crate in simple-ipc simple-ipc-cli simple-ipc-bridge; do
            if [ -z "${DRY_RUN:-}" ] && cargo info --quiet --registry crates-io "$crate@$version" >/dev/null 2>&1; then
                echo "publish.sh: the registry has $crate $version"
                continue
            fi
            manifest=Cargo.toml
            [ "$crate" != simple-ipc-bridge ] || manifest=bridge/Cargo.toml
            run cargo publish --locked --manifest-path "$manifest" --package "$crate"
        done
        ;;
    page)
        tag=${TAG:-}
        [ "$tag" = "v$version" ] || fail "TAG is \"$tag\" and not v$version"
        notes=$(mktemp)
        trap 'rm -f "$notes"' EXIT
        awk -v version="[$version]" '/^## / { inside = $2 == version; next } inside' "$root/CHANGELOG.md" >"$notes"
        [ -s "$notes" ] || fail "CHANGELOG.md says nothing of $version"
        # A run that broke off may have made it, and is to be repeated.
        if [ -z "${DRY_RUN:-}" ] && gh release view "$tag" >/dev/null 2>&1; then
            run gh release upload "$tag" --clobber "$folder"/*
        else
            run gh release create "$tag" --verify-tag --title "$version" --notes-file "$notes" "$folder"/*
        fi
        ;;
esac
