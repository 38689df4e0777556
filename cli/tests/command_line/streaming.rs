//! `stream`, and `listen` with `--lines`, `--bytes` or `--echo`, which answer streams.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};

use rustix::process::{Signal, kill_process};

use crate::scratch::{Running, Scratch, eventually};

#[test]
fn each_line_of_a_command_is_an_item() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["count", "--lines", "--exec", "printf", "1\\n{\"a\" : 2}\\n\\ntwo words\\nlast"]);
    scratch.run(["stream", "count"]).printed("1\n{\"a\":2}\n\"two words\"\n\"last\"\n");
    scratch.run(["stream", "count", "--json"]).printed(
        "{\"kind\":\"json\",\"body\":1}\n{\"kind\":\"json\",\"body\":{\"a\":2}}\n\
         {\"kind\":\"json\",\"body\":\"two words\"}\n{\"kind\":\"json\",\"body\":\"last\"}\n",
    );
}

#[test]
fn a_command_gets_the_callers_items_as_lines_and_the_opening_in_its_environment() {
    let scratch = Scratch::new();
    let script = "printf '%s\\n' \"$SIMPLE_IPC_MESSAGE\"; exec cat";
    let _listening = scratch.listen(["x", "--lines", "--exec", "sh", "-c", script]);
    let outcome = scratch.run_with(["stream", "x", "{\"from\": 1}", "--items", "-"], b"1\n\n[ 2 ]\n\"three\"");
    outcome.printed("{\"from\":1}\n1\n[2]\n\"three\"\n");
    scratch.run(["stream", "x"]).printed("null\n");
}

#[test]
fn items_come_from_a_file_too() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    fs::write(scratch.path().join("items.jsonl"), "1\n2\n").unwrap();
    scratch.run(["stream", "x", "--items", "items.jsonl"]).printed("1\n2\n");
    let outcome = scratch.run(["stream", "x", "--items", "none.jsonl"]);
    assert_eq!(outcome.status, 6, "{outcome:?}");
    assert!(outcome.stderr.starts_with("simple-ipc: cannot open none.jsonl: "), "{outcome:?}");
}

#[test]
fn an_echo_sends_back_each_item() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let lines: String = (1..=10_000).map(|line| format!("{line}\n")).collect();
    scratch.run_with(["stream", "x", "--items", "-"], lines.as_bytes()).printed(&lines);
    scratch.run(["stream", "x", "ignored", "--text"]).printed("");
}

#[test]
fn bytes_go_through_as_they_are() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--bytes", "--exec", "cat"]);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    let outcome = scratch.run_with(["stream", "x", "--bytes"], &bytes);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.stdout == bytes, "{} of {} bytes came back", outcome.stdout.len(), bytes.len());
}

#[test]
fn a_large_file_is_never_in_memory() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--bytes", "--exec", "wc", "-c"]);
    // With holes, so that it takes no room on disk.
    let mut file = File::create(scratch.path().join("large")).unwrap();
    file.seek(SeekFrom::Start((256 << 20) - 1)).unwrap();
    file.write_all(b"!").unwrap();
    let mut command = scratch.command(["stream", "x", "--bytes"]);
    command.stdin(File::open(scratch.path().join("large")).unwrap());
    // As much memory as the command may use, in kilobytes: far less than the file.
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -d 65536; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    limited.current_dir(scratch.path()).stdin(File::open(scratch.path().join("large")).unwrap());
    let output = limited.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), (256 << 20).to_string(), "{output:?}");
}

#[test]
fn a_failing_command_ends_the_stream_behind_its_items() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--lines", "--exec", "sh", "-c", "seq 3; echo 'no such day' >&2; exit 1"]);
    let outcome = scratch.run(["stream", "x"]);
    assert_eq!((outcome.status, outcome.text()), (4, "1\n2\n3\n"));
    assert_eq!(outcome.stderr, "simple-ipc: the handler failed: no such day\n");
}

#[test]
fn a_listener_that_answers_requests_answers_a_stream_with_one_item() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--reply", "[1]"]);
    scratch.run(["stream", "x"]).printed("[1]\n");
}

#[test]
fn a_request_to_a_listener_that_answers_streams_is_told_so() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--lines", "--exec", "seq", "3"]);
    let outcome = scratch.run(["post", "x"]);
    assert_eq!((outcome.status, outcome.text()), (3, ""), "{outcome:?}");
    assert!(outcome.stderr.contains("stream"), "{outcome:?}");
}

#[test]
fn a_reader_that_leaves_cancels_the_stream_and_ends_the_command() {
    let scratch = Scratch::new();
    let script = "trap 'echo gone >> cleaned; exit' TERM; while :; do echo 1; done";
    let listening = scratch.listen(["x", "--lines", "--exec", "sh", "-c", script]);
    let mut child = scratch
        .command(["stream", "x"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 2];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"1\n");
    assert!(child.wait().unwrap().success());
    assert!(listening.error_line().starts_with("simple-ipc: a stream on x ended early: the caller left"));
    // The command cleans up when it has its turn.
    let cleaned = scratch.path().join("cleaned");
    eventually("cleaned up", || fs::read_to_string(&cleaned).is_ok_and(|text| text == "gone\n"));
}

#[test]
fn ctrl_c_cancels_the_stream() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--lines", "--exec", "sh", "-c", "echo 1; exec sleep 1000"]);
    let stream = Running::start(scratch.command(["stream", "x", "--items", "-"]), b"");
    assert_eq!(listening.line(), "null");
    kill_process(stream.pid(), Signal::INT).unwrap();
    assert!(listening.error_line().starts_with("simple-ipc: a stream on x ended early: the caller left"));
}

#[test]
fn what_a_listener_does_not_take_is_told() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--lines", "--exec", "sh", "-c", "read line; echo \"$line\""]);
    let lines: String = (1..=500_000).map(|line| format!("{line}\n")).collect();
    let outcome = scratch.run_with(["stream", "x", "--items", "-"], lines.as_bytes());
    assert_eq!((outcome.status, outcome.text()), (0, "1\n"));
    assert_eq!(outcome.stderr, "simple-ipc: the listener ended the stream and did not take all items\n");
}

#[test]
fn wrong_input_is_told_in_one_line() {
    let scratch = Scratch::new();
    let nobody = scratch.run(["stream", "nobody"]);
    assert_eq!((nobody.status, nobody.text()), (3, ""), "{nobody:?}");
    let _listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run_with(["stream", "x", "--items", "-", "--strict"], b"1\n{\n");
    assert_eq!(outcome.status, 2, "{outcome:?}");
    assert!(outcome.stderr.starts_with("simple-ipc: cannot send line 2: "), "{outcome:?}");
    let outcome = scratch.run(["stream", "x", "-", "--bytes"]);
    outcome.refused(2, "simple-ipc: cannot read DATA from standard input, which is read for items; give DATA itself");
    let broadcasts = scratch.listen(["b", "--broadcast"]);
    let outcome = scratch.run(["stream", "b"]);
    assert_eq!((outcome.status, outcome.text()), (3, ""), "{outcome:?}");
    drop(broadcasts);
}

#[test]
fn a_stream_that_is_silent_ends_at_its_idle_timeout() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--lines", "--exec", "sh", "-c", "echo 1; exec sleep 1000"]);
    let outcome = scratch.run(["stream", "x", "--idle-timeout", "200ms"]);
    assert_eq!((outcome.status, outcome.text()), (4, "1\n"), "{outcome:?}");
    assert!(outcome.stderr.contains("--idle-timeout"), "{outcome:?}");
}
