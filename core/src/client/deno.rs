//! One message on the Deno wire: send, half-close, receive to the end.
//!
//! The original's listener ends its process when a client leaves before the answer. So a caller that
//! does not wait any longer leaves the connection to [`Lingering`], which receives to the end.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use super::lingering::Lingering;
use super::until::Until;
use super::{lost, timed_out};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, advance, interrupted, would_block};
use crate::protocol::{Violation, deno};
use crate::session::spin_wait::SpinWait;

thread_local! {
    /// How the last exchange of this thread has waited: whether polling pays outlives a connection.
    static LAST: Cell<Option<SpinWait>> = const { Cell::new(None) };
}

/// One exchange on a connection of its own.
pub(crate) struct Exchange {
    pub(super) socket: Lingering,
    mode: Mode,
    max_message: usize,
    /// How much of flag and body has left; `None` once it has all been sent.
    sent: Option<usize>,
    stream: Vec<u8>,
}

/// How far an exchange came without waiting.
pub(crate) enum Progress {
    /// It goes on when the socket is ready for this.
    Wants(Interest),
    /// The end, with the answer to a request.
    Done(Option<Message>),
}

impl Exchange {
    pub(crate) fn new(socket: Stream, mode: Mode, max_message: usize) -> Exchange {
        Exchange { socket: Lingering::new(socket), mode, max_message, sent: Some(0), stream: Vec::new() }
    }

    /// The connection, unless it is over.
    pub(crate) fn socket(&self) -> Option<&Stream> {
        self.socket.unless_over()
    }

    /// Goes on with it as far as that goes without waiting; `message` is the same each time.
    pub(crate) fn step(&mut self, message: MessageRef<'_>) -> Result<Progress> {
        while let Some(sent) = self.sent {
            let flag = [deno::flag(message.kind()).ok_or_else(super::wire_has_no_attachments)?];
            let (mut head, mut body) = (&flag[..], message.data());
            advance(&mut head, &mut body, sent);
            if head.is_empty() {
                self.sent = None;
                self.socket.get().shutdown_write().map_err(|error| self.ended(error))?;
                break;
            }
            match self.socket.get().send(head, body) {
                Ok(more) => self.sent = Some(sent + more),
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => return Ok(Progress::Wants(Interest::Write)),
                Err(error) => return Err(self.refused(error)),
            }
        }
        loop {
            match receive(self.socket.get(), &mut self.stream) {
                Ok(0) => return self.finish().map(Progress::Done),
                Ok(_) => self.check_size()?,
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => return Ok(Progress::Wants(Interest::Read)),
                Err(error) => return Err(self.ended(error)),
            }
        }
    }

    /// An error that ends the exchange where it has come to.
    pub(crate) fn told(&self, error: Error) -> Error {
        if self.sent.is_none() { error.after_sending() } else { error }
    }

    /// Does it, waiting in the calling thread. `None` for a broadcast.
    pub(crate) fn run(mut self, message: MessageRef<'_>, until: &Until<'_>, spin: Duration) -> Result<Option<Message>> {
        let mut waiter = SpinWait::new(spin);
        if let Some(last) = LAST.take() {
            waiter.learn(&last);
        }
        let done = self.run_with(&mut waiter, message, until);
        LAST.set(Some(waiter));
        done
    }

    fn run_with(
        &mut self,
        waiter: &mut SpinWait,
        message: MessageRef<'_>,
        until: &Until<'_>,
    ) -> Result<Option<Message>> {
        loop {
            let mut wants = Interest::Read;
            // It never blocks in here: how long to wait is `wait_for`'s matter.
            let stepped = waiter.receive(|_| match self.step(message) {
                Ok(Progress::Wants(flags)) => {
                    wants = flags;
                    Err(io::ErrorKind::WouldBlock.into())
                }
                stepped => Ok(stepped),
            });
            match stepped {
                Ok(Ok(Progress::Done(answer))) => return Ok(answer),
                Ok(Err(error)) => return Err(error),
                Ok(Ok(Progress::Wants(_))) | Err(_) => self.wait_for(wants, until)?,
            }
        }
    }

    fn wait_for(&self, what: Interest, until: &Until<'_>) -> Result<()> {
        if until.is_over() {
            return Err(self.told(timed_out()));
        }
        match until.wait_for(self.socket.get(), what) {
            Ok(true) => Ok(()),
            Ok(false) => until.interrupted().map_or(Ok(()), |error| Err(self.told(error))),
            Err(error) => Err(Error::from_os("cannot wait for the connection", error).after_sending()),
        }
    }

    fn check_size(&self) -> Result<()> {
        if self.stream.len() > self.max_message + 1 {
            let too_large = Violation::TooLarge { len: self.stream.len() - 1, max: self.max_message };
            return Err(Error::from(too_large).after_sending());
        }
        Ok(())
    }

    /// The listener would not have the message: half of one is never handled.
    fn refused(&mut self, error: io::Error) -> Error {
        self.socket.done();
        lost(error)
    }

    fn ended(&mut self, error: io::Error) -> Error {
        self.socket.done();
        lost(error).after_sending()
    }

    fn finish(&mut self) -> Result<Option<Message>> {
        self.socket.done();
        let stream = std::mem::take(&mut self.stream);
        match self.mode {
            Mode::Broadcast if stream.is_empty() => Ok(None),
            Mode::Broadcast => Err(Error::new(
                ErrorKind::WrongMode,
                "the listener answered, so it takes requests and not broadcasts; post a request",
            )
            .after_sending()),
            Mode::Request if stream.is_empty() => Err(Error::new(
                ErrorKind::NoReply,
                "the listener closed the connection without an answer: its handler failed, or it takes broadcasts",
            )
            .after_sending()),
            Mode::Publish => unreachable!("nothing is published on this wire"),
            Mode::Request => deno::decode(stream, Some(b"null"))
                .map(Some)
                .map_err(|violation| Error::new(ErrorKind::InvalidBody, violation.to_string()).after_sending()),
        }
    }
}

fn receive(socket: &Stream, stream: &mut Vec<u8>) -> io::Result<usize> {
    if stream.len() == stream.capacity() {
        stream.reserve(4096.max(stream.len()));
    }
    socket.recv_spare(stream, usize::MAX, Wait::No)
}
