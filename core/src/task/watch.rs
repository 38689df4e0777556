//! For bindings: tasks that wait until a subscription or a stream which they drive themselves has something to do.

use crate::error::{Error, Result};
use crate::event_loop::{ItemStream, Subscription};
use crate::os::async_stream::AsyncReadiness;

/// Lets tasks of a tokio runtime wait until an [`event_loop::Subscription`](crate::event_loop::Subscription) has something
/// to do, for bindings that drive it in those tasks. It keeps the runtime's watch, not the subscription.
#[derive(Debug)]
pub struct SubscriptionWatch(AsyncReadiness);

impl SubscriptionWatch {
    /// Has the runtime of the calling task watch a subscription.
    pub fn new(subscription: &Subscription) -> Result<SubscriptionWatch> {
        AsyncReadiness::new(subscription.readiness()?).map(SubscriptionWatch).map_err(cannot_watch)
    }

    /// Completes when there may be something to do. Whoever is told drives the subscription until it has nothing more
    /// ([`Next::NotYet`](crate::event_loop::Next::NotYet)) before waiting again. Dropping the future loses nothing.
    pub async fn ready(&self) -> Result<()> {
        let mut told = self.0.readable().await.map_err(cannot_watch)?;
        // Before the subscription is driven: what comes from then on is another change.
        told.clear_ready();
        Ok(())
    }
}

/// The same for an [`event_loop::ItemStream`](crate::event_loop::ItemStream).
#[derive(Debug)]
pub struct ItemStreamWatch(AsyncReadiness);

impl ItemStreamWatch {
    /// Has the runtime of the calling task watch a stream.
    pub fn new(stream: &ItemStream) -> Result<ItemStreamWatch> {
        AsyncReadiness::new(stream.readiness()?).map(ItemStreamWatch).map_err(cannot_watch)
    }

    /// Completes when there may be something to do. Whoever is told drives the stream until it has nothing more
    /// ([`NextItem::NotYet`](crate::NextItem::NotYet), and no room for what is to be sent) before waiting again. Dropping the
    /// future loses nothing.
    pub async fn ready(&self) -> Result<()> {
        let mut told = self.0.readable().await.map_err(cannot_watch)?;
        // Before the stream is driven: what comes from then on is another change.
        told.clear_ready();
        Ok(())
    }
}

pub(super) fn cannot_watch(error: std::io::Error) -> Error {
    Error::from_os("the runtime cannot watch a subscription", error)
}
