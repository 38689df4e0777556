//! `post … - --lines`: a message for each line of standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::scratch::{Running, Scratch};

#[test]
fn each_line_is_a_message_and_replies_come_in_their_order() {
    let scratch = Scratch::new();
    let listening = scratch
        .listen(["x", "--echo", "--quiet", "--threads", "8"].map(|it| if it == "--quiet" { "--json" } else { it }));
    let input: String = (0..2000).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    let expected: String = (0..2000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    scratch.run_with(["post", "x", "-", "--lines"], input.as_bytes()).printed(&expected);
    assert_eq!(listening.close().len(), 2000);
}

#[test]
fn replies_are_printed_while_the_input_goes_on() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let mut command = scratch.command(["post", "x", "-", "--lines"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for n in 0..3 {
        writeln!(input, "{n}").unwrap();
        assert_eq!(output.next().unwrap().unwrap(), n.to_string());
    }
    // Half a line is none yet, and the last one needs no end.
    write!(input, "[1,").unwrap();
    write!(input, "2]").unwrap();
    drop(input);
    assert_eq!(output.next().unwrap().unwrap(), "[1,2]");
    assert!(child.wait().unwrap().success());
}

#[test]
fn sixty_four_are_under_way_at_once_and_no_more() {
    let scratch = Scratch::new();
    // Each answer waits until its file is there: 64 begin before any ends.
    let script = "read n; : > began.$n; while [ ! -e go ]; do sleep 0.02; done; echo $n";
    let _listening = scratch.listen(
        ["x", "--quiet", "--json", "--exec", "sh", "-c", script]
            .map(|it| if it == "--quiet" { "--threads=128" } else { it }),
    );
    let input: String = (100..170).map(|n| format!("{n}\n")).collect();
    let post = Running::start(scratch.command(["post", "x", "-", "--lines", "--timeout", "none"]), input.as_bytes());
    let began = || {
        std::fs::read_dir(scratch.path())
            .unwrap()
            .filter(|it| it.as_ref().unwrap().file_name().to_string_lossy().starts_with("began."))
            .count()
    };
    while began() < 64 {
        std::thread::yield_now();
    }
    assert!(!scratch.path().join("began.164").exists());
    std::fs::write(scratch.path().join("go"), "").unwrap();
    post.outcome().printed(&input);
}

#[test]
fn lines_that_fail_are_told_and_counted_and_the_others_are_sent() {
    let scratch = Scratch::new();
    let script = "read n; case $n in 2|4) echo bad $n >&2; exit 1;; esac; echo $n";
    let _listening = scratch.listen(["x", "--exec", "sh", "-c", script]);
    let outcome = scratch.run_with(["post", "x", "-", "--lines"], b"1\n2\n3\n4\n5");
    assert_eq!((outcome.status, outcome.text()), (4, "1\n3\n5\n"));
    let told = "simple-ipc: line 2: the handler failed: bad 2\n\
                simple-ipc: line 4: the handler failed: bad 4\n\
                simple-ipc: 2 of 5 lines failed\n";
    assert_eq!(outcome.stderr, told);

    let outcome = scratch.run_with(["post", "x", "-", "--lines", "--json"], b"1\n2\n3\n");
    let lines: Vec<serde_json::Value> =
        outcome.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((outcome.status, lines.len()), (4, 3));
    assert_eq!((&lines[0]["body"], &lines[2]["body"]), (&1.into(), &3.into()));
    assert_eq!((&lines[1]["line"], &lines[1]["error"]["kind"]), (&2.into(), &"handler_failed".into()));
    assert_eq!(outcome.stderr, "{\"note\":\"1 of 3 lines failed\"}\n");
}

#[test]
fn lines_that_are_not_json_are_strings_or_refused_and_blank_ones_are_none() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let input = b"one\r\n\n2\n  \nthree\n";
    let outcome = scratch.run_with(["post", "x", "-", "--lines"], input);
    assert_eq!((outcome.status, outcome.text()), (0, "\"one\"\n2\n\"three\"\n"));
    let note = "simple-ipc: line 1 is not JSON and is sent as the string \"one\"; so is every other such line\n";
    assert_eq!(outcome.stderr, note);
    let outcome = scratch.run_with(["post", "x", "-", "--lines", "--strict"], input);
    assert_eq!((outcome.status, outcome.text()), (2, "2\n"));
    assert!(outcome.stderr.ends_with("simple-ipc: 2 of 3 lines failed\n"), "{}", outcome.stderr);
    scratch.run_with(["post", "x", "-", "--lines", "--text"], b"1\n\n").printed("\"1\"\n\"\"\n");
    scratch.run_with(["post", "x", "-", "--lines"], b"").printed("");
}

#[test]
fn lines_go_as_broadcasts_in_their_order() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--broadcast"]);
    let input: String = (0..500).map(|n| format!("{n}\n")).collect();
    scratch.run_with(["post", "x", "-", "--lines", "--broadcast"], input.as_bytes()).printed("");
    let lines = listening.close();
    assert_eq!(lines, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn lines_of_the_wrong_kind_do_not_seem_to_have_arrived() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run_with(["post", "x", "-", "--lines", "--broadcast"], b"1\n2\n");
    assert_eq!((outcome.status, outcome.text()), (3, ""));
}

#[test]
fn lines_need_standard_input_and_a_listener() {
    let scratch = Scratch::new();
    let line = "simple-ipc: cannot send lines of DATA: --lines reads standard input; give - for DATA";
    scratch.run(["post", "x", "1", "--lines"]).refused(2, line);
    let outcome = scratch.run_with(["post", "x", "-", "--lines"], b"1\n");
    assert_eq!((outcome.status, outcome.text()), (3, ""));
    assert!(outcome.stderr.contains("nobody listens") && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
    let post = Running::start(scratch.command(["post", "x", "-", "--lines", "--wait", "60s"]), b"1\n2\n");
    let _listening = scratch.listen(["x", "--echo"]);
    post.outcome().printed("1\n2\n");
}

#[test]
fn lines_reach_a_listener_of_the_deno_wire() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    scratch.run_with(["post", "x", "-", "--lines", "--wire", "deno"], b"1\n2\n3\n").printed("1\n2\n3\n");
}
