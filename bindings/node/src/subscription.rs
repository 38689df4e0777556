//! Subscriptions of JavaScript's.

use std::sync::Arc;

use simple_ipc::{Channel, Options, Result};

use crate::call::Call;
use crate::event::Outcome;
use crate::hub::{self, Hub};
use crate::open::Subscribed;

/// Begins to subscribe; ends with the number of the subscription.
pub(crate) fn subscribe(hub: &Arc<Hub>, id: u32, channel: Channel, options: Options) -> Option<Result<Outcome>> {
    let owner = Arc::downgrade(hub);
    Call::start(hub, id, async move {
        let subscription = simple_ipc::subscribe(&channel, &options).await?;
        let owner = owner.upgrade().ok_or_else(hub::ending)?;
        Ok(Outcome::Subscription(owner.add_subscription(subscription)))
    })
}

/// Waits for the next event; ends without a value where the subscription has ended.
///
/// Nothing is read for a subscription that no such call waits for: what it has received stays in the core, within the
/// window that the publisher was granted.
pub(crate) fn next(hub: &Arc<Hub>, id: u32, subscribed: Arc<Subscribed>) -> Option<Result<Outcome>> {
    Call::start(hub, id, async move {
        let mut subscription = subscribed.0.lock().await;
        subscription.next().await.transpose().map(|event| event.map_or(Outcome::Nothing, Outcome::Publication))
    })
}
