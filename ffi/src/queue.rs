//! `sipc_queue`: calls for an event loop.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::null_mut;

use simple_ipc::event_loop::{ClientId, Completion, Queue, Ticket};
use simple_ipc::{Error, ErrorKind, Message, Process, Result};

use crate::argument::{self, Out};
use crate::boundary;
use crate::callback::{UserData, sipc_reply_callback};
use crate::error::sipc_error;
use crate::handle::Handle;
use crate::message::sipc_message;
use crate::status::{SIPC_OK, sipc_status};

pub mod client;
pub mod post;

/// Calls under way, for a program with an event loop, or for one that wants many at once. The library
/// starts no thread for it: all of it happens inside the calls below, and callbacks run there too, in
/// the calling thread. For one thread at a time.
///
/// One descriptor tells when there is something to do. A program returns to its event loop after
/// `sipc_queue_submit`, and calls `sipc_queue_process` when the descriptor is readable; or it waits in
/// `sipc_queue_wait`. Callbacks may start and cancel calls of the same queue, but not process, wait or
/// free it.
pub struct sipc_queue {
    queue: Queue,
    process: Process,
    /// By the lower half of the ticket, which is a small number that is used again.
    callbacks: Vec<Option<Owed>>,
    /// Broadcasts that wait to be sent, and what went wrong with some, by client.
    casts: Vec<(Ticket, ClientId)>,
    cast_errors: Vec<(ClientId, Error)>,
    done: Vec<Completion>,
    /// What is to be called, and with what.
    due: Vec<(Then, Result<Option<Message>>)>,
    /// It is giving out what is done.
    processing: bool,
}

impl Handle for sipc_queue {
    const NOUN: &'static str = "queue";
}

/// What is called when a call is over.
struct Owed {
    ticket: Ticket,
    then: Then,
}

/// What C wants done afterwards.
pub(crate) struct Then {
    callback: sipc_reply_callback,
    user_data: UserData,
}

impl Then {
    pub(crate) fn new(callback: sipc_reply_callback, user_data: *mut c_void, drop: crate::callback::sipc_drop) -> Then {
        Then { callback, user_data: UserData::new(user_data, drop) }
    }

    /// Calls back, then drops the user data. No borrow of the queue may be alive: C may use it.
    fn run(self, result: Result<Option<Message>>) {
        let Some(callback) = self.callback else { return };
        // C asks for strings, and cannot look whether they are JSON.
        let checked = result.and_then(|reply| match reply {
            Some(reply) => reply.check().map(|()| Some(reply)).map_err(Error::after_sending),
            None => Ok(None),
        });
        let (status, reply, error) = match checked {
            Ok(reply) => {
                (SIPC_OK, reply.map_or(null_mut(), |reply| sipc_message::new(reply).into_handle()), null_mut())
            }
            Err(error) => (error.kind().code(), null_mut(), sipc_error::new(error).into_handle()),
        };
        // SAFETY: a C function of this signature, which gets to own reply and error, with the data
        // that was given with it.
        unsafe { callback(status, reply, error, self.user_data.pointer()) };
    }
}

impl sipc_queue {
    fn owe(&mut self, ticket: Ticket, then: Then) {
        let place = place(ticket);
        if self.callbacks.len() <= place {
            self.callbacks.resize_with(place + 1, || None);
        }
        self.callbacks[place] = Some(Owed { ticket, then });
    }

    fn take_owed(&mut self, ticket: Ticket) -> Option<Then> {
        let slot = self.callbacks.get_mut(place(ticket))?;
        slot.take_if(|owed| owed.ticket == ticket).map(|owed| owed.then)
    }

    /// Notes a broadcast that waits to be sent: an error of it is told by the next call of its client.
    fn await_cast(&mut self, ticket: Ticket, client: ClientId) {
        self.casts.push((ticket, client));
    }

    /// Fails with what went wrong with earlier broadcasts of a client.
    fn check_casts(&mut self, client: ClientId) -> Result<()> {
        match self.cast_errors.iter().position(|(of, _)| *of == client) {
            Some(index) => Err(self.cast_errors.swap_remove(index).1),
            None => Ok(()),
        }
    }

    /// A call is over that nobody is to be called back for.
    fn note_cast(&mut self, ticket: Ticket, result: Result<Option<Message>>) {
        let Some(index) = self.casts.iter().position(|(of, _)| *of == ticket) else { return };
        let (_, client) = self.casts.swap_remove(index);
        if let Err(error) = result
            && !self.cast_errors.iter().any(|(of, _)| *of == client)
        {
            self.cast_errors.push((client, error));
        }
    }

