//! `--exec` with `--lines` or `--bytes`: a command per stream, its standard input the caller's items, its standard output
//! the listener's.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{ChildStdin, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use simple_ipc::event_loop::NextItem;
use simple_ipc::system::Waker;
use simple_ipc::{ErrorKind, Items, Message, ReplyStream, Responder};

use super::{Collected, Commands, ERROR_TAIL, Process, TICK, last_line};
use crate::input::Lines;
use crate::json;
use crate::os;

/// The largest message that opens a stream and goes into a command's environment, in bytes: what systems take of one variable.
const LARGEST_OPENING: usize = 64 << 10;
/// How much a command's output is read at once, and how much may be an item of bytes.
const PIECE: usize = 64 << 10;

/// What is an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line.
    Lines,
    /// Whatever comes at once.
    Bytes,
}

/// How a stream came to its end.
enum Over {
    /// The command has ended, and all of its output was sent.
    Ended { status: ExitStatus, errors: Vec<u8> },
    /// Nobody waits any more.
    Unwanted,
}

impl Commands {
    /// Runs the command for one stream. The error is for the operator; its caller has been told.
    pub(crate) fn stream(
        &self,
        channel: &str,
        message: &Message,
        responder: Responder,
        form: Form,
    ) -> Result<(), String> {
        let opening = match opening(message) {
            Ok(opening) => opening,
            Err(text) => {
                let _ = responder.fail(&text);
                return Err(text);
            }
        };
        if !responder.is_stream() {
            let name = if form == Form::Lines { "--lines" } else { "--bytes" };
            // Its caller is told so.
            drop(responder.stream());
            return Err(format!("a request is no stream, and {name} answers streams"));
        }
        let mut process = match self.start(channel, message, &responder, &opening) {
            Ok(process) => process,
            Err(text) => {
                let _ = responder.fail(&text);
                return Err(text);
            }
        };
        let reply = responder.stream().map_err(|error| error.message().to_owned())?;
        let over = process.carry(&reply, form, self.largest);
        let text = match over {
            Ok(Over::Ended { status, .. }) if status.success() => {
                return reply.end().map_err(|error| error.message().to_owned());
            }
            Ok(Over::Ended { status, errors }) => {
                last_line(&errors).unwrap_or_else(|| format!("{} ended with {status}", self.name()))
            }
            Ok(Over::Unwanted) => {
                // It is asked to end before the caller's place is given back.
                drop(process);
                drop(reply);
                return Err(format!("the caller left; {} was ended", self.name()));
            }
            Err(text) => text,
        };
        let _ = reply.fail(&text);
        Err(text)
    }
}

/// What the command's environment holds of the message.
fn opening(message: &Message) -> Result<Vec<(&'static str, OsString)>, String> {
    if message.len() > LARGEST_OPENING {
        return Err(format!(
            "the message that opens the stream has {} bytes, and a command's environment takes {LARGEST_OPENING}; send it \
             as an item",
            message.len()
        ));
    }
    match String::from_utf8(json::given(message).into_owned()) {
        Ok(text) if !text.contains('\0') => Ok(vec![("SIMPLE_IPC_MESSAGE", text.into())]),
        _ => Err("the message that opens the stream is not text; send it as an item".to_owned()),
    }
}

impl Process<'_> {
    /// Carries items both ways until the process has ended and all of its output was sent. What its own children print after
    /// that is not waited for.
    fn carry(&mut self, reply: &ReplyStream, form: Form, largest: usize) -> Result<Over, String> {
        let name = self.commands.name();
        let trouble = |error: io::Error| format!("cannot talk with {name}: {error}");
        let waker = Arc::new(Waker::new().map_err(trouble)?);
        let woken = Arc::clone(&waker);
        reply.on_change(Box::new(move || woken.wake()));
        let mut up = Up::new(self.child.stdin.take(), reply.items(), form).map_err(trouble)?;
        let mut down = Down::new(self.child.stdout.take(), form, largest).map_err(trouble)?;
        let mut errors = Collected::new(self.child.stderr.take()).map_err(trouble)?;
        let mut pause = Duration::from_millis(1);
        loop {
            waker.clear();
            if reply.is_cancelled() {
                self.end(down.into_rest(), errors);
                return Ok(Over::Unwanted);
            }
            up.feed().map_err(trouble)?;
            // Asked before the pipes are emptied: what the process printed is in them when it has ended.
            let status = self.status().map_err(trouble)?;
            let sent = down.pass_on(reply, status.is_some(), &name)?;
            let seen = errors.data.len();
            errors.drain().map_err(trouble)?;
            // The command's complaints are the operator's to see as well.
            let _ = io::stderr().lock().write_all(&errors.data[seen..]);
            errors.keep_tail(ERROR_TAIL);
            if sent == Sent::Unwanted {
                self.end(down.into_rest(), errors);
                return Ok(Over::Unwanted);
            }
            if let (Some(status), Sent::All) = (status, sent) {
                return Ok(Over::Ended { status, errors: errors.data });
            }
            // With no output left to read only the end is waited for, and it is usually close.
            let closed = down.pipe.is_none() && errors.pipe.is_none();
            let time = if closed { pause } else { TICK };
            let output = down.pipe.as_ref().filter(|_| sent == Sent::All);
            os::wait_for_pipes(up.waits_for(), output, errors.pipe.as_ref(), Some(&waker), time).map_err(trouble)?;
            if closed {
                pause = TICK.min(pause * 2);
            }
        }
    }
}

