//! `ls`: the channels that somebody listens on.

use crate::scratch::{Listening, Scratch};

#[test]
fn without_a_channel_the_list_is_empty() {
    let scratch = Scratch::new();
    scratch.run(["ls"]).printed("CHANNEL  ADDRESS  MODE  SUBSCRIBERS  PID  SINCE\n");
    scratch.run(["ls", "--json"]).printed("");
}

#[test]
fn each_live_channel_is_listed_with_who_listens() {
    let scratch = Scratch::new();
    let requests = scratch.listen(["a_request", "--echo"]);
    let broadcasts = scratch.listen(["b_broadcast", "--broadcast"]);
    let port = scratch.listen([":0", "--echo"]);
    let outcome = scratch.run(["ls"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = outcome.text().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["CHANNEL", "ADDRESS", "MODE", "SUBSCRIBERS", "PID", "SINCE"]);
    let row = |channel: &str| rows.iter().find(|row| row[0] == channel).unwrap()[1..5].to_vec();
    let address = |name: &str| scratch.socket(name).to_str().unwrap().to_owned();
    assert_eq!(row("a_request"), [&address("a_request"), "request", "-", &requests.pid().to_string()]);
    assert_eq!(row("b_broadcast"), [&address("b_broadcast"), "broadcast", "-", &broadcasts.pid().to_string()]);
    let channel = format!(":{}", port.port());
    assert_eq!(row(&channel), [&format!("127.0.0.1{channel}"), "request", "-", &port.pid().to_string()]);
    assert_eq!(rows.len(), 4);

    requests.close();
    let outcome = scratch.run(["ls"]);
    assert!(!outcome.text().contains("a_request") && outcome.text().contains("b_broadcast"));
}

#[test]
fn with_json_each_channel_is_an_object() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run(["ls", "--json"]);
    let value: serde_json::Value = serde_json::from_str(outcome.text()).unwrap();
    assert_eq!(value["channel"], "x");
    assert_eq!(value["address"], scratch.socket("x").to_str().unwrap());
    assert_eq!(value["mode"], "request");
    assert_eq!(value["pid"], listening.pid().as_raw_nonzero().get());
    assert_eq!(value["version"], env!("CARGO_PKG_VERSION"));
    let since = value["since"].as_str().unwrap();
    let since = humantime::parse_rfc3339(since).unwrap();
    assert!(since <= std::time::SystemTime::now());
    assert_eq!(outcome.text().lines().count(), 1);
}

#[test]
fn a_listener_that_was_killed_is_not_listed() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    listening.signal(rustix::process::Signal::KILL);
    listening.end();
    scratch.run(["ls", "--json"]).printed("");
    // And its channel can be taken over.
    let _listening = scratch.listen(["x", "--echo"]);
    scratch.run(["post", "x", "1"]).printed("1\n");
}

#[test]
fn what_a_held_lock_file_does_not_say_is_shown_as_unknown() {
    let scratch = Scratch::new();
    let lock = std::fs::File::create(scratch.path().join(".deno.x.socket.lock")).unwrap();
    lock.lock().unwrap();
    let address = scratch.socket("x");
    let width = address.to_str().unwrap().len();
    scratch.run(["ls"]).printed(&format!(
        "CHANNEL  {:width$}  MODE     SUBSCRIBERS  PID      SINCE\nx        {}  unknown  -            unknown  unknown\n",
        "ADDRESS",
        address.display()
    ));
    let record = format!("{{\"channel\":\"x\",\"address\":\"{}\",", address.display());
    scratch
        .run(["ls", "--json"])
        .printed(&format!("{record}\"mode\":null,\"publishes\":false,\"subscribers\":null,\"pid\":null,\"since\":null,\"version\":null}}\n"));
}

#[test]
fn changes_are_listed_as_they_come() {
    let scratch = Scratch::new();
    let first = scratch.listen(["a", "--echo"]);
    let watching = Listening::start_quiet(scratch.command(["ls", "--watch", "5ms"]));
    let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let pid = |listening: &Listening| listening.pid().to_string();
    assert_eq!(words(watching.line())[..4], ["appeared", "a", "request,", "pid"]);
    let second = scratch.listen(["b", "--broadcast", "--publish"]);
    let line = words(watching.line());
    assert_eq!(line[..7], ["appeared", "b", "broadcast,", "0", "subscribers,", "pid", &pid(&second)]);
    let subscriber = Listening::start_quiet(scratch.command(["subscribe", "b"]));
    assert_eq!(words(watching.line())[..5], ["changed", "b", "broadcast,", "1", "subscribers,"]);
    drop(subscriber);
    assert_eq!(words(watching.line())[..5], ["changed", "b", "broadcast,", "0", "subscribers,"]);
    first.close();
    assert_eq!(words(watching.line())[..2], ["gone", "a"]);
    watching.signal(rustix::process::Signal::INT);
    assert_eq!(watching.end().0.code(), Some(0));

    let watching = Listening::start_quiet(scratch.command(["ls", "--watch", "--json"]));
    let value: serde_json::Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!((&value["change"], &value["channel"]), (&"appeared".into(), &"b".into()));
}
