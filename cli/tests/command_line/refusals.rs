//! Wrong input of each kind: its exit status, and one line that says what to do.

use std::os::unix::net::UnixListener;

use crate::scratch::{Running, Scratch};

#[test]
fn a_name_that_is_none() {
    let scratch = Scratch::new();
    let line = "simple-ipc: channel name \"a-b\" has a character other than A-Z, a-z, 0-9 and _";
    for verb in [&["post", "a-b"][..], &["listen", "a-b", "--echo"], &["ping", "a-b"]] {
        scratch.run(verb).refused(2, line);
    }
    scratch.run(["post", ""]).refused(2, "simple-ipc: a channel name is empty");
    let line = format!("simple-ipc: channel name \"{}…\" is too long: 86 characters of at most 85", "x".repeat(40));
    scratch.run(["post", &"x".repeat(86)]).refused(2, &line);
}

#[test]
fn a_port_that_is_none() {
    let scratch = Scratch::new();
    for port in ["65536", "x", "-1", ""] {
        let line = format!("simple-ipc: port \"{port}\" is not a number from 1 to 65535");
        scratch.run(["post", &format!(":{port}")]).refused(2, &line);
    }
    let line = "port 0: it is for listening only; use the port that the listener prints";
    scratch.run(["post", ":0"]).refused(2, &format!("simple-ipc: cannot post to {line}"));
    scratch.run(["ping", ":0"]).refused(2, &format!("simple-ipc: cannot ping {line}"));
}

#[test]
fn a_path_that_is_too_long() {
    let scratch = Scratch::new();
    let path = format!("./{}", "x".repeat(106));
    let line = format!("simple-ipc: socket path {path} is 108 bytes, at most 107 fit; use a shorter directory or name");
    scratch.run(["post", &path]).refused(2, &line);
}

#[test]
fn data_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = Scratch::new();
    let why = "as JSON: it is not UTF-8; use --bytes to send it as it is";
    let line = format!("simple-ipc: cannot send standard input {why}");
    scratch.run_with(["post", "x", "-"], &[0xff]).refused(2, &line);
    let data = std::ffi::OsStr::from_bytes(&[0xff]);
    scratch.run(["post".as_ref(), "x".as_ref(), data]).refused(2, &format!("simple-ipc: cannot send DATA {why}"));
}

#[test]
fn an_empty_input_is_no_message() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let line = "simple-ipc: cannot send standard input: it is empty; leave DATA out to send null, or use --bytes to send no bytes";
    for (options, input) in [(&[][..], ""), (&[], "\n"), (&["--strict"], ""), (&["--text"], ""), (&["--broadcast"], "")]
    {
        scratch.run_with([&["post", "x", "-"][..], options].concat(), input.as_bytes()).refused(2, line);
    }
    scratch.run_with(["post", "x", "-", "--bytes"], b"").printed("");
    scratch.run_with(["post", "x", "-", "--text"], b"\n").printed("\"\"\n");
    scratch.run(["post", "x", "", "--text"]).printed("\"\"\n");
    assert_eq!(listening.close(), ["{\"bytes\":\"\"}", "\"\"", "\"\""]);
}

#[test]
fn what_is_not_json_where_that_was_asked_for() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let why = "the body is not JSON: EOF while parsing a list at line 1 column 2; correct it, or use --text to send it as a string";
    scratch.run(["post", "x", "[1", "--strict"]).refused(2, &format!("simple-ipc: cannot send DATA: {why}"));
    scratch
        .run_with(["post", "x", "-", "--strict"], b"[1")
        .refused(2, &format!("simple-ipc: cannot send standard input: {why}"));
    scratch.run(["post", "x", "[1]", "--strict"]).printed("[1]\n");
    assert_eq!(listening.close(), ["[1]"]);
}

