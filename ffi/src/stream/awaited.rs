//! Asynchronous calls of a stream: for the next message, and to send an item. A task serves them, and calls back.
//!
//! The task runs on the runtime that core provides for such calls, from a stream's first call that waits until none
//! waits any more. It holds the lock of the calls while it looks whether a message or room is there, so that a call which
//! is cancelled at that moment takes and sends nothing, and no lock while C's code runs.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::{Duration, Instant};

use simple_ipc::{Error, ErrorKind, Message, Result, background};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::boundary;
use crate::engine::{Asynchronous, GivesUp};
use crate::lock::lock;
use crate::message::sipc_message;
use crate::stream::source::{Came, Source, Watch, no_room_yet};

/// How many messages a stream's task takes and sends before it lets those of other streams go on.
const AT_ONCE: u32 = 32;

/// How long it waits at most where no call has a time: then it looks, and waits again.
const FAR: Duration = Duration::from_secs(3600);

/// A stream, and the asynchronous calls that wait for its messages, and for room to send.
pub(crate) struct Awaited {
    source: Source,
    /// Locked for an instant by those who call and cancel, and by the task while it takes and sends.
    calls: Mutex<Calls>,
    /// Has the task look again: there is a call more, one was given up, or a handler's stream has changed. Each that is
    /// called under the lock of `calls` is seen by the task's next wait, also where the task did not wait yet.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Calls {
    /// Those that wait for a message, the first of which gets the next one.
    receiving: VecDeque<Waiting<()>>,
    /// Those that wait for room, in the order in which they send. The item of the first is `None` once it was taken, and a
    /// part of it waits for the socket.
    sending: VecDeque<Waiting<Option<Message>>>,
    /// Those that were cancelled, which the task tells.
    given_up: Vec<Asynchronous>,
    /// The task runs. Set to `true` by who starts it, to `false` by the task alone.
    is_served: bool,
    /// The number of the next call.
    next: u64,
}

struct Waiting<T> {
    number: u64,
    call: Asynchronous,
    /// When it times out.
    until: Option<Instant>,
    /// What it sends, if it sends.
    item: T,
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
    pub(crate) fn new(source: Source) -> Awaited {
        let changed = Arc::new(Notify::new());
        source.tell_changes_to(&changed);
        Awaited { source, calls: Mutex::default(), changed }
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Locks the calls, for one more.
    pub(crate) fn enter(self: &Arc<Awaited>) -> Result<Entered<'_>> {
        self.source.check_process()?;
        Ok(Entered { awaited: self, runtime: background::calls()?, calls: lock(&self.calls) })
    }

