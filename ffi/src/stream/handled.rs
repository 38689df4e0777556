//! A handler's side of a stream: the caller's items, and the answer that is a sequence.
//!
//! Threads wait here and not in core, so that `sipc_stream_close` and the end of the answer wake them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Once, Weak};
use std::time::{Duration, Instant};

use simple_ipc::{
    Error, ErrorKind, HandlerFailure, Items, Message, MessageRef, NextItem, Process, ReplyStream, Result,
};
use tokio::sync::Notify;

use crate::cancellation::Notice;
use crate::lock::{lock, wait_while};
use crate::stream::source::no_room_yet;

/// One stream as its handler has it, whichever of its handles C uses.
pub(crate) struct Handled {
    /// Whose handler it is. A forked child has it in its memory only.
    process: Process,
    items: Items,
    /// Locked while an item is handed over, which does not wait, and for an instant by who ends it. No code of C's runs
    /// under it.
    answer: Mutex<Answer>,
    changes: Arc<Changes>,
    /// Core tells `changes`, from the first wait on.
    watched: Once,
}

enum Answer {
    /// The responder has it.
    Awaited,
    Open(ReplyStream, Option<Notice>),
    Over,
}

/// Where it is told that there may be something to do: an item, room, the end, or that the caller has left.
#[derive(Default)]
struct Changes {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    /// How often it was told.
    count: u64,
    /// How many threads wait.
    sleepers: usize,
    /// Of tasks that look again, too.
    tasks: Vec<Weak<Notify>>,
}

impl Changes {
    fn seen(&self) -> u64 {
        lock(&self.told).count
    }

    fn tell(&self) {
        let mut told = lock(&self.told);
        told.count += 1;
        for task in told.tasks.iter().filter_map(Weak::upgrade) {
            task.notify_one();
        }
        let is_waited_for = told.sleepers > 0;
        drop(told);
        if is_waited_for {
            self.changed.notify_all();
        }
    }

    /// Waits until more was told than was seen; `false` where the time is over before.
    fn wait(&self, seen: u64, until: Option<Instant>) -> bool {
        let mut told = lock(&self.told);
        told.sleepers += 1;
        let (mut told, is_over) = wait_while(&self.changed, told, until, |told| told.count == seen);
        told.sleepers -= 1;
        !is_over
    }
}

impl Handled {
    /// The caller's items, while the responder is still to be used up.
    pub(crate) fn new(items: Items) -> Arc<Handled> {
        Arc::new(Handled {
            process: Process::current(),
            items,
            answer: Mutex::new(Answer::Awaited),
            changes: Arc::default(),
            watched: Once::new(),
        })
    }

    /// The answer begins. `notice` is told for as long as it goes on that the caller has left.
    pub(crate) fn begin(&self, reply: ReplyStream, notice: Option<Notice>) {
        *lock(&self.answer) = Answer::Open(reply, notice);
    }

    fn watch(&self) {
        self.watched.call_once(|| {
            let changes = Arc::clone(&self.changes);
            self.items.on_change(Box::new(move || changes.tell()));
        });
    }

    /// Tries until something is there, or the time is over.
    fn wait_for<T>(&self, timeout: Option<Duration>, mut get: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
        if let Some(got) = get()? {
            return Ok(Some(got));
        }
        self.watch();
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let seen = self.changes.seen();
            if let Some(got) = get()? {
                return Ok(Some(got));
            }
            if !self.changes.wait(seen, until) {
                return Ok(None);
            }
        }
    }

    fn try_send(&self, item: MessageRef<'_>) -> Result<bool> {
        match &*lock(&self.answer) {
            Answer::Open(reply, _) => reply.try_send(item),
            Answer::Awaited => Err(only_read()),
            Answer::Over => Err(over()),
        }
    }

    /// Takes the answer out, after which nothing more is sent or read.
    fn take(&self) -> Result<ReplyStream> {
        let mut answer = lock(&self.answer);
        match &*answer {
            Answer::Open(..) => {}
            Answer::Awaited => return Err(only_read()),
            Answer::Over => return Err(over()),
        }
        let taken = std::mem::replace(&mut *answer, Answer::Over);
        drop(answer);
        self.changes.tell();
        let Answer::Open(reply, notice) = taken else { return Err(over()) };
        // It may wait for a callback of C's, which must not find the answer locked.
        drop(notice);
        Ok(reply)
    }

    fn is_over(&self) -> bool {
        match &*lock(&self.answer) {
            Answer::Awaited => false,
            Answer::Open(reply, _) => reply.is_cancelled(),
            Answer::Over => true,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(&*lock(&self.answer), Answer::Over)
    }
}

