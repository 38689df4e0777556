//! The examples of `examples/streams/rust` print what those of all languages print.

#[path = "support/watchdog.rs"]
mod watchdog;

use std::path::{Path, PathBuf};
use std::process::Command;

use watchdog::Watchdog;

/// Where cargo has put the program of an example, which it builds with all tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().parent().unwrap().join("examples").join(name)
}

#[test]
fn every_example_prints_what_it_is_to() {
    let _watchdog = Watchdog::start();
    for name in ["progress", "follow_a_log", "upload", "chat"] {
        let directory = tempfile::tempdir().unwrap();
        let program = program(name);
        // Cargo builds it with all tests, and not with one alone.
        assert!(program.exists(), "{name} is not there; cargo build -p simple-ipc --examples");
        let done = Command::new(program).env("SIMPLE_IPC_DIR", directory.path()).output().unwrap();
        let errors = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {errors}");
        let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../examples/streams/{name}.txt"));
        let expected = std::fs::read_to_string(expected).unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), expected, "{name}: {errors}");
    }
}
