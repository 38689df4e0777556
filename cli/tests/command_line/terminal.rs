//! What a person at a terminal sees, and nobody else: colours, and what is shown while one waits.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::scratch::{Scratch, WATCHDOG};

/// A terminal, from the side of whoever looks at it.
struct Terminal {
    screen: File,
    /// Its other side, which programs write to.
    line: File,
}

impl Terminal {
    fn new() -> Terminal {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let line = OpenOptions::new().read(true).write(true).open(name).unwrap();
        Terminal { screen: screen.into(), line }
    }

    fn line(&self) -> Stdio {
        self.line.try_clone().unwrap().into()
    }

    /// Reads what is shown until this is among it.
    fn until(&mut self, text: &str) -> String {
        let mut shown = Vec::new();
        let mut piece = [0; 1024];
        loop {
            let time = Timespec::try_from(WATCHDOG).unwrap();
            let there = poll(&mut [PollFd::new(&self.screen, PollFlags::IN)], Some(&time)).unwrap();
            assert_eq!(there, 1, "hangs: waited in vain for {text:?} behind {:?}", String::from_utf8_lossy(&shown));
            let count = self.screen.read(&mut piece).unwrap();
            shown.extend_from_slice(&piece[..count]);
            let so_far = String::from_utf8_lossy(&shown);
            if so_far.contains(text) {
                return so_far.into_owned();
            }
        }
    }

    /// Runs a command whose standard output is the terminal; what it has shown.
    fn shown(&mut self, command: &mut Command) -> String {
        let end = "the end of the test";
        let mut child = command.stdin(Stdio::null()).stdout(self.line()).stderr(self.line()).spawn().unwrap();
        child.wait().unwrap();
        std::io::Write::write_all(&mut self.line, end.as_bytes()).unwrap();
        self.until(end)
    }
}

/// A program that is ended if the test fails before its end.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn colours_are_for_terminals_whose_user_has_not_refused_them() {
    let scratch = Scratch::new();
    let mut terminal = Terminal::new();
    let mut doctor = scratch.command(["doctor"]);
    doctor.env_remove("NO_COLOR").env("TERM", "xterm");
    assert!(terminal.shown(&mut doctor).contains("\u{1b}[32mok"), "a terminal has colours");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut doctor = scratch.command(["doctor"]);
        doctor.env_remove("NO_COLOR").env("TERM", "xterm").env(name, value);
        let shown = terminal.shown(&mut doctor);
        assert!(shown.contains("ok       directory") && !shown.contains("\u{1b}[3"), "{name}: {shown:?}");
    }
}

#[test]
fn one_who_waits_is_told_for_what_and_the_rest_is_as_without_a_terminal() {
    let scratch = Scratch::new();
    let mut terminal = Terminal::new();
    let mut post = scratch.command(["post", "x", "1", "--wait", "none"]);
    let post = post.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(terminal.line()).env("TERM", "xterm");
    let mut post = Ended(post.spawn().unwrap());
    terminal.until("waiting for x");
    let _listening = scratch.listen(["x", "--echo"]);
    let mut printed = String::new();
    post.0.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!((printed.as_str(), post.0.wait().unwrap().code()), ("1\n", Some(0)));
}

#[test]
fn a_measurement_shows_how_far_it_is() {
    let scratch = Scratch::new();
    let _listening = scratch.listen(["x", "--echo"]);
    let mut terminal = Terminal::new();
    let mut bench = scratch.command(["bench", "x", "--time", "1h"]);
    let bench = bench.stdin(Stdio::null()).stdout(Stdio::null()).stderr(terminal.line()).env("TERM", "xterm");
    let mut bench = Ended(bench.spawn().unwrap());
    terminal.until("measuring");
    rustix::process::kill_process(rustix::process::Pid::from_child(&bench.0), rustix::process::Signal::INT).unwrap();
    assert_eq!(bench.0.wait().unwrap().code(), Some(0));
}
