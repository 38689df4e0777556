"use strict";

// Writes the manifests of the npm packages: node manifests.cjs FOLDER [TARGET]
//
// FOLDER/main/package.json is that of `simple-ipc`, which names the add-on of every platform of lib/platforms.json: it is the same
// wherever it is made. With TARGET, a target of Rust's, FOLDER/platform/package.json is that of this platform's add-on, beside its README.md.

const { mkdirSync, writeFileSync } = require("node:fs");
const platforms = require("./lib/platforms.json");

const FILE = "simple-ipc.node";
const main = { ...require("./package.json") };
delete main.devDependencies;

function addOnOf({ name, os, cpu, libc }) {
    const { version, license, homepage, repository, bugs, engines } = main;
    return {
        name: `${main.name}-${name}`,
        version,
        description: `The add-on of ${main.name} for ${name}; install ${main.name}, which brings it.`,
        license,
        homepage,
        repository,
        bugs,
        main: FILE,
        files: [FILE, "README.md", "LICENSE-MIT", "LICENSE-APACHE"],
        engines,
        os: [os],
        cpu: [cpu],
        ...(libc === undefined ? {} : { libc: [libc] }),
    };
}

function write(folder, manifest) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}

const [, , folder, target] = process.argv;
const names = platforms.map(({ name }) => `${main.name}-${name}`);
main.optionalDependencies = Object.fromEntries(names.map((name) => [name, main.version]));
write(`${folder}/main`, main);
if (target !== undefined) {
    const platform = platforms.find((platform) => platform.target === target);
    if (platform === undefined) throw new Error(`cannot package for ${target}: lib/platforms.json does not know it`);
    const addOn = addOnOf(platform);
    write(`${folder}/platform`, addOn);
    const page = `# ${addOn.name}\n\n${addOn.description}\n\nLicence: MIT or Apache-2.0, as you like.\n`;
    writeFileSync(`${folder}/platform/README.md`, page);
}
