//! What closes a subscription or a stream from anywhere.

use std::sync::Arc;

use super::stream::ItemStream;
use super::subscription::Subscription;

/// Closes a subscription or a stream from anywhere, while another thread or task is at it. Clones close the same one.
#[derive(Clone, Debug)]
pub struct Closer(Closes);

#[derive(Clone, Debug)]
enum Closes {
    Subscription(Arc<Subscription>),
    Stream(Arc<ItemStream>),
}

impl Closer {
    pub(crate) fn of_subscription(subscription: &Arc<Subscription>) -> Closer {
        Closer(Closes::Subscription(Arc::clone(subscription)))
    }

    pub(crate) fn of_stream(stream: &Arc<ItemStream>) -> Closer {
        Closer(Closes::Stream(Arc::clone(stream)))
    }

    /// Closes it, if it is still there. Does not wait.
    pub fn close(&self) {
        match &self.0 {
            Closes::Subscription(subscription) => subscription.close(),
            Closes::Stream(stream) => stream.close(),
        }
    }
}
