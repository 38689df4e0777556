//! One listener per channel, with real processes: start together, be killed, be taken over, be
//! damaged, be found.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use simple_ipc::blocking::{Client, Listener, post_request};
use simple_ipc::{ErrorKind, Message, Mode, Options, channels};

use crate::raw::{EXCLUSIVE, MULTIPLEXED, RESPONSE, Raw, request};
use crate::scratch::{Scratch, build, echo, eventually};
use crate::watchdog::Watchdog;

const DIRECTORY: &str = "SIMPLE_IPC_TEST_CHILD_DIRECTORY";
const PROCESSES: usize = 8;
const ROUNDS: usize = 200;
/// Often enough that a test need not wait long.
const CHECK: Duration = Duration::from_millis(50);

/// Not a test of its own: what this program does when one of the tests below starts it. At each line
/// it tries to listen, and says what became of that.
#[test]
fn a_process_that_listens_when_told_to() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let _watchdog = Watchdog::start();
    let mut held = Vec::new();
    let options = Options::new().directory(Path::new(&directory));
    for _ in std::io::stdin().lines() {
        let pid = Message::json(&std::process::id()).unwrap();
        let listener = Listener::serve(&build(), Mode::Request, &options, move |_, responder| {
            let _the_caller_may_have_gone = responder.respond(&pid);
        });
        let outcome = match listener {
            Ok(listener) => {
                held.push(listener);
                "listens".to_owned()
            }
            Err(error) => format!("{}: {}", error.kind().name(), error.message()),
        };
        writeln!(std::io::stdout(), "outcome {outcome}").unwrap();
    }
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(scratch: &Scratch) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "one_listener::a_process_that_listens_when_told_to", "--nocapture"])
            .env(DIRECTORY, scratch.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Process { child, input, output }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn go(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    fn outcome(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "process {} has ended", self.pid());
            // The test harness of the child has its own lines, and may begin one.
            if let Some((_, outcome)) = line.trim_end().split_once("outcome ") {
                return outcome.to_owned();
            }
        }
    }

    /// What SIGKILL does: nothing is put in order.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _has_ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn of_processes_that_start_at_once_exactly_one_listens_and_the_others_name_it() {
    let scratch = Scratch::new();
    let mut processes: Vec<Process> = (0..PROCESSES).map(|_| Process::start(&scratch)).collect();
    for round in 0..ROUNDS {
        let _watchdog = Watchdog::start();
        processes.iter_mut().for_each(Process::go);
        let outcomes: Vec<String> = processes.iter_mut().map(Process::outcome).collect();
        let winners: Vec<usize> = (0..PROCESSES).filter(|&at| outcomes[at] == "listens").collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:#?}");
        let pid = processes[winners[0]].pid();
        let expected = format!("in_use: cannot listen on channel \"build\": process {pid} already listens there");
        for (at, outcome) in outcomes.iter().enumerate() {
            assert!(at == winners[0] || *outcome == expected, "round {round}: {outcome}, not {expected}");
        }
        let answered = post_request(&build(), &Message::null(), &scratch.options()).unwrap();
        assert_eq!(answered.decode::<u32>().unwrap(), pid);
        // What it leaves behind is what the next round begins with.
        processes[winners[0]].kill();
        assert!(scratch.socket().exists() && scratch.lock_file().exists());
        processes[winners[0]] = Process::start(&scratch);
    }
}

#[test]
fn the_channel_of_a_killed_listener_is_free_at_once() {
    let scratch = Scratch::new();
    for _ in 0..5 {
        let mut process = Process::start(&scratch);
        process.go();
        assert_eq!(process.outcome(), "listens");
        let client = Client::connect(&build(), &scratch.options()).unwrap();
        let error = Listener::serve(&build(), Mode::Request, &scratch.options(), echo).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        process.kill();
        let error = post_request(&build(), &Message::null(), &scratch.options()).unwrap_err();
        assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::NotListening, false));
        let listener = scratch.echo();
        scratch.assert_serves(&listener);
        // A client of the dead one goes on with the new one.
        assert_eq!(client.request_message(&Message::text("x"), None).unwrap(), Message::text("x"));
        listener.close().unwrap();
        assert!(!scratch.socket().exists() && !scratch.lock_file().exists());
    }
}

