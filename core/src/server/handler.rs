//! What a listener's user gives it to call, and how it is called.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use super::responder::Responder;
use crate::message::Message;

pub(crate) type BlockingHandler = dyn Fn(&Message, Responder) + Send + Sync;
pub(crate) type AsyncHandler = dyn Fn(Message, Responder) -> HandlerFuture + Send + Sync;
pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handler of either colour.
#[derive(Clone)]
pub(crate) enum Handler {
    /// May block: it gets a thread.
    Blocking(Arc<BlockingHandler>),
    /// Runs on the listener's runtime.
    Async(Arc<AsyncHandler>),
}

/// Calls a blocking handler. If it panics, its responder goes down with it and tells the caller.
pub(crate) fn call_blocking(handler: &BlockingHandler, message: &Message, responder: Responder) {
    let _told_by_the_responder = catch_unwind(AssertUnwindSafe(|| handler(message, responder)));
}

/// Calls an asynchronous handler and waits for it, with the same care for panics.
pub(crate) async fn call_async(handler: &AsyncHandler, message: Message, responder: Responder) {
    let Ok(mut future) = catch_unwind(AssertUnwindSafe(|| handler(message, responder))) else { return };
    std::future::poll_fn(move |context| {
        // A future that panicked is not polled again; dropping what is left of it is fine.
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).unwrap_or(Poll::Ready(()))
    })
    .await;
}
