//! The C example of the first steps is the one that the C tests build and run.

use std::fs;
use std::path::Path;

#[test]
fn the_first_steps_c_example_is_the_tested_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("docs/start.md")).expect("the page is there");
    let example = fs::read_to_string(root.join("tests/c/example.c")).expect("the example is there");
    let shown = page.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has C");
    assert_eq!(shown.trim_end(), example.trim_end());
}
