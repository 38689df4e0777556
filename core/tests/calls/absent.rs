//! Channels at which nobody listens, whatever is left of whoever did: what clients of each kind say, and that
//! they wait where they are told to.

use std::io::ErrorKind::WouldBlock;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use simple_ipc::event_loop::Queue;
use simple_ipc::{Channel, Error, ErrorKind, Message, Mode, Options, Result, Wire, blocking};

use crate::support::Scratch;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Does what a queue has to do until a call is done.
fn drive(queue: &mut Queue) -> Result<()> {
    let mut done = Vec::new();
    while done.is_empty() {
        queue.submit();
        queue.process(&mut done).unwrap();
        if done.is_empty() {
            poll(&mut [PollFd::new(&std::os::fd::AsFd::as_fd(queue), PollFlags::IN)], None).unwrap();
        }
    }
    done.remove(0).result.map(drop)
}

/// How each kind of client fares that is to be opened.
fn connects(channel: &Channel, options: &Options) -> Vec<(&'static str, Result<()>)> {
    let mut queue = Queue::new().unwrap();
    vec![
        ("blocking", blocking::Client::connect(channel, options).map(drop)),
        ("tokio", runtime().block_on(simple_ipc::Client::connect(channel, options)).map(drop)),
        ("queue", queue.connect(channel, options).and_then(|_| drive(&mut queue))),
    ]
}

/// How each kind of post fares.
fn posts(channel: &Channel, options: &Options) -> Vec<(&'static str, Result<()>)> {
    let (message, mut queue) = (Message::null(), Queue::new().unwrap());
    vec![
        ("blocking request", blocking::post_request(channel, &message, options).map(drop)),
        ("blocking broadcast", blocking::post_broadcast(channel, &message, options)),
        ("tokio request", runtime().block_on(simple_ipc::post_request(channel, &message, options)).map(drop)),
        ("tokio broadcast", runtime().block_on(simple_ipc::post_broadcast(channel, &message, options))),
        ("queue request", queue.post(channel, Mode::Request, message.clone(), options).and_then(|_| drive(&mut queue))),
    ]
}

fn all(channel: &Channel, options: &Options) -> Vec<(&'static str, Result<()>)> {
    connects(channel, options).into_iter().chain(posts(channel, options)).collect()
}

fn not_listening(what: &str, error: &Error) {
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false), "{what}: {error}");
}

/// What a listener leaves that was killed: a socket that nobody listens at, a lock file that nobody holds.
fn leave_files(scratch: &Scratch) -> (Channel, PathBuf) {
    let options = scratch.options();
    let channel = Channel::uds("killed").unwrap();
    let listener = blocking::Listener::serve(&channel, Mode::Request, &options, |_, _| ()).unwrap();
    let path = listener.path().unwrap().to_owned();
    let lock = path.with_file_name(".deno.killed.socket.lock");
    let content = std::fs::read(&lock).unwrap();
    listener.close().unwrap();
    drop(UnixListener::bind(&path).unwrap());
    std::fs::write(lock, content).unwrap();
    (channel, path)
}

#[test]
fn what_a_killed_listener_left_is_nobody_for_every_client_and_wire() {
    let scratch = Scratch::new();
    let (channel, path) = leave_files(&scratch);
    for lock_is_there in [true, false] {
        if !lock_is_there {
            std::fs::remove_file(path.with_file_name(".deno.killed.socket.lock")).unwrap();
        }
        for wire in [Wire::Auto, Wire::Native, Wire::Deno] {
            let options = scratch.options().wire(wire);
            for (what, result) in all(&channel, &options) {
                not_listening(&format!("{what}, {wire:?}, lock file: {lock_is_there}"), &result.unwrap_err());
            }
        }
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_nobody_for_every_client_and_wire() {
    let scratch = Scratch::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let channel = Channel::ip(port).unwrap();
    for wire in [Wire::Auto, Wire::Native, Wire::Deno] {
        let options = scratch.options().wire(wire);
        for (what, result) in all(&channel, &options) {
            not_listening(&format!("{what}, {wire:?}"), &result.unwrap_err());
        }
    }
}

#[test]
fn who_connects_or_posts_waits_for_the_successor_of_a_killed_listener() {
    const WAIT: Duration = Duration::from_millis(150);
    let scratch = Scratch::new();
    let (channel, _) = leave_files(&scratch);
    let options = scratch.options().wait(WAIT);
    let began = Instant::now();
    let failed = all(&channel, &options);
    for (what, result) in &failed {
        not_listening(what, result.as_ref().unwrap_err());
    }
    assert!(began.elapsed() >= WAIT * u32::try_from(failed.len()).unwrap(), "somebody did not wait");

    let patient = scratch.options().wait(Duration::from_secs(60));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| connects(&channel, &patient));
        let listener = blocking::Listener::serve(&channel, Mode::Request, &scratch.options(), |_, responder| {
            responder.respond(&Message::null()).unwrap();
        });
        for (what, result) in waiting.join().unwrap() {
            result.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        drop(listener);
    });
}

#[test]
fn a_ping_says_that_a_killed_listener_is_gone_and_not_what_it_might_have_spoken() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let channel = Channel::uds("killed").unwrap();
    let runtime = runtime();
    let mut queue = Queue::new().unwrap();
    let listener = blocking::Listener::serve(&channel, Mode::Request, &options, |_, _| ()).unwrap();
    let blocking = blocking::Client::connect(&channel, &options).unwrap();
    let tokio = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
    let (client, _) = queue.connect(&channel, &options).unwrap();
    drive(&mut queue).unwrap();
    listener.close().unwrap();
    drop(listener);
    let (_, path) = leave_files(&scratch);
    not_listening("blocking", &blocking.ping().unwrap_err());
    not_listening("tokio", &runtime.block_on(tokio.ping()).unwrap_err());
    not_listening("queue", &queue.ping(client).and_then(|_| drive(&mut queue)).unwrap_err());

    // A listener without sessions that is there is another matter.
    std::fs::remove_file(&path).unwrap();
    let _original = UnixListener::bind(&path).unwrap();
    for result in [
        blocking.ping().map(drop),
        runtime.block_on(tokio.ping()).map(drop),
        queue.ping(client).and_then(|_| drive(&mut queue)),
    ] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnsupportedVersion);
    }
}

/// What is native is never said where no lock is held: it would end the process of a Deno original.
#[test]
fn native_is_spoken_to_nobody_who_does_not_hold_the_lock() {
    let scratch = Scratch::new();
    let (channel, path) = leave_files(&scratch);
    std::fs::remove_file(&path).unwrap();
    let original = UnixListener::bind(&path).unwrap();
    original.set_nonblocking(true).unwrap();
    let options = scratch.options().wire(Wire::Native);
    for (what, result) in all(&channel, &options) {
        not_listening(what, &result.unwrap_err());
        assert_eq!(original.accept().map(drop).map_err(|error| error.kind()), Err(WouldBlock), "{what} connected");
    }
    // Where the lock file cannot be asked, the caller's word counts.
    let lock = path.with_file_name(".deno.killed.socket.lock");
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink("elsewhere", &lock).unwrap();
    blocking::Client::connect(&channel, &options).unwrap();
    original.accept().unwrap();
}
