//! One message on a connection of a dialect without sessions: in, to the handler, and back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::message::Message;
use crate::mode::Mode;
use crate::os::async_stream::{AsyncStream, Ready};
use crate::os::stream::{Stream, Wait, advance, interrupted, would_block};
use crate::peer::Peer;
use crate::server::listening::{ACK_AFTER, Listening};
use crate::server::responder::{Answer, Responder};

/// A connection of such a dialect.
pub(in crate::server) struct Connection {
    fd: AsyncStream,
    caller: Arc<Caller>,
}

/// A connection as its responder sees it.
#[derive(Debug)]
pub(in crate::server) struct Caller {
    pub(in crate::server) socket: Arc<Stream>,
    pub(in crate::server) peer: Peer,
    pub(in crate::server) gone: AtomicBool,
    pub(in crate::server) went: Notify,
    pub(in crate::server) listening: Arc<Listening>,
}

impl Caller {
    pub(in crate::server) fn new(listening: &Arc<Listening>, socket: Arc<Stream>, peer: Peer) -> Arc<Caller> {
        let listening = Arc::clone(listening);
        Arc::new(Caller { socket, peer, gone: AtomicBool::new(false), went: Notify::new(), listening })
    }
}

impl Connection {
    pub(in crate::server) fn new(listening: &Arc<Listening>, fd: AsyncStream, peer: Peer) -> Connection {
        let caller = Caller::new(listening, Arc::clone(fd.get_ref()), peer);
        Connection { fd, caller }
    }

    /// The connection of a caller that is known, and now watched.
    pub(in crate::server) fn of(fd: AsyncStream, caller: Arc<Caller>) -> Connection {
        Connection { fd, caller }
    }

    pub(in crate::server) fn socket(&self) -> &Stream {
        self.fd.get_ref()
    }

