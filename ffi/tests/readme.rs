//! The C example in the README is the one that the C tests build and run.

use std::fs;
use std::path::Path;

#[test]
fn the_readmes_c_example_is_the_tested_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("the README is there");
    let example = fs::read_to_string(root.join("tests/c/example.c")).expect("the example is there");
    let shown = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the README has C");
    assert_eq!(shown.trim_end(), example.trim_end());
}
