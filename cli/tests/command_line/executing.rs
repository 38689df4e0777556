//! `listen --exec`: a command per message.

use crate::scratch::{Running, Scratch};

#[test]
fn the_commands_output_is_the_reply() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--exec", "cat"]);
    scratch.run(["post", "x", "{\"b\": 1.0, \"a\": 2}"]).printed("{\"b\":1.0,\"a\":2}\n");
    let outcome = scratch.run_with(["post", "x", "-", "--bytes"], &[0, 255, b'\n']);
    assert_eq!((outcome.status, outcome.stdout), (0, vec![0, 255, b'\n']));
}

#[test]
fn output_that_is_not_json_is_a_string_without_its_last_newline() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--exec", "printf", "two words\\n\\n"]);
    scratch.run(["post", "x"]).printed("\"two words\\n\"\n");
}

#[test]
fn arguments_reach_the_command_without_a_shell() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--exec", "printf", "%s|", "--json", "$HOME", "a  b"]);
    scratch.run(["post", "x"]).printed("\"--json|$HOME|a  b|\"\n");
}

#[test]
fn the_environment_tells_channel_kind_and_caller() {
    let scratch = Scratch::new();
    let script = "printf '%s ' $SIMPLE_IPC_CHANNEL $SIMPLE_IPC_KIND $SIMPLE_IPC_PEER_UID $SIMPLE_IPC_PEER_PID";
    let _listening = scratch.listen(["x", "--exec", "sh", "-c", script]);
    let uid = rustix::process::geteuid().as_raw();
    let post = Running::start(scratch.command(["post", "x"]), b"");
    let pid = post.pid();
    post.outcome().printed(&format!("\"x json {uid} {pid} \"\n"));
    let post = Running::start(scratch.command(["post", "x", "--bytes", "data"]), b"");
    let pid = post.pid();
    post.outcome().printed(&format!("x bytes {uid} {pid} "));
}

#[test]
fn a_failing_command_is_a_handler_error_with_the_last_line_of_its_errors() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--exec", "sh", "-c", "echo first >&2; echo 'no such sum' >&2; exit 3"]);
    scratch.run(["post", "x"]).refused(4, "simple-ipc: the handler failed: no such sum");
    assert_eq!([listening.error_line(), listening.error_line()], ["first", "no such sum"]);
    assert_eq!(listening.error_line(), "simple-ipc: cannot answer a message on x: no such sum");
}

#[test]
fn a_command_that_fails_in_silence_is_named_with_its_status() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--exec", "false"]);
    let line = "{\"error\":{\"code\":304,\"kind\":\"handler_failed\",\
                \"message\":\"false ended with exit status: 1\",\"may_have_been_handled\":true}}";
    scratch.run(["post", "x", "--json"]).refused(4, line);
}

#[test]
fn a_command_that_does_not_exist_is_a_handler_error() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--exec", "./no_such_command"]);
    let outcome = scratch.run(["post", "x"]);
    assert_eq!(outcome.status, 4);
    assert!(outcome.stderr.contains("cannot run ./no_such_command: No such file or directory"), "{}", outcome.stderr);
}

#[test]
fn large_bodies_pass_each_other() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--json", "--exec", "cat"]);
    let body: Vec<u8> = (0..5 << 20).map(|index: u32| ((index * 31) >> 3) as u8).collect();
    let outcome = scratch.run_with(["post", "x", "-", "--bytes"], &body);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert!(outcome.stdout == body);
}

#[test]
fn a_command_need_not_read_its_input() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--json", "--exec", "echo", "1"]);
    let body = format!("\"{}\"", "x".repeat(1 << 20));
    scratch.run_with(["post", "x", "-"], body.as_bytes()).printed("1\n");
}

#[test]
fn what_a_commands_own_children_do_later_is_not_waited_for() {
    let scratch = Scratch::new();
    mkfifo(&scratch, "gate");
    let _listening = scratch.listen(["x", "--exec", "sh", "-c", "cat gate & echo 1"]);
    scratch.run(["post", "x"]).printed("1\n");
    open_gate(&scratch, "gate");
}

#[test]
fn a_command_ends_when_its_callers_time_is_over() {
    let scratch = Scratch::new();
    mkfifo(&scratch, "gate");
    let listening = scratch.listen(["x", "--exec", "cat", "gate"]);
    let outcome = scratch.run(["post", "x", "--timeout", "1s"]);
    assert_eq!((outcome.status, outcome.text()), (4, ""));
    assert_eq!(
        listening.error_line(),
        "simple-ipc: cannot answer a message on x: the caller did not wait for cat; it was ended"
    );
    assert!(!is_read(&scratch, "gate"));
    listening.close();
}

#[test]
fn a_command_ends_when_its_caller_has_gone() {
    let scratch = Scratch::new();
    mkfifo(&scratch, "gate");
    let listening = scratch.listen(["x", "--exec", "sh", "-c", "echo started >&2; exec cat gate"]);
    let post = Running::start(scratch.command(["post", "x", "--timeout", "none"]), b"");
    assert_eq!(listening.error_line(), "started");
    drop(post);
    assert_eq!(
        listening.error_line(),
        "simple-ipc: cannot answer a message on x: the caller did not wait for sh; it was ended"
    );
    assert!(!is_read(&scratch, "gate"));
    listening.close();
}

#[test]
fn commands_of_several_callers_run_side_by_side() {
    let scratch = Scratch::new();
    mkfifo(&scratch, "gate");
    let script = "read what; case $what in '\"wait\"') cat gate;; *) echo 1;; esac";
    let listening = scratch.listen(["x", "--exec", "sh", "-c", script]);
    let slow = Running::start(scratch.command(["post", "x", "\"wait\""]), b"");
    assert_eq!(listening.line(), "\"wait\"");
    scratch.run(["post", "x", "2"]).printed("1\n");
    std::fs::write(scratch.path().join("gate"), "2").unwrap();
    slow.outcome().printed("2\n");
}

#[test]
fn a_broadcast_runs_the_command_too() {
    let scratch = Scratch::new();
    mkfifo(&scratch, "out");
    let listening = scratch.listen(["x", "--broadcast", "--exec", "sh", "-c", "echo not used; cat > out"]);
    scratch.run(["post", "x", "[1,2]", "--broadcast"]).printed("");
    assert_eq!(std::fs::read_to_string(scratch.path().join("out")).unwrap(), "[1,2]");
    assert_eq!(listening.line(), "[1,2]");
    assert!(listening.close().is_empty());
}

fn mkfifo(scratch: &Scratch, name: &str) {
    use rustix::fs::{CWD, Mode, mkfifoat};
    mkfifoat(CWD, scratch.path().join(name), Mode::RUSR | Mode::WUSR).unwrap();
}

/// Whether a process has it open for reading.
fn is_read(scratch: &Scratch, name: &str) -> bool {
    use rustix::fs::{Mode, OFlags, open};
    open(scratch.path().join(name), OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).is_ok()
}

/// Lets go whoever reads it.
fn open_gate(scratch: &Scratch, name: &str) {
    drop(std::fs::OpenOptions::new().write(true).open(scratch.path().join(name)).unwrap());
}
