//! `SIMPLE_IPC_LOG`: what the library tells of itself on standard error.

use std::process::Stdio;

use crate::scratch::Scratch;

/// What a post writes on standard error with this value.
fn told(value: &str) -> String {
    let scratch = Scratch::new();
    let listening = scratch.listen(["watched", "--reply", "1"]);
    let mut post = scratch.command(["post", "watched", "1"]);
    let done = post.env("SIMPLE_IPC_LOG", value).stdout(Stdio::null()).output().unwrap();
    assert!(done.status.success());
    listening.close();
    String::from_utf8(done.stderr).unwrap()
}

#[test]
fn each_level_shows_its_events_and_off_shows_none() {
    for (value, expected) in [("debug", true), ("DEBUG", true), ("info", false), ("off", false), ("", false)] {
        let told = told(value);
        let shown = told.lines().any(|line| line.contains("simple-ipc[") && line.contains(" debug: connected"));
        assert_eq!(shown, expected, "{value}: {told}");
        assert!(expected || told.is_empty(), "{value}: {told}");
    }
}

#[test]
fn a_value_that_is_no_level_is_told_once_with_those_that_are() {
    assert_eq!(
        told("lo\nud"),
        "simple-ipc: SIMPLE_IPC_LOG is \"lo ud\", which is no level; use error, warn, info, debug or off\n"
    );
}

#[test]
fn a_listener_tells_how_it_begins_and_ends() {
    let scratch = Scratch::new();
    let mut command = scratch.command(["listen", "watched", "--once", "--reply", "1"]);
    let child = command.env("SIMPLE_IPC_LOG", "info").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    scratch.run(["post", "watched", "1", "--wait", "60s"]);
    let done = child.wait_with_output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    for (text, field) in [("info: listening", "mode=\"request\""), ("info: closed", "channel=\"watched\"")] {
        assert!(told.lines().any(|line| line.contains(text) && line.contains(field)), "{text}: {told}");
    }
}