    fn check_idle(&self) -> Result<()> {
        if self.processing {
            let text = "a queue cannot be processed or waited for inside one of its callbacks; return from it first";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(())
    }

    /// Moves what is done to `due`, with what is to be called: a call that is begun in a callback may
    /// get the place of one that is done.
    fn collect(&mut self) {
        let mut done = std::mem::take(&mut self.done);
        for Completion { ticket, result } in done.drain(..) {
            match self.take_owed(ticket) {
                Some(then) => self.due.push((then, result)),
                None => self.note_cast(ticket, result),
            }
        }
        self.done = done;
    }

    /// Gives out what is due. Returns how many calls that were.
    ///
    /// # Safety
    /// `queue` is alive, and no reference to it is.
    unsafe fn give_out(queue: *mut sipc_queue) -> usize {
        // SAFETY: by this function's contract; the reference ends before a callback runs.
        let mut due = unsafe {
            (*queue).processing = true;
            std::mem::take(&mut (*queue).due)
        };
        let count = due.len();
        for (then, result) in due.drain(..) {
            then.run(result);
        }
        // SAFETY: as above: C must not free a queue inside its callbacks.
        unsafe {
            (*queue).due = due;
            (*queue).processing = false;
        }
        count
    }
}

fn place(ticket: Ticket) -> usize {
    ticket.number() as u32 as usize
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
            let queue = Queue::new()?;
            out.write(
                sipc_queue {
                    queue,
                    process: Process::current(),
                    callbacks: Vec::new(),
                    casts: Vec::new(),
                    cast_errors: Vec::new(),
                    done: Vec::new(),
                    due: Vec::new(),
                    processing: false,
                }
                .into_handle(),
            );
            Ok(())
        })
    }
}

/// The descriptor that is readable while there is something for `sipc_queue_process` to do: for
/// `poll`, `epoll` or an event loop, level-triggered. It stays the library's; only watch it.
///
/// `queue`: NULL gives -1. -1 also in a forked child, in which the descriptor is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_descriptor(queue: *const sipc_queue) -> i32 {
    boundary::infallible(-1, || {
        // SAFETY: NULL or alive, by the header's contract.
        let queue = unsafe { sipc_queue::borrow_or_null(queue) }.filter(|queue| queue.process.is_current());
        queue.map_or(-1, |queue| queue.queue.as_fd().as_raw_fd())
    })
}

/// How many calls are under way: their callbacks have not run yet.
///
/// `queue`: NULL gives 0. 0 also in a forked child, in which no callback comes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_under_way(queue: *const sipc_queue) -> usize {
    boundary::infallible(0, || {
        // SAFETY: NULL or alive, by the header's contract.
        let queue = unsafe { sipc_queue::borrow_or_null(queue) }.filter(|queue| queue.process.is_current());
        queue.map_or(0, |queue| queue.queue.under_way() + queue.due.len())
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
            queue.queue.submit();
        }
    });
}

/// Does what there is to do without waiting, and runs the callbacks that are due.
///
/// `queue`: not NULL.
/// `completed`: where the number of calls that were completed is stored; may be NULL.
/// `error`: may be NULL.
///
/// Inside a callback of the queue it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_process(
    queue: *mut sipc_queue,
    completed: *mut usize,
    error: *mut *mut sipc_error,
) -> sipc_status {
    // SAFETY: pointers are NULL or good, by the header's contract.
    unsafe { process(queue, completed, error, |_| Ok(())) }
}

/// Waits until a call is completed, then does as `sipc_queue_process`. Sends what has gathered first.
///
/// `queue`: not NULL.
/// `timeout_ms`: how long to wait, or `SIPC_NO_TIMEOUT`. Afterwards `SIPC_OK` is returned with
/// `completed` 0.
/// `completed`: where the number of calls that were completed is stored; may be NULL.
/// `error`: may be NULL.
///
/// Inside a callback of the queue it returns `SIPC_INVALID_ARGUMENT`, in a forked child `SIPC_FORKED`.
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
                before(&mut queue.queue)?;
                queue.queue.process(&mut queue.done)?;
                queue.collect();
            }
            let count = sipc_queue::give_out(queue);
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
        let then = match unsafe { sipc_queue::borrow_mut_or_null(queue) } {
            Some(queue) => queue.queue.cancel(ticket).then(|| queue.take_owed(ticket)).flatten(),
            None => None,
        };
        if let Some(then) = then {
            then.run(Err(Error::new(ErrorKind::Cancelled, "the call was cancelled").after_sending()));
        }
    });
}

/// Frees a queue with its clients. Calls that are under way are given up: their callbacks get
/// `SIPC_CANCELLED`. Broadcasts that have gathered are still sent, for which it may wait up to a
/// second. Not legal inside a callback of the queue. In a forked child nothing is called or sent: the
/// calls are the parent's, and what belongs to them is left to it.
///
/// `queue`: may be NULL; not to be used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sipc_queue_free(queue: *mut sipc_queue) {
    boundary::infallible((), || {
        // SAFETY: NULL or owned by the caller, who gives it up, by the header's contract.
        let Some(queue) = (unsafe { sipc_queue::take(queue) }) else { return };
        let sipc_queue { queue, callbacks, process, due, .. } = *queue;
        drop(queue);
        if !process.is_current() {
            // What C gave is the parent's; to release it here, too, could undo what it still needs.
            std::mem::forget((callbacks, due));
            return;
        }
        for owed in callbacks.into_iter().flatten() {
            owed.then.run(Err(Error::new(ErrorKind::Cancelled, "the call's queue was freed").after_sending()));
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
            let started = call(&mut queue.queue)?;
            queue.owe(started, then);
            if !ticket.is_null() {
                ticket.write(started.number());
            }
            Ok(())
        })
    }
}
