//! `sipc_queue`: calls for an event loop.

use std::sync::Arc;

use simple_ipc::blocking::Inbox;
use simple_ipc::event_loop::{ClientId, Queue, Ticket};
use simple_ipc::{Error, ErrorKind, Result};

use self::replies::Replies;
use crate::argument::{self, Out};
use crate::boundary;
use crate::callback::Then;
use crate::calls::Calls;
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::message::sipc_message;
use crate::status::sipc_status;

pub mod client;
pub mod listen;
pub mod post;
pub(crate) mod replies;

/// Calls under way, for a program with an event loop, or for one that wants many at once. The library
/// starts no thread for it: all of it happens inside the calls below, and callbacks run there too, in
/// the calling thread. For one thread at a time.
///
/// One descriptor tells when there is something to do. A program returns to its event loop after
/// `sipc_queue_submit`, and calls `sipc_queue_process` when the descriptor is readable; or it waits in
/// `sipc_queue_wait`. Callbacks may start and cancel calls of the same queue, but not process, wait or
/// free it. Listeners of a queue (`sipc_queue_listen_uds_request`) have their handlers called there, too.
pub struct sipc_queue {
    calls: Calls<Whom>,
    /// What went wrong with broadcasts that had to wait, one for each client.
    broadcast_errors: Vec<(ClientId, Error)>,
    /// What is to be called, and with what.
    due: Vec<(Then, Result<Option<Box<sipc_message>>>)>,
    replies: Replies,
    /// Of its listeners, until they have closed. Shared with the call that runs one.
    inboxes: Vec<Arc<Inbox>>,
    /// It is giving out what is due, or runs handlers.
    is_giving_out: bool,
}

impl Handle for sipc_queue {
    const NOUN: &'static str = "queue";
}

/// Who is told what a call comes to.
enum Whom {
    Callback(Then),
    /// A broadcast that waits to be sent: its error is told by the next call of its client.
    Client(ClientId),
}

impl sipc_queue {
    /// Fails with what went wrong with earlier broadcasts of a client.
    fn check_broadcasts(&mut self, client: ClientId) -> Result<()> {
        match self.broadcast_errors.iter().position(|(of, _)| *of == client) {
            Some(index) => Err(self.broadcast_errors.swap_remove(index).1),
            None => Ok(()),
        }
    }

    /// Whether this is not a forked child of the process that made it.
    fn is_usable(&self) -> bool {
        self.calls.queue.made_in().is_current()
    }

    fn check_idle(&self) -> Result<()> {
        if self.is_giving_out {
            let text = "a queue cannot be processed or waited for inside one of its callbacks or handlers; return from it first";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(())
    }

    /// Does what there is to do, and moves to `due` what is to be called: a call that is begun in a callback may get
    /// the place of one that is over.
    fn collect(&mut self) -> Result<()> {
        let sipc_queue { calls, broadcast_errors: errors, due, replies, .. } = self;
        replies.restock();
        calls.process(|queue, whom, result| match (whom, result) {
            (Whom::Callback(then), Ok(Some(reply))) => {
                let checked = reply.check().map_err(Error::after_sending);
                let made = checked.map(|()| {
                    let (reply, before) = replies.make(reply);
                    before.into_iter().for_each(|before| queue.recycle(before));
                    Some(reply)
                });
                due.push((then, made));
            }
            (Whom::Callback(then), Ok(None)) => due.push((then, Ok(None))),
            (Whom::Callback(then), Err(error)) => due.push((then, Err(error))),
            (Whom::Client(client), Err(error)) if !errors.iter().any(|(of, _)| *of == client) => {
                errors.push((client, error));
            }
            (Whom::Client(_), _) => {}
        })
    }

    /// Gives out what is due. Returns how many calls that were.
    ///
    /// # Safety
    /// `queue` is alive, and no reference to it is.
    unsafe fn give_out(queue: *mut sipc_queue) -> usize {
        // SAFETY: by this function's contract; the reference ends before a callback runs.
        let mut due = unsafe { std::mem::take(&mut (*queue).due) };
        let count = due.len();
        for (then, result) in due.drain(..) {
            then.run_boxed(result);
        }
        // SAFETY: as above: C must not free a queue inside its callbacks.
        unsafe { (*queue).due = due };
        count
    }
}

/// Makes an empty queue. It takes two descriptors.
///
/// `queue`: where it is stored, owned by the caller; not NULL. `error`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_new(queue: *mut *mut sipc_queue, error: *mut *mut sipc_error) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        boundary::fallible(error, || {
            let out = Out::new(queue, "queue")?;
            out.write(
                sipc_queue {
                    calls: Calls::new()?,
                    broadcast_errors: Vec::new(),
                    due: Vec::new(),
                    replies: Replies::new(),
                    inboxes: Vec::new(),
                    is_giving_out: false,
                }
                .into_handle(),
            );
            Ok(())
        })
    }
}