#[test]
fn clients_that_look_all_the_time_keep_no_listener_from_starting() {
    let scratch = Scratch::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    match post_request(&build(), &Message::null(), &scratch.options()) {
                        Ok(reply) => assert_eq!(reply, Message::null()),
                        Err(error) => assert!(
                            !error.may_have_been_handled() || error.kind() == ErrorKind::ConnectionLost,
                            "{}: {error}",
                            error.kind()
                        ),
                    }
                    channels(Some(&scratch.path(""))).unwrap();
                }
            });
        }
        for _ in 0..100 {
            let listener = Listener::serve(&build(), Mode::Request, &scratch.options(), echo);
            match listener {
                Ok(listener) => listener.close().unwrap(),
                Err(error) => {
                    over.store(true, Ordering::Relaxed);
                    panic!("{error}");
                }
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn live_channels_are_listed_and_dead_ones_are_not() {
    let scratch = Scratch::new();
    let mut process = Process::start(&scratch);
    process.go();
    assert_eq!(process.outcome(), "listens");
    let elsewhere = scratch.options().path(scratch.path("second.sock"));
    let second = Listener::serve(&build(), Mode::Broadcast, &elsewhere, |_, _| ()).unwrap();
    let tcp = scratch.listen_tcp(Mode::Request, &scratch.options(), echo);
    let listed = || channels(Some(&scratch.path(""))).unwrap();
    let found = listed();
    assert_eq!(found.len(), 3, "{found:?}");
    let at = |address: &str| found.iter().find(|info| info.address == address).unwrap();
    let first = at(scratch.socket().to_str().unwrap());
    assert_eq!((first.pid, first.mode), (Some(process.pid().cast_signed()), Some(Mode::Request)));
    assert_eq!(
        (at(second.address()).pid, at(second.address()).mode),
        (Some(std::process::id().cast_signed()), Some(Mode::Broadcast))
    );
    assert_eq!(at(tcp.address()).channel, tcp.channel().to_string());
    process.kill();
    assert_eq!(listed().len(), 2);
    second.close().unwrap();
    drop(tcp);
    eventually("none is left", || listed().is_empty());
}

/// A listener that looks after its files often, with a session of each role open.
fn watched(scratch: &Scratch) -> (Listener, Vec<Raw>) {
    let listener = scratch.listen(Mode::Request, &scratch.options().check_interval(CHECK), echo);
    let sessions = [EXCLUSIVE, MULTIPLEXED].map(|role| Raw::session(&listener, role));
    (listener, sessions.into())
}

fn assert_sessions_go_on(sessions: &mut [Raw]) {
    for raw in sessions {
        raw.send(&request(1, "1"));
        assert!(raw.frame().is(RESPONSE, 1));
    }
}

/// A client that has not been there before: neither its session nor its look at the files is old.
fn serves_newcomers(scratch: &Scratch) -> bool {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Options that differ have sessions of their own.
    let newcomer = scratch.options().spin(Duration::from_nanos(NEXT.fetch_add(1, Ordering::Relaxed)));
    post_request(&build(), &Message::null(), &newcomer).is_ok()
}

fn is_held(scratch: &Scratch) -> bool {
    channels(Some(&scratch.path(""))).unwrap().len() == 1
}

#[test]
fn what_is_removed_is_put_back_and_sessions_go_on() {
    let scratch = Scratch::new();
    let (listener, mut sessions) = watched(&scratch);
    for (socket, lock) in [(true, false), (false, true), (true, true), (true, true)] {
        if socket {
            std::fs::remove_file(scratch.socket()).unwrap();
        }
        if lock {
            std::fs::remove_file(scratch.lock_file()).unwrap();
        }
        assert_sessions_go_on(&mut sessions);
        eventually("it is all there again", || {
            scratch.socket().exists() && is_held(&scratch) && serves_newcomers(&scratch)
        });
        assert_sessions_go_on(&mut sessions);
        let error = Listener::serve(&build(), Mode::Request, &scratch.options(), echo).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
    }
    listener.close().unwrap();
    assert!(!scratch.socket().exists() && !scratch.lock_file().exists());
}

#[test]
fn what_somebody_else_has_put_there_is_left_alone_until_it_is_gone() {
    let scratch = Scratch::new();
    let (listener, mut sessions) = watched(&scratch);
    std::fs::remove_file(scratch.socket()).unwrap();
    std::fs::write(scratch.socket(), "somebody's").unwrap();
    // Several looks: that nothing happens takes its time.
    std::thread::sleep(CHECK * 6);
    assert_eq!(std::fs::read_to_string(scratch.socket()).unwrap(), "somebody's");
    assert_sessions_go_on(&mut sessions);
    std::fs::remove_file(scratch.socket()).unwrap();
    eventually("it serves again", || scratch.socket().exists() && serves_newcomers(&scratch));

    std::fs::remove_file(scratch.lock_file()).unwrap();
    std::fs::create_dir(scratch.lock_file()).unwrap();
    std::thread::sleep(CHECK * 6);
    assert!(scratch.lock_file().is_dir());
    assert_sessions_go_on(&mut sessions);
    std::fs::remove_dir(scratch.lock_file()).unwrap();
    eventually("it is found again", || is_held(&scratch));
    assert_sessions_go_on(&mut sessions);

    // What is not its own it does not take with it, either.
    std::fs::remove_file(scratch.socket()).unwrap();
    std::fs::write(scratch.socket(), "somebody's").unwrap();
    listener.close().unwrap();
    assert_eq!(std::fs::read_to_string(scratch.socket()).unwrap(), "somebody's");
    assert!(!scratch.lock_file().exists());
}
