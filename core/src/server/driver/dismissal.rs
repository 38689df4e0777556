//! The last words to a client that broke the protocol.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::driven::Driven;
use crate::os::async_stream::AsyncStream;
use crate::os::interest::Interest;
use crate::os::stream::{Wait, interrupted, would_block};
use crate::protocol::Violation;
use crate::server::session::Session;
use crate::session::send_queue::Sent;

/// How long a peer that broke the protocol may take to read that it did.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
/// How much more of what it sends is thrown away meanwhile, in bytes.
const FAREWELL_BYTES: usize = 64 << 20;
/// How soon it is looked again whether another thread has sent what it had.
const SENDING: Duration = Duration::from_millis(1);

/// Ends a session whose client broke the protocol: tells it so, and gives it a moment to read that
/// before the connection goes.
pub(crate) async fn dismiss(driven: &Driven, violation: Violation) {
    let session = &driven.session;
    session.shared.malformed(&session.peer, &violation);
    session.transmit_last(violation.kind(), &violation.told_by_listener());
    if let Ok(fd) = AsyncStream::new(Arc::clone(&session.socket), Interest::Both) {
        let _slow_peers_are_not_waited_for = timeout(FAREWELL, async {
            send_the_rest(&fd, session).await;
            let _gone_already = session.socket.shutdown_write();
            read_to_the_end(&fd, session).await;
        })
        .await;
    }
}

/// Throws away what the client still sends, to the end of the stream.
pub(super) async fn read_to_the_end(fd: &AsyncStream, session: &Session) {
    let mut scrap = vec![0; 16 << 10];
    let mut left = FAREWELL_BYTES;
    loop {
        while session.socket.may_have_more() && left > 0 {
            match session.socket.recv(&mut scrap, Wait::No) {
                Ok(count @ 1..) => left = left.saturating_sub(count),
                _ => break,
            }
        }
        let Ok(mut guard) = fd.readable().await else { break };
        match session.socket.recv(&mut scrap, Wait::No) {
            Ok(0) => break,
            Ok(count) if count < left => left -= count,
            Ok(_) => break,
            Err(error) if would_block(&error) => guard.clear_ready(),
            Err(error) if interrupted(&error) => {}
            Err(_) => break,
        }
    }
}

/// Completes when everything is with the kernel that was to be sent, also by other threads.
pub(super) async fn send_the_rest(fd: &AsyncStream, session: &Session) {
    while let Ok(sent) = session.send_queue.flush(&session.socket, Duration::ZERO) {
        if sent == Sent::Waiting {
            let Ok(mut guard) = fd.writable().await else { return };
            if let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, Duration::ZERO) {
                guard.clear_ready();
            }
        } else if session.send_queue.is_empty() {
            return;
        } else {
            // A thread is in the middle of a send, and does not say when it has ended.
            sleep(SENDING).await;
        }
    }
}
