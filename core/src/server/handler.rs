//! What a listener's user gives it to call, how it is called, and how long it is kept.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::sync::Notify;

use crate::message::Message;
use crate::report::{HandlerReport, ReportTo};
use crate::server::responder::Responder;

pub(crate) type BlockingHandler = dyn Fn(&Message, Responder) + Send + Sync;
pub(crate) type AsyncHandler = dyn Fn(Message, Responder) -> HandlerFuture + Send + Sync;
pub(crate) type HandlerFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A handler of either colour.
pub(crate) enum Handler {
    /// May block: it gets a thread.
    Blocking(Box<BlockingHandler>),
    /// Runs on the listener's runtime.
    Async(Box<AsyncHandler>),
}

thread_local! {
    /// Whose handler the calling thread is in. An address that nothing is read from.
    static WITHIN: Cell<*const UsersCode> = const { Cell::new(std::ptr::null()) };
}

/// All that a listener's user gave it to call. Its listener owns it until it has closed; each thread and task
/// that calls it holds it meanwhile.
pub(crate) struct UsersCode {
    handler: Handler,
    report_to: ReportTo,
    /// Last: what is above has been dropped when this is.
    _dropped: SaysDropped,
}

/// Whether a listener's handler, and all that it captured, has been dropped.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    /// Written by whoever drops it, before `changed` is notified; sequentially consistent with that.
    is_dropped: AtomicBool,
    changed: Notify,
}

impl Dropped {
    pub(crate) fn is_dropped(&self) -> bool {
        self.is_dropped.load(Ordering::SeqCst)
    }

    /// Notified when it is so.
    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }
}

struct SaysDropped(Arc<Dropped>);

impl Drop for SaysDropped {
    fn drop(&mut self) {
        self.0.is_dropped.store(true, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

/// The calling thread calls a listener's handler, once or again and again. At the end, by whatever way, it does what it
/// did before.
pub(crate) struct Within(*const UsersCode);

impl Within {
    fn begin(code: &UsersCode) -> Within {
        Within(WITHIN.replace(code))
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        WITHIN.set(self.0);
    }
}

/// Calls a blocking handler. If it panics, its responder goes down with it and tells the caller.
#[inline]
pub(crate) fn call_blocking(handler: &BlockingHandler, message: &Message, responder: Responder) {
    let _told_by_the_responder = catch_unwind(AssertUnwindSafe(|| handler(message, responder)));
}

/// A handler's future, which the handler's own code drops, too: also where that is before it has completed.
struct Called<'a> {
    code: &'a UsersCode,
    future: Option<HandlerFuture>,
}

impl Drop for Called<'_> {
    fn drop(&mut self) {
        let _within = Within::begin(self.code);
        let future = self.future.take();
        let _reported_by_the_panic_hook = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}

impl UsersCode {
    pub(crate) fn new(handler: Handler, report_to: ReportTo) -> (Arc<UsersCode>, Arc<Dropped>) {
        let dropped = Arc::<Dropped>::default();
        (Arc::new(UsersCode { handler, report_to, _dropped: SaysDropped(Arc::clone(&dropped)) }), dropped)
    }

    pub(crate) fn is_blocking(&self) -> bool {
        matches!(self.handler, Handler::Blocking(_))
    }

    /// Whether the calling thread is within the handler of this listener, or polls its future.
    pub(crate) fn is_around(code: *const UsersCode) -> bool {
        WITHIN.get() == code
    }

    /// The blocking handler, for a thread that calls it again and again.
    pub(crate) fn blocking(&self) -> (&BlockingHandler, Within) {
        let Handler::Blocking(handler) = &self.handler else {
            unreachable!("an asynchronous handler runs on its runtime")
        };
        (handler, Within::begin(self))
    }

    /// Calls a blocking handler once.
    pub(crate) fn call_blocking(&self, message: &Message, responder: Responder) {
        let (handler, _within) = self.blocking();
        call_blocking(handler, message, responder);
    }

    /// Calls an asynchronous handler and waits for it, with the same care for panics.
    pub(crate) async fn call_async(&self, message: Message, responder: Responder) {
        let Handler::Async(handler) = &self.handler else { unreachable!("a blocking handler gets a thread") };
        let future = {
            let _within = Within::begin(self);
            catch_unwind(AssertUnwindSafe(|| handler(message, responder)))
        };
        let Ok(future) = future else { return };
        let mut called = Called { code: self, future: Some(future) };
        std::future::poll_fn(move |context| {
            let _within = Within::begin(self);
            let Some(future) = &mut called.future else { return Poll::Ready(()) };
            // A future that panicked is not polled again; dropping what is left of it is fine.
            catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).unwrap_or(Poll::Ready(()))
        })
        .await;
    }

    pub(crate) fn report(&self, report: &HandlerReport<'_>) {
        self.report_to.tell(report);
    }
}
