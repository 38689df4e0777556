//! `doctor`: what keeps channels from working, and what to do about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use rustix::process::Signal;
use serde_json::Value;

use crate::scratch::{Outcome, Scratch};

/// The findings of a run that are about this.
fn about(outcome: &Outcome, about: &str) -> Vec<(String, String)> {
    let all = outcome.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    all.filter(|one| one["about"] == about)
        .map(|one| {
            assert_eq!(one["remedy"].is_string(), one["level"] != "ok", "each finding has its remedy: {one}");
            (text(&one, "level"), text(&one, "finding"))
        })
        .collect()
}

#[track_caller]
fn told(found: &[(String, String)], level: &str, text: &str) {
    assert!(found.iter().any(|(is, told)| is == level && told.contains(text)), "no {level} with {text:?} in {found:?}");
}

#[test]
fn a_directory_where_all_is_well_has_no_problem() {
    let scratch = Scratch::new();
    let outcome = scratch.run(["doctor", "--json"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""), "{}", outcome.text());
    told(&about(&outcome, "directory"), "ok", "a channel can be listened on and reached there");
    told(&about(&outcome, "channels"), "ok", "nobody listens");
    told(&about(&outcome, "version"), "ok", env!("CARGO_PKG_VERSION"));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "it leaves nothing");
    let outcome = scratch.run(["doctor"]);
    assert!(outcome.text().contains("ok       directory: "), "{}", outcome.text());
    assert!(!outcome.text().contains('\u{1b}'), "colours are for terminals");
}

#[test]
fn each_live_listener_is_asked() {
    let scratch = Scratch::new();
    let well = scratch.listen(["well", "--echo"]);
    let still = scratch.listen(["still", "--echo"]);
    still.signal(Signal::STOP);
    let outcome = scratch.run(["doctor", "--timeout", "100ms", "--json"]);
    assert_eq!(outcome.status, 1);
    told(&about(&outcome, "well"), "ok", &format!("pid {} (simple-ipc, request) answers", well.pid()));
    told(&about(&outcome, "still"), "problem", "is stopped");
    let outcome = scratch.run(["doctor", "well", "--json"]);
    assert_eq!((outcome.status, about(&outcome, "still")), (0, vec![]), "only that channel");
    still.signal(Signal::CONT);
    assert_eq!(scratch.run(["doctor"]).status, 0);
}

#[test]
fn what_the_dead_left_is_told_and_how_to_be_rid_of_it() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    listening.signal(Signal::KILL);
    listening.end();
    let outcome = scratch.run(["doctor", "--json"]);
    assert_eq!(outcome.status, 0);
    told(&about(&outcome, "directory"), "note", "1 lock file of dead listeners is left");
    let outcome = scratch.run(["doctor", "x", "--json"]);
    told(&about(&outcome, "x"), "note", ".deno.x.socket was left by a dead listener");
    scratch.run(["clean"]);
    assert_eq!(about(&scratch.run(["doctor", "--json"]), "directory").len(), 1);
    told(&about(&scratch.run(["doctor", "x", "--json"]), "x"), "note", "nobody listens");
}

#[test]
fn who_listens_without_a_lock_file_is_found_and_not_connected_to() {
    let scratch = Scratch::new();
    let original = UnixListener::bind(scratch.socket("x")).unwrap();
    let outcome = scratch.run(["doctor", "x", "--json"]);
    let found = about(&outcome, "x");
    told(&found, "note", &format!("pid {} listens there without a lock file", std::process::id()));
    original.set_nonblocking(true).unwrap();
    assert!(original.accept().is_err(), "its process would end of it");
}

#[test]
fn a_directory_that_is_missing_or_no_directory_or_open_to_others_is_a_problem() {
    let scratch = Scratch::new();
    let outcome = scratch.run(["doctor", "--json", "--dir", "nowhere"]);
    assert_eq!(outcome.status, 1);
    told(&about(&outcome, "directory"), "problem", "nowhere (--dir) does not exist");
    fs::write(scratch.path().join("file"), "").unwrap();
    told(&about(&scratch.run(["doctor", "--json", "--dir", "file"]), "directory"), "problem", "is no directory");
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let outcome = scratch.run(["doctor", "--json"]);
    assert_eq!(outcome.status, 1);
    told(&about(&outcome, "directory"), "problem", "has mode 0777: others may remove");
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(scratch.run(["doctor"]).status, 0, "the sticky bit keeps others from that");
}

#[test]
fn a_path_that_leaves_no_room_for_names_is_a_problem() {
    let scratch = Scratch::new();
    let deep = scratch.path().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    let outcome = scratch.run(["doctor", "--json", "--dir", deep.to_str().unwrap()]);
    assert_eq!(outcome.status, 1);
    told(&about(&outcome, "directory"), "problem", "leaves 0 bytes for the name");
}

#[test]
fn the_directory_says_by_what_it_was_chosen() {
    let scratch = Scratch::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_simple-ipc"));
    command.args(["doctor", "--json"]).env("SIMPLE_IPC_DIR", scratch.path());
    let outcome = crate::scratch::Running::start(command, b"").outcome();
    told(&about(&outcome, "directory"), "ok", &format!("{} (SIMPLE_IPC_DIR)", scratch.path().display()));
}
