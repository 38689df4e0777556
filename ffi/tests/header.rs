//! The header in the tree is the one that the sources call for, and C and C++ compilers take it.

#[path = "../examples/header.rs"]
#[expect(dead_code, reason = "only the program writes; the test compares")]
mod header;

use std::path::Path;
use std::process::Command;

#[test]
fn the_header_is_the_one_that_the_sources_call_for() {
    let written = std::fs::read_to_string(header::path()).unwrap();
    assert!(
        written == header::generate(),
        "include/simple_ipc.h is not what the sources call for; run `make header` and look at the difference"
    );
}

#[test]
fn a_negative_macro_is_one_operand_wherever_it_is_put() {
    let header = header::generate();
    assert!(header.contains("#define SIPC_NO_TIMEOUT (-1)\n"));
    let negative = |line: &&str| line.starts_with("#define ") && line.contains(" -");
    assert_eq!(header.lines().find(negative), None);
}

#[test]
fn the_fuzz_target_calls_every_function_of_the_header() {
    let targets = header::path().parent().unwrap().join("../fuzz/targets");
    let parts = std::fs::read_dir(targets.join("c_arguments")).unwrap().map(|part| part.unwrap().path());
    let target: String =
        parts.chain([targets.join("c_arguments.rs")]).map(|part| std::fs::read_to_string(part).unwrap()).collect();
    let header = header::generate();
    let words = |text: &str| -> Vec<String> {
        let word = |part: &str| part.starts_with("sipc_").then(|| part.to_owned());
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter_map(word).collect()
    };
    let functions: Vec<String> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '*', '#', '}']) && !line.starts_with("typedef"))
        .filter_map(|line| words(line.split_once('(')?.0).pop())
        .collect();
    assert!(functions.len() > 100, "{functions:?}");
    let called = words(&target);
    let missing: Vec<_> = functions.iter().filter(|function| !called.contains(function)).collect();
    assert!(missing.is_empty(), "fuzz/targets/c_arguments.rs does not call {missing:?}");
}

/// Compiles a source that includes the header twice, with every warning an error.
fn assert_compiles(compiler: &str, standard: &str, language: &str) {
    let include = header::path().parent().unwrap().to_owned();
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("twice-{language}-{standard}"));
    std::fs::write(
        &source,
        "#include <simple_ipc.h>\n#include <simple_ipc.h>\nint unused(void);\nint unused(void) { return SIPC_OK; }\n",
    )
    .unwrap();
    let output = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wstrict-prototypes"].iter().filter(|_| language == "c"))
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"])
        .arg(include)
        .args([format!("-std={standard}").as_str(), "-x", language])
        .arg(&source)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {compiler}: {error}"));
    assert!(output.status.success(), "{compiler} {standard}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn c_compilers_take_the_header_twice_without_a_warning() {
    for standard in ["c99", "c11", "c17"] {
        assert_compiles("cc", standard, "c");
    }
}

#[test]
fn cpp_compilers_take_the_header_twice_without_a_warning() {
    for standard in ["c++98", "c++11", "c++20"] {
        assert_compiles("c++", standard, "c++");
    }
}
