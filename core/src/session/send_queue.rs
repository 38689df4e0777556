//! What one side of a session has to send, from any number of threads.
//!
//! Whoever has something sends it in its own thread. While a thread is sending, others only append;
//! the sender takes what has gathered out of the lock and sends it, until nothing is left. What the
//! socket does not take waits here for the session's driver, which sends it when there is room.

use std::io;
use std::time::Duration;

use crate::lock::lock;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, advance, interrupted, would_block};
use crate::session::pieces::Pieces;
use crate::sync::{Mutex, MutexGuard};

/// A frame up to this many bytes is sent from one place.
const SMALL: usize = 512;

/// What became of bytes handed to an [`SendQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Sent {
    /// They are with the kernel, or with a thread that is sending right now.
    Gone,
    /// They wait; the driver has to be told.
    Waiting,
}

#[derive(Debug, Default)]
pub(crate) struct SendQueue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What is to be sent, but for what the thread that is sending has taken out.
    waiting: Pieces,
    /// A thread is in the middle of a send.
    sending: bool,
    /// What has been handed over is the last.
    closed: bool,
    /// The peer is gone.
    broken: Option<io::ErrorKind>,
}

impl SendQueue {
    /// Sends `head` and `body`, after everything that was sent before. Where the socket takes no
    /// more, waits up to `patience` for it each time, then leaves the rest to the driver.
    pub(crate) fn send(&self, socket: &Stream, head: &[u8], body: &[u8], patience: Duration) -> io::Result<Sent> {
        {
            let mut state = self.usable()?;
            if state.sending || state.waiting.len() > 0 {
                state.waiting.push_copy(head, body);
                return Ok(if state.sending { Sent::Gone } else { Sent::Waiting });
            }
            state.sending = true;
        }
        let mut small = [0; SMALL];
        let result = match small.get_mut(..head.len() + body.len()) {
            // One copy of a few bytes costs less than a send from two places.
            Some(whole) if !body.is_empty() => {
                whole[..head.len()].copy_from_slice(head);
                whole[head.len()..].copy_from_slice(body);
                send_frame(socket, whole, &[], patience)
            }
            _ => send_frame(socket, head, body, patience),
        };
        self.after_send(socket, result, patience)
    }

    /// Adds bytes without sending; the driver has to be told. How many wait now.
    #[inline]
    pub(crate) fn append(&self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let mut state = self.usable()?;
        state.waiting.push_copy(head, body);
        Ok(state.waiting.len())
    }

    /// Adds the last bytes: nothing is taken after them. The driver sends them.
    pub(crate) fn append_last(&self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut state = self.usable()?;
        state.waiting.push_copy(head, body);
        state.closed = true;
        Ok(())
    }

    /// Sends what waits: the driver's call.
    pub(crate) fn flush(&self, socket: &Stream, patience: Duration) -> io::Result<Sent> {
        {
            let mut state = self.unbroken()?;
            if state.sending || state.waiting.len() == 0 {
                return Ok(Sent::Gone);
            }
            state.sending = true;
        }
        self.after_send(socket, Ok(None), patience)
    }

    /// Has `last` send the last bytes that go by the socket's own way, unless others are sending or something waits: `false`, and
    /// nothing has changed.
    pub(crate) fn hand_over(&self, socket: &Stream, last: impl FnOnce(&Stream) -> io::Result<()>) -> io::Result<bool> {
        {
            let mut state = self.usable()?;
            if state.sending || state.waiting.len() > 0 {
                return Ok(false);
            }
            state.sending = true;
        }
        let (is_done, sent) = match last(socket) {
            Err(error) if would_block(&error) => (false, Ok(None)),
            done => (true, done.map(|()| None)),
        };
        // What others have added meanwhile and the socket did not take is flushed by the driver, who calls this.
        let _the_driver_looks_next = self.after_send(socket, sent, Duration::ZERO)?;
        Ok(is_done)
    }

    /// Gives memory back that nothing is in.
    pub(crate) fn rest(&self) {
        let mut state = lock(&self.0);
        if state.waiting.len() == 0 {
            state.waiting.clear();
        }
    }

    /// How many bytes wait.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.0).waiting.len()
    }

    /// Whether nothing waits and nothing is being sent.
    pub(crate) fn is_empty(&self) -> bool {
        let state = lock(&self.0);
        !state.sending && state.waiting.len() == 0
    }

    /// Ends a send: with what others added meanwhile, or with what the socket did not take. `None` is nothing.
    fn after_send(
        &self,
        socket: &Stream,
        mut sent: io::Result<Option<Pieces>>,
        patience: Duration,
    ) -> io::Result<Sent> {
        loop {
            let mut batch = {
                let mut state = lock(&self.0);
                match sent {
                    Ok(Some(mut rest)) if rest.len() > 0 => {
                        rest.append(&mut state.waiting);
                        state.waiting = rest;
                        state.sending = false;
                        return Ok(Sent::Waiting);
                    }
                    Ok(spare) if state.waiting.len() == 0 => {
                        if let Some(spare) = spare {
                            state.waiting.take_memory(spare);
                        }
                        state.sending = false;
                        return Ok(Sent::Gone);
                    }
                    // Its memory serves the next batch.
                    Ok(spare) => std::mem::replace(&mut state.waiting, spare.unwrap_or_default()),
                    Err(error) => {
                        state.sending = false;
                        state.broken = Some(error.kind());
                        state.waiting.clear();
                        // Whatever it was, nothing can follow what is missing now: a peer that lives must
                        // not wait for it, nor for more on this session.
                        let _gone_already = socket.shutdown_write();
                        return Err(error);
                    }
                }
            };
            sent = match batch.send(|head, body| send_in_time(socket, head, body, patience)) {
                Err(error) if !would_block(&error) => Err(error),
                _ => Ok(Some(batch)),
            };
        }
    }

    /// The state, for one who hands over more bytes.
    #[inline]
    fn usable(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.unbroken()?;
        if state.closed { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(state) }
    }

    #[inline]
    fn unbroken(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = lock(&self.0);
        match state.broken {
            Some(kind) => Err(kind.into()),
            None => Ok(state),
        }
    }
}

/// Sends a frame until all of it is gone, or until the socket has taken nothing for `patience`: returns the rest.
fn send_frame<'a>(
    socket: &Stream,
    mut head: &'a [u8],
    mut body: &'a [u8],
    patience: Duration,
) -> io::Result<Option<Pieces>> {
    while !(head.is_empty() && body.is_empty()) {
        match send_in_time(socket, head, body, patience) {
            Ok(sent) => advance(&mut head, &mut body, sent),
            Err(error) if interrupted(&error) => {}
            Err(error) if would_block(&error) => {
                let mut rest = Pieces::default();
                rest.push_copy(head, body);
                return Ok(Some(rest));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Sends what goes; 'would block' where the socket has taken nothing for `patience`.
#[inline(always)]
fn send_in_time(socket: &Stream, head: &[u8], body: &[u8], patience: Duration) -> io::Result<usize> {
    loop {
        match socket.send(head, body) {
            Err(error) if would_block(&error) && !patience.is_zero() => {
                if !socket.wait_for(Interest::Write, Some(patience))? {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}