    async fn serve(self: Arc<Awaited>) {
        let mut at_once = 0;
        // Made for the first wait: in most cases something is there.
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

    /// Takes and sends what it can, and calls back.
    fn turn(&self) -> Step {
        let mut calls = lock(&self.calls);
        let mut due = calls.take_given_up();
        let mut step = Step::Again;
        if due.is_empty() {
            if calls.receiving.is_empty() && calls.sending.is_empty() {
                calls.is_served = false;
                return Step::End;
            }
            self.send_first(&mut calls, &mut due);
            self.receive_first(&mut calls, &mut due);
            if due.is_empty() {
                let now = Instant::now();
                take_late(&mut calls.receiving, now, &mut due, |()| true, || self.source.nothing_yet());
                take_late(&mut calls.sending, now, &mut due, Option::is_some, no_room_yet);
            }
            if due.is_empty() {
                step = Step::Wait(calls.first_until());
            }
        }
        drop(calls);
        for (call, result) in due {
            call.finish_with(result);
        }
        step
    }

    /// Gives the next message to the first who waits for one. The end and an error go to each of them: a stream repeats
    /// why it has ended.
    fn receive_first(&self, calls: &mut Calls, due: &mut Vec<Due>) {
        if calls.receiving.is_empty() {
            return;
        }
        let result = match self.source.try_next() {
            Ok(Came::Message(message)) => Ok(Some(message)),
            Ok(Came::Ended) => Ok(None),
            Ok(Came::NotYet) => return,
            Err(error) => Err(error),
        };
        give_first(&mut calls.receiving, result, due);
    }

    /// Sends what the first has to send, which is over when all of it has left.
    fn send_first(&self, calls: &mut Calls, due: &mut Vec<Due>) {
        let Some(first) = calls.sending.front_mut() else { return };
        if let Some(item) = &first.item {
            match self.source.try_send(item.into()) {
                Ok(true) => first.item = None,
                Ok(false) => return,
                Err(error) => return give_first(&mut calls.sending, Err(error), due),
            }
        }
        let result = match self.source.is_flushed() {
            Ok(true) => Ok(None),
            Ok(false) => return,
            Err(error) => Err(error),
        };
        give_first(&mut calls.sending, result, due);
    }

    /// Waits until the stream, a call or the time asks for another turn.
    async fn wait(&self, watch: &mut Option<Watch>, until: Option<Instant>) -> Result<()> {
        let watch = match watch {
            Some(watch) => watch,
            None => watch.insert(self.source.watch()?),
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
        let error = || Err(Error::new(defect.kind(), defect.message().to_owned()));
        while !calls.receiving.is_empty() {
            give_first(&mut calls.receiving, error(), &mut due);
        }
        while !calls.sending.is_empty() {
            give_first(&mut calls.sending, error(), &mut due);
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
        let given_up = take_numbered(&mut calls.receiving, number, |()| true);
        // An item that was taken is as good as sent.
        let given_up = given_up.or_else(|| take_numbered(&mut calls.sending, number, Option::is_some));
        let Some(given_up) = given_up else { return };
        calls.given_up.push(given_up);
        self.changed.notify_one();
    }
}

impl Calls {
    fn take_given_up(&mut self) -> Vec<Due> {
        let cancelled = || Err(Error::new(ErrorKind::Cancelled, "the call was cancelled"));
        self.given_up.drain(..).map(|call| (call, cancelled())).collect()
    }

    /// When the first call times out.
    fn first_until(&self) -> Option<Instant> {
        let receiving = self.receiving.iter().filter_map(|waiting| waiting.until);
        let sending = self.sending.iter().filter(|waiting| waiting.item.is_some());
        receiving.chain(sending.filter_map(|waiting| waiting.until)).min()
    }
}

fn take_numbered<T>(
    waiting: &mut VecDeque<Waiting<T>>,
    number: u64,
    may_end: impl Fn(&T) -> bool,
) -> Option<Asynchronous> {
    let at = waiting.iter().position(|waiting| waiting.number == number && may_end(&waiting.item))?;
    waiting.remove(at).map(|waiting| waiting.call)
}

fn take_late<T>(
    waiting: &mut VecDeque<Waiting<T>>,
    now: Instant,
    due: &mut Vec<Due>,
    may_end: impl Fn(&T) -> bool,
    late: impl Fn() -> Error,
) {
    let is_late = |waiting: &Waiting<T>| may_end(&waiting.item) && waiting.until.is_some_and(|until| until <= now);
    while let Some(at) = waiting.iter().position(is_late) {
        let taken = waiting.remove(at).expect("it was just found");
        due.push((taken.call, Err(late())));
    }
}

fn give_first<T>(waiting: &mut VecDeque<Waiting<T>>, result: Result<Option<sipc_message>>, due: &mut Vec<Due>) {
    if let Some(first) = waiting.pop_front() {
        due.push((first.call, result));
    }
}

/// The calls of a stream while they are locked: one more goes in.
pub(crate) struct Entered<'a> {
    awaited: &'a Arc<Awaited>,
    runtime: Handle,
    calls: MutexGuard<'a, Calls>,
}

impl Entered<'_> {
    /// Lets a call wait for a message.
    pub(crate) fn receive(mut self, call: Asynchronous, timeout: Option<Duration>) {
        let waiting = self.waiting(call, timeout, ());
        self.calls.receiving.push_back(waiting);
        self.serve();
    }

    /// Lets a call wait for room for an item.
    pub(crate) fn send(mut self, call: Asynchronous, timeout: Option<Duration>, item: Message) {
        let waiting = self.waiting(call, timeout, Some(item));
        self.calls.sending.push_back(waiting);
        self.serve();
    }

    fn waiting<T>(&mut self, call: Asynchronous, timeout: Option<Duration>, item: T) -> Waiting<T> {
        let number = self.calls.next;
        self.calls.next += 1;
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        call.progress().set_begun(Arc::<Awaited>::clone(self.awaited), number);
        Waiting { number, call, until, item }
    }

    fn serve(mut self) {
        if std::mem::replace(&mut self.calls.is_served, true) {
            self.awaited.changed.notify_one();
        } else {
            self.runtime.spawn(Arc::clone(self.awaited).serve());
        }
    }
}
