#!/bin/sh
# Whether what is committed can be released: tools/check_release.sh [TAG]. Names everything that stands in the way.
set -u
cd "$(dirname "$0")/.." || exit 1

version=$(tools/version.sh) || exit 1
failed=0
refuse() {
    echo "cannot release $version: $*" >&2
    failed=1
}

tools/addresses.py --release || failed=1
tools/freeze_wire.py --release || failed=1
if [ -n "${1:-}" ] && [ "$1" != "v$version" ]; then
    refuse "the tag is $1; tag the commit v$version, or run tools/bump.sh"
fi
grep -Eq "^## \[$version\] - [0-9]{4}-[0-9]{2}-[0-9]{2}\$" CHANGELOG.md ||
    refuse "CHANGELOG.md has no dated section of it; run tools/bump.sh, or write the date"
if sed -n '/^## \[Unreleased\]/,/^## \[[0-9]/p' CHANGELOG.md | grep -q '^- '; then
    refuse "CHANGELOG.md has unreleased changes; run tools/bump.sh"
fi
[ -z "$(git status --porcelain)" ] || refuse "the checkout has changes that are not committed"
[ "$failed" = 0 ] && echo "$version can be released"
exit "$failed"
