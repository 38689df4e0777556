//! `ping`: round-trip times.

use rustix::process::{Signal, kill_process};

use crate::scratch::{Listening, Scratch};

#[test]
fn each_reply_has_its_time_and_the_end_a_summary() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run(["ping", "x", "--count", "3", "--interval", "1ms"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = outcome.text().lines().collect();
    for (index, line) in lines[..3].iter().enumerate() {
        let time = line.strip_prefix(&format!("reply from x: seq={} time=", index + 1)).unwrap();
        assert!(time.strip_suffix(" ms").unwrap().parse::<f64>().unwrap() > 0.0);
    }
    assert_eq!(lines[3..5], ["", "--- x ping statistics ---"]);
    assert!(lines[5].starts_with("3 sent, 3 received, 0% loss, time "), "{}", lines[5]);
    assert!(lines[6].starts_with("rtt min/avg/max/mdev = "), "{}", lines[6]);
    assert_eq!(lines.len(), 7);
    assert!(listening.close().is_empty(), "a ping is no message");
}

#[test]
fn with_json_each_reply_is_an_object() {
    let scratch = Scratch::new();
    let _listening = scratch.listen([":0", "--echo"]);
    let channel = format!(":{}", _listening.port());
    let outcome = scratch.run(["ping", &channel, "-c", "2", "-i", "0s", "--json"]);
    let lines: Vec<serde_json::Value> =
        outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["seq"], 2);
    assert!(lines[1]["time_ms"].is_f64());
    assert_eq!((&lines[2]["sent"], &lines[2]["received"]), (&2.into(), &2.into()));
    assert_eq!(lines[2]["loss_percent"], 0.0);
    for name in ["min_ms", "avg_ms", "max_ms", "mdev_ms"] {
        assert!(lines[2][name].is_f64(), "{name}");
    }
}

#[test]
fn ctrl_c_ends_it_with_the_summary() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let mut command = scratch.command(["ping", "x", "--interval", "1h"]);
    let mut child = command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let output = child.stdout.take().unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::BufRead;
        for line in std::io::BufReader::new(output).lines() {
            sender.send(line.unwrap()).unwrap();
        }
    });
    let next = || crate::scratch::received(&lines, "a line");
    assert!(next().starts_with("reply from x: seq=1 time="));
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!([next(), next()], ["", "--- x ping statistics ---"]);
    assert!(next().starts_with("1 sent, 1 received, 0% loss, time "));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_listener_that_stands_still_gives_no_reply() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let _stopped = Stopped::new(&listening);
    let outcome = scratch.run(["ping", "x", "--count", "2", "--interval", "1ms", "--timeout", "100ms"]);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, ""));
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert_eq!(lines[..2], ["no reply from x: seq=1 timed out", "no reply from x: seq=2 timed out"]);
    assert!(lines[4].starts_with("2 sent, 0 received, 100% loss, time "), "{}", lines[4]);
    assert_eq!(lines.len(), 5);
}

#[test]
fn what_a_killed_listener_left_answers_no_ping_and_no_post_and_is_waited_at() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    kill_process(listening.pid(), Signal::KILL).unwrap();
    drop(listening);
    assert!(scratch.socket("x").exists(), "a killed listener leaves its socket");
    let nobody = format!(
        "simple-ipc: nobody listens on channel \"x\" ({}); start its listener, or let the call wait for it (--wait)",
        scratch.socket("x").display()
    );
    scratch.run(["ping", "x", "--count", "1"]).refused(3, &nobody);
    scratch.run(["post", "x", "1"]).refused(3, &nobody);
    scratch.run(["post", "x", "1", "--wire", "native"]).refused(3, &nobody);
    let began = std::time::Instant::now();
    scratch.run(["post", "x", "1", "--wait", "100ms"]).refused(3, &nobody);
    assert!(began.elapsed() >= std::time::Duration::from_millis(100));
}

/// A process that stands still until this is dropped.
struct Stopped<'a>(&'a Listening);

impl<'a> Stopped<'a> {
    fn new(listening: &'a Listening) -> Stopped<'a> {
        listening.signal(Signal::STOP);
        Stopped(listening)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}
