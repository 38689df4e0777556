//! Asynchronous calls for the next item of a stream: a task serves them in their order, and calls back.
//!
//! The task runs on the runtime that core provides for such calls, from a stream's first call that waits until none
//! waits any more. It holds the lock of the calls while it looks whether an event is there, so that a call which is
//! cancelled at that moment takes none, and no lock while C's code runs.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::{Duration, Instant};

use simple_ipc::event_loop::{Next, Subscription};
use simple_ipc::system::SubscriptionWatch;
use simple_ipc::{Error, ErrorKind, Event, Result, background};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::boundary;
use crate::engine::{Asynchronous, GivesUp};
use crate::lock::lock;
use crate::message::sipc_message;
use crate::stream::nothing_yet;
use crate::stream::untold::Untold;

/// How many events a stream's task takes before it lets those of other streams go on.
const AT_ONCE: u32 = 32;

/// How long it waits at most where no call has a time: then it looks, and waits again.
const FAR: Duration = Duration::from_secs(3600);

/// A subscription, and the asynchronous calls that wait for its events.
pub(crate) struct Awaited {
    subscription: Subscription,
    /// Locked for an instant by those who call and cancel, and by the task while it looks for an event.
    calls: Mutex<Calls>,
    /// Has the task look again: there is a call more, or one was given up. Each that is called under the lock of
    /// `calls` is seen by the task's next wait, also where the task did not wait yet.
    changed: Notify,
    untold: Untold,
}

#[derive(Default)]
struct Calls {
    /// Those that wait, the first of which gets the next event.
    waiting: VecDeque<Waiting>,
    /// Those that were cancelled, which the task tells.
    given_up: Vec<Asynchronous>,
    /// The task runs. Set to `true` by who starts it, to `false` by the task alone.
    is_served: bool,
    /// The number of the next call.
    next: u64,
}

struct Waiting {
    number: u64,
    call: Asynchronous,
    /// When it times out.
    until: Option<Instant>,
}

/// A call and what it came to.
type Due = (Asynchronous, Result<Option<sipc_message>>);

/// What a stream's task does next.
enum Step {
    Again,
    /// Nothing is there now: it waits, at most until then.
    Wait(Option<Instant>),
    /// No call waits.
    End,
}

impl Awaited {
    pub(crate) fn new(subscription: Subscription) -> Awaited {
        Awaited { subscription, calls: Mutex::default(), changed: Notify::new(), untold: Untold::default() }
    }

    pub(crate) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// What C is given for an event.
    pub(crate) fn message_of(&self, mut event: Event) -> Result<sipc_message> {
        // C asks for strings, and cannot look whether they are JSON.
        let checked = event.data.check();
        event.missed = self.untold.missed_before(event.missed, checked.is_ok());
        checked.map(|()| sipc_message::event(event))
    }

