//! What a forked child may and may not do with what its parent had open.
//!
//! Each test starts this binary again as a process of its own, which may fork without harm to others.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Wire, blocking};
use support::Scratch;

/// Names the directory of the channels, for the process that forks.
const DIRECTORY: &str = "SIMPLE_IPC_FORK_TEST";

/// Starts the test `name` of this binary in a process of its own.
fn start(name: &str, options: &Options) -> std::process::Child {
    let channel = Channel::uds("probe").unwrap();
    let listener = blocking::Listener::serve(&channel, Mode::Request, options, echo).unwrap();
    let directory = listener.path().unwrap().parent().unwrap().to_owned();
    listener.close().unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The options of a process that [`start`] has started; `None` in the one that starts it.
fn started() -> Option<Options> {
    std::env::var_os(DIRECTORY).map(|directory| Options::new().directory(directory))
}

fn echo(message: &Message, responder: simple_ipc::Responder) {
    responder.respond(message).unwrap();
}

/// Forks; the child does its part and ends. Its id.
fn fork(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the child does what any program may do after a fork of a process with several threads:
    // it calls this library, whose promise is under test, and ends without unwinding into the parent's
    // code.
    match unsafe { libc::fork() } {
        0 => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
            // SAFETY: it ends the process and returns to nobody.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        id => {
            assert!(id > 0);
            id
        }
    }
}

fn ended_well(id: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    assert_eq!(unsafe { libc::waitpid(id, &raw mut status, 0) }, id);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

#[test]
fn a_forked_child_is_told_so_by_what_it_inherited_and_opens_its_own() {
    let Some(options) = started() else {
        let scratch = Scratch::new();
        let name = "a_forked_child_is_told_so_by_what_it_inherited_and_opens_its_own";
        assert!(start(name, &scratch.options()).wait_with_output().unwrap().status.success());
        return;
    };
    let _scratch = Scratch::new();
    let (mine, its) = (Channel::uds("mine").unwrap(), Channel::uds("its").unwrap());
    let listener = blocking::Listener::serve(&mine, Mode::Request, &options, echo).unwrap();
    let client = blocking::Client::connect(&mine, &options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let async_client = runtime.block_on(simple_ipc::Client::connect(&mine, &options)).unwrap();
    let port = Channel::ip(0).unwrap();
    let answer =
        |message: Message, responder: simple_ipc::Responder| async move { responder.respond(&message).unwrap() };
    let serve = simple_ipc::Listener::serve(&port, Mode::Request, &options, answer);
    let async_listener = runtime.block_on(serve).unwrap();
    assert_eq!(client.request::<u8>(1).unwrap(), 1);
    assert_eq!(runtime.block_on(async_client.request::<u8>(1)).unwrap(), 1);
    blocking::post_request(&mine, &Message::null(), &options).unwrap();
    let mut held = Some((listener, client, async_client, async_listener));
    let child = fork(|| {
        let (listener, client, async_client, async_listener) = held.as_ref().unwrap();
        let fresh = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for error in [
            listener.close().unwrap_err(),
            client.request::<u8>(1).unwrap_err(),
            client.broadcast(1).unwrap_err(),
            client.flush().unwrap_err(),
            client.ping().unwrap_err(),
            client.close().unwrap_err(),
            fresh.block_on(async_client.request::<u8>(1)).unwrap_err(),
            fresh.block_on(async_client.close()).unwrap_err(),
            fresh.block_on(async_listener.close()).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::Forked, false), "{error}");
        }
        // The parent's channel can be posted to, on sessions of the child's own.
        blocking::post_request(&mine, &Message::null(), &options).unwrap();
        fresh.block_on(simple_ipc::post_request(&mine, &Message::null(), &options)).unwrap();
        let error = blocking::Listener::serve(&mine, Mode::Request, &options, echo).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        let own = blocking::Listener::serve(&its, Mode::Request, &options, echo).unwrap();
        let own_client = blocking::Client::connect(&its, &options).unwrap();
        assert_eq!(own_client.request::<u8>(2).unwrap(), 2);
        assert_eq!(
            fresh.block_on(simple_ipc::post_request(&its, &Message::null(), &options)).unwrap(),
            Message::null()
        );
        own.close().unwrap();
        // What it inherited can be dropped without harm to the parent.
        drop(held.take());
    });
    assert!(ended_well(child));
    let (listener, client, async_client, async_listener) = held.unwrap();
    blocking::post_request(&mine, &Message::null(), &options).unwrap();
    assert_eq!(client.request::<u8>(3).unwrap(), 3);
    assert_eq!(runtime.block_on(async_client.request::<u8>(3)).unwrap(), 3);
    listener.close().unwrap();
    runtime.block_on(async_listener.close()).unwrap();
}

