//! `post`: what it sends and what it prints.

use crate::scratch::{Running, Scratch, received};

#[test]
fn data_left_out_is_null_and_a_dash_reads_standard_input() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--reply", "true"]);
    scratch.run_with(["post", "x"], b"not read").printed("true\n");
    scratch.run_with(["post", "x", "-"], b"{\"a\":\n1}\n").printed("true\n");
    assert_eq!([listening.line(), listening.line()], ["null", "{\"a\":1}"]);
}

#[test]
fn text_that_is_not_json_is_sent_as_a_string_and_a_note_says_so() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let outcome = scratch.run(["post", "x", "request foo"]);
    assert_eq!((outcome.status, outcome.text()), (0, "\"request foo\"\n"));
    let note = "simple-ipc: DATA is not JSON and is sent as the string \"request foo\"\n";
    assert_eq!(outcome.stderr, note);
    let outcome = scratch.run_with(["post", "x", "-", "--json"], b"two\nlines\n");
    assert_eq!((outcome.status, outcome.text()), (0, "{\"kind\":\"json\",\"body\":\"two\\nlines\"}\n"));
    let note = "{\"note\":\"standard input is not JSON and is sent as the string \\\"two\\\\nlines\\\"\"}\n";
    assert_eq!(outcome.stderr, note);
}

#[test]
fn as_text_json_is_a_string_and_nothing_is_said() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    scratch.run(["post", "x", "{\"a\":1}", "--text"]).printed("\"{\\\"a\\\":1}\"\n");
    scratch.run(["post", "x", "good morning", "--text"]).printed("\"good morning\"\n");
    scratch.run_with(["post", "x", "-", "--text"], b"12\n").printed("\"12\"\n");
}

#[test]
fn negative_numbers_are_data() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    scratch.run(["post", "x", "-1.5e3"]).printed("-1.5e3\n");
}

#[test]
fn bytes_go_and_come_as_they_are() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let all: Vec<u8> = (0..=255).collect();
    let outcome = scratch.run_with(["post", "x", "-", "--bytes"], &all);
    assert_eq!((outcome.status, outcome.stdout, outcome.stderr.as_str()), (0, all, ""));
    scratch.run(["post", "x", "\"as it is\"", "--bytes"]).printed("\"as it is\"");
    scratch
        .run_with(["post", "x", "-", "--bytes", "--json"], &[0, 255])
        .printed("{\"kind\":\"bytes\",\"bytes\":\"AP8=\"}\n");
    scratch.run_with(["post", "x", "-", "--bytes"], b"").printed("");
    listening.close();
}

#[test]
fn each_wire_reaches_the_listener() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    for wire in ["auto", "native", "deno"] {
        scratch.run(["post", "x", "[1, \"two\"]", "--wire", wire]).printed("[1,\"two\"]\n");
        let outcome = scratch.run_with(["post", "x", "-", "--bytes", "--wire", wire], &[0, 255]);
        assert_eq!((outcome.status, outcome.stdout), (0, vec![0, 255]), "{wire}");
    }
}

#[test]
fn a_post_can_wait_for_its_listener() {
    let scratch = Scratch::new();
    let post = Running::start(scratch.command(["post", "x", "1", "--wait", "60s"]), b"");
    let _listening = scratch.listen(["x", "--echo"]);
    post.outcome().printed("1\n");
}

#[test]
fn a_post_and_a_ping_can_wait_without_limit() {
    let scratch = Scratch::new();
    let post = Running::start(scratch.command(["post", "x", "1", "--wait", "none"]), b"");
    let ping = Running::start(scratch.command(["ping", "x", "--count", "1", "--wait", "none"]), b"");
    let _listening = scratch.listen(["x", "--echo"]);
    post.outcome().printed("1\n");
    assert_eq!(ping.outcome().status, 0);
}

#[test]
fn without_a_limit_a_post_waits_as_long_as_it_takes() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    scratch.run(["post", "x", "1", "--timeout", "none"]).printed("1\n");
}

#[test]
fn a_large_body_goes_both_ways() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo", "--json"]);
    let body: Vec<u8> = (0..5 << 20).map(|index: u32| ((index * 31) >> 3) as u8).collect();
    let outcome = scratch.run_with(["post", "x", "-", "--bytes", "--timeout", "none"], &body);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.stdout == body);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let mut command = scratch.command(["post", "x", "1"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stdin(std::process::Stdio::null()).stdout(writer).spawn().unwrap();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait().unwrap()));
    assert_eq!(received(&ended, "the end of the post").code(), Some(0));
}

#[test]
fn a_file_goes_beside_data_in_one_message() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let file = scratch.path().join("picture");
    std::fs::write(&file, [0, 255]).unwrap();
    let file = file.to_str().unwrap();
    scratch.run(["post", "x", "{\"a\": 1}", "--attach", file]).printed("{\"body\":{\"a\":1},\"bytes\":\"AP8=\"}\n");
    let outcome = scratch.run_with(["post", "x", "--attach", "-", "--json"], &[0, 255, 1]);
    assert_eq!(outcome.text(), "{\"kind\":\"attached\",\"body\":null,\"bytes\":\"AP8B\",\"size\":3}\n");
    assert_eq!(
        [listening.line(), listening.line()],
        ["{\"body\":{\"a\":1},\"bytes\":\"AP8=\"}", "{\"body\":null,\"bytes\":\"AP8B\"}"]
    );
    let outcome = scratch.run(["post", "x", "1", "--attach", "absent"]);
    assert_eq!(outcome.status, 6);
    assert!(outcome.stderr.contains("cannot read absent"), "{}", outcome.stderr);
    let outcome = scratch.run_with(["post", "x", "-", "--attach", "-"], b"1");
    assert!(outcome.stderr.contains("cannot read both DATA and the bytes"), "{}", outcome.stderr);
    let outcome = scratch.run_with(["post", "x", "-", "--attach", "-"], b"");
    assert!(outcome.stderr.contains("cannot read both DATA and the bytes"), "{}", outcome.stderr);
    let outcome = scratch.run(["post", "x", "1", "--attach", file, "--wire", "deno"]);
    assert!(outcome.stderr.contains("the Deno wire has no JSON with bytes"), "{}", outcome.stderr);
}
