//! Where what a stream delivers comes from, and where what is sent on it goes: a publisher, a handler, or a caller.

use std::sync::Arc;
use std::time::Duration;

use simple_ipc::event_loop::{ItemStream, Next, Subscription};
use simple_ipc::system::{ItemStreamWatch, SubscriptionWatch};
use simple_ipc::{Error, ErrorKind, HandlerFailure, Message, MessageRef, NextItem, Result};
use tokio::sync::Notify;

use crate::message::sipc_message;
use crate::stream::handled::Part;
use crate::stream::untold::Untold;

/// What a stream has next.
pub(crate) enum Came {
    Message(sipc_message),
    NotYet,
    Ended,
}

/// What is at the other end of a stream.
#[expect(clippy::large_enum_variant, reason = "it is moved once, into the memory that all of a stream is in")]
pub(crate) enum Source {
    Publisher {
        subscription: Subscription,
        untold: Untold,
    },
    /// The handler of a stream that was opened here.
    Handler(ItemStream),
    /// The caller, of a stream that a handler here has.
    Caller(Part),
}

impl Source {
    pub(crate) fn publisher(subscription: Subscription) -> Source {
        Source::Publisher { subscription, untold: Untold::default() }
    }

    /// Fails in a forked child, which has the stream in its memory only.
    pub(crate) fn check_process(&self) -> Result<()> {
        match self {
            Source::Publisher { subscription, .. } => subscription.made_in().check("stream"),
            Source::Handler(stream) => stream.made_in().check("stream"),
            Source::Caller(part) => part.check_process(),
        }
    }

    /// Whether this is a forked child, and the stream its parent's to end: what it holds must not be dropped here.
    pub(crate) fn is_inherited(&self) -> bool {
        match self {
            Source::Publisher { .. } | Source::Handler(_) => false,
            Source::Caller(part) => part.check_process().is_err(),
        }
    }

    /// Fails where nothing can be sent on such a stream.
    pub(crate) fn check_sends(&self) -> Result<()> {
        match self {
            Source::Publisher { .. } => Err(only_received()),
            Source::Handler(_) => Ok(()),
            Source::Caller(part) => part.check_sends(),
        }
    }

    /// What is there now.
    pub(crate) fn try_next(&self) -> Result<Came> {
        match self {
            Source::Publisher { subscription, untold } => Ok(match subscription.try_next()? {
                Next::Event(event) => Came::Message(untold.message_of(event)?),
                Next::Ended => Came::Ended,
                _ => Came::NotYet,
            }),
            Source::Handler(stream) => came(stream.try_next()?),
            Source::Caller(part) => came(part.try_next()?),
        }
    }

