#!/bin/sh
# Makes the npm packages and prints their paths: `simple-ipc`, and this platform's add-on, which it names as optional.
#
#   bindings/node/package.sh      into $OUT, or packages/ in cargo's target folder
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
version=$("$root/tools/version.sh")
target=${CARGO_TARGET_DIR:-$root/target}
out=${OUT:-$target/packages}
mkdir -p "$out"
out=$(cd "$out" && pwd)

built=$("$root/tools/portable_build.sh" simple-ipc-node)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/main" "$work/platform"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$work/main"
cp "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$work/platform"
cp -R "$here/lib" "$here/README.md" "$work/main"
rm -f "$work/main/lib/"*.node*
cp "$built/libsimple_ipc_node.so" "$work/platform/simple-ipc.node"
strip --strip-unneeded "$work/platform/simple-ipc.node"

# Both manifests come from the one that is there, and from the table of platforms.
cat >"$work/manifests.cjs" <<'PROGRAM'
const { readFileSync, writeFileSync } = require("node:fs");
const [, , here, work, version, machine] = process.argv;
const { devDependencies: _, ...main } = JSON.parse(readFileSync(`${here}/package.json`, "utf8"));
const platform = require(`${here}/lib/platforms.cjs`).find((platform) => platform.machine === machine);
if (platform === undefined) throw new Error(`package.sh: lib/platforms.cjs knows no platform of the machine ${machine}`);
if (main.version !== version) throw new Error(`package.sh: package.json is of version ${main.version}, not ${version}`);
const name = `${main.name}-${platform.name}`;
const file = "simple-ipc.node";
const { license, engines } = main;
main.optionalDependencies = { [name]: version };
const description = `The add-on of ${main.name} for ${platform.name}; install ${main.name}, which brings it.`;
const files = [file, "LICENSE-MIT", "LICENSE-APACHE"];
const addOn = { name, version, description, license, main: file, files, engines };
addOn.os = [platform.os];
addOn.cpu = [platform.cpu];
addOn.libc = [platform.libc];
for (const [folder, manifest] of [["main", main], ["platform", addOn]]) {
  writeFileSync(`${work}/${folder}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}
PROGRAM
node "$work/manifests.cjs" "$here" "$work" "$version" "$(uname -m)"

for folder in platform main; do
    (cd "$work/$folder" && npm pack --ignore-scripts --loglevel=error --pack-destination "$out") |
        tail -n 1 | sed "s|^|$out/|"
done
