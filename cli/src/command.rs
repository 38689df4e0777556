//! `--exec`: a command per message, its standard input the body, its standard output the reply; or a command per stream
//! (`streaming`).
//!
//! One thread feeds and reads a command through pipes that never block, so that a large body and a
//! large reply pass each other, and looks in between whether the caller still waits.

mod streaming;

pub(crate) use self::streaming::Form;

use std::cell::Cell;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use simple_ipc::{Message, MessageKind, Mode, Responder};

use crate::json;
use crate::os::{self, Pipe, ProcessId};

/// How often a running command's caller is looked after: a responder has no descriptor to poll.
const TICK: Duration = Duration::from_millis(50);

/// How long a command that was asked to end has until it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of a command's standard error is kept in search of its last line.
const ERROR_TAIL: usize = 4096;
/// A caller ends its call itself when its time is over, and says so. Only one that does not say so is given up after this
/// long: its clock may be a little behind, and it is to get `timed_out`, not the end of the command.
const AFTER_ITS_TIME: Duration = Duration::from_millis(100);

/// The command of `--exec` and its processes that are running.
pub(crate) struct Commands {
    line: Vec<OsString>,
    /// The largest reply, in bytes.
    largest: usize,
    running: Mutex<Vec<ProcessId>>,
}

impl Commands {
    /// `line` is the program and its arguments, at least the program.
    pub(crate) fn new(line: Vec<OsString>, largest: usize) -> Commands {
        Commands { line, largest, running: Mutex::new(Vec::new()) }
    }

    /// Runs the command for one message. The error is the text that the caller gets.
    pub(crate) fn run(&self, channel: &str, message: &Message, responder: &Responder) -> Result<Message, String> {
        let mut process = self.start(channel, message, responder, &[])?;
        let broadcast = responder.mode() == Mode::Broadcast;
        // Nobody waits for a broadcast, and it is to be handled all the same.
        let over = Cell::new(None);
        let waits = || {
            if responder.is_cancelled() {
                return false;
            }
            if responder.time_left() != Some(Duration::ZERO) {
                return true;
            }
            let since: Instant = over.get().unwrap_or_else(Instant::now);
            over.set(Some(since));
            since.elapsed() < AFTER_ITS_TIME
        };
        let wanted = || broadcast || waits();
        let limit = if broadcast { None } else { Some(self.largest) };
        let (status, output, errors) = match process.exchange(&json::given(message), limit, wanted) {
            Ok(Outcome::Ended { status, output, errors }) => (status, output, errors),
            Ok(Outcome::Unwanted) => return Err(format!("the caller did not wait for {}; it was ended", self.name())),
            Ok(Outcome::TooMuch) => {
                return Err(format!(
                    "{} printed more than {} bytes (--max-message); it was ended",
                    self.name(),
                    self.largest
                ));
            }
            Err(error) => return Err(format!("cannot talk with {}: {error}", self.name())),
        };
        if !status.success() {
            return Err(last_line(&errors).unwrap_or_else(|| format!("{} ended with {status}", self.name())));
        }
        if broadcast { Ok(Message::null()) } else { reply(message.kind(), output, &self.name()) }
    }

    /// Asks every running command to end.
    pub(crate) fn terminate(&self) {
        for &pid in self.running.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A process that has ended meanwhile is not reaped while the list is locked: the pid is its own.
            pid.terminate();
        }
    }

    fn name(&self) -> String {
        self.line[0].to_string_lossy().into_owned()
    }

    fn start(
        &self,
        channel: &str,
        message: &Message,
        responder: &Responder,
        more: &[(&str, OsString)],
    ) -> Result<Process<'_>, String> {
        let mut command = Command::new(&self.line[0]);
        command
            .args(&self.line[1..])
            .env("SIMPLE_IPC_CHANNEL", channel)
            .env("SIMPLE_IPC_KIND", json::kind_name(message.kind()))
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Ctrl-C is for the listener, which lets its commands finish.
        os::keep_from_ctrl_c(&mut command);
        let peer = responder.peer();
        let facts = [
            ("SIMPLE_IPC_PEER_UID", peer.uid().map(|uid| uid.to_string())),
            ("SIMPLE_IPC_PEER_PID", peer.pid().map(|pid| pid.to_string())),
        ];
        for (name, value) in facts {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn().map_err(|error| format!("cannot run {}: {error}", self.name()))?;
        let pid = ProcessId::of(&child);
        running.push(pid);
        Ok(Process { child, pid, reaped: false, commands: self })
    }
}

enum Outcome {
    Ended { status: ExitStatus, output: Vec<u8>, errors: Vec<u8> },
    Unwanted,
    TooMuch,
}

/// A running command. Dropped before its end, it is asked to end, and killed if it does not.
struct Process<'a> {
    child: Child,
    pid: ProcessId,
    reaped: bool,
    commands: &'a Commands,
}

