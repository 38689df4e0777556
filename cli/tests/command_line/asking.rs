//! `stats`, `bench` and `tap`: what a live listener tells of itself.

use rustix::process::Signal;
use serde_json::Value;

use crate::scratch::{Listening, Scratch};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn stats_tells_who_listens_and_what_it_has_counted() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo", "--max-connections", "7"]);
    for _ in 0..2 {
        scratch.run(["post", "x", "1"]).printed("1\n");
    }
    let outcome = scratch.run(["stats", "x"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert_eq!(lines[0], "channel      x");
    let listener =
        format!("listener     request; pid {}, version {}, listening for ", listening.pid(), env!("CARGO_PKG_VERSION"));
    assert!(lines[1].starts_with(&listener), "{}", lines[1]);
    assert_eq!(lines[2], "connections  1 open, of at most 7; 3 since it listens");
    assert_eq!(lines[3], "messages     2 handled, 0 failed");

    let told = &objects(scratch.run(["stats", "x", "--json"]).text())[0];
    assert_eq!((&told["channel"], &told["mode"]), (&"x".into(), &"request".into()));
    assert_eq!((&told["counters"]["messages"], &told["limits"]["max_connections"]), (&2.into(), &7.into()));
    assert_eq!((&told["tap"], &told["is_closing"]), (&false.into(), &false.into()));
}

#[test]
fn stats_goes_on_a_line_for_each_interval() {
    let scratch = Scratch::new();
    let _listening = scratch.listen([":0", "--broadcast"]);
    let channel = format!(":{}", _listening.port());
    let outcome = scratch.run(["stats", &channel, "--watch", "1ms", "--count", "22"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let lines: Vec<Vec<&str>> = outcome.text().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..2], ["OPEN", "IN_FLIGHT"]);
    assert_eq!(lines[1].len(), lines[0].len());
    // What the columns are is told again.
    assert_eq!((lines.len(), &lines[21]), (24, &lines[0]));

    let told = objects(scratch.run(["stats", &channel, "--watch", "1ms", "--count", "3", "--json"]).text());
    assert_eq!(told.len(), 3);
    assert!(told[2]["uptime_ms"].as_u64() >= told[0]["uptime_ms"].as_u64());
    // Without a count Ctrl-C ends it.
    let watching = Listening::start_quiet(scratch.command(["stats", &channel, "--watch", "1h", "--json"]));
    watching.line();
    watching.signal(Signal::INT);
    assert_eq!(watching.end().0.code(), Some(0));
}

#[test]
fn stats_of_nobody_and_of_one_who_stands_still_are_errors() {
    let scratch = Scratch::new();
    let nobody = format!(
        "simple-ipc: nobody listens on channel \"x\" ({}); start its listener, or let the call wait for it (--wait)",
        scratch.socket("x").display()
    );
    for verb in ["stats", "tap", "bench"] {
        scratch.run([verb, "x"]).refused(3, &nobody);
    }
    let listening = scratch.listen(["x", "--echo"]);
    listening.signal(Signal::STOP);
    let outcome = scratch.run(["stats", "x", "--timeout", "100ms"]);
    listening.signal(Signal::CONT);
    assert_eq!((outcome.status, outcome.text()), (4, ""));
    assert!(outcome.stderr.contains("no answer came within the timeout"), "{}", outcome.stderr);
}

#[test]
fn bench_measures_pings_which_no_handler_gets() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run(["bench", "x", "--count", "100", "--parallel", "3"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert!(lines[0].starts_with("100 pings to x in ") && lines[0].ends_with(" in a second, 0 failed"), "{}", lines[0]);
    assert!(lines[1].starts_with("min ") && lines[1].contains("  p99.9 "), "{}", lines[1]);
    let counts = lines[3..].iter().map(|line| line.split_whitespace().nth(2).unwrap().parse::<u64>().unwrap());
    assert_eq!(counts.sum::<u64>(), 100, "the histogram has every time once");
    assert!(listening.close().is_empty(), "a ping is no message");
}

#[test]
fn bench_measures_messages_as_they_are_given() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let told = objects(scratch.run(["bench", "x", "{\"a\":1}", "--count", "3", "--json"]).text());
    let record = &told[0];
    assert_eq!((&record["sent"], &record["count"], &record["failed"]), (&"requests".into(), &3.into(), &0.into()));
    for name in ["min", "mean", "p50", "p90", "p99", "p99.9", "max"] {
        assert!(record["latency_us"][name].as_f64().unwrap() > 0.0, "{name}");
    }
    let steps = record["histogram"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["count"].as_u64().unwrap()).sum::<u64>(), 3);
    // One more goes before them, which is not measured.
    assert_eq!(listening.close(), ["{\"a\":1}"; 4]);

    let broadcasts = scratch.listen(["y", "--broadcast"]);
    let told = objects(scratch.run(["bench", "y", "-", "--bytes", "--broadcast", "--time", "1ms", "--json"]).text());
    assert_eq!(told[0]["sent"], "broadcasts");
    assert_eq!(broadcasts.line(), "{\"bytes\":\"\"}");
}

