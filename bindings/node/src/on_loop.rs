//! Listeners of requests on the environment's own loop: JavaScript's thread receives, calls the handlers and sends, and what has come
//! in a turn is one call into JavaScript, whose answers leave together.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use napi::Env;
use simple_ipc::{Error, ErrorKind, Inbox, Result};
use tokio::sync::{Mutex as FairMutex, mpsc};
use tokio::time::timeout;

use crate::convert::Batch;
use crate::event::Event;
use crate::lock;
use crate::open::Listening;
use crate::os::own_loop::{self, Readable, Receiver, Watch};

/// How long after its listener has closed a handler may take to end, where the grace period is over.
const LETTING_GO: Duration = Duration::from_millis(250);

/// Ends when a listener has closed and no handler of it runs any more.
pub(crate) type AtWork = Arc<FairMutex<mpsc::Receiver<()>>>;

/// Closes a listener, and says so where one of its handlers on the loop still runs.
pub(crate) async fn close(listening: &Listening, at_work: Option<AtWork>) -> Result<()> {
    let (listener, began) = (&listening.listener, Instant::now());
    listener.close().await?;
    let Some(at_work) = at_work else { return Ok(()) };
    // One whose caller has left is not waited for by the listener itself.
    let left = listening.grace.saturating_sub(began.elapsed()).max(LETTING_GO);
    if timeout(left, async { at_work.lock().await.recv().await }).await.is_ok() {
        return Ok(());
    }
    let text = format!(
        "channel \"{}\" is closed, but a handler still runs after the grace period; what it holds is released when it returns",
        listener.channel()
    );
    Err(Error::new(ErrorKind::TimedOut, text))
}

/// What a listener on the loop has of it, until JavaScript lets go of it.
pub(crate) struct OnLoop {
    /// What the loop has come for: it holds no more than a weak hold on it.
    come: Arc<Come>,
    watch: Watch,
    /// Ends when no handler runs any more.
    at_work: AtWork,
}

impl OnLoop {
    /// Has the loop take what comes to an inbox, whose handler puts it to `events`; `None` where the loop does not watch it. `at_work` ends
    /// when the listener has closed and no handler of it runs any more.
    pub(crate) fn watch(
        env: &Env,
        receiver: &Receiver,
        turned: Weak<dyn Turned>,
        inbox: Inbox,
        events: Arc<Mutex<Vec<Event>>>,
        at_work: mpsc::Receiver<()>,
    ) -> Option<OnLoop> {
        let descriptor = inbox.raw_waitable();
        let come = Arc::new(Come { turned, inbox, events });
        let source: Arc<dyn Readable> = Arc::clone(&come) as _;
        let watch = own_loop::watch(env, descriptor?, receiver, Arc::downgrade(&source)).ok().flatten()?;
        Some(OnLoop { come, watch, at_work: Arc::new(FairMutex::new(at_work)) })
    }

    /// What ends when the listener has closed and no handler of it runs any more.
    pub(crate) fn at_work(&self) -> AtWork {
        Arc::clone(&self.at_work)
    }

    /// Ends it. On JavaScript's thread.
    pub(crate) fn close(self, env: &Env) {
        self.watch.close(env);
        drop(self.come);
    }
}

/// Who is told that the loop has turned.
pub(crate) trait Turned: Send + Sync {
    fn note_turn(&self);
}

/// The messages of one listener, as the loop takes them.
struct Come {
    turned: Weak<dyn Turned>,
    inbox: Inbox,
    /// What the handler has put there in this turn. JavaScript's thread fills and empties it.
    events: Arc<Mutex<Vec<Event>>>,
}

impl Readable for Come {
    fn readable(&self) -> Option<Batch> {
        self.turned.upgrade()?.note_turn();
        self.inbox.hold();
        // In a forked child, where it is the parent's, there is nothing to take.
        let _run = self.inbox.run();
        let events = std::mem::take(&mut *lock(&self.events));
        if events.is_empty() {
            self.inbox.submit();
            return None;
        }
        Some(Batch(events))
    }

    fn called(&self) {
        self.inbox.submit();
    }
}
