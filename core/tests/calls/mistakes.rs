//! Wrong names, wrong places, wrong modes: each has its kind of error and one line of text.

use std::path::Path;

use simple_ipc::{Channel, Error, ErrorKind, Message, Mode, Options, Wire, blocking};

use crate::support::Scratch;

fn assert_one_line(error: &Error) {
    let text = error.message();
    assert!(!text.is_empty() && !text.contains(['\n', '\r']), "{text:?}");
    assert_eq!(text, error.to_string());
}

fn assert_kind(kind: ErrorKind, errors: impl IntoIterator<Item = Error>) {
    for error in errors {
        assert_eq!(error.kind(), kind, "{error}");
        assert_one_line(&error);
        assert!(!error.may_have_been_handled(), "{error}");
    }
}

/// What every way to post, to connect and to listen says of a channel.
fn post_errors(channel: &Channel, options: &Options) -> Vec<Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    vec![
        blocking::post_request(channel, &Message::null(), options).unwrap_err(),
        blocking::post_broadcast(channel, &Message::null(), options).unwrap_err(),
        blocking::Client::connect(channel, options).unwrap_err(),
        runtime.block_on(simple_ipc::post_request(channel, &Message::null(), options)).unwrap_err(),
        runtime.block_on(simple_ipc::post_broadcast(channel, &Message::null(), options)).unwrap_err(),
        runtime.block_on(simple_ipc::Client::connect(channel, options)).unwrap_err(),
    ]
}

fn listen_errors(channel: &Channel, options: &Options) -> Vec<Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let serve = simple_ipc::Listener::serve(channel, Mode::Broadcast, options, |_, _| async {});
    vec![
        blocking::Listener::serve(channel, Mode::Request, options, |_, _| ()).unwrap_err(),
        runtime.block_on(serve).unwrap_err(),
    ]
}

fn all_errors(channel: &Channel, options: &Options) -> Vec<Error> {
    let mut errors = post_errors(channel, options);
    errors.extend(listen_errors(channel, options));
    errors
}

#[test]
fn a_name_or_port_that_cannot_be_one_is_refused() {
    let too_long = "x".repeat(simple_ipc::MAX_NAME_LEN + 1);
    for name in ["", "a b", "a/b", "..", "a-b", "ä", "a\n", "a\0", &too_long] {
        assert_kind(
            ErrorKind::InvalidName,
            [
                Channel::uds(name).unwrap_err(),
                blocking::post_uds_request::<()>(name, ()).unwrap_err(),
                blocking::post_uds_broadcast(name, ()).unwrap_err(),
                blocking::listen_uds_request(name, |(): ()| Ok(())).unwrap_err(),
            ],
        );
    }
    let scratch = Scratch::new();
    assert_kind(ErrorKind::InvalidPort, post_errors(&Channel::ip(0).unwrap(), &scratch.options()));
}

#[test]
fn options_without_sense_are_refused_by_every_call() {
    let scratch = Scratch::new();
    let name = Channel::uds("options").unwrap();
    for options in [
        scratch.options().max_message(0),
        scratch.options().socket_mode(0o1000),
        scratch.options().max_connections(0),
        scratch.options().threads(0),
        scratch.options().check_interval(std::time::Duration::ZERO),
    ] {
        assert_kind(ErrorKind::InvalidArgument, all_errors(&name, &options));
    }
}

#[test]
fn a_place_that_cannot_hold_a_socket_is_named_for_what_it_is() {
    let scratch = Scratch::new();
    let name = Channel::uds("place").unwrap();
    let long = "d".repeat(100);
    assert_kind(ErrorKind::PathTooLong, all_errors(&name, &scratch.options().directory(format!("/tmp/{long}"))));
    assert_kind(ErrorKind::NoDirectory, all_errors(&name, &scratch.options().directory("/no/such/place")));
}

#[test]
fn what_stands_at_the_path_is_left_alone() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("taken").unwrap();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, |_, _| ()).unwrap();
    let path = listener.path().unwrap().to_owned();
    listener.close().unwrap();
    let stands = |path: &Path| std::fs::symlink_metadata(path).unwrap().file_type();
    type Make = fn(&Path);
    let make: [(Make, Make); 4] = [
        (|path| std::fs::write(path, "mine").unwrap(), |path| std::fs::remove_file(path).unwrap()),
        (|path| std::fs::create_dir(path).unwrap(), |path| std::fs::remove_dir(path).unwrap()),
        (
            |path| std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap(),
            |path| std::fs::remove_file(path).unwrap(),
        ),
        (
            |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
            |path| std::fs::remove_file(path).unwrap(),
        ),
    ];
    for (make, remove) in make {
        make(&path);
        let before = stands(&path);
        assert_kind(ErrorKind::PathOccupied, all_errors(&name, &options));
        assert_eq!(stands(&path), before);
        remove(&path);
    }
}

