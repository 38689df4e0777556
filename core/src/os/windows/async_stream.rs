//! Having the runtime's tasks told when something is ready: a thread of the system's pool waits for the event of the question, and
//! wakes the task.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;

use super::ask::{Ask, Askable};
use super::event::Event;
use super::listener::Listener;
use super::poller::Readiness;
use super::pool_wait::{PoolWait, Told};
use super::stream::Stream;
use crate::lock::lock;
use crate::os::interest::Interest;

/// How often one looks whether a peer has gone.
const LOOK: Duration = Duration::from_millis(20);

/// One sort of readiness of one stream, for any number of tasks.
#[derive(Debug)]
struct Side {
    interest: Interest,
    /// Set when the question is answered. Asking clears it, under `open`.
    event: Arc<Event>,
    answered: Arc<Answered>,
    /// The question that is open, or answered and not yet taken back.
    open: Mutex<Option<Question>>,
}

#[derive(Debug)]
struct Question {
    // Dropped in this order: nobody waits for a question that is taken back.
    /// One for each event that tells.
    waits: Vec<PoolWait>,
    ask: Ask,
}

/// Wakes the tasks that wait for an answer.
#[derive(Debug, Default)]
struct Answered(Notify);

impl Told for Answered {
    fn tell(&self) {
        self.0.notify_waiters();
    }
}

impl Side {
    fn new(interest: Interest) -> io::Result<Side> {
        Ok(Side { interest, event: Arc::new(Event::new()?), answered: Arc::default(), open: Mutex::new(None) })
    }

    async fn ready(&self, what: &dyn Askable) -> io::Result<()> {
        loop {
            let told = self.answered.0.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if self.look(what)? {
                return Ok(());
            }
            told.await;
        }
    }

    /// Whether it is ready; asks, where nothing is asked.
    fn look(&self, what: &dyn Askable) -> io::Result<bool> {
        let mut open = lock(&self.open);
        if let Some(question) = &*open {
            if question.ask.is_answered() {
                return Ok(true);
            }
            // One that was answered at once, or whose answer is not true any more, would tell nobody.
            if !question.waits.is_empty() && !question.waits.iter().any(PoolWait::has_told) {
                return Ok(false);
            }
        }
        *open = None;
        let ask = what.ask(self.interest, &self.event)?;
        let is_answered = ask.is_answered();
        let mut waits = Vec::new();
        if !is_answered {
            for event in std::iter::once(&self.event).chain(ask.other_event()) {
                waits.push(PoolWait::new(Arc::clone(event), Arc::clone(&self.answered) as Arc<dyn Told>)?);
            }
        }
        *open = Some(Question { waits, ask });
        Ok(is_answered)
    }

    /// The answer was wrong by the time that it was acted upon: asks anew the next time.
    fn clear(&self) {
        *lock(&self.open) = None;
    }
}

/// A stream that tasks wait for.
#[derive(Debug)]
pub(crate) struct AsyncStream {
    stream: Arc<Stream>,
    read: Side,
    write: Side,
}

impl AsyncStream {
    /// Has tasks wait for a stream, which others may hold and use besides.
    pub(crate) fn new(stream: Arc<Stream>, _interest: Interest) -> io::Result<AsyncStream> {
        Ok(AsyncStream { stream, read: Side::new(Interest::Read)?, write: Side::new(Interest::Write)? })
    }

    /// The stream itself.
    pub(crate) fn get_ref(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The stream, which is watched no more.
    pub(crate) fn into_inner(self) -> Arc<Stream> {
        self.stream
    }

    /// Completes when there may be something to receive. Cancelling it loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<Ready<'_>> {
        self.read.ready(self.stream.core()).await.map(|()| Ready(&self.read))
    }

    /// Completes when there may be room to send. Cancelling it loses nothing.
    pub(crate) async fn writable(&self) -> io::Result<Ready<'_>> {
        self.write.ready(self.stream.core()).await.map(|()| Ready(&self.write))
    }

    /// Completes when the peer has gone altogether. What was received is left to others, and while some of it waits nothing tells of
    /// the end behind it: so it is looked for again and again.
    pub(crate) async fn hang_up(&self) {
        while !self.stream.hung_up() {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What is believed of a stream: it stays ready until somebody has found that it is not.
pub(crate) struct Ready<'a>(&'a Side);

impl Ready<'_> {
    /// The stream was found not to be ready after this was given out: the next wait asks anew.
    pub(crate) fn clear_ready(&mut self) {
        self.0.clear();
    }
}

