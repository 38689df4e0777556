//! One call on the session that the tasks share, or on a new one, as `client::replace` makes it in a thread.

use std::time::Duration;

use super::session::{Operation, TaskSession};
use crate::client::connect::{Connected, Purpose};
use crate::client::deno::Exchange;
use crate::client::no_ping;
use crate::client::replace::Tries;
use crate::client::target::Target;
use crate::client::until::Until;
use crate::error::Result;
use crate::message::Message;
use crate::options::Wire;
use crate::os::stream::Stream;

/// Where an asynchronous call finds the session that it shares with others.
pub(super) trait SharedSession {
    /// The session, if it still takes messages.
    fn current(&self) -> Result<Option<TaskSession>>;
    /// Makes the session, unless another task has made it meanwhile.
    fn start(&self, stream: Stream) -> Result<TaskSession>;
}

/// Makes a call in a task. The time of `timeout` counts from when there is a session; `until` says what gives the call
/// up before. Dropping the future gives the call up.
pub(super) async fn call_async(
    target: &Target<'_>,
    shared: &impl SharedSession,
    timeout: Option<Duration>,
    until: &Until<'_>,
    operation: Operation<'_>,
) -> Result<Option<Message>> {
    let mut tries = Tries::default();
    loop {
        let current = if target.options.wire == Wire::Deno { None } else { shared.current()? };
        let session = match current {
            Some(session) => session,
            None => {
                let body = operation.as_post().map(|(message, _)| message.kind());
                let connected = target.connect_async(Purpose { body, timeout }, until).await;
                match connected.map_err(|error| tries.unreached(error))? {
                    Connected::Native(stream) => shared.start(stream)?,
                    Connected::Deno(stream) => {
                        let Some((message, mode)) = operation.as_post() else { return Err(no_ping()) };
                        let exchange = Exchange::new(stream, mode, target.options.max_message);
                        return exchange.run_async(message.clone(), &until.within(timeout)).await;
                    }
                }
            }
        };
        match session.call(operation, &until.within(timeout)).await {
            Ok(done) => return Ok(done),
            Err(failed) => tries.failed(failed, true)?,
        }
    }
}
