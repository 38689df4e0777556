//! What one side of a session has to send, from any number of threads.
//!
//! Whoever has something sends it in its own thread. While a thread is sending, others only append;
//! the sender takes what has gathered and sends it with one call, until nothing is left. What the
//! socket does not take waits here for the session's driver, which sends it when there is room.

use std::io;
use std::time::Duration;

use crate::lock::lock;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, advance, interrupted, would_block};
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
    waiting: Vec<u8>,
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
            if state.sending || !state.waiting.is_empty() {
                state.waiting.extend_from_slice(head);
                state.waiting.extend_from_slice(body);
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
                send_all(socket, whole, &[], patience)
            }
            _ => send_all(socket, head, body, patience),
        };
        self.after_send(socket, result, patience)
    }

    /// Adds bytes without sending; the driver has to be told. How many wait now.
    pub(crate) fn append(&self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        let mut state = self.usable()?;
        state.waiting.extend_from_slice(head);
        state.waiting.extend_from_slice(body);
        Ok(state.waiting.len())
    }

    /// Adds the last bytes: nothing is taken after them. The driver sends them.
    pub(crate) fn append_last(&self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut state = self.usable()?;
        state.waiting.extend_from_slice(head);
        state.waiting.extend_from_slice(body);
        state.closed = true;
        Ok(())
    }

    /// Sends what waits: the driver's call.
    pub(crate) fn flush(&self, socket: &Stream, patience: Duration) -> io::Result<Sent> {
        {
            let mut state = self.unbroken()?;
            if state.sending || state.waiting.is_empty() {
                return Ok(Sent::Gone);
            }
            state.sending = true;
        }
        self.after_send(socket, Ok(Vec::new()), patience)
    }

    /// Gives memory back that nothing is in.
    pub(crate) fn rest(&self) {
        let mut state = lock(&self.0);
        if state.waiting.is_empty() {
            state.waiting = Vec::new();
        }
    }

    /// How many bytes wait.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.0).waiting.len()
    }

    /// Whether nothing waits and nothing is being sent.
    pub(crate) fn is_empty(&self) -> bool {
        let state = lock(&self.0);
        !state.sending && state.waiting.is_empty()
    }

    /// Ends a send: with what others added meanwhile, or with what the socket did not take.
    fn after_send(&self, socket: &Stream, mut result: io::Result<Vec<u8>>, patience: Duration) -> io::Result<Sent> {
        loop {
            let mut batch = {
                let mut state = lock(&self.0);
                match result {
                    Ok(mut rest) if !rest.is_empty() => {
                        rest.append(&mut state.waiting);
                        state.waiting = rest;
                        state.sending = false;
                        return Ok(Sent::Waiting);
                    }
                    Ok(spare) if state.waiting.is_empty() => {
                        if state.waiting.capacity() < spare.capacity() {
                            state.waiting = spare;
                        }
                        state.sending = false;
                        return Ok(Sent::Gone);
                    }
                    Ok(spare) => std::mem::replace(&mut state.waiting, spare),
                    Err(error) => {
                        state.sending = false;
                        state.broken = Some(error.kind());
                        state.waiting = Vec::new();
                        // Whatever it was, nothing can follow what is missing now: a peer that lives must
                        // not wait for it, nor for more on this session.
                        let _gone_already = socket.shutdown_write();
                        return Err(error);
                    }
                }
            };
            result = send_all(socket, &batch, &[], patience).map(|rest| {
                if rest.is_empty() && batch.capacity() <= 256 << 10 {
                    // Its memory serves the next batch.
                    batch.clear();
                    batch
                } else {
                    rest
                }
            });
        }
    }

    /// The state, for one who hands over more bytes.
    fn usable(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.unbroken()?;
        if state.closed { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(state) }
    }

    fn unbroken(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = lock(&self.0);
        match state.broken {
            Some(kind) => Err(kind.into()),
            None => Ok(state),
        }
    }
}

/// Sends until all is gone, or until the socket has taken nothing for `patience`: returns the rest.
fn send_all<'a>(socket: &Stream, mut head: &'a [u8], mut body: &'a [u8], patience: Duration) -> io::Result<Vec<u8>> {
    while !(head.is_empty() && body.is_empty()) {
        match socket.send(head, body) {
            Ok(sent) => advance(&mut head, &mut body, sent),
            Err(error) if interrupted(&error) => {}
            Err(error) if would_block(&error) => {
                let has_room = match patience {
                    Duration::ZERO => Ok(false),
                    patience => socket.wait_for(Interest::Write, Some(patience)),
                };
                match has_room {
                    Ok(true) => {}
                    Ok(false) => return Ok([head, body].concat()),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Vec::new())
}
