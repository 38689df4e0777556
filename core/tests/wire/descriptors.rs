//! A listener in a process with few descriptors: it lets quiet sessions go for those that come.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use simple_ipc::Options;

use crate::raw::{EXCLUSIVE, RESPONSE, Raw, request};
use crate::scratch::{Scratch, echo};

/// Names the directory of the channel and how many descriptors are left to the listener, for its process.
const DIRECTORY: &str = "SIMPLE_IPC_TEST_DESCRIPTORS_IN";
const LEFT: &str = "SIMPLE_IPC_TEST_DESCRIPTORS_LEFT";

const LIMIT: u64 = 96;
const CLIENTS: usize = 150;

/// The process under test; in any other it does nothing.
#[test]
fn a_process_with_few_descriptors() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let left: usize = std::env::var(LEFT).unwrap().parse().unwrap();
    let limit = libc::rlimit { rlim_cur: LIMIT, rlim_max: LIMIT };
    // SAFETY: the pointer is to a limit that outlives the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let listener = simple_ipc::blocking::Listener::serve(
        &crate::scratch::build(),
        simple_ipc::Mode::Request,
        &Options::new().directory(directory),
        echo,
    )
    .unwrap();
    let mut taken: Vec<std::fs::File> = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    assert!(taken.len() > left, "{} descriptors are free at first", taken.len());
    taken.truncate(taken.len() - left);
    writeln!(std::io::stdout(), "it listens").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let counters = listener.counters();
    assert_eq!(counters.messages, counters.connections);
    drop(taken);
    listener.close().unwrap();
}

fn start(scratch: &Scratch, left: usize) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "descriptors::a_process_with_few_descriptors", "--nocapture"])
        .env(DIRECTORY, scratch.path(""))
        .env(LEFT, left.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("it listens") {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the process has ended");
    }
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    child
}

/// More clients than there can be connections are all served, and keep their sessions as long as they may.
fn assert_all_are_served(left: usize) {
    let scratch = Scratch::new();
    let mut child = start(&scratch, left);
    let mut quiet = Vec::new();
    for client in 0..CLIENTS {
        let mut raw = Raw::unix(&scratch.socket());
        raw.send(&[crate::raw::hello(EXCLUSIVE), request(1, &client.to_string())].concat());
        raw.receive(16);
        let reply = raw.frame();
        assert!(reply.is(RESPONSE, 1), "{reply:?}");
        quiet.push(raw);
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_listener_without_descriptors_lets_quiet_sessions_go_for_those_that_come() {
    assert_all_are_served(10);
}

#[test]
fn a_listener_holds_no_more_connections_than_its_process_has_descriptors_for() {
    assert_all_are_served(LIMIT as usize - 20);
}
