//! Plain text at a listener: messages one after another on one connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::counters::count;
use crate::message::Message;
use crate::protocol::text::{Line, TextReader, encode_reply};
use crate::server::clock::{Moment, Shared};
use crate::server::listening::Listening;
use crate::server::single::connection::Connection;

/// A sender that is quiet for this long has ended its message.
const QUIET: Duration = Duration::from_millis(50);

/// One that has been quiet for this long may be let go to make room for another.
const IDLE: Duration = Duration::from_secs(1);

/// A connection of plain text as its listener sees it.
#[derive(Debug, Default)]
pub(in crate::server) struct TextLine {
    /// Since when it waits for its next message, if it does.
    waiting_since: Shared,
    retire: Notify,
}

impl TextLine {
    pub(in crate::server) fn idle(&self, now: Moment) -> Duration {
        self.waiting_since.get().map_or(Duration::ZERO, |since| now.since(since))
    }

    pub(in crate::server) fn may_retire(&self, now: Moment) -> bool {
        self.idle(now) >= IDLE
    }

    pub(in crate::server) fn retire(&self) {
        self.retire.notify_one();
    }
}

/// Its listener knows it until this is dropped.
struct Known<'a>(&'a Listening, Arc<TextLine>);

impl Drop for Known<'_> {
    fn drop(&mut self) {
        self.0.remove_text(&self.1);
    }
}

pub(in crate::server) async fn serve(listening: &Arc<Listening>, connection: Connection, first: &[u8]) {
    let mut reader = TextReader::new(listening.max_message);
    reader.feed(first);
    let known = Known(listening, Arc::default());
    listening.add_text(&known.1);
    let mut stopping = false;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        known.1.waiting_since.set(None);
        match reader.next_line() {
            Ok(Some(line)) => {
                if !answer(listening, &connection, line).await {
                    return;
                }
                continue;
            }
            Ok(None) => {}
            Err(_) => return count(&listening.tally.malformed),
        }
        buffer.clear();
        known.1.waiting_since.set(reader.is_empty().then(|| listening.clock.now()));
        tokio::select! {
            received = connection.receive(&mut buffer) => match received {
                Ok(0) if stopping => return,
                Ok(0) => return finish(listening, &connection, &mut reader).await,
                Ok(_) => reader.feed(&buffer),
                Err(_) => return,
            },
            () = sleep(listening.stall_timeout), if reader.is_cut() => return count(&listening.tally.incomplete),
            () = sleep(QUIET), if reader.can_end() => {
                if !finish_message(listening, &connection, &mut reader).await {
                    return;
                }
            }
            () = listening.until_stopping(), if !stopping => {
                // What has arrived is still taken: then the stream ends.
                stopping = true;
                let _gone_already = connection.socket().shutdown_read();
            }
            () = known.1.retire.notified(), if !stopping => {
                // The same.
                stopping = true;
                let _gone_already = connection.socket().shutdown_read();
            }
        }
    }
}

/// Handles what stands at the end of the stream.
async fn finish(listening: &Arc<Listening>, connection: &Connection, reader: &mut TextReader) {
    if finish_message(listening, connection, reader).await {
        let _gone_already = connection.socket().shutdown_write();
    }
}

/// Handles what no newline has ended. Whether the connection goes on.
async fn finish_message(listening: &Arc<Listening>, connection: &Connection, reader: &mut TextReader) -> bool {
    match reader.take_rest() {
        Ok(Some(line)) => answer(listening, connection, line).await,
        Ok(None) => true,
        Err(_) => {
            count(&listening.tally.malformed);
            false
        }
    }
}

/// Handles one message. A handler that fails answers nothing, and the connection goes on.
async fn answer(listening: &Arc<Listening>, connection: &Connection, line: Line) -> bool {
    match connection.exchange(listening, Message::text(&line.text)).await {
        Some(Ok(reply)) => connection.send(&encode_reply(&reply, line.newline), &[]).await.is_ok(),
        _ => true,
    }
}
