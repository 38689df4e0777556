//! Wrong input of each kind: its exit status, and one line that says what to do.

use std::os::unix::net::UnixListener;

use crate::scratch::Scratch;

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
    let advice = "start its listener, or let the call wait for it";
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
