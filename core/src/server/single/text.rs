//! Plain text at a listener: messages one after another on one connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::message::Message;
use crate::protocol::text::{Line, TextReader, encode_reply};
use crate::server::listener::Listener;
use crate::server::shared::Shared;
use crate::server::single::connection::{Connection, Outcome};
use crate::server::single::text_connection::TextConnection;

/// A sender that is quiet for this long has ended its message.
const QUIET: Duration = Duration::from_millis(50);

/// Its listener knows it until this is dropped.
struct Known<'a>(&'a Listener, Arc<TextConnection>);

impl Drop for Known<'_> {
    fn drop(&mut self) {
        self.0.remove_text(&self.1);
    }
}

pub(crate) async fn serve(listener: &Listener, connection: Connection, first: &[u8]) {
    let shared = &listener.shared;
    let mut reader = TextReader::new(shared.options.max_message);
    reader.feed(first);
    let known = Known(listener, Arc::default());
    let Known(_, state) = &known;
    listener.add_text(state);
    let mut stopping = false;
    let mut buffer = Vec::with_capacity(4096);
    loop {
        state.waiting_since.set(None);
        match reader.next_line() {
            Ok(Some(line)) => {
                if !answer(&connection, line).await {
                    return;
                }
                continue;
            }
            Ok(None) => {}
            Err(violation) => return shared.malformed(&connection.peer(), violation),
        }
        buffer.clear();
        state.waiting_since.set(reader.is_empty().then(|| shared.clock.now()));
        tokio::select! {
            received = connection.receive(&mut buffer) => match received {
                Ok(0) if stopping => return,
                Ok(0) => return finish(shared, &connection, &mut reader).await,
                Ok(_) => reader.feed(&buffer),
                Err(_) => return,
            },
            () = sleep(shared.options.stall_timeout), if reader.is_cut() => return shared.incomplete(&connection.peer()),
            () = sleep(QUIET), if reader.can_end() => {
                if !finish_message(shared, &connection, &mut reader).await {
                    return;
                }
            }
            () = shared.until_stopping(), if !stopping => {
                // What has arrived is still taken: then the stream ends.
                stopping = true;
                let _gone_already = connection.socket().shutdown_read();
            }
            () = state.retire.notified(), if !stopping => {
                // The same.
                stopping = true;
                let _gone_already = connection.socket().shutdown_read();
            }
        }
    }
}

/// Handles what stands at the end of the stream.
async fn finish(shared: &Shared, connection: &Connection, reader: &mut TextReader) {
    if finish_message(shared, connection, reader).await {
        let _gone_already = connection.socket().shutdown_write();
    }
}

/// Handles what no newline has ended. Whether the connection goes on.
async fn finish_message(shared: &Shared, connection: &Connection, reader: &mut TextReader) -> bool {
    match reader.take_rest() {
        Ok(Some(line)) => answer(connection, line).await,
        Ok(None) => true,
        Err(violation) => {
            shared.malformed(&connection.peer(), violation);
            false
        }
    }
}

/// Handles one message. A handler that fails answers nothing, and the connection goes on.
async fn answer(connection: &Connection, line: Line) -> bool {
    match connection.exchange(Message::text(&line.text)).await {
        Outcome::Reply(reply) => connection.send(&encode_reply(&reply, line.newline), &[]).await.is_ok(),
        Outcome::NoReply => true,
    }
}
