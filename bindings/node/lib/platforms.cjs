"use strict";

// The platforms that have a package of their own: Node's words for them, and Rust's. `package.sh` reads it too.
module.exports = [
    { name: "linux-x64-gnu", os: "linux", cpu: "x64", libc: "glibc", machine: "x86_64" },
    { name: "linux-arm64-gnu", os: "linux", cpu: "arm64", libc: "glibc", machine: "aarch64" },
];