#[test]
fn a_reply_that_nobody_could_read() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let closed = |arguments: &[&str]| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "exec \"$@\" >&-", "sh"]).arg(env!("CARGO_BIN_EXE_simple-ipc"));
        command.args(["--dir".as_ref(), scratch.path().as_os_str()]).args(arguments);
        Running::start(command, b"1\n").outcome()
    };
    let line =
        "simple-ipc: cannot print the reply: standard output is closed; redirect it to /dev/null if it is not wanted";
    closed(&["post", "x", "1"]).refused(2, line);
    closed(&["post", "x", "-", "--lines"]).refused(2, line);
    assert!(listening.close().is_empty());
    // A broadcast has no reply.
    let listening = scratch.listen(["y", "--broadcast"]);
    closed(&["post", "y", "1", "--broadcast"]).printed("");
    assert_eq!(listening.close(), ["1"]);
}

#[test]
fn a_reply_that_cannot_be_written() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "exec \"$@\" >/dev/full", "sh"]).arg(env!("CARGO_BIN_EXE_simple-ipc"));
    command.args(["--dir".as_ref(), scratch.path().as_os_str()]).args(["post", "x", "1"]);
    let outcome = Running::start(command, b"").outcome();
    assert_eq!(outcome.status, 6);
    assert!(outcome.stderr.starts_with("simple-ipc: cannot write to standard output: "), "{}", outcome.stderr);
}

#[test]
fn a_command_line_that_makes_no_sense() {
    let scratch = Scratch::new();
    for (arguments, complaint) in [
        (
            &["listen", "x"][..],
            "error: a listener for requests needs --echo, --reply or --exec; for broadcasts use --broadcast",
        ),
        (
            &["listen", "x", "--echo", "--reply", "1"],
            "error: the argument '--echo' cannot be used with '--reply <JSON>'",
        ),
        (&["listen", "x", "--broadcast", "--echo"], "error: the argument '--broadcast' cannot be used with '--echo'"),
        (
            &["post", "x", "--timeout", "5"],
            "error: invalid value '5' for '--timeout <DURATION>': time unit needed, for example 5sec or 5ms",
        ),
        (
            &["post", "x", "--timeout", "0s"],
            "error: invalid value '0s' for '--timeout <DURATION>': no answer comes in no time; none is for no limit",
        ),
        (&["post", "x", "1", "--strict", "--text"], "error: the argument '--strict' cannot be used with '--text'"),
        (&["post", "x", "-", "--lines", "--bytes"], "error: the argument '--lines' cannot be used with '--bytes'"),
        (
            &["listen", "x", "--echo", "--mode", "999"],
            "error: invalid value '999' for '--mode <MODE>': permission bits are octal, from 0 to 0777",
        ),
        (
            &["post", "x", "1", "--max-message", "1TB"],
            "error: invalid value '1TB' for '--max-message <SIZE>': \"TB\" is no unit; write 100000, 64KiB, 16MiB or 1GiB",
        ),
        (&["post", "x", "--wire", "smoke"], "error: invalid value 'smoke' for '--wire <WIRE>'"),
        (&["post", "x", "--bytes"], "error: the following required arguments were not provided:"),
        (
            &["ping", "x", "--count", "0"],
            "error: invalid value '0' for '--count <N>': 0 is not in 1..18446744073709551615",
        ),
        (&["ls", "--path-style", "v9"], "error: invalid value 'v9' for '--path-style <STYLE>'"),
        (&["shout"], "error: unrecognized subcommand 'shout'"),
    ] {
        let outcome = scratch.run(arguments);
        assert_eq!((outcome.status, outcome.text()), (2, ""), "{arguments:?}");
        assert_eq!(outcome.stderr.lines().next(), Some(complaint), "{arguments:?}");
    }
}

#[test]
fn nobody_listens() {
    let scratch = Scratch::new();
    let advice = "start its listener, or let the call wait for it (--wait)";
    let line = format!("simple-ipc: nobody listens on channel \"x\" ({}); {advice}", scratch.socket("x").display());
    for verb in ["post", "ping"] {
        scratch.run([verb, "x"]).refused(3, &line);
    }
}