    /// Locks the calls, for one more.
    pub(crate) fn enter(self: &Arc<Awaited>) -> Result<Entered<'_>> {
        self.subscription.made_in().check("stream")?;
        Ok(Entered { awaited: self, runtime: background::calls()?, calls: lock(&self.calls) })
    }

    async fn serve(self: Arc<Awaited>) {
        let mut at_once = 0;
        // Made for the first wait: in most cases an event is there.
        let mut watch = None;
        loop {
            match boundary::guarded(|| self.turn()).unwrap_or_else(|defect| self.break_down(&defect)) {
                Step::Again if at_once < AT_ONCE => at_once += 1,
                Step::Again => {
                    tokio::task::yield_now().await;
                    at_once = 0;
                }
                Step::Wait(until) => {
                    if let Err(error) = self.wait(&mut watch, until).await {
                        self.break_down(&error);
                    }
                    at_once = 0;
                }
                Step::End => return,
            }
        }
    }

    /// Takes what is there, and calls back.
    fn turn(&self) -> Step {
        let mut calls = lock(&self.calls);
        let mut due = calls.take_given_up();
        let mut step = Step::Again;
        if due.is_empty() {
            if calls.waiting.is_empty() {
                calls.is_served = false;
                return Step::End;
            }
            match self.subscription.try_next() {
                Ok(Next::Event(event)) => calls.give_first(self.message_of(event).map(Some), &mut due),
                Ok(Next::Ended) => calls.give_first(Ok(None), &mut due),
                // It is told to each of them: a stream repeats why it has ended.
                Err(error) => calls.give_first(Err(error), &mut due),
                Ok(_) => {
                    calls.take_late(Instant::now(), &mut due);
                    if due.is_empty() {
                        step = Step::Wait(calls.waiting.iter().filter_map(|waiting| waiting.until).min());
                    }
                }
            }
        }
        drop(calls);
        for (call, result) in due {
            call.finish_with(result);
        }
        step
    }

    /// Waits until the subscription, a call or the time asks for another turn.
    async fn wait(&self, watch: &mut Option<SubscriptionWatch>, until: Option<Instant>) -> Result<()> {
        let watch = match watch {
            Some(watch) => watch,
            None => watch.insert(SubscriptionWatch::new(&self.subscription)?),
        };
        let left = until.map_or(FAR, |until| until.saturating_duration_since(Instant::now()));
        let mut ready = pin!(watch.ready());
        let mut changed = pin!(self.changed.notified());
        let mut over = pin!(tokio::time::sleep(left));
        poll_fn(|context| {
            if let Poll::Ready(watched) = ready.as_mut().poll(context) {
                return Poll::Ready(watched);
            }
            let is_time = changed.as_mut().poll(context).is_ready() || over.as_mut().poll(context).is_ready();
            if is_time { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await
    }

    /// A defect, or nothing can be watched: whoever waits hears of it.
    fn break_down(&self, defect: &Error) -> Step {
        let mut due = Vec::new();
        let mut calls = lock(&self.calls);
        while !calls.waiting.is_empty() {
            let error = Error::new(defect.kind(), defect.message().to_owned());
            calls.give_first(Err(error), &mut due);
        }
        drop(calls);
        for (call, result) in due {
            call.finish_with(result);
        }
        Step::Again
    }
}

impl GivesUp for Awaited {
    fn give_up(&self, number: u64) {
        let mut calls = lock(&self.calls);
        let Some(at) = calls.waiting.iter().position(|waiting| waiting.number == number) else { return };
        let given_up = calls.waiting.remove(at).expect("it was just found");
        calls.given_up.push(given_up.call);
        self.changed.notify_one();
    }
}

impl Calls {
    fn take_given_up(&mut self) -> Vec<Due> {
        let cancelled = || Err(Error::new(ErrorKind::Cancelled, "the call was cancelled"));
        self.given_up.drain(..).map(|call| (call, cancelled())).collect()
    }

    fn take_late(&mut self, now: Instant, due: &mut Vec<Due>) {
        let late = |waiting: &Waiting| waiting.until.is_some_and(|until| until <= now);
        while let Some(at) = self.waiting.iter().position(late) {
            let waiting = self.waiting.remove(at).expect("it was just found");
            due.push((waiting.call, Err(nothing_yet())));
        }
    }

    fn give_first(&mut self, result: Result<Option<sipc_message>>, due: &mut Vec<Due>) {
        if let Some(first) = self.waiting.pop_front() {
            due.push((first.call, result));
        }
    }
}

/// The calls of a stream while they are locked: one more goes in.
pub(crate) struct Entered<'a> {
    awaited: &'a Arc<Awaited>,
    runtime: Handle,
    calls: MutexGuard<'a, Calls>,
}

impl Entered<'_> {
    /// Lets a call wait for an event.
    pub(crate) fn begin(mut self, call: Asynchronous, timeout: Option<Duration>) {
        let number = self.calls.next;
        self.calls.next += 1;
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        call.progress().set_begun(Arc::<Awaited>::clone(self.awaited), number);
        self.calls.waiting.push_back(Waiting { number, call, until });
        if std::mem::replace(&mut self.calls.is_served, true) {
            self.awaited.changed.notify_one();
        } else {
            self.runtime.spawn(Arc::clone(self.awaited).serve());
        }
    }
}