/// The descriptor that is readable while there is something for `sipc_queue_process` to do, messages for
/// handlers among it: for
/// `poll`, `epoll` or an event loop, level-triggered. It stays the library's; only watch it.
///
/// `queue`: NULL gives -1. -1 also in a forked child, in which the descriptor is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_descriptor(queue: *const sipc_queue) -> i32 {
    boundary::infallible(-1, || {
        // SAFETY: NULL or alive, by the header's contract.
        let queue = unsafe { sipc_queue::borrow_or_null(queue) }.filter(|queue| queue.is_usable());
        queue.map_or(-1, |queue| queue.calls.queue.raw_waitable())
    })
}

/// How many calls are under way: their callbacks have not run yet.
///
/// `queue`: NULL gives 0. 0 also in a forked child, in which no callback comes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_under_way(queue: *const sipc_queue) -> usize {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        let queue = unsafe { sipc_queue::borrow_or_null(queue) }.filter(|queue| queue.is_usable());
        queue.map_or(0, |queue| queue.calls.queue.under_way() + queue.due.len())
    })
}

/// Sends what has gathered. The first call on a session with nothing under way is sent at once; those
/// that follow gather until this, `sipc_queue_process` or `sipc_queue_wait`, or until 64 KiB have
/// gathered, 2 KiB where the listener seems to work on another core meanwhile. Costs nothing when there
/// is nothing to send, and does nothing in a forked child.
///
/// `queue`: may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_submit(queue: *mut sipc_queue) {
    boundary::infallible((), || {
        // SAFETY: NULL or alive and used by nobody else, by the header's contract.
        if let Some(queue) = unsafe { sipc_queue::borrow_mut_or_null(queue) } {
            queue.calls.queue.submit();
        }
    });
}

/// Does what there is to do without waiting, and runs the callbacks that are due and the handlers of the queue's
/// listeners for which messages have come.
///
/// `queue`: not NULL.
/// `completed`: where the number of calls that were completed is stored, in which messages of listeners are not
/// counted; may be NULL.
/// `error`: may be NULL.
///
/// Inside a callback or handler of the queue it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_process(
    queue: *mut sipc_queue,
    completed: *mut usize,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { process(queue, completed, error, |_| Ok(())) }
}

/// Waits until a call is completed or messages have come for a listener of the queue, then does as
/// `sipc_queue_process`. Sends what has gathered first.
///
/// `queue`: not NULL.
/// `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. Afterwards `SIPC_OK` is returned with
/// `completed` 0, as it is where there were messages alone.
/// `completed`: where the number of calls that were completed is stored; may be NULL.
/// `error`: may be NULL.
///
/// Inside a callback or handler of the queue it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_wait(
    queue: *mut sipc_queue,
    timeout_ms: i64,
    completed: *mut usize,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe {
        process(queue, completed, error, |queue| {
            let timeout = argument::timeout(timeout_ms)?;
            queue.wait(timeout)
        })
    }
}