impl Process<'_> {
    /// Feeds the body and reads both outputs until the process ends. What its own children print
    /// after that is not waited for. Without a limit the output is thrown away.
    fn exchange(&mut self, body: &[u8], limit: Option<usize>, wanted: impl Fn() -> bool) -> io::Result<Outcome> {
        let mut input = Input::new(self.child.stdin.take(), body)?;
        let mut output = Collected::new(self.child.stdout.take())?;
        let mut errors = Collected::new(self.child.stderr.take())?;
        let mut pause = Duration::from_millis(1);
        loop {
            if !wanted() {
                self.end(output, errors);
                return Ok(Outcome::Unwanted);
            }
            input.feed()?;
            // Asked before the pipes are emptied: what the process printed is in them when it has ended.
            let status = self.status()?;
            output.drain()?;
            if let Some(limit) = limit {
                if output.data.len() > limit {
                    return Ok(Outcome::TooMuch);
                }
            } else {
                output.data.clear();
            }
            let seen = errors.data.len();
            errors.drain()?;
            // The command's complaints are the operator's to see as well.
            let _ = io::stderr().lock().write_all(&errors.data[seen..]);
            errors.keep_tail(ERROR_TAIL);
            if let Some(status) = status {
                return Ok(Outcome::Ended { status, output: output.data, errors: errors.data });
            }
            // With no output left to read only the end is waited for, and it is usually close.
            let closed = output.pipe.is_none() && errors.pipe.is_none();
            let time = if closed { pause } else { TICK };
            os::wait_for_pipes(input.pipe.as_ref(), output.pipe.as_ref(), errors.pipe.as_ref(), None, time)?;
            if closed {
                pause = TICK.min(pause * 2);
            }
        }
    }

    /// The exit status, once there is one. Then the pid may be another process's.
    fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut running = self.commands.running.lock().unwrap_or_else(PoisonError::into_inner);
        let status = self.child.try_wait()?;
        if status.is_some() && !self.reaped {
            self.reaped = true;
            running.retain(|&pid| pid != self.pid);
        }
        Ok(status)
    }
}

impl Process<'_> {
    /// Ends a command of which nobody wants anything any more. What it prints meanwhile is read and thrown away, its complaints
    /// are the operator's to see: a closed pipe would kill one that cleans up, and a full one would hold it.
    fn end(&mut self, mut output: Collected<ChildStdout>, mut errors: Collected<ChildStderr>) {
        self.terminate(|| {
            let _the_process_is_ending = output.drain();
            output.data.clear();
            errors.data.clear();
            let _the_process_is_ending = errors.drain();
            let _ = io::stderr().lock().write_all(&errors.data);
        });
    }

    /// Asks the command to end, kills it where it does not, and waits until it has ended; calls `meanwhile` again and again.
    fn terminate(&mut self, mut meanwhile: impl FnMut()) {
        if self.reaped {
            return;
        }
        self.pid.terminate();
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        while matches!(self.status(), Ok(None)) {
            meanwhile();
            if Instant::now() >= deadline {
                let _ = self.child.kill();
            }
            thread::sleep(pause);
            pause = TICK.min(pause * 2);
        }
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        self.terminate(|| ());
    }
}

/// The body on its way into a command.
struct Input<'a> {
    pipe: Option<ChildStdin>,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn new(pipe: Option<ChildStdin>, rest: &'a [u8]) -> io::Result<Input<'a>> {
        pipe.as_ref().map_or(Ok(()), os::set_nonblocking)?;
        Ok(Input { pipe, rest })
    }

    /// Writes what the pipe takes, and closes it at the end. A command need not read its input.
    fn feed(&mut self) -> io::Result<()> {
        while let Some(pipe) = &mut self.pipe {
            if self.rest.is_empty() {
                self.pipe = None;
                break;
            }
            match os::write_pipe(pipe, self.rest) {
                Ok(written) => self.rest = &self.rest[written..],
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::BrokenPipe => self.pipe = None,
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}

/// What a command has printed on one of its outputs.
struct Collected<R> {
    pipe: Option<R>,
    data: Vec<u8>,
}

impl<R: Read + Pipe> Collected<R> {
    fn new(pipe: Option<R>) -> io::Result<Collected<R>> {
        pipe.as_ref().map_or(Ok(()), os::set_nonblocking)?;
        Ok(Collected { pipe, data: Vec::new() })
    }

    /// Reads what is there now, up to a bound that keeps a command which never stops in check.
    fn drain(&mut self) -> io::Result<()> {
        const AT_ONCE: usize = 16 << 20;
        let mut piece = [0; 64 << 10];
        let mut taken = 0;
        while let Some(pipe) = &mut self.pipe {
            match os::read_pipe(pipe, &mut piece) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    self.data.extend_from_slice(&piece[..count]);
                    taken += count;
                    if taken >= AT_ONCE {
                        break;
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => break,
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    fn keep_tail(&mut self, len: usize) {
        self.data.drain(..self.data.len().saturating_sub(len));
    }
}

/// The reply that a command's output stands for.
fn reply(request: MessageKind, output: Vec<u8>, name: &str) -> Result<Message, String> {
    if request == MessageKind::Bytes {
        return Ok(Message::bytes(output));
    }
    let text = String::from_utf8(output).map_err(|_| format!("{name} printed neither JSON nor text in UTF-8"))?;
    let (message, is_json) = json::message_from_text(&text);
    if is_json { Ok(message) } else { Ok(Message::text(text.strip_suffix('\n').unwrap_or(&text))) }
}

/// The last line that has more than white space in it.
fn last_line(errors: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(errors);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_that_is_json_is_json_and_other_output_a_string() {
        let reply = |output: &str| reply(MessageKind::Json, output.into(), "cmd").unwrap();
        assert_eq!(reply("{\n  \"a\": 1.0\n}\n").data(), br#"{"a":1.0}"#);
        assert_eq!(reply("two words\n\n").as_text().unwrap(), "two words\n");
        assert_eq!(reply("").as_text().unwrap(), "");
    }

    #[test]
    fn a_bytes_request_gets_the_output_as_it_is() {
        assert_eq!(reply(MessageKind::Bytes, b"1\n".to_vec(), "cmd").unwrap(), Message::bytes(*b"1\n"));
        let broken = reply(MessageKind::Json, vec![0xff], "cmd").unwrap_err();
        assert_eq!(broken, "cmd printed neither JSON nor text in UTF-8");
    }

    #[test]
    fn the_last_line_of_errors_is_the_last_that_says_something() {
        assert_eq!(last_line(b"first\nlast \n\n").unwrap(), "last");
        assert_eq!(last_line(b" \n"), None);
    }
}
