#!/bin/sh
# Checks the JavaScript parts without running them: types, types as programs see them, style, format, versions.
set -u
cd "$(dirname "$0")" || exit 1
./setup.sh lint || exit 1
[ -d node_modules ] || { echo "lint: JavaScript is left out: npm is absent" >&2; exit 0; }

version=$(../../tools/version.sh) || exit 1
grep -q "^  \"version\": \"$version\",$" package.json ||
    { echo "bindings/node/package.json is not of version $version, which Cargo.toml has" >&2; exit 1; }
grep -q "^  \"version\": \"$version\",$" package-lock.json ||
    { echo "bindings/node/package-lock.json is not of version $version: run npm install --package-lock-only" >&2; exit 1; }

export NO_COLOR=1
bin=node_modules/.bin
"$bin/tsc" -p . &&
    "$bin/publint" --strict &&
    "$bin/attw" --quiet --pack . &&
    "$bin/eslint" lib tests examples manifests.cjs &&
    "$bin/prettier" --log-level warn --check lib tests examples ./*.mjs ./*.cjs ./*.json &&
    "$bin/prettier" --log-level warn --config .prettierrc.json --check ../../examples/*/javascript
