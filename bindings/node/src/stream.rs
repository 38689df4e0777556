//! Streams that JavaScript has opened.

use std::sync::Arc;

use simple_ipc::{Channel, ItemStream, Message, Options, Result};

use crate::call::Call;
use crate::event::Outcome;
use crate::hub::{self, Hub};
use crate::open::{Connected, Streaming};

/// Begins to open a stream; ends with its number when the listener's handler has begun.
pub(crate) fn post(
    hub: &Arc<Hub>,
    id: u32,
    channel: Channel,
    opening: Message,
    options: Options,
) -> Option<Result<Outcome>> {
    open(hub, id, async move { simple_ipc::post_stream(&channel, &opening, &options).await })
}

/// As [`post`], with a client's channel and options; those that are given count in place of the client's.
pub(crate) fn of_client(
    hub: &Arc<Hub>,
    id: u32,
    connected: Arc<Connected>,
    opening: Message,
    options: Option<Options>,
) -> Option<Result<Outcome>> {
    open(hub, id, async move { connected.client.stream_message(&opening, options.as_ref()).await })
}

fn open(
    hub: &Arc<Hub>,
    id: u32,
    opened: impl Future<Output = Result<ItemStream>> + Send + 'static,
) -> Option<Result<Outcome>> {
    let owner = Arc::downgrade(hub);
    Call::start(hub, id, async move {
        let stream = opened.await?;
        let owner = owner.upgrade().ok_or_else(hub::ending)?;
        Ok(Outcome::Stream(owner.add_stream(stream)))
    })
}

/// Waits for the next item; ends without a value where the stream has ended.
///
/// As with subscriptions nothing is read for a stream that no such call waits for.
pub(crate) fn next(hub: &Arc<Hub>, id: u32, streaming: Arc<Streaming>) -> Option<Result<Outcome>> {
    Call::start(hub, id, async move {
        let mut stream = streaming.stream.lock().await;
        stream.next().await.transpose().map(|item| item.map_or(Outcome::Nothing, Outcome::Message))
    })
}

/// Sends an item, as soon as there is room for it.
pub(crate) fn send(hub: &Arc<Hub>, id: u32, streaming: Arc<Streaming>, item: Message) -> Option<Result<Outcome>> {
    Call::start(hub, id, async move { streaming.sender.send_message(&item).await.map(|()| Outcome::Nothing) })
}