    /// Receives more of a message; 0 at its end. Cancelling it loses nothing.
    pub(in crate::server) async fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        receive(&self.fd, buffer).await
    }

    /// Takes a message to the handler. For a request, the answer: `None` if the caller has gone.
    /// For a broadcast `None`, when the handler has returned or has run for a while.
    pub(in crate::server) async fn exchange(&self, listening: &Arc<Listening>, message: Message) -> Option<Answer> {
        let (in_flight, held) = take_in(listening, message.len(), self.caller.peer).await;
        let (answered, answer) = oneshot::channel();
        let (began, begun) = oneshot::channel();
        let (finished, finish) = oneshot::channel::<()>();
        let is_request = listening.mode == Mode::Request;
        let answered = is_request.then(|| (answered, Arc::clone(&in_flight)));
        let responder = Responder::to_caller(Arc::clone(&self.caller), answered, listening.mode);
        let its_place = Arc::clone(&in_flight);
        let its_listening = Arc::clone(listening);
        if listening.blocking {
            listening.workers.submit(Box::new(move || {
                let _nobody_waits_for_it = began.send(());
                match its_listening.users_code() {
                    Some(code) => code.call_blocking(&message, responder),
                    None => responder.discard(),
                }
                drop((message, held, its_place));
                let _nobody_waits_any_more = finished.send(());
            }));
        } else {
            listening.runtime.spawn(async move {
                let _nobody_waits_for_it = began.send(());
                match its_listening.users_code() {
                    Some(code) => code.call_async(message, responder).await,
                    None => responder.discard(),
                }
                drop((held, its_place));
                let _nobody_waits_any_more = finished.send(());
            });
        }
        if is_request {
            return self.answered(answer, &in_flight).await;
        }
        drop(in_flight);
        // It may have to wait for a thread; the time counts from when it has one.
        let _it_has_one_or_never_will = begun.await;
        let _long_enough_either_way = timeout(ACK_AFTER, finish).await;
        None
    }

    /// The answer to a request; `None` if nobody waits for it any more.
    pub(in crate::server) async fn answered(
        &self,
        answer: oneshot::Receiver<Answer>,
        in_flight: &InFlight,
    ) -> Option<Answer> {
        tokio::select! {
            answer = answer => return answer.ok(),
            () = self.hang_up() => {}
            () = self.caller.listening.until_closed() => {}
        }
        in_flight.abandon();
        self.caller.gone.store(true, Ordering::Relaxed);
        self.caller.went.notify_waiters();
        None
    }

    /// Completes when the peer has gone altogether.
    async fn hang_up(&self) {
        while let Ok(mut guard) = self.fd.writable().await {
            if self.socket().hung_up() {
                break;
            }
            guard.clear_ready();
        }
    }

    /// Sends all of it, unless the peer has gone or takes nothing for too long.
    pub(in crate::server) async fn send(&self, mut head: &[u8], mut body: &[u8]) -> io::Result<()> {
        // Readiness counts as out of date only after a send that came later than it: put aside on the
        // word of an earlier send, the one notice of room would be lost.
        let mut room: Option<Ready<'_>> = None;
        while !(head.is_empty() && body.is_empty()) {
            match self.socket().send(head, body) {
                Ok(sent) => advance(&mut head, &mut body, sent),
                Err(error) if would_block(&error) => {
                    if let Some(mut guard) = room.take() {
                        guard.clear_ready();
                    }
                    let waited = timeout(self.caller.listening.stall_timeout, self.fd.writable()).await;
                    room = Some(waited.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?);
                }
                Err(error) if interrupted(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Handlers that still run hold the socket: the connection must not stay open for them.
        self.socket().shutdown();
    }
}

/// Takes a message of this many bytes in when the listener may take one more. It counts as in flight until the
/// handler has returned, and a request until it is answered besides, and its bytes until the handler has returned.
pub(in crate::server) async fn take_in(listening: &Arc<Listening>, bytes: usize, peer: Peer) -> (Arc<InFlight>, Held) {
    let in_flight = begin(listening, peer).await;
    listening.room.take(bytes);
    listening.room.pass_on();
    listening.count_message();
    (Arc::new(in_flight), Held(Arc::clone(listening), bytes))
}

async fn begin(listening: &Arc<Listening>, peer: Peer) -> InFlight {
    let called = Arc::new(Notify::new());
    let _leaves_the_line = InLine(listening, &called);
    loop {
        if listening.try_begin(&peer) {
            return InFlight { listening: Arc::clone(listening), abandoned: AtomicBool::new(false) };
        }
        if !listening.room.join(&called) {
            called.notified().await;
        }
    }
}

/// A place in the line of those who wait for room.
struct InLine<'a>(&'a Listening, &'a Arc<Notify>);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.room.leave(self.1);
    }
}

/// The bytes of a message that a handler has.
pub(in crate::server) struct Held(Arc<Listening>, usize);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.room.give(self.1);
    }
}

/// A message that was taken. Held by all who are not yet done with it: who waits for the answer, who is with the
/// handler, who has to answer.
#[derive(Debug)]
pub(in crate::server) struct InFlight {
    listening: Arc<Listening>,
    abandoned: AtomicBool,
}

impl InFlight {
    /// Nobody waits for the answer any more: gives the place back, whoever still has it.
    fn abandon(&self) {
        if !self.abandoned.swap(true, Ordering::SeqCst) {
            self.listening.abandon();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if *self.abandoned.get_mut() {
            self.listening.settle();
        } else {
            self.listening.end();
        }
    }
}

/// Receives into the spare room of `buffer`, which it makes if there is none. 0 is the end.
pub(in crate::server) async fn receive(fd: &AsyncStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        if buffer.len() == buffer.capacity() {
            buffer.reserve(4096.max(buffer.len()));
        }
        match fd.get_ref().recv_spare(buffer, usize::MAX, Wait::No) {
            Err(error) if would_block(&error) => {
                let mut guard = fd.readable().await?;
                // Only what was true before the receive is out of date; look once more first.
                match fd.get_ref().recv_spare(buffer, usize::MAX, Wait::No) {
                    Err(error) if would_block(&error) => guard.clear_ready(),
                    done => return done,
                }
            }
            Err(error) if interrupted(&error) => {}
            done => return done,
        }
    }
}
