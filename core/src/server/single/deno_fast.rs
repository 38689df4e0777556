//! A request on the Deno wire all of which is there when its connection is accepted: one thread calls the
//! handler, answers and closes. The runtime goes on with it where the handler takes its time, answers
//! from elsewhere, or the caller does not take the answer.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::lock::lock;
use crate::message::Message;
use crate::mode::Mode;
use crate::os::async_stream::AsyncStream;
use crate::os::fork;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, advance, interrupted, would_block};
use crate::peer::Peer;
use crate::protocol::deno as wire;
use crate::server::shared::{OpenConnection, Shared};
use crate::server::single::connection::{Caller, Connection, Exchange, InFlight, Outcome, take_in};
use crate::server::single::deno;

/// A handler that takes longer is quick no more: the runtime looks after its connection.
const QUICK: Duration = Duration::from_millis(2);

/// Receives what is there. Whether that is all that will come.
pub(crate) fn receive(socket: &Stream, first: &mut Vec<u8>) -> io::Result<bool> {
    let room = first.capacity() - first.len();
    let got = socket.recv_spare(first, usize::MAX, Wait::No)?;
    if got == 0 || got == room {
        return Ok(false);
    }
    Ok(socket.recv_spare(first, usize::MAX, Wait::No).is_ok_and(|more| more == 0))
}

/// Whether the handler may be called with a whole message in this way.
pub(crate) fn is_for(shared: &Shared, stream: &[u8]) -> bool {
    shared.blocking && shared.mode == Mode::Request && stream.len() <= shared.options.max_message
}

/// A request between the thread that is with the handler and the runtime: whoever takes it ends it.
struct Handoff {
    /// Taken by whoever ends it.
    left: Mutex<Option<Left>>,
    /// The thread is done with the handler, and something is left.
    leaves: Notify,
}

/// What is left of a request.
struct Left {
    exchange: Arc<Exchange>,
    /// What of the answer the caller has not taken.
    unsent: Option<Unsent>,
    in_flight: Arc<InFlight>,
    _open: OpenConnection,
}

struct Unsent {
    reply: Message,
    /// Bytes that the caller has taken, with the one before the body.
    sent: usize,
}

/// Takes a request to the handler, and sees to its end.
pub(crate) async fn serve(open: OpenConnection, socket: Arc<Stream>, peer: Peer, stream: Vec<u8>) {
    let shared = Arc::clone(open.shared());
    let message = match wire::decode(stream, None) {
        Ok(message) => message,
        Err(violation) => return shared.malformed(&peer, violation),
    };
    let (in_flight, held) = take_in(&shared, message.len(), peer).await;
    // Nothing else here holds the caller: its connection is closed, which ends the answer, as soon as that is sent.
    let exchange = Exchange::request(&Caller::new(&shared, socket, peer), &in_flight);
    let responder = exchange.responder();
    let left = Left { exchange, unsent: None, in_flight: Arc::clone(&in_flight), _open: open };
    let handoff = Arc::new(Handoff { left: Mutex::new(Some(left)), leaves: Notify::new() });
    let with_the_thread = Arc::clone(&handoff);
    let born = fork::generation();
    let its_shared = Arc::clone(&shared);
    shared.threads.submit(Box::new(move || {
        let code = its_shared.users_code();
        match &code {
            Some(code) => code.call_blocking(&message, responder),
            None => responder.discard(),
        }
        if born != fork::generation() {
            // A forked child: nothing here is its own.
            return std::mem::forget((code, message, held, in_flight, with_the_thread, its_shared));
        }
        drop((code, message, held, in_flight));
        with_the_thread.returned();
    }));
    tokio::select! {
        () = handoff.leaves.notified() => {}
        () = sleep(QUICK) => {}
    }
    let left = lock(&handoff.left).take();
    if let Some(left) = left {
        left.go_on().await;
    }
}

impl Handoff {
    /// The handler has returned: ends the request, if that takes no waiting.
    fn returned(&self) {
        let mut place = lock(&self.left);
        let Some(left) = place.as_mut() else { return };
        if !left.end() {
            drop(place);
            return self.leaves.notify_one();
        }
        let ended = place.take();
        drop(place);
        if let Some(left) = ended {
            left.close();
        }
    }
}

impl Left {
    /// Sends the answer, if there is one. Whether nothing is left to do but to close.
    fn end(&mut self) -> bool {
        let reply = match self.exchange.take_outcome() {
            Some(Outcome::Reply(reply)) => reply,
            // A failure cannot be told on this wire: the connection closes without a byte.
            Some(Outcome::NoReply) => return true,
            None => return false,
        };
        let Some(flag) = wire::flag(reply.kind()) else { return true };
        let flag = [flag];
        let (mut head, mut body): (&[u8], &[u8]) = (&flag, reply.data());
        while !(head.is_empty() && body.is_empty()) {
            match self.exchange.caller.socket.send(head, body) {
                Ok(sent) => advance(&mut head, &mut body, sent),
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => {
                    let sent = flag.len() + reply.len() - head.len() - body.len();
                    self.unsent = Some(Unsent { reply, sent });
                    return false;
                }
                Err(_) => return true,
            }
        }
        true
    }

    fn close(self) {
        if Arc::strong_count(&self.exchange) > 1 {
            // Somebody asks whether the caller still waits, and so holds the socket; the peer must not wait for that.
            self.exchange.caller.socket.shutdown();
        }
    }

    /// As the thread would have, with waiting.
    async fn go_on(mut self) {
        let Ok(fd) = AsyncStream::new(Arc::clone(&self.exchange.caller.socket), Interest::Both) else {
            return self.close();
        };
        let connection = Connection::of(fd, Arc::clone(&self.exchange.caller));
        let reply = match self.unsent.take() {
            Some(unsent) => Some(unsent),
            None => match connection.outcome(&self.exchange, &self.in_flight).await {
                Outcome::Reply(reply) => Some(Unsent { reply, sent: 0 }),
                Outcome::NoReply => None,
            },
        };
        if let Some(Unsent { reply, sent }) = reply {
            deno::end_with(&connection, &reply, sent).await;
        }
    }
}
