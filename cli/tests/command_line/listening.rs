//! `listen`: what it answers, what it prints, and how it ends.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use rustix::process::{Pid, Signal};

use crate::scratch::{Listening, Running, Scratch, read_lines, received, rest};

#[test]
fn the_example_of_the_readme_works() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["example_channel", "--reply", "\"response-bar\""]);
    let socket = scratch.socket("example_channel");
    let expected = format!("listening on example_channel ({}), pid {}", socket.display(), listening.pid());
    assert_eq!(listening.ready, expected);
    scratch.run(["post", "example_channel", "\"request-foo\""]).printed("\"response-bar\"\n");
    assert_eq!(listening.line(), "\"request-foo\"");
    listening.close();
}

#[test]
fn a_reply_that_is_text_is_a_string_without_a_word() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["example_channel", "--reply", "response-bar"]);
    scratch.run(["post", "example_channel", "\"request-foo\""]).printed("\"response-bar\"\n");
    listening.signal(Signal::TERM);
    let (status, _, errors) = listening.end();
    assert_eq!((status.code(), errors), (Some(0), vec![]));
}

#[test]
fn a_reply_that_is_broken_json_is_a_string_and_a_note_says_so() {
    let scratch = Scratch::new();
    let mut command = scratch.command(["listen", "x", "--reply", "{a: 1}"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let note = "simple-ipc: --reply is not JSON and is sent as the string \"{a: 1}\"";
    assert_eq!(lines.next().unwrap().unwrap(), note);
    assert!(lines.next().unwrap().unwrap().starts_with("listening on x "));
    scratch.run(["post", "x"]).printed("\"{a: 1}\"\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn echo_gives_back_json_and_bytes() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    scratch
        .run(["post", "x", "{\"z\": 1.50, \"a\": [12345678901234567890]}"])
        .printed("{\"z\":1.50,\"a\":[12345678901234567890]}\n");
    let outcome = scratch.run_with(["post", "x", "-", "--bytes"], &[0, 255, b'\n']);
    assert_eq!((outcome.status, outcome.stdout.as_slice()), (0, [0, 255, b'\n'].as_slice()));
}

#[test]
fn messages_are_lines_of_json() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    scratch.run(["post", "x", " {\"b\" : 1.0,\n\"a\":\t\"x y\"}"]);
    scratch.run_with(["post", "x", "-", "--bytes"], &[0, 255]);
    assert_eq!(listening.line(), "{\"b\":1.0,\"a\":\"x y\"}");
    assert_eq!(listening.line(), "{\"bytes\":\"AP8=\"}");
    assert!(listening.close().is_empty());
}

#[test]
fn with_json_a_line_says_who_sent_it() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo", "--json"]);
    let uid = rustix::process::geteuid().as_raw();
    let post = Running::start(scratch.command(["post", "x", "[1e400, 1.0]"]), b"");
    let pid = post.pid();
    post.outcome().printed("[1e400,1.0]\n");
    let peer = format!("{{\"uid\":{uid},\"pid\":{pid}}}");
    assert_eq!(
        listening.line(),
        format!("{{\"channel\":\"x\",\"kind\":\"json\",\"body\":[1e400,1.0],\"peer\":{peer}}}")
    );
    let post = Running::start(scratch.command(["post", "x", "-", "--bytes"]), &[0, 255]);
    let pid = post.pid();
    assert_eq!(post.outcome().stdout, [0, 255]);
    let peer = format!("{{\"uid\":{uid},\"pid\":{pid}}}");
    assert_eq!(
        listening.line(),
        format!("{{\"channel\":\"x\",\"kind\":\"bytes\",\"bytes\":\"AP8=\",\"peer\":{peer}}}")
    );
}

#[test]
fn quiet_says_nothing_at_all() {
    let scratch = Scratch::new();
    let listening = Running::start(scratch.command(["listen", "x", "--echo", "--quiet", "--once"]), b"");
    scratch.run(["post", "x", "1", "--wait", "60s"]).printed("1\n");
    listening.outcome().printed("");
}

#[test]
fn once_ends_after_the_first_message_has_been_answered() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo", "--once"]);
    scratch.run(["post", "x", "1"]).printed("1\n");
    let (status, stdout, _) = listening.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(stdout, ["1"]);
    assert!(!scratch.socket("x").exists());
}

#[test]
fn a_broadcast_is_printed_and_gets_no_reply() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["builds", "--broadcast"]);
    for number in ["1", "2", "3"] {
        scratch.run(["post", "builds", number, "--broadcast"]).printed("");
    }
    assert_eq!([listening.line(), listening.line(), listening.line()], ["1", "2", "3"]);
    listening.close();
}

#[test]
fn sigterm_and_sigint_close_in_order() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let scratch = Scratch::new();
        let listening = scratch.listen(["x", "--echo"]);
        assert!(scratch.socket("x").exists());
        listening.signal(signal);
        let (status, _, stderr) = listening.end();
        assert_eq!((status.code(), stderr.len()), (Some(0), 0), "{signal:?}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "files are left after {signal:?}");
    }
}