/// What one handle of C's has of a stream.
pub(crate) struct Part {
    of: Arc<Handled>,
    /// Whether it is the answer, and not the caller's items alone.
    answers: bool,
    /// This handle was closed; what waits for an item sees it once `changes` was told. Set by whoever closes it; relaxed,
    /// since the lock of `changes` orders it.
    is_closed: AtomicBool,
}

impl Part {
    pub(crate) fn items(of: Arc<Handled>) -> Part {
        Part { of, answers: false, is_closed: AtomicBool::new(false) }
    }

    /// The items of the same stream.
    pub(crate) fn only_items(&self) -> Part {
        Part::items(Arc::clone(&self.of))
    }

    pub(crate) fn answer(of: Arc<Handled>) -> Part {
        Part { of, answers: true, is_closed: AtomicBool::new(false) }
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        self.of.process.check("stream")
    }

    pub(crate) fn tell_changes_to(&self, task: &Arc<Notify>) {
        let mut told = lock(&self.of.changes.told);
        told.tasks.retain(|task| task.strong_count() > 0);
        told.tasks.push(Arc::downgrade(task));
    }

    pub(crate) fn watch(&self) {
        self.of.watch();
    }

    pub(crate) fn try_next(&self) -> Result<NextItem> {
        self.check_process()?;
        if self.is_closed.load(Ordering::Relaxed) || self.of.has_ended() {
            return Ok(NextItem::Ended);
        }
        self.of.items.try_next()
    }

    pub(crate) fn next(&self, timeout: Option<Duration>) -> Result<Option<Message>> {
        self.check_process()?;
        let next = self.of.wait_for(timeout, || {
            Ok(match self.try_next()? {
                NextItem::Item(item) => Some(Some(item)),
                NextItem::Ended => Some(None),
                _ => None,
            })
        });
        next?.ok_or_else(|| Error::new(ErrorKind::TimedOut, "no item has come; the stream goes on, call again"))
    }

    pub(crate) fn try_send(&self, item: MessageRef<'_>) -> Result<bool> {
        self.check_sends()?;
        self.of.try_send(item)
    }

    pub(crate) fn send(&self, item: MessageRef<'_>, timeout: Option<Duration>) -> Result<()> {
        self.check_sends()?;
        self.of.wait_for(timeout, || Ok(self.of.try_send(item)?.then_some(())))?.ok_or_else(no_room_yet)
    }

    pub(crate) fn end(&self) -> Result<()> {
        self.check_sends()?;
        self.of.take()?.end()
    }

    pub(crate) fn fail(&self, failure: Option<HandlerFailure>) -> Result<()> {
        self.check_sends()?;
        let reply = self.of.take()?;
        match failure {
            Some(failure) => reply.fail_with(failure),
            None => Ok(()),
        }
    }

    pub(crate) fn close(&self) {
        if !self.of.process.is_current() {
            return;
        }
        self.is_closed.store(true, Ordering::Relaxed);
        if self.answers {
            // Where it has not ended, its caller is told that the handler failed.
            drop(self.of.take());
        } else {
            self.of.changes.tell();
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.check_process().is_err() || self.is_closed.load(Ordering::Relaxed) || self.of.is_over()
    }

    pub(crate) fn check_sends(&self) -> Result<()> {
        self.check_process()?;
        if self.answers { Ok(()) } else { Err(only_read()) }
    }
}

fn only_read() -> Error {
    let text = "a caller's items are only read; sipc_responder_stream gives the stream that answers";
    Error::new(ErrorKind::InvalidArgument, text)
}

fn over() -> Error {
    Error::new(ErrorKind::Closed, "the handler has ended the stream; nothing is sent after that")
}