/// The caller's items on their way into the command.
struct Up {
    pipe: Option<ChildStdin>,
    items: Items,
    form: Form,
    /// An item that the pipe has not taken, and how much of it it has.
    unwritten: Vec<u8>,
    written: usize,
}

impl Up {
    fn new(pipe: Option<ChildStdin>, items: Items, form: Form) -> io::Result<Up> {
        pipe.as_ref().map_or(Ok(()), os::set_nonblocking)?;
        Ok(Up { pipe, items, form, unwritten: Vec::new(), written: 0 })
    }

    /// Writes what has come and what the pipe takes, and closes it at the end. A command need not read its input.
    fn feed(&mut self) -> io::Result<()> {
        loop {
            let Some(pipe) = &mut self.pipe else { return Ok(()) };
            if self.written == self.unwritten.len() {
                match self.items.try_next() {
                    Ok(NextItem::Item(item)) => self.take(&item),
                    Ok(NextItem::NotYet) => return Ok(()),
                    // It ended, or was lost, which is seen elsewhere.
                    _ => {
                        self.pipe = None;
                        return Ok(());
                    }
                }
                continue;
            }
            match os::write_pipe(pipe, &self.unwritten[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Ok(()),
                    io::ErrorKind::BrokenPipe => self.pipe = None,
                    _ => return Err(error),
                },
            }
        }
    }

    fn take(&mut self, item: &Message) {
        self.written = 0;
        self.unwritten.clear();
        if self.form == Form::Lines {
            self.unwritten.extend_from_slice(json::line(item).as_bytes());
            self.unwritten.push(b'\n');
        } else {
            self.unwritten.extend_from_slice(&json::given(item));
        }
    }

    /// The pipe, while it has not taken all that came.
    fn waits_for(&self) -> Option<&ChildStdin> {
        self.pipe.as_ref().filter(|_| self.written < self.unwritten.len())
    }
}

/// What the command prints on its way to the caller.
struct Down {
    pipe: Option<ChildStdout>,
    form: Form,
    /// What was read and is not an item yet, of either form.
    lines: Lines,
    piece: Vec<u8>,
    /// An item for which there was no room.
    unsent: Option<Message>,
}

/// What became of a command's output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// All that there is now.
    All,
    /// There is no room for more.
    Waiting,
    /// The caller has left.
    Unwanted,
}

impl Down {
    fn new(pipe: Option<ChildStdout>, form: Form, largest: usize) -> io::Result<Down> {
        pipe.as_ref().map_or(Ok(()), os::set_nonblocking)?;
        Ok(Down { pipe, form, lines: Lines::new(largest), piece: Vec::new(), unsent: None })
    }

    /// What nobody waits for any more.
    fn into_rest(self) -> Collected<ChildStdout> {
        Collected { pipe: self.pipe, data: Vec::new() }
    }

    /// Reads and sends for as long as there is something and room for it. `ended`: nothing more is printed.
    fn pass_on(&mut self, reply: &ReplyStream, ended: bool, name: &str) -> Result<Sent, String> {
        loop {
            while let Some(item) = self.next(name)? {
                match reply.try_send(&item) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.unsent = Some(item);
                        return Ok(Sent::Waiting);
                    }
                    Err(error) if error.kind() == ErrorKind::TooLarge => return Err(error.message().to_owned()),
                    Err(_) => return Ok(Sent::Unwanted),
                }
            }
            if self.receive().map_err(|error| format!("cannot read what {name} prints: {error}"))? {
                continue;
            }
            if (self.pipe.is_some() && !ended) || self.lines.is_empty() {
                return Ok(Sent::All);
            }
            self.lines.ended = true;
        }
    }

    /// What is to be sent next.
    fn next(&mut self, name: &str) -> Result<Option<Message>, String> {
        match self.unsent.take() {
            Some(item) => Ok(Some(item)),
            None => self.item(name),
        }
    }

    /// Reads once. Whether something came.
    fn receive(&mut self) -> io::Result<bool> {
        let Some(pipe) = &mut self.pipe else { return Ok(false) };
        let mut piece = [0; PIECE];
        loop {
            return match os::read_pipe(pipe, &mut piece) {
                Ok(0) => {
                    self.pipe = None;
                    Ok(false)
                }
                Ok(count) => {
                    match self.form {
                        Form::Lines => self.lines.extend(&piece[..count]),
                        Form::Bytes => self.piece.extend_from_slice(&piece[..count]),
                    }
                    Ok(true)
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => Ok(false),
                    _ => Err(error),
                },
            };
        }
    }

    /// The next whole item of what was read.
    fn item(&mut self, name: &str) -> Result<Option<Message>, String> {
        if self.form == Form::Bytes {
            let piece = std::mem::take(&mut self.piece);
            return Ok(if piece.is_empty() { None } else { Some(Message::bytes(piece)) });
        }
        while let Some(line) =
            self.lines.line().map_err(|error| format!("{name} printed too much: {}", error.message()))?
        {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let text = std::str::from_utf8(&line).map_err(|_| format!("{name} printed a line that is not UTF-8"))?;
            return Ok(Some(json::message_from_text(text).0));
        }
        Ok(None)
    }
}
