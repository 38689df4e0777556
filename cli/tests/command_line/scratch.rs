//! A scratch directory for channels, runs of the command in it, and a watchdog round each.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take before a test says that it hangs.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(60);

/// A directory of its own for a test's channels.
pub(crate) struct Scratch {
    directory: TempDir,
}

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.stdout).unwrap()
    }

    /// The run went well, said nothing on standard error, and printed this.
    #[track_caller]
    pub(crate) fn printed(&self, stdout: &str) {
        assert_eq!((self.status, self.text(), self.stderr.as_str()), (0, stdout, ""));
    }

    /// The run failed with this status and this one line, and printed nothing else.
    #[track_caller]
    pub(crate) fn refused(&self, status: i32, line: &str) {
        assert_eq!((self.status, self.text(), self.stderr.as_str()), (status, "", format!("{line}\n").as_str()));
    }
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch { directory: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self, name: &str) -> PathBuf {
        self.path().join(format!(".deno.{name}.socket"))
    }

    /// The command with these arguments; its channels are in this directory.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_simple-ipc"));
        command.args(["--dir".as_ref(), self.path().as_os_str()]).args(arguments);
        command.env_remove("SIMPLE_IPC_DIR").current_dir(self.path());
        command
    }

    /// Runs the command to its end.
    #[track_caller]
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        self.run_with(arguments, b"")
    }

    /// Runs the command to its end with this standard input.
    #[track_caller]
    pub(crate) fn run_with<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, stdin: &[u8]) -> Outcome {
        Running::start(self.command(arguments), stdin).outcome()
    }

    /// Starts a listener and waits until it says that it is ready.
    #[track_caller]
    pub(crate) fn listen<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Listening {
        let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Listening::start(self.command([OsStr::new("listen")].into_iter().chain(arguments.iter().map(AsRef::as_ref))))
    }
}

/// A run of the command that is under way. Killed if it is dropped before its end.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    pub(crate) fn start(mut command: Command, stdin: &[u8]) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let stdin = stdin.to_owned();
        // The command need not read it.
        thread::spawn(move || drop(input.write_all(&stdin)));
        let stdout = read_all(child.stdout.take().unwrap());
        let stderr = read_all(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    #[track_caller]
    pub(crate) fn outcome(mut self) -> Outcome {
        let stdout = received(&self.stdout, "the end of standard output");
        let stderr = received(&self.stderr, "the end of standard error");
        let status = self.child.wait().unwrap();
        Outcome {
            status: status.code().unwrap_or_else(|| panic!("{status}")),
            stdout,
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener that is ready, and the lines that it prints.
pub(crate) struct Listening {
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: String,
    stdin: Option<Mutex<ChildStdin>>,
    stdout: Option<Receiver<String>>,
    stderr: Receiver<String>,
}

impl Listening {
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Listening {
        command.stdin(Stdio::null());
        Listening::start_quiet(command).until_ready()
    }

    /// As [`start`](Listening::start), with a standard input that is open until the end.
    #[track_caller]
    pub(crate) fn start_with_input(mut command: Command) -> Listening {
        command.stdin(Stdio::piped());
        Listening::start_quiet(command).until_ready()
    }

    /// Starts what does not say that it is ready.
    pub(crate) fn start_quiet(mut command: Command) -> Listening {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = read_lines(child.stdout.take().unwrap());
        let stderr = read_lines(child.stderr.take().unwrap());
        let stdin = child.stdin.take().map(Mutex::new);
        Listening { child, ready: String::new(), stdin, stdout: Some(stdout), stderr }
    }

    #[track_caller]
    fn until_ready(mut self) -> Listening {
        while !self.ready.starts_with("listening on ") {
            self.ready = self.error_line();
        }
        self
    }

    /// Writes to its standard input.
    #[track_caller]
    pub(crate) fn write(&self, text: &str) {
        self.stdin.as_ref().unwrap().lock().unwrap().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The next line on standard output.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        received(self.stdout.as_ref().unwrap(), "a line on standard output")
    }

    /// The next line on standard error.
    #[track_caller]
    pub(crate) fn error_line(&self) -> String {
        received(&self.stderr, "a line on standard error")
    }

    /// The port in the line that says that it is ready.
    pub(crate) fn port(&self) -> u16 {
        let channel = self.ready.split_whitespace().nth(2).unwrap();
        channel.strip_prefix(':').unwrap().parse().unwrap()
    }

    /// Waits for the end; the lines that were left on standard output and standard error.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        let stdout = self.stdout.as_ref().map(rest).unwrap_or_default();
        let stderr = rest(&self.stderr);
        (self.child.wait().unwrap(), stdout, stderr)
    }

    /// Ends it with SIGTERM, which it takes as a wish and not as a failure.
    #[track_caller]
    pub(crate) fn close(self) -> Vec<String> {
        self.signal(Signal::TERM);
        let (status, stdout, _) = self.end();
        assert_eq!(status.code(), Some(0));
        stdout
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut data = Vec::new();
        pipe.read_to_end(&mut data).unwrap();
        let _ = sender.send(data);
    });
    receiver
}

pub(crate) fn read_lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            if sender.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Asks again and again until it is so, under the watchdog.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WATCHDOG, "hangs: waited in vain for: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What comes next, under the watchdog.
#[track_caller]
pub(crate) fn received<T>(receiver: &Receiver<T>, what: &str) -> T {
    match receiver.recv_timeout(WATCHDOG) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("hangs: waited in vain for {what}"),
        Err(RecvTimeoutError::Disconnected) => panic!("ended before {what}"),
    }
}

#[track_caller]
pub(crate) fn rest(receiver: &Receiver<String>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match receiver.recv_timeout(WATCHDOG) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Disconnected) => return lines,
            Err(RecvTimeoutError::Timeout) => panic!("hangs: the listener does not end"),
        }
    }
}
