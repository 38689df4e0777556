//! Having the runtime say when a descriptor is ready.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::listener::Listener;
use super::ready::Readiness;
use super::stream::Stream;
use crate::os::interest::Interest;

/// What keeps one and the same descriptor open for as long as it lives.
trait Steady: AsRawFd {}

impl Steady for Arc<Stream> {}
impl Steady for Listener {}
impl Steady for Readiness {}

/// Has the runtime of the calling task watch a descriptor.
fn register<T: Steady>(held: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    let interest = match interest {
        Interest::Read => tokio::io::Interest::READABLE,
        Interest::Write => tokio::io::Interest::WRITABLE,
        Interest::Both => tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE,
    };
    // SAFETY: the types that are `Steady` give the same open descriptor until they are dropped, which the
    // `AsyncFd` that owns them outlives; the trait is private to this file.
    unsafe { AsyncFd::register_with_interest(held, interest) }.map_err(io::Error::from)
}

/// A stream that the runtime watches.
#[derive(Debug)]
pub(crate) struct AsyncStream(AsyncFd<Arc<Stream>>);

impl AsyncStream {
    /// Has the runtime of the calling task watch a stream, which others may hold and use besides.
    pub(crate) fn new(stream: Arc<Stream>, interest: Interest) -> io::Result<AsyncStream> {
        register(stream, interest).map(AsyncStream)
    }

    /// The stream itself.
    pub(crate) fn get_ref(&self) -> &Arc<Stream> {
        self.0.get_ref()
    }

    /// The stream, which is watched no more.
    pub(crate) fn into_inner(self) -> Arc<Stream> {
        self.0.into_inner()
    }

    /// Completes when there may be something to receive. Cancelling it loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<Ready<'_>> {
        self.0.readable().await.map(Ready)
    }

    /// Completes when there may be room to send. Cancelling it loses nothing.
    pub(crate) async fn writable(&self) -> io::Result<Ready<'_>> {
        self.0.writable().await.map(Ready)
    }

    /// Completes when the peer has gone altogether, or that cannot be known. What was received is left to others.
    pub(crate) async fn hang_up(&self) {
        while let Ok(mut guard) = self.writable().await {
            if self.get_ref().hung_up() {
                break;
            }
            // The next one is for a change.
            guard.clear_ready();
        }
    }
}

/// What the runtime believes of a stream: it stays ready until somebody has found that it is not.
pub(crate) struct Ready<'a>(AsyncFdReadyGuard<'a, Arc<Stream>>);

impl Ready<'_> {
    /// The stream was found not to be ready after this was given out: the next wait is for a change.
    pub(crate) fn clear_ready(&mut self) {
        self.0.clear_ready();
    }
}

/// What tells that there is something to do, watched by the runtime.
#[derive(Debug)]
pub(crate) struct AsyncReadiness(AsyncFd<Readiness>);

impl AsyncReadiness {
    /// Has the runtime of the calling task watch it.
    pub(crate) fn new(readiness: Readiness) -> io::Result<AsyncReadiness> {
        register(readiness, Interest::Read).map(AsyncReadiness)
    }

    /// Completes when there may be something to do. Cancelling it loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<Told<'_>> {
        self.0.readable().await.map(Told)
    }

    /// Ready when there may be something to do; else the task is woken then.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<Told<'_>>> {
        self.0.poll_read_ready(context).map_ok(Told)
    }
}

/// What the runtime believes of something that tells.
pub(crate) struct Told<'a>(AsyncFdReadyGuard<'a, Readiness>);

impl Told<'_> {
    /// There was nothing to do after this was given out: the next wait is for a change.
    pub(crate) fn clear_ready(&mut self) {
        self.0.clear_ready();
    }
}

/// A listening socket that the runtime watches.
#[derive(Debug)]
pub(crate) struct AsyncListener(AsyncFd<Listener>);

impl AsyncListener {
    /// Has the runtime of the calling task watch a listening socket.
    pub(crate) fn new(listener: Listener) -> io::Result<AsyncListener> {
        register(listener, Interest::Read).map(AsyncListener)
    }

    /// Completes when a connection may wait. Cancelling it loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<Waiting<'_>> {
        self.0.readable().await.map(Waiting)
    }

    /// Takes a connection that waits; 'would block' where none does.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        self.0.get_ref().accept()
    }

    /// Whether a connection waits.
    pub(crate) fn someone_waits(&self) -> bool {
        super::ready::ready_now(self.0.get_ref())
    }
}

/// What the runtime believes of a listening socket.
pub(crate) struct Waiting<'a>(AsyncFdReadyGuard<'a, Listener>);

impl Waiting<'_> {
    /// No connection was waiting after this was given out: the next wait is for a new one.
    pub(crate) fn clear_ready(&mut self) {
        self.0.clear_ready();
    }
}
