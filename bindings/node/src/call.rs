//! One call in flight: a future that begins on JavaScript's thread and goes on where it is woken.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use simple_ipc::{Error, ErrorKind, Result};

use crate::event::Outcome;
use crate::hub::{Cancel, Hub};
use crate::lock;

type CallFuture = Pin<Box<dyn Future<Output = Result<Outcome>> + Send>>;

/// A call that JavaScript waits for, under the number that JavaScript gave it.
pub(crate) struct Call {
    hub: Arc<Hub>,
    id: u32,
    /// Gone when the call has ended or was cancelled.
    future: Mutex<Option<CallFuture>>,
}

impl Call {
    /// Begins a call. Its outcome, if it has one at once, as a stream's messages mostly do; else the hub delivers it.
    ///
    /// The first step is taken here, so that a message leaves without waking another thread.
    pub(crate) fn start(
        hub: &Arc<Hub>,
        id: u32,
        future: impl Future<Output = Result<Outcome>> + Send + 'static,
    ) -> Option<Result<Outcome>> {
        let _on_the_runtime = hub.runtime.enter();
        let call = Arc::new(Call { hub: Arc::clone(hub), id, future: Mutex::new(Some(Box::pin(future))) });
        hub.remember(id, Arc::clone(&call) as Arc<dyn Cancel>);
        let outcome = call.step()?;
        if hub.is_to_turn() && !hub.has_ended() {
            hub.finished(id, outcome);
            return None;
        }
        Some(outcome)
    }

    fn step(self: &Arc<Self>) -> Option<Result<Outcome>> {
        let mut slot = lock(&self.future);
        let future = slot.as_mut()?;
        let waker = Waker::from(Arc::clone(self));
        let mut context = Context::from_waker(&waker);
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(_) => Err(Error::new(ErrorKind::Internal, "a call panicked; please report it").after_sending()),
        };
        let ended = slot.take();
        drop(slot);
        drop(ended);
        self.hub.forget(self.id);
        Some(outcome)
    }
}

impl Cancel for Call {
    /// Its handler, if it has got there, is told.
    fn cancel(&self) -> bool {
        let _on_the_runtime = self.hub.runtime.enter();
        let future = lock(&self.future).take();
        future.is_some()
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        let runtime = self.hub.runtime.clone();
        runtime.spawn(async move {
            if let Some(outcome) = self.step() {
                self.hub.finished(self.id, outcome);
            }
        });
    }
}
