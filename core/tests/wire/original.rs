//! Our clients against a stand-in of the Deno original's listener: a process that ends when a client
//! leaves at the wrong moment.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use simple_ipc::blocking::{self, post_broadcast, post_request};
use simple_ipc::{ErrorKind, Message, Mode, Wire};

use crate::scratch::{Scratch, build, echo};

/// A stand-in at the channel `build`.
struct Original {
    process: Child,
    input: Option<ChildStdin>,
}

impl Original {
    fn start(scratch: &Scratch, arguments: &[&str]) -> Original {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/conformance/original.py");
        let mut process = Command::new("python3")
            .arg(script)
            .arg(scratch.socket())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 runs the stand-in");
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let input = process.stdin.take();
        Original { process, input }
    }

    /// Lets one handler of a stand-in with `--hold` go on.
    fn release(&mut self) {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    fn is_alive(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        let _has_ended_already = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn requests_and_their_answers_pass_both_ways_of_waiting() {
    let scratch = Scratch::new();
    let mut original = Original::start(&scratch, &[]);
    let options = scratch.options();
    let runtime = runtime();
    let client = blocking::Client::connect(&build(), &options).unwrap();
    let asynchronous = runtime.block_on(simple_ipc::Client::connect(&build(), &options)).unwrap();
    for message in [
        Message::text("request-foo"),
        Message::json_text(r#"{"a":[1,2.5,null,"é😀"]}"#).unwrap(),
        Message::null(),
        Message::bytes([0, 1, 255]),
        Message::bytes([]),
        Message::bytes(vec![7; 2 << 20]),
    ] {
        assert_eq!(post_request(&build(), &message, &options).unwrap(), message);
        assert_eq!(client.request_message(&message, None).unwrap(), message);
        runtime.block_on(async {
            assert_eq!(simple_ipc::post_request(&build(), &message, &options).await.unwrap(), message);
            assert_eq!(asynchronous.request_message(&message, None).await.unwrap(), message);
        });
    }
    assert_eq!(client.ping().unwrap_err().kind(), ErrorKind::UnsupportedVersion);
    client.close().unwrap();
    assert!(original.is_alive());
}

#[test]
fn broadcasts_arrive_and_their_listener_lives() {
    let scratch = Scratch::new();
    let mut original = Original::start(&scratch, &["--broadcast"]);
    let options = scratch.options();
    let client = blocking::Client::connect(&build(), &options).unwrap();
    for n in 0..20 {
        let message = Message::json(&n).unwrap();
        post_broadcast(&build(), &message, &options).unwrap();
        client.broadcast_message(&message).unwrap();
        runtime().block_on(simple_ipc::post_broadcast(&build(), &message, &options)).unwrap();
    }
    client.flush().unwrap();
    client.close().unwrap();
    let error = post_request(&build(), &Message::null(), &options).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NoReply, true));
    assert!(original.is_alive());
}

#[test]
fn a_broadcast_to_a_request_listener_is_the_wrong_mode_and_does_not_end_it() {
    let scratch = Scratch::new();
    let mut original = Original::start(&scratch, &[]);
    for _ in 0..20 {
        let error = post_broadcast(&build(), &Message::text("x"), &scratch.options()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongMode);
    }
    assert_eq!(post_request(&build(), &Message::text("y"), &scratch.options()).unwrap(), Message::text("y"));
    assert!(original.is_alive());
}

#[test]
fn a_caller_that_gives_up_does_not_end_the_listener() {
    let scratch = Scratch::new();
    let mut original = Original::start(&scratch, &["--hold"]);
    let options = scratch.options().timeout(Duration::from_millis(30));
    let (channel, message) = (build(), Message::text("x"));
    assert_eq!(post_request(&channel, &message, &options).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(post_broadcast(&channel, &message, &options).unwrap_err().kind(), ErrorKind::TimedOut);
    let asynchronous = runtime();
    asynchronous.block_on(async {
        let late = simple_ipc::post_request(&channel, &message, &options).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        // And one whose future is dropped as soon as the message has left.
        let dropped = simple_ipc::post_request(&channel, &message, &options);
        tokio::select! {
            biased;
            _ = dropped => panic!("nobody answers"),
            () = tokio::task::yield_now() => {}
        }
    });
    drop(asynchronous);
    // Every one of them is answered now, though nobody waits: the process would end if it could not.
    (0..4).for_each(|_| original.release());
    original.release();
    let patient = scratch.options();
    assert_eq!(post_request(&channel, &message, &patient).unwrap(), message);
    assert!(original.is_alive());
}

#[test]
fn a_client_that_only_connects_does_not_end_the_listener() {
    let scratch = Scratch::new();
    let mut original = Original::start(&scratch, &[]);
    for wire in [Wire::Auto, Wire::Deno] {
        let options = scratch.options().wire(wire);
        drop(blocking::Client::connect(&build(), &options).unwrap());
        drop(runtime().block_on(simple_ipc::Client::connect(&build(), &options)).unwrap());
    }
    // Nor does somebody who wants to listen there.
    let error = blocking::Listener::serve(&build(), Mode::Request, &scratch.options(), echo).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(!scratch.lock_file().exists());
    assert_eq!(post_request(&build(), &Message::text("y"), &scratch.options()).unwrap(), Message::text("y"));
    assert!(original.is_alive());
}

#[test]
fn a_listener_of_ours_is_spoken_to_natively_and_the_original_on_its_own_wire() {
    let scratch = Scratch::new();
    let mut original = Original::start(&scratch, &["--reply", "\"from the original\""]);
    let reply = |options| post_request(&build(), &Message::null(), &options).unwrap();
    assert_eq!(reply(scratch.options()), Message::text("from the original"));
    assert!(original.is_alive());
    drop(original);
    // It leaves its socket behind; ours takes that over.
    assert!(scratch.socket().exists());
    let listener = scratch.echo();
    for _ in 0..5 {
        assert_eq!(reply(scratch.options()), Message::null());
    }
    assert_eq!(listener.counters().connections, 1, "one session for all of them");
    assert_eq!(reply(scratch.options().wire(Wire::Deno)), Message::null());
    assert_eq!(listener.counters().connections, 2);
}

#[test]
fn a_reply_that_is_a_flag_alone_is_null() {
    // The stand-in answers `null` in full; the original's flag alone is among the golden vectors.
    let scratch = Scratch::new();
    let mut original = Original::start(&scratch, &["--reply", "null"]);
    let nothing: () = blocking::post_uds_request_with("build", "x", &scratch.options()).unwrap();
    assert_eq!(nothing, ());
    assert!(original.is_alive());
}
