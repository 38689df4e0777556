//! The Deno wire at a listener: one message, one answer, each to the end of the stream.

use std::io;
use std::sync::Arc;

use tokio::time::timeout;

use crate::message::Message;
use crate::mode::Mode;
use crate::os::stream::advance;
use crate::protocol::deno;
use crate::server::shared::Shared;
use crate::server::single::connection::{Connection, Outcome};

pub(crate) async fn serve(shared: &Arc<Shared>, connection: Connection, mut stream: Vec<u8>) {
    let peer = connection.peer();
    match receive_all(shared, &connection, &mut stream).await {
        Ok(true) => {}
        Ok(false) => return shared.malformed(&peer, "a message that is too large, or flags that are unknown"),
        Err(_) => return shared.incomplete(&peer),
    }
    let message = match deno::decode(stream, None) {
        Ok(message) => message,
        Err(violation) => return shared.malformed(&peer, violation),
    };
    if shared.mode == Mode::Publish {
        return end(&connection);
    }
    match connection.exchange(message).await {
        Outcome::Reply(reply) => end_with(&connection, &reply, 0).await,
        // A failure cannot be told on this wire: the connection closes without a byte.
        Outcome::NoReply => end(&connection),
    }
}

/// Sends a reply, of which the caller has taken `sent` bytes, and ends the connection.
pub(crate) async fn end_with(connection: &Connection, reply: &Message, sent: usize) {
    let Some(flag) = deno::flag(reply.kind()) else { return end(connection) };
    let flag = [flag];
    let (mut head, mut body): (&[u8], &[u8]) = (&flag, reply.data());
    advance(&mut head, &mut body, sent);
    if connection.send(head, body).await.is_ok() {
        end(connection);
    }
}

/// A handler that still runs keeps the socket open with its responder; the peer must not wait for that.
fn end(connection: &Connection) {
    let _gone_already = connection.socket().shutdown_write();
}

/// Receives up to the sender's half-close. `false` if it is more than the listener takes.
async fn receive_all(shared: &Shared, connection: &Connection, stream: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        if stream.len() > shared.options.max_message + 1 {
            return Ok(false);
        }
        let received = tokio::select! {
            received = timeout(shared.options.stall_timeout, connection.receive(stream)) => received,
            () = shared.until_closed() => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        match received {
            Ok(Ok(0)) => return Ok(true),
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