#[test]
fn bench_ends_with_the_first_failure() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--exec", "sh", "-c", "read -r line; test \"$line\" = 1"]);
    let outcome = scratch.run(["bench", "x", "2"]);
    assert_eq!((outcome.status, outcome.text()), (4, ""), "the one that is not measured fails: {}", outcome.stderr);
    let _broadcasts = scratch.listen(["y", "--broadcast"]);
    let outcome = scratch.run(["bench", "y", "1"]);
    assert_eq!((outcome.status, outcome.text()), (3, ""), "{}", outcome.stderr);
}

#[test]
fn tap_shows_what_passes_from_then_on() {
    let scratch = Scratch::new();
    let _listening =
        scratch.listen(["x", "--tap", "--exec", "sh", "-c", "read -r line; echo \"[$line]\"; test \"$line\" != 2"]);
    scratch.run(["post", "x", "0"]).printed("[0]\n");
    let tap = Listening::start_quiet(scratch.command(["tap", "x", "--count", "5"]));
    assert_eq!(tap.error_line(), "looking on at x");
    scratch.run(["post", "x", "1"]).printed("[1]\n");
    assert_eq!(scratch.run(["post", "x", "2"]).status, 4);
    let long = "y".repeat(300);
    scratch.run(["post", "x", &long, "--text"]);
    let words: Vec<Vec<String>> = (0..5).map(|_| tap.line().split_whitespace().map(str::to_owned).collect()).collect();
    let shown: Vec<[&str; 2]> = words.iter().map(|words| [words[1].as_str(), words[2].as_str()]).collect();
    assert_eq!(shown, [["#2", "request"], ["#2", "response"], ["#3", "request"], ["#3", "error"], ["#4", "request"]]);
    assert_eq!((words[0].last().unwrap().as_str(), words[1].last().unwrap().as_str()), ("1", "[1]"));
    assert!(words[3].join(" ").contains("\"handler_failed\""));
    assert!(words[4].join(" ").contains("… (302 bytes)"), "{:?}", words[4]);
    assert_eq!(tap.end().0.code(), Some(0));
}

#[test]
fn tap_with_json_tells_all_of_each() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--tap", "--echo"]);
    let tap = Listening::start_quiet(scratch.command(["tap", "x", "--json", "-q"]));
    // It says nothing when it has begun: what it shows says so.
    let first = loop {
        scratch.run(["post", "x", "-", "--bytes"]).printed("");
        let stats = &objects(scratch.run(["stats", "x", "--json"]).text())[0];
        assert_eq!(stats["tap"], true);
        if stats["counters"]["open"].as_u64() > Some(1) {
            scratch.run(["post", "x", "-", "--bytes"]).printed("");
            break tap.line();
        }
    };
    let mut told: Value = serde_json::from_str(&first).unwrap();
    while told["what"] != "response" {
        told = serde_json::from_str(&tap.line()).unwrap();
    }
    assert_eq!((&told["kind"], &told["bytes"], &told["missed"]), (&"bytes".into(), &"".into(), &0.into()));
    assert!(told["took_us"].is_u64() && told["call"].is_u64());
    assert!(humantime::parse_rfc3339(told["at"].as_str().unwrap()).is_ok());
    assert_eq!(told["peer"]["user"], rustix::process::geteuid().as_raw().to_string());
    tap.signal(Signal::INT);
    assert_eq!(tap.end().0.code(), Some(0));
}

#[test]
fn tap_of_a_listener_that_does_not_allow_it_is_refused() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let refused = "simple-ipc: channel \"x\": the listener lets nobody see its messages; have it listen with `tap`";
    scratch.run(["tap", "x"]).refused(3, refused);
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let scratch = Scratch::new();
    for arguments in [
        &["stats"][..],
        &["stats", "x", "--watch", "0s"],
        &["stats", "x", "--count", "3"],
        &["stats", "x", "--watch", "soon"],
        &["tap", "x", "--count", "0"],
        &["tap", "x", "--whole", "--json"],
        &["bench", "x", "--bytes"],
        &["bench", "x", "--broadcast"],
        &["bench", "x", "--parallel", "0"],
        &["bench", "x", "--parallel", "2000"],
        &["bench", "x", "--time", "0s"],
        &["doctor", "x", "y"],
        &["doctor", "--timeout", "0s"],
        &["ls", "--watch", "0s"],
    ] {
        let outcome = scratch.run(arguments);
        assert_eq!((outcome.status, outcome.text()), (2, ""), "{arguments:?}: {}", outcome.stderr);
    }
    for verb in ["stats", "tap", "bench", "doctor"] {
        assert_eq!(scratch.run([verb, "no name"]).status, 2, "{verb}");
        assert_eq!(scratch.run([verb, "x", "--dir", "nowhere"]).status, if verb == "doctor" { 1 } else { 3 }, "{verb}");
    }
    assert_eq!(scratch.run(["stats", ":0"]).status, 2);
}