    /// Waits in the calling thread for what comes next; `None` is the end.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> Result<Option<sipc_message>> {
        match self {
            Source::Publisher { subscription, untold } => {
                subscription.next(timeout)?.map(|event| untold.message_of(event)).transpose()
            }
            Source::Handler(stream) => stream.next(timeout)?.map(message_of).transpose(),
            Source::Caller(part) => part.next(timeout)?.map(message_of).transpose(),
        }
    }

    /// Sends an item if there is room: `false` where there is none yet, and nothing was taken.
    pub(crate) fn try_send(&self, item: MessageRef<'_>) -> Result<bool> {
        match self {
            Source::Publisher { .. } => Err(only_received()),
            Source::Handler(stream) => stream.try_send(item),
            Source::Caller(part) => part.try_send(item),
        }
    }

    /// Whether all of the items that were taken has left.
    pub(crate) fn is_flushed(&self) -> Result<bool> {
        match self {
            Source::Handler(stream) => stream.is_flushed(),
            // What the socket does not take of a handler's item, the listener sends.
            Source::Publisher { .. } | Source::Caller(_) => Ok(true),
        }
    }

    /// Waits in the calling thread until there is room for an item, and sends it.
    pub(crate) fn send(&self, item: MessageRef<'_>, timeout: Option<Duration>) -> Result<()> {
        match self {
            Source::Publisher { .. } => Err(only_received()),
            Source::Handler(stream) => stream.send(item, timeout),
            Source::Caller(part) => part.send(item, timeout),
        }
    }

    /// The caller's items alone.
    pub(crate) fn items(&self) -> Result<Source> {
        match self {
            Source::Publisher { .. } | Source::Handler(_) => {
                let text = "only a handler's stream has its caller's items; take from this one by sipc_stream_next";
                Err(Error::new(ErrorKind::InvalidArgument, text))
            }
            Source::Caller(part) => Ok(Source::Caller(part.only_items())),
        }
    }

    /// Nothing more is sent from here.
    pub(crate) fn end(&self) -> Result<()> {
        match self {
            Source::Publisher { .. } => Err(only_received()),
            Source::Handler(stream) => stream.end(),
            Source::Caller(part) => part.end(),
        }
    }

    /// A handler has failed; without a failure, in whatever way it did.
    pub(crate) fn fail(&self, failure: Option<HandlerFailure>) -> Result<()> {
        match self {
            Source::Publisher { .. } | Source::Handler(_) => {
                let text = "only a handler fails a stream; close it with sipc_stream_close";
                Err(Error::new(ErrorKind::InvalidArgument, text))
            }
            Source::Caller(part) => part.fail(failure),
        }
    }

    /// Gives it up: who waits gets the end.
    pub(crate) fn close(&self) {
        match self {
            Source::Publisher { subscription, .. } => subscription.close(),
            Source::Handler(stream) => stream.close(),
            Source::Caller(part) => part.close(),
        }
    }

    /// Whether nothing more comes and nothing more can be sent.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Source::Publisher { subscription, .. } => subscription.is_over(),
            Source::Handler(stream) => stream.is_over(),
            Source::Caller(part) => part.is_over(),
        }
    }

    /// What an event loop watches, where there is something to watch.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        self.check_process().ok()?;
        match self {
            Source::Publisher { subscription, .. } => Some(subscription.raw_waitable()),
            Source::Handler(stream) => Some(stream.raw_waitable()),
            Source::Caller(_) => None,
        }
    }

    /// What a call says for which the time is over.
    pub(crate) fn nothing_yet(&self) -> Error {
        let text = match self {
            Source::Publisher { .. } => "no event has come; the stream goes on, call again",
            Source::Handler(_) | Source::Caller(_) => "no item has come; the stream goes on, call again",
        };
        Error::new(ErrorKind::TimedOut, text)
    }

    /// Has a task look again, besides what its [`Watch`] tells.
    pub(crate) fn tell_changes_to(&self, task: &Arc<Notify>) {
        if let Source::Caller(part) = self {
            part.tell_changes_to(task);
        }
    }

    /// Has the runtime of the calling task watch it.
    pub(crate) fn watch(&self) -> Result<Watch> {
        Ok(match self {
            Source::Publisher { subscription, .. } => Watch::Publisher(SubscriptionWatch::new(subscription)?),
            Source::Handler(stream) => Watch::Handler(ItemStreamWatch::new(stream)?),
            Source::Caller(part) => {
                part.watch();
                Watch::Told { is_new: true }
            }
        })
    }
}

/// What tells a task that a stream may have something to do.
pub(crate) enum Watch {
    Publisher(SubscriptionWatch),
    Handler(ItemStreamWatch),
    /// The task is told by its own [`Notify`].
    Told {
        /// Nobody was told of what came before.
        is_new: bool,
    },
}

impl Watch {
    pub(crate) async fn ready(&mut self) -> Result<()> {
        match self {
            Watch::Publisher(watch) => watch.ready().await,
            Watch::Handler(watch) => watch.ready().await,
            Watch::Told { is_new } => {
                if !std::mem::take(is_new) {
                    std::future::pending::<()>().await;
                }
                Ok(())
            }
        }
    }
}

/// What is said of a send for which the time is over.
pub(crate) fn no_room_yet() -> Error {
    let text = "the other side has no room for the item, which was not sent; the stream goes on, call again";
    Error::new(ErrorKind::TimedOut, text)
}

fn only_received() -> Error {
    Error::new(ErrorKind::InvalidArgument, "nothing is sent to a publisher; the stream of a subscription only delivers")
}

fn came(next: NextItem) -> Result<Came> {
    Ok(match next {
        NextItem::Item(item) => Came::Message(message_of(item)?),
        NextItem::Ended => Came::Ended,
        _ => Came::NotYet,
    })
}

/// What C is given for an item. It asks for strings, and cannot look whether they are JSON.
fn message_of(item: Message) -> Result<sipc_message> {
    item.check()?;
    Ok(sipc_message::new(item))
}