/// # Safety
/// Pointers are NULL or good for what the header says.
unsafe fn process(
    queue: *mut sipc_queue,
    completed: *mut usize,
    error: *mut *mut sipc_error,
    before: impl FnOnce(&mut Queue) -> Result<()>,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, || {
            {
                let queue = borrow(queue)?;
                queue.check_idle()?;
                before(&mut queue.calls.queue)?;
                queue.collect()?;
            }
            (*queue).is_giving_out = true;
            let count = sipc_queue::give_out(queue);
            let run = if (*queue).inboxes.is_empty() { Ok(()) } else { sipc_queue::run_handlers(queue) };
            (*queue).is_giving_out = false;
            run?;
            if !completed.is_null() {
                completed.write(count);
            }
            Ok(())
        })
    }
}

/// Gives a call up: its callback gets `SIPC_CANCELLED` before this returns, and a handler that has the
/// request is told. A ticket that is no longer under way is left alone.
///
/// `queue`: may be NULL. `ticket`: as a call of the queue stored it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_cancel(queue: *mut sipc_queue, ticket: u64) {
    boundary::infallible((), || {
        let ticket = Ticket::from_number(ticket);
        // SAFETY: NULL or alive and used by nobody else; the reference ends before the callback runs.
        let whom = unsafe { sipc_queue::borrow_mut_or_null(queue) }.and_then(|queue| queue.calls.cancel(ticket));
        if let Some(Whom::Callback(then)) = whom {
            then.run(Err(Error::new(ErrorKind::Cancelled, "the call was cancelled").after_sending()));
        }
    });
}

/// Frees a queue with its clients. Calls that are under way are given up: their callbacks get
/// `SIPC_CANCELLED`. Broadcasts that have gathered are still sent, for which it may wait up to a
/// second. Its listeners close at once: their handlers are not called again and their `user_data` is dropped, callers
/// that wait get `SIPC_CONNECTION_LOST`, and the listeners stay to be freed.
/// Not legal inside a callback or handler of the queue. In a forked child nothing is called or sent: the
/// calls are the parent's, and what belongs to them is left to it.
///
/// `queue`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_free(queue: *mut sipc_queue) {
    boundary::infallible((), || {
        // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
        let Some(queue) = (unsafe { sipc_queue::take(queue) }) else { return };
        let process = queue.calls.queue.made_in();
        let sipc_queue { calls, due, inboxes, .. } = *queue;
        // Handlers first: their callers must not be answered by what callbacks do, and nothing of them is called after this.
        drop(inboxes);
        let (queue, owed) = calls.into_parts();
        drop(queue);
        if !process.is_current() {
            // What C gave is the parent's; to release it here, too, could undo what it still needs.
            std::mem::forget((owed, due));
            return;
        }
        for whom in owed {
            if let Whom::Callback(then) = whom {
                then.run(Err(Error::new(ErrorKind::Cancelled, "the call's queue was freed").after_sending()));
            }
        }
    });
}

/// A queue to change.
///
/// # Safety
/// `queue` is NULL, or alive and used by nobody else during `'a`.
pub(crate) unsafe fn borrow<'a>(queue: *mut sipc_queue) -> Result<&'a mut sipc_queue> {
    // SAFETY: by this function's contract.
    unsafe { sipc_queue::borrow_mut_or_null(queue) }.ok_or_else(|| argument::null("queue"))
}

/// Runs what starts a call, and notes what is to be done afterwards.
///
/// # Safety
/// Pointers are NULL or good for what the header says.
pub(crate) unsafe fn start<C>(
    queue: *mut sipc_queue,
    then: Then,
    ticket: *mut u64,
    error: *mut *mut sipc_error,
    prepare: impl FnOnce() -> Result<C>,
) -> sipc_status
where
    C: FnOnce(&mut Queue) -> Result<Ticket>,
{
    // SAFETY: pointers are NULL or good, by this function's contract.
    unsafe {
        boundary::fallible(error, move || {
            let call = prepare()?;
            let queue = borrow(queue)?;
            let started = call(&mut queue.calls.queue)?;
            queue.calls.owe(started, Whom::Callback(then));
            if !ticket.is_null() {
                ticket.write(started.number());
            }
            Ok(())
        })
    }
}