/// What tells that there is something to do, for tasks.
#[derive(Debug)]
pub(crate) struct AsyncReadiness {
    readiness: Readiness,
    woken: Arc<Woken>,
    /// A task has found nothing that it could do. Set by that task, cleared by the next one that waits; relaxed, since it orders
    /// nothing else.
    found_nothing: AtomicBool,
    /// What waits for the event, where a task does.
    wait: Mutex<Option<PoolWait>>,
}

/// Wakes the tasks that wait for a poller.
#[derive(Debug, Default)]
struct Woken {
    tasks: Notify,
    /// The last one that polled.
    last: Mutex<Option<std::task::Waker>>,
}

impl Told for Woken {
    fn tell(&self) {
        self.tasks.notify_waiters();
        let last = lock(&self.last).take();
        if let Some(last) = last {
            last.wake();
        }
    }
}

impl AsyncReadiness {
    /// Has tasks wait for it.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere the runtime may refuse to watch it")]
    pub(crate) fn new(readiness: Readiness) -> io::Result<AsyncReadiness> {
        Ok(AsyncReadiness {
            readiness,
            woken: Arc::default(),
            found_nothing: AtomicBool::new(false),
            wait: Mutex::new(None),
        })
    }

    /// Completes when there may be something to do. Cancelling it loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<SomethingToDo<'_>> {
        // What there is to do may be another task's of the same thread, which has to have its turn.
        if self.found_nothing.swap(false, Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        loop {
            let told = self.woken.tasks.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if self.look()? {
                return Ok(SomethingToDo(self));
            }
            told.await;
        }
    }

    /// Ready when there may be something to do; else the task is woken then.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<SomethingToDo<'_>>> {
        *lock(&self.woken.last) = Some(context.waker().clone());
        if self.found_nothing.swap(false, Ordering::Relaxed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match self.look() {
            Ok(true) => Poll::Ready(Ok(SomethingToDo(self))),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Whether there is something to do; where not, a thread waits for that.
    fn look(&self) -> io::Result<bool> {
        let event = self.readiness.event();
        if event.is_set() {
            return Ok(true);
        }
        let mut wait = lock(&self.wait);
        if wait.as_ref().is_none_or(PoolWait::has_told) {
            *wait = None;
            *wait = Some(PoolWait::new(Arc::clone(event), Arc::clone(&self.woken) as Arc<dyn Told>)?);
        }
        Ok(false)
    }
}

/// What is believed of something that tells: true until whoever drives it finds nothing more to do.
pub(crate) struct SomethingToDo<'a>(&'a AsyncReadiness);

impl SomethingToDo<'_> {
    /// There was nothing to do after this was given out. The event says so by itself, unless there is something for another task.
    pub(crate) fn clear_ready(&mut self) {
        self.0.found_nothing.store(true, Ordering::Relaxed);
    }
}

/// A listening socket that tasks wait for.
#[derive(Debug)]
pub(crate) struct AsyncListener {
    listener: Listener,
    side: Side,
}

impl AsyncListener {
    /// Has tasks wait for a listening socket.
    pub(crate) fn new(listener: Listener) -> io::Result<AsyncListener> {
        Ok(AsyncListener { listener, side: Side::new(Interest::Read)? })
    }

    /// Completes when a connection may wait. Cancelling it loses nothing.
    pub(crate) async fn readable(&self) -> io::Result<Waiting<'_>> {
        self.side.ready(&self.listener).await.map(|()| Waiting(&self.side))
    }

    /// Takes a connection that waits; 'would block' where none does.
    pub(crate) fn accept(&self) -> io::Result<Stream> {
        self.listener.accept()
    }

    /// Whether a connection waits.
    pub(crate) fn someone_waits(&self) -> bool {
        super::ask::wait(&self.listener, Interest::Read, std::iter::empty(), Some(Duration::ZERO))
            .is_ok_and(|ready| ready)
    }
}

/// What is believed of a listening socket.
pub(crate) struct Waiting<'a>(&'a Side);

impl Waiting<'_> {
    /// No connection was waiting after this was given out: the next wait asks anew.
    pub(crate) fn clear_ready(&mut self) {
        self.0.clear();
    }
}
