//! What JavaScript has open: clients, listeners, subscriptions, streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use simple_ipc::{Client, Closer, Error, ErrorKind, ItemSender, ItemStream, Listener, Message, Result, Subscription};
use tokio::sync::Mutex as FairMutex;

/// A client that JavaScript has connected.
pub(crate) struct Connected {
    pub(crate) client: Client,
    /// Held in the order of the calls: broadcasts and flushes take effect in that order.
    pub(crate) order: FairMutex<()>,
}

impl Connected {
    pub(crate) fn new(client: Client) -> Connected {
        Connected { client, order: FairMutex::default() }
    }
}

/// A subscription that JavaScript has. Dropping it closes it.
pub(crate) struct Subscribed(pub(crate) FairMutex<Subscription>);

impl Subscribed {
    pub(crate) fn new(subscription: Subscription) -> Subscribed {
        Subscribed(FairMutex::new(subscription))
    }
}

/// A stream that JavaScript has. Dropping it closes it.
pub(crate) struct Streaming {
    /// Held by the call that waits for the next item: there is one at a time.
    pub(crate) stream: FairMutex<ItemStream>,
    pub(crate) sender: ItemSender,
    /// Closes it though a call that has not ended yet shares it.
    closer: Closer,
}

impl Streaming {
    pub(crate) fn new(stream: ItemStream) -> Streaming {
        let (sender, closer) = (stream.sender(), stream.closer());
        Streaming { stream: FairMutex::new(stream), sender, closer }
    }

    pub(crate) fn close(&self) {
        self.closer.close();
    }
}

/// What an event that waits for room at subscribers counts besides its body, in bytes.
const OVERHEAD: usize = 256;

/// A listener that JavaScript has made.
pub(crate) struct Listening {
    pub(crate) listener: Listener,
    /// Held in the order of the calls of `publish`: events get their places in that order.
    pub(crate) order: FairMutex<()>,
    /// The bytes of all events whose `publish` has not ended, each with `OVERHEAD`. JavaScript's thread adds, whichever
    /// thread ends a call subtracts. `Relaxed`: it bounds memory, and nothing else is read by it.
    unpublished: AtomicUsize,
    /// The most that `unpublished` may be where it is more than one event.
    most_unpublished: usize,
    /// How long handlers may take to end when it closes.
    pub(crate) grace: Duration,
}

impl Listening {
    pub(crate) fn new(listener: Listener, most_unpublished: usize, grace: Duration) -> Listening {
        Listening { listener, order: FairMutex::default(), unpublished: AtomicUsize::new(0), most_unpublished, grace }
    }
}

/// The share of an event in its listener's `unpublished`, given back when it is dropped.
pub(crate) struct Unpublished {
    pub(crate) listening: Arc<Listening>,
    bytes: usize,
}

impl Unpublished {
    pub(crate) fn of(listening: Arc<Listening>, message: &Message) -> Result<Unpublished> {
        let bytes = message.len().saturating_add(OVERHEAD);
        let waiting = listening.unpublished.load(Ordering::Relaxed);
        if waiting > 0 && waiting.saturating_add(bytes) > listening.most_unpublished {
            let text = format!(
                "cannot publish: {waiting} bytes of earlier events wait for subscribers that block, and maxSessionWaiting is {}; await each publish",
                listening.most_unpublished
            );
            return Err(Error::new(ErrorKind::OutOfResources, text));
        }
        listening.unpublished.fetch_add(bytes, Ordering::Relaxed);
        Ok(Unpublished { listening, bytes })
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        self.listening.unpublished.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