#[test]
fn with_few_descriptors_it_listens_and_ends_on_sigterm_or_says_what_it_lacks() {
    let mut listened = 0;
    for limit in 4..=24 {
        let scratch = Scratch::new();
        let command = scratch.command(["listen", "x", "--echo"]);
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n $0; exec \"$@\"", &limit.to_string()]);
        limited.arg(command.get_program()).args(command.get_args()).current_dir(scratch.path());
        let mut child = limited.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stderr.take().unwrap());
        let line = received(&lines, "a line on standard error");
        if line.starts_with("listening on x ") {
            listened += 1;
            rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            assert_eq!(rest(&lines), [""; 0], "with {limit} descriptors");
            assert_eq!(child.wait().unwrap().code(), Some(0), "with {limit} descriptors");
        } else {
            assert!(line.starts_with("simple-ipc: cannot "), "with {limit} descriptors: {line}");
            // Each libc has words of its own.
            assert!(line.ends_with(" (os error 24)"), "with {limit} descriptors: {line}");
            assert_eq!(rest(&lines), [""; 0], "with {limit} descriptors");
            assert_eq!(child.wait().unwrap().code(), Some(6), "with {limit} descriptors");
        }
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "files are left with {limit} descriptors");
    }
    assert!(listened > 0 && listened < 21, "{listened} of 21 limits let it listen");
}

#[test]
fn what_was_taken_is_answered_before_the_end() {
    let scratch = Scratch::new();
    // Answers when somebody opens the gate.
    let gate = scratch.path().join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let listening = scratch.listen(["x", "--exec", "cat", "gate"]);
    let post = Running::start(scratch.command(["post", "x", "1"]), b"");
    assert_eq!(listening.line(), "1");
    listening.signal(Signal::TERM);
    // Opens only once the command has it open for reading.
    std::fs::write(&gate, "\"late\"").unwrap();
    post.outcome().printed("\"late\"\n");
    assert_eq!(listening.end().0.code(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    use std::os::unix::process::ExitStatusExt;
    let scratch = Scratch::new();
    let listening = scratch.listen([
        "x",
        "--exec",
        "sh",
        "-c",
        "trap '' TERM; echo started >&2; cat >/dev/null; read never < gate",
    ]);
    let gate = scratch.path().join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let post = Running::start(scratch.command(["post", "x", "1"]), b"");
    assert_eq!(listening.error_line(), "started");
    listening.signal(Signal::INT);
    listening.signal(Signal::TERM);
    let (status, ..) = listening.end();
    // Of two signals so close together either may be the second: each may reach another thread.
    let by = status.signal();
    assert!(by == Some(Signal::TERM.as_raw()) || by == Some(Signal::INT.as_raw()), "{status:?}");
    assert_eq!(post.outcome().status, 4);
    // Lets the command go.
    let _ =
        rustix::fs::open(&gate, rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK, rustix::fs::Mode::empty());
}

#[test]
fn a_closed_standard_output_ends_the_listener_in_order() {
    let scratch = Scratch::new();
    let mut command = scratch.command(["listen", "x", "--echo"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("listening on x "));
    drop(child.stdout.take());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait().unwrap()));
    assert_eq!(received(&ended, "the listener's end").code(), Some(0));
    assert!(!scratch.socket("x").exists());
}

#[test]
fn port_0_prints_the_port_that_the_system_picked() {
    let scratch = Scratch::new();
    let listening = scratch.listen([":0", "--echo", "--json"]);
    let port = listening.port();
    assert_eq!(listening.ready, format!("listening on :{port} (127.0.0.1:{port}), pid {}", listening.pid()));
    scratch.run(["post", &format!(":{port}"), "1"]).printed("1\n");
    let line = listening.line();
    assert!(line.starts_with(&format!("{{\"channel\":\":{port}\",\"kind\":\"json\",\"body\":1,")), "{line}");
}

#[test]
fn a_path_is_a_channel() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["./x.sock", "--echo"]);
    assert!(listening.ready.starts_with("listening on ./x.sock ("), "{}", listening.ready);
    let path = scratch.path().join("x.sock");
    scratch.run(["post", path.to_str().unwrap(), "1"]).printed("1\n");
    listening.close();
    assert!(!path.exists());
}

#[test]
fn path_styles_are_those_of_the_originals_versions() {
    for (style, file) in
        [("v0.0.1", ".deno.x.socket"), ("v0.0.3", ".x.socket"), ("v0.0.5", ".x.sock"), ("v0.0.14", "x.sock")]
    {
        let scratch = Scratch::new();
        let _listening = scratch.listen(["x", "--echo", "--path-style", style]);
        assert!(scratch.path().join(file).exists(), "{style}");
        scratch.run(["--path-style", style, "post", "x", "1"]).printed("1\n");
    }
}

#[test]
fn the_directory_can_come_from_the_environment() {
    let scratch = Scratch::new();
    let plain = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simple-ipc"));
        command.args(arguments).env("SIMPLE_IPC_DIR", scratch.path());
        command
    };
    let _listening = Listening::start(plain(&["listen", "x", "--echo"]));
    assert!(scratch.socket("x").exists());
    Running::start(plain(&["post", "x", "1"]), b"").outcome().printed("1\n");
}

#[test]
fn text_from_a_raw_client_is_a_string() {
    use std::io::{Read, Write};
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--reply", "\"response-bar\""]);
    let mut stream = UnixStream::connect(scratch.socket("x")).unwrap();
    stream.write_all(b"request-foo\n").unwrap();
    let mut answer = [0; 13];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"response-bar\n");
    assert_eq!(listening.line(), "\"request-foo\"");
}