#[test]
fn a_subscription_goes_on_in_the_parent_and_not_in_a_forked_child() {
    let Some(options) = started() else {
        let scratch = Scratch::new();
        let name = "a_subscription_goes_on_in_the_parent_and_not_in_a_forked_child";
        assert!(start(name, &scratch.options()).wait_with_output().unwrap().status.success());
        return;
    };
    let _scratch = Scratch::new();
    let clock = Channel::uds("clock").unwrap();
    let publisher = blocking::Listener::serve_publish(&clock, &options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let task = runtime.block_on(simple_ipc::subscribe(&clock, &options)).unwrap();
    let raw = simple_ipc::event_loop::Subscription::subscribe(&clock, &options).unwrap();
    let thread = blocking::subscribe(&clock, &options).unwrap();
    let mut held = Some((task, raw, thread));
    let child = fork(|| {
        let (task, raw, thread) = held.as_mut().unwrap();
        let fresh = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for error in [
            raw.next(None).unwrap_err(),
            raw.try_next().unwrap_err(),
            raw.is_subscribed().unwrap_err(),
            raw.wait(None).unwrap_err(),
            thread.next().unwrap().unwrap_err(),
            fresh.block_on(task.next()).unwrap().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Forked, "{error}");
        }
        // Neither closes anything of the parent's, and the child has its own.
        raw.close();
        drop(held.take());
        let mut own = blocking::subscribe_uds_with::<u8>("clock", &options).unwrap();
        assert_eq!(own.next().unwrap().unwrap().data, 1);
    });
    while publisher.counters().subscribers < 4 {
        std::thread::yield_now();
    }
    publisher.publish(1).unwrap();
    assert!(ended_well(child));
    let (mut task, raw, mut thread) = held.unwrap();
    for event in
        [raw.next(None).unwrap(), thread.next().map(Result::unwrap), runtime.block_on(task.next()).map(Result::unwrap)]
    {
        assert_eq!(event.unwrap().data.decode::<u8>().unwrap(), 1);
    }
}

#[test]
fn a_stream_goes_on_in_the_parent_and_not_in_a_forked_child() {
    let Some(options) = started() else {
        let scratch = Scratch::new();
        let name = "a_stream_goes_on_in_the_parent_and_not_in_a_forked_child";
        assert!(start(name, &scratch.options()).wait_with_output().unwrap().status.success());
        return;
    };
    let _scratch = Scratch::new();
    let channel = Channel::uds("echoes").unwrap();
    let _listener = blocking::listen_uds_stream_with("echoes", &options, |_: (), items: simple_ipc::Items<u8>| {
        Ok(std::iter::from_fn(move || items.recv(None).transpose()).map(|item| item.map_err(Into::into)))
    });
    let opening = Message::null();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let task = runtime.block_on(simple_ipc::post_stream(&channel, &opening, &options)).unwrap();
    let raw = simple_ipc::event_loop::ItemStream::post(&channel, &opening, &options).unwrap();
    let thread = blocking::post_stream(&channel, &opening, &options).unwrap();
    let one = Message::json(&1).unwrap();
    let mut held = Some((task, raw, thread));
    let child = fork(|| {
        let (task, raw, thread) = held.as_mut().unwrap();
        let fresh = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for error in [
            raw.next(None).unwrap_err(),
            raw.try_next().unwrap_err(),
            raw.try_send(&one).unwrap_err(),
            raw.end().unwrap_err(),
            raw.is_accepted().unwrap_err(),
            raw.wait(None).unwrap_err(),
            thread.next().unwrap().unwrap_err(),
            thread.send(1).unwrap_err(),
            fresh.block_on(task.next()).unwrap().unwrap_err(),
            fresh.block_on(task.send(1)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Forked, "{error}");
        }
        // Neither closes anything of the parent's.
        raw.close();
        drop(held.take());
    });
    assert!(ended_well(child));
    let (mut task, raw, mut thread) = held.unwrap();
    raw.send(&one, None).unwrap();
    thread.send(1).unwrap();
    runtime.block_on(task.send(1)).unwrap();
    for item in
        [raw.next(None).unwrap(), thread.next().map(Result::unwrap), runtime.block_on(task.next()).map(Result::unwrap)]
    {
        assert_eq!(item.unwrap().decode::<u8>().unwrap(), 1);
    }
}

