//! Connections of which nothing has come yet and that no task waits for: until when each may stay so.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::time::sleep_until;

use crate::lock::lock;
use crate::os::stream::Stream;
use crate::server::repeated_check::RepeatedCheck;
use crate::server::shared::Shared;

/// The least between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The connections of one listener that wait so.
#[derive(Debug, Default)]
pub(crate) struct Connecting {
    waiting: Mutex<Slab<Waiting>>,
    /// The check whether one has waited for too long.
    check: RepeatedCheck,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    /// `None` once its wait has been ended.
    socket: Option<Arc<Stream>>,
}

impl Connecting {
    /// Notes a connection. Its key, for [`remove`](Connecting::remove).
    pub(crate) fn add(&self, socket: &Arc<Stream>) -> usize {
        let waiting = Waiting { since: Instant::now(), socket: Some(Arc::clone(socket)) };
        let key = lock(&self.waiting).insert(waiting);
        self.check.want();
        key
    }

    /// It has begun, or gone.
    pub(crate) fn remove(&self, key: usize) {
        let mut waiting = lock(&self.waiting);
        waiting.remove(key);
        if waiting.is_empty() {
            // There is nothing to be looked after, and nobody is to be woken for that later.
            self.check.wanted.notify_one();
        }
    }

    /// Has all of them end: whoever watches one receives what has come, and then the end.
    pub(crate) fn end_all(&self) {
        self.end_since(Some(Instant::now()));
    }

    /// Has those end that have waited since then; `None` is none. Since when the first of the others has.
    fn end_since(&self, then: Option<Instant>) -> Option<Instant> {
        let mut first: Option<Instant> = None;
        for (_, waiting) in &mut *lock(&self.waiting) {
            if then.is_none_or(|then| waiting.since > then) {
                first = Some(first.map_or(waiting.since, |first| first.min(waiting.since)));
            } else if let Some(socket) = waiting.socket.take() {
                let _gone_already = socket.shutdown_read();
            }
        }
        first
    }

    /// Ends those whose hello does not come in time. Sleeps while there are none; returns when the listener has closed.
    pub(crate) async fn check(&self, shared: &Shared) {
        while shared.until_wanted(&self.check).await {
            loop {
                let timeout = shared.options.hello_timeout;
                let since = self.end_since(Instant::now().checked_sub(timeout));
                let is_any = || lock(&self.waiting).iter().any(|(_, waiting)| waiting.socket.is_some());
                if since.is_none() && self.check.stop(is_any) {
                    break;
                }
                // A time that is too long to be counted does not come.
                let next = since.map_or(Some(Instant::now()), |since| since.checked_add(timeout));
                let is_due = async {
                    match next {
                        Some(next) => sleep_until(next.max(Instant::now() + LOOK).into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = is_due => {}
                    () = self.check.wanted.notified() => {}
                    () = shared.until_closed() => return,
                }
            }
        }
    }
}
