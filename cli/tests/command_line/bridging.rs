//! `bridge`: another program takes over, or it is said how to get it.

use std::os::unix::fs::PermissionsExt;

use crate::scratch::{Running, Scratch};

#[test]
fn the_bridge_gets_what_it_is_told_and_where_the_sockets_are() {
    let scratch = Scratch::new();
    let program = scratch.path().join("simple-ipc-bridge");
    std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 4\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = scratch.command(["bridge", "tls://x", "--export", "a b", "--help"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", scratch.path().display()));
    let outcome = Running::start(command, b"").outcome();
    let expected = format!("--dir\n{}\ntls://x\n--export\na b\n--help\n", scratch.path().display());
    assert_eq!((outcome.status, outcome.text()), (4, expected.as_str()));
}

#[test]
fn without_the_program_it_is_said_how_to_get_it() {
    let scratch = Scratch::new();
    let mut command = scratch.command(["bridge", "tls://x"]);
    command.env("PATH", "/nonexistent");
    let outcome = Running::start(command, b"").outcome();
    assert_eq!((outcome.status, outcome.text()), (6, ""));
    assert!(outcome.stderr.contains("cargo install simple-ipc-bridge"), "{}", outcome.stderr);
}