#[test]
fn a_channel_can_be_taken_over_when_its_listener_was_killed_though_a_child_of_it_lives() {
    if let Some(options) = started() {
        let listeners: Vec<_> = (0..2)
            .map(|number| {
                let channel = Channel::uds(&format!("orphaned_{number}")).unwrap();
                blocking::Listener::serve(&channel, Mode::Request, &options, echo).unwrap()
            })
            .collect();
        let child = fork(|| {
            loop {
                std::thread::park();
            }
        });
        println_now(&format!("child {child} of {} listeners", listeners.len()));
        loop {
            std::thread::park();
        }
    }
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = "a_channel_can_be_taken_over_when_its_listener_was_killed_though_a_child_of_it_lives";
    let mut parent = start(name, &options);
    let said = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let child: libc::pid_t = said
        .filter_map(|line| line.split_once("child ").map(|(_, rest)| rest.split(' ').next().unwrap().parse().unwrap()))
        .next()
        .unwrap();
    let channels = [0, 1].map(|number| Channel::uds(&format!("orphaned_{number}")).unwrap());
    for channel in &channels {
        blocking::post_request(channel, &Message::null(), &options).unwrap();
    }
    parent.kill().unwrap();
    parent.wait().unwrap();
    for channel in &channels {
        let error = blocking::post_request(channel, &Message::null(), &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotListening, "{error}");
        let listener = blocking::Listener::serve(channel, Mode::Request, &options, echo).unwrap();
        blocking::post_request(channel, &Message::null(), &options).unwrap();
        listener.close().unwrap();
    }
    // SAFETY: a signal to the process that the killed one has left behind.
    unsafe { libc::kill(child, libc::SIGKILL) };
}

#[test]
fn a_child_forked_while_descriptors_are_opened_and_closed_inherits_none_of_them() {
    let Some(options) = started() else {
        let scratch = Scratch::new();
        let name = "a_child_forked_while_descriptors_are_opened_and_closed_inherits_none_of_them";
        assert!(start(name, &scratch.options()).wait_with_output().unwrap().status.success());
        return;
    };
    let over = AtomicBool::new(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = |message: Message, responder: simple_ipc::Responder| async move {
        let _the_queue_has_left = responder.respond(&message);
    };
    let cycle = || {
        for channel in [Channel::uds("cycle").unwrap(), Channel::ip(0).unwrap()] {
            let serve = simple_ipc::Listener::serve(&channel, Mode::Request, &options, answer);
            let listener = runtime.block_on(serve).unwrap();
            for wire in [Wire::Auto, Wire::Deno] {
                let options = options.clone().wire(wire);
                let message = Message::null();
                runtime.block_on(simple_ipc::post_request(listener.channel(), &message, &options)).unwrap();
                let mut queue = simple_ipc::event_loop::Queue::new().unwrap();
                queue.post(listener.channel(), Mode::Request, message, &options).unwrap();
            }
            simple_ipc::channels(None).unwrap();
            runtime.block_on(listener.close()).unwrap();
        }
    };
    // What is opened once is there from now on.
    cycle();
    let known = open_files();
    let (caught, cycles) = std::thread::scope(|scope| {
        let forking = scope.spawn(|| {
            let caught = (0..300).filter(|_| !ended_well(fork(|| end_at_once(new_files(&known) == 0)))).count();
            over.store(true, Ordering::Relaxed);
            caught
        });
        let mut cycles = 0;
        while !over.load(Ordering::Relaxed) {
            cycle();
            cycles += 1;
        }
        (forking.join().unwrap(), cycles)
    });
    assert_eq!(caught, 0, "of 300 children, during {cycles} cycles, that many inherited a descriptor of this library");
}

/// What the descriptors below 1024 of this process lead to. A child of a process with threads asks: nothing
/// is allocated but the list, before the fork.
fn open_files() -> Vec<[u8; 128]> {
    (0..1024).map(link_of).collect()
}

/// How many descriptors lead elsewhere than the `known` ones did, to something that this library opens.
fn new_files(known: &[[u8; 128]]) -> usize {
    let opened = |link: &[u8; 128]| {
        let has = |part: &[u8]| link.windows(part.len()).any(|window| window == part);
        has(b"socket:") || has(b".lock") || has(b"[timerfd]") || has(b"[eventpoll]") || has(b"/net/") || has(b"/locks")
    };
    (0..1024)
        .zip(known)
        .filter(|(fd, known)| {
            let link = link_of(*fd);
            link != **known && opened(&link)
        })
        .count()
}

/// Ends a child: a panic there could wait for a lock that a thread of the parent had.
fn end_at_once(good: bool) {
    // SAFETY: it ends the process and returns to nobody.
    unsafe { libc::_exit(i32::from(!good)) }
}

fn link_of(fd: usize) -> [u8; 128] {
    let mut link = [0; 128];
    let mut path = [0u8; 32];
    use std::io::Write;
    write!(&mut path[..31], "/proc/self/fd/{fd}").unwrap();
    // SAFETY: `path` ends with a NUL, and `link` has room for as much as is said.
    unsafe { libc::readlink(path.as_ptr().cast(), link.as_mut_ptr().cast(), link.len()) };
    link
}

/// Past the test harness, which would keep it to itself.
fn println_now(line: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
