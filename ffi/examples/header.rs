//! Writes `include/simple_ipc.h` from the library's sources: `cargo run -p simple-ipc-ffi --example header`.

use std::path::{Path, PathBuf};

/// The header that the sources call for.
pub(crate) fn generate() -> String {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = cbindgen::Config::from_file(package.join("cbindgen.toml")).expect("cbindgen.toml is good");
    config.after_includes = Some(format!(
        "\n/**\n * The version of the library that this header belongs to; `sipc_version` gives the library's.\n */\n\
         #define SIPC_VERSION \"{}\"",
        env!("CARGO_PKG_VERSION")
    ));
    let bindings = cbindgen::Builder::new().with_crate(package).with_config(config).generate();
    let mut header = Vec::new();
    bindings.expect("the exports can be described in C").write(&mut header);
    in_parentheses(&String::from_utf8(header).expect("a header is UTF-8"))
}

/// Puts negative values of macros into parentheses: `2 SIPC_NO_TIMEOUT` would be a number otherwise.
fn in_parentheses(header: &str) -> String {
    let line = |line: &str| match line.strip_prefix("#define ").and_then(|rest| rest.split_once(' ')) {
        Some((name, value)) if value.starts_with('-') => format!("#define {name} ({value})\n"),
        _ => format!("{line}\n"),
    };
    header.lines().map(line).collect()
}

/// Where the header belongs.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/simple_ipc.h")
}

/// Writes it.
fn main() {
    std::fs::write(path(), generate()).expect("include/simple_ipc.h can be written");
}