#[test]
fn with_json_an_error_is_an_object() {
    let scratch = Scratch::new();
    for verb in ["post", "ping"] {
        let outcome = scratch.run([verb, "x", "--json"]);
        assert_eq!((outcome.status, outcome.text()), (3, ""));
        let value: serde_json::Value = serde_json::from_str(&outcome.stderr).unwrap();
        assert_eq!(value["error"]["code"], 201);
        assert_eq!(value["error"]["kind"], "not_listening");
        assert_eq!(value["error"]["may_have_been_handled"], false);
        assert_eq!(value["error"]["option"], "--wait");
        assert!(value["error"]["message"].is_string());
        assert_eq!(outcome.stderr.lines().count(), 1);
    }
}

#[test]
fn a_channel_that_is_in_use() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    let line = format!("simple-ipc: cannot listen on channel \"x\": process {} already listens there", listening.pid());
    scratch.run(["listen", "x", "--echo"]).refused(3, &line);
}

#[test]
fn a_listener_of_the_other_mode() {
    let scratch = Scratch::new();
    let _requests = scratch.listen(["requests", "--echo"]);
    let _broadcasts = scratch.listen(["broadcasts", "--broadcast"]);
    let line =
        "simple-ipc: channel \"requests\": the listener answers requests and takes no broadcasts; post a request";
    scratch.run(["post", "requests", "1", "--broadcast"]).refused(3, line);
    let line =
        "simple-ipc: channel \"broadcasts\": the listener takes broadcasts and answers no requests; post a broadcast";
    scratch.run(["post", "broadcasts", "1"]).refused(3, line);
}

#[test]
fn a_directory_that_does_not_exist() {
    let scratch = Scratch::new();
    for verb in [&["listen", "x", "--echo"][..], &["ls"]] {
        let outcome = scratch.run([&["--dir", "/nowhere/at/all"][..], verb].concat());
        assert_eq!((outcome.status, outcome.text()), (3, ""), "{verb:?}");
        assert!(outcome.stderr.contains("directory /nowhere/at/all does not exist"), "{}", outcome.stderr);
    }
}

#[test]
fn a_file_that_is_no_socket() {
    let scratch = Scratch::new();
    std::fs::write(scratch.socket("x"), "precious").unwrap();
    let socket = scratch.socket("x");
    let line = format!(
        "simple-ipc: cannot listen on channel \"x\": a file stands at {}; remove it or choose another channel or directory",
        socket.display()
    );
    scratch.run(["listen", "x", "--echo"]).refused(3, &line);
    let line = format!(
        "simple-ipc: cannot post to channel \"x\": what stands at {} is not a socket; remove it or choose another channel",
        socket.display()
    );
    scratch.run(["post", "x"]).refused(3, &line);
    assert_eq!(std::fs::read_to_string(scratch.socket("x")).unwrap(), "precious");
}

#[test]
fn a_listener_that_closes_without_an_answer() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.socket("x")).unwrap();
    std::thread::spawn(move || {
        use std::io::Read;
        for stream in listener.incoming() {
            let _ = stream.unwrap().read_to_end(&mut Vec::new());
        }
    });
    let outcome = scratch.run(["post", "x", "1", "--json"]);
    assert_eq!(outcome.status, 4);
    assert!(outcome.stderr.contains("\"kind\":\"no_reply\""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("\"may_have_been_handled\":true"), "{}", outcome.stderr);
}

#[test]
fn an_answer_that_is_no_json() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.socket("x")).unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            let _ = stream.write_all(b"\0{");
        }
    });
    let outcome = scratch.run(["post", "x", "1", "--json"]);
    assert_eq!(outcome.status, 5);
    assert!(outcome.stderr.contains("\"kind\":\"invalid_body\""), "{}", outcome.stderr);
}

#[test]
fn no_answer_in_time() {
    let scratch = Scratch::new();
    let listening = scratch.listen(["x", "--echo"]);
    listening.signal(rustix::process::Signal::STOP);
    let outcome = scratch.run(["post", "x", "1", "--timeout", "100ms", "--json"]);
    listening.signal(rustix::process::Signal::CONT);
    assert_eq!(outcome.status, 4);
    assert!(outcome.stderr.contains("\"code\":301,\"kind\":\"timed_out\""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("\"may_have_been_handled\":true"), "{}", outcome.stderr);
}