#[test]
fn nobody_listens_with_and_without_a_stale_socket() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("stale").unwrap();
    assert_kind(ErrorKind::NotListening, post_errors(&name, &options));
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, |_, _| ()).unwrap();
    let (path, port) = (listener.path().unwrap().to_owned(), free_port());
    listener.close().unwrap();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_kind(ErrorKind::NotListening, [blocking::post_request(&name, &Message::null(), &options).unwrap_err()]);
    // A stale socket does not stand in a new listener's way.
    blocking::Listener::serve(&name, Mode::Request, &options, |_, _| ()).unwrap().close().unwrap();
    let ip = Channel::ip(port).unwrap();
    let post = blocking::post_request(&ip, &Message::null(), &options).unwrap_err();
    assert_kind(ErrorKind::NotListening, [post]);
}

/// A port on which nobody listens any more.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_message_of_the_wrong_mode_is_refused_in_both_dialects() {
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = scratch.options();
    let requests = Channel::uds("requests").unwrap();
    let broadcasts = Channel::uds("broadcasts").unwrap();
    let answer = |message: &Message, responder: simple_ipc::Responder| responder.respond(message).unwrap();
    let _one = blocking::Listener::serve(&requests, Mode::Request, &options, answer).unwrap();
    let _other = blocking::Listener::serve(&broadcasts, Mode::Broadcast, &options, |_, _| ()).unwrap();
    for channel in [&requests, &broadcasts] {
        let wrong = |options: &Options| {
            if channel == &requests {
                [
                    blocking::post_broadcast(channel, &Message::null(), options).unwrap_err(),
                    runtime.block_on(simple_ipc::post_broadcast(channel, &Message::null(), options)).unwrap_err(),
                ]
            } else {
                [
                    blocking::post_request(channel, &Message::null(), options).unwrap_err(),
                    runtime.block_on(simple_ipc::post_request(channel, &Message::null(), options)).unwrap_err(),
                ]
            }
        };
        assert_kind(ErrorKind::WrongMode, wrong(&options));
        for error in wrong(&options.clone().wire(Wire::Deno)) {
            assert_one_line(&error);
            // The Deno wire does not say which: no answer came, or one too many. The handler has run.
            let expected = if channel == &requests { ErrorKind::WrongMode } else { ErrorKind::NoReply };
            assert_eq!((error.kind(), error.may_have_been_handled()), (expected, true), "{error}");
        }
    }
}

#[test]
fn text_that_is_not_json_does_not_get_to_a_raw_handler() {
    use std::io::{Read, Write};
    let scratch = Scratch::new();
    let name = Channel::uds("json").unwrap();
    let handler = |_: &Message, _: simple_ipc::Responder| panic!("it was called");
    let listener = blocking::Listener::serve(&name, Mode::Request, &scratch.options(), handler).unwrap();
    let mut raw = std::os::unix::net::UnixStream::connect(listener.path().unwrap()).unwrap();
    raw.write_all(b"\xF5SIP\x01\x01\0\0\0\0\0\0\0\0\0\x04").unwrap();
    raw.write_all(b"\x04\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0{\"a}").unwrap();
    let mut answer = [0; 32];
    raw.read_exact(&mut answer).unwrap();
    let mut body = vec![0; u32::from_le_bytes([answer[16], answer[17], answer[18], answer[19]]) as usize];
    raw.read_exact(&mut body).unwrap();
    assert!(String::from_utf8(body).unwrap().contains("invalid_body"));
    let mut raw = std::os::unix::net::UnixStream::connect(listener.path().unwrap()).unwrap();
    raw.write_all(b"\x00{\"a}").unwrap();
    raw.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(raw.read(&mut [0]).unwrap(), 0);
    let counters = listener.counters();
    assert_eq!((counters.messages, counters.failed), (0, 0), "{counters:?}");
}
