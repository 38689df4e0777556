//! Answers of JavaScript's handlers that are sequences, and the items that their callers send.

use std::sync::Arc;

use simple_ipc::{Error, ErrorKind, Message, Result};

use crate::call::Call;
use crate::event::Outcome;
use crate::hub::Hub;
use crate::lock;

/// Begins the answer to a message as a sequence. An error says that its caller wants one answer, and that it was told so.
pub(crate) fn begin(hub: &Hub, id: u32) -> Result<()> {
    let Some(running) = hub.settle(id) else { return Err(settled()) };
    hub.begin(id, running.into_sequence()?);
    Ok(())
}

/// Sends an item of the answer, as soon as there is room for it.
pub(crate) fn send(hub: &Arc<Hub>, call: u32, id: u32, item: Message) -> Result<Option<Result<Outcome>>> {
    let sequence = lock(&hub.running).get(&id).and_then(|running| running.sequence());
    let sequence = sequence.ok_or_else(settled)?;
    Ok(Call::start(hub, call, async move { sequence.send_async(&item).await.map(|()| Outcome::Nothing) }))
}

/// Waits for the next item of the caller; ends without a value where no more come.
///
/// As with subscriptions nothing is taken while no such call waits.
pub(crate) fn next_item(hub: &Arc<Hub>, call: u32, id: u32) -> Result<Option<Result<Outcome>>> {
    let items = lock(&hub.running).get(&id).map(|running| running.items()).ok_or_else(settled)?;
    Ok(Call::start(hub, call, async move {
        items.next().await.transpose().map(|item| item.map_or(Outcome::Nothing, Outcome::Message))
    }))
}

fn settled() -> Error {
    Error::new(ErrorKind::Closed, "the message was answered; what its caller sends is no longer to be had")
}
