//! One message on the Deno wire: send, half-close, receive to the end.
//!
//! The original's listener ends its process when a client leaves before the answer. So a caller that
//! does not wait any longer leaves the connection to [`Lingering`], which receives to the end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use tokio::io::Interest;
use tokio::time::timeout_at;

use super::{lost, timed_out, too_large};
use crate::background;
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::message::Message;
use crate::protocol::deno;
use crate::server::Mode;
use crate::transport::socket::{Socket, Wait, advance, interrupted, would_block};
use crate::transport::wait::Waiter;
use crate::transport::watch::watch;

/// The most connections that are received to their end after their callers have left.
const MOST_LINGERING: usize = 256;

/// One exchange on a connection of its own.
pub(crate) struct Exchange {
    socket: Lingering,
    mode: Mode,
    max_message: usize,
    stream: Vec<u8>,
}

impl Exchange {
    pub(crate) fn new(socket: Socket, mode: Mode, max_message: usize) -> Exchange {
        Exchange { socket: Lingering::new(socket), mode, max_message, stream: Vec::new() }
    }

    /// Does it, waiting in the calling thread. `None` for a broadcast.
    pub(crate) fn run(
        mut self,
        message: &Message,
        deadline: Option<Instant>,
        spin: Duration,
    ) -> Result<Option<Message>> {
        let head = [deno::flag(message.kind())];
        let (mut head, mut body) = (&head[..], message.data());
        while !(head.is_empty() && body.is_empty()) {
            match self.socket.get().send(head, body) {
                Ok(sent) => advance(&mut head, &mut body, sent),
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => self.wait_for(PollFlags::OUT, deadline, false)?,
                Err(error) => return Err(self.refused(error)),
            }
        }
        self.half_close()?;
        let mut waiter = Waiter::new(spin);
        loop {
            let Exchange { socket, stream, .. } = &mut self;
            // It never blocks in the receive: how long to wait is `wait_for`'s matter.
            let received = waiter.receive(|_| receive(socket.get(), stream));
            match received {
                Ok(0) => return self.finish(),
                Ok(_) => self.check_size()?,
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => self.wait_for(PollFlags::IN, deadline, true)?,
                Err(error) => return Err(self.ended(error)),
            }
        }
    }

    fn wait_for(&self, what: PollFlags, deadline: Option<Instant>, sent: bool) -> Result<()> {
        let tell = |error: Error| if sent { error.after_sending() } else { error };
        let left = interrupt::left(deadline);
        if left.is_some_and(|left| left.is_zero()) {
            return Err(tell(timed_out()));
        }
        match self.socket.get().wait_for(what, interrupt::piece(left)) {
            Ok(false) if interrupt::wants_end() => Err(tell(interrupt::error())),
            Ok(_) => Ok(()),
            Err(error) => Err(Error::from_os("cannot wait for the connection", error).after_sending()),
        }
    }

    /// Does it, waiting on the runtime. Dropping the future gives the answer up.
    pub(crate) async fn run_async(mut self, message: Message, deadline: Option<Instant>) -> Result<Option<Message>> {
        let fd = watch(Arc::clone(self.socket.get()), Interest::READABLE | Interest::WRITABLE)
            .map_err(|error| Error::from_os("cannot watch the connection", error))?;
        let flag = [deno::flag(message.kind())];
        let (mut head, mut body) = (&flag[..], message.data());
        while !(head.is_empty() && body.is_empty()) {
            match self.socket.get().send(head, body) {
                Ok(sent) => advance(&mut head, &mut body, sent),
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => {
                    let mut guard = within(deadline, fd.writable(), false).await?;
                    guard.clear_ready();
                    drop(guard);
                    // Room may have come before the readiness was put aside.
                    if self.socket.get().wait_for(PollFlags::OUT, Some(Duration::ZERO)).is_ok_and(|ready| !ready) {
                        drop(within(deadline, fd.writable(), false).await?);
                    }
                }
                Err(error) => return Err(self.refused(error)),
            }
        }
        self.half_close()?;
        loop {
            match receive(self.socket.get(), &mut self.stream) {
                Ok(0) => {
                    drop(fd);
                    return self.finish();
                }
                Ok(_) => self.check_size()?,
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => {
                    let mut guard = within(deadline, fd.readable(), true).await?;
                    match receive(self.socket.get(), &mut self.stream) {
                        Err(error) if would_block(&error) => guard.clear_ready(),
                        Ok(0) => {
                            drop(guard);
                            drop(fd);
                            return self.finish();
                        }
                        Ok(_) => self.check_size()?,
                        Err(error) if interrupted(&error) => {}
                        Err(error) => return Err(self.ended(error)),
                    }
                }
                Err(error) => return Err(self.ended(error)),
            }
        }
    }

    fn half_close(&mut self) -> Result<()> {
        match self.socket.get().shutdown_send() {
            Ok(()) => Ok(()),
            Err(error) => Err(self.ended(error)),
        }
    }

    fn check_size(&self) -> Result<()> {
        if self.stream.len() > self.max_message + 1 {
            return Err(too_large(self.stream.len() - 1, self.max_message).after_sending());
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

    fn finish(mut self) -> Result<Option<Message>> {
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
            Mode::Request => deno::decode(stream, Some(b"null"))
                .map(Some)
                .map_err(|violation| Error::new(ErrorKind::InvalidBody, violation.to_string()).after_sending()),
        }
    }
}

fn receive(socket: &Socket, stream: &mut Vec<u8>) -> io::Result<usize> {
    if stream.len() == stream.capacity() {
        stream.reserve(4096.max(stream.len()));
    }
    socket.recv_spare(stream, usize::MAX, Wait::No)
}

async fn within<T>(deadline: Option<Instant>, ready: impl Future<Output = io::Result<T>>, sent: bool) -> Result<T> {
    let result = match deadline {
        Some(deadline) => match timeout_at(deadline.into(), ready).await {
            Ok(result) => result,
            Err(_) => return Err(if sent { timed_out().after_sending() } else { timed_out() }),
        },
        None => ready.await,
    };
    result.map_err(|error| Error::from_os("cannot wait for the connection", error).after_sending())
}

/// A connection that is received to its end, whoever has left.
pub(super) struct Lingering(Option<Arc<Socket>>);

impl Lingering {
    pub(super) fn new(socket: Socket) -> Lingering {
        Lingering(Some(Arc::new(socket)))
    }

    fn get(&self) -> &Arc<Socket> {
        self.0.as_ref().expect("taken only at the end")
    }

    /// The stream has ended: nothing is left to wait for.
    fn done(&mut self) {
        self.0 = None;
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        static LINGERING: AtomicUsize = AtomicUsize::new(0);
        let Some(socket) = self.0.take() else { return };
        let Ok(runtime) = background::calls() else { return };
        if LINGERING.fetch_add(1, Ordering::Relaxed) >= MOST_LINGERING {
            LINGERING.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        runtime.spawn(async move {
            receive_to_the_end(&socket).await;
            LINGERING.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn receive_to_the_end(socket: &Arc<Socket>) {
    let Ok(fd) = watch(Arc::clone(socket), Interest::READABLE) else { return };
    let _told_already = socket.shutdown_send();
    let mut scrap = vec![0; 16 << 10];
    while let Ok(mut guard) = fd.readable().await {
        match socket.recv(&mut scrap, Wait::No) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if would_block(&error) => guard.clear_ready(),
            Err(error) if interrupted(&error) => {}
            Err(_) => return,
        }
    }
}
